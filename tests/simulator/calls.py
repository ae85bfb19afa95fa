"""Ways for tests to call a simulated WHMCS."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from whmcs_bridge.simulator.faults import Fault, Faults
from whmcs_bridge.simulator.front import PATH, Answer, Front
from whmcs_bridge.simulator.state import World


def a_front(world: World, *faults: Fault, seed: int = 0) -> Front:
    return Front(world, Faults(faults, seed))


def ask(front: Front, action: str, path: str = PATH, **params: Any) -> Answer:
    """Send a form with the world's own credentials."""
    known = front.world.credentials
    form = {"identifier": known.identifier, "secret": known.secret, "action": action, "responsetype": "json"}
    return front.answer_text(urlencode({**form, **params}), path=path)


def reply_of(front: Front, action: str, **params: Any) -> Any:
    """The decoded reply of an action."""
    return msgspec.json.decode(ask(front, action, **params).body)
