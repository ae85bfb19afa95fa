"""The API of the simulated WHMCS: an action and its parameters in, the reply out."""

from collections.abc import Mapping
from typing import Any

from whmcs_bridge.simulator.actions import ACTIONS
from whmcs_bridge.simulator.actions.base import ApiError, Params, Reply
from whmcs_bridge.simulator.php import parse_pairs
from whmcs_bridge.simulator.records import Actor
from whmcs_bridge.simulator.state import World


class Panel:
    """Runs actions on a world as the API does, without transport, credentials or faults."""

    def __init__(self, world: World) -> None:
        self.world = world

    def call(self, action: str, params: Mapping[str, Any] | None = None) -> Reply:
        """Run an action with flat or nested parameters; refusals come back as replies."""
        pairs = {key: value if isinstance(value, dict) else str(value) for key, value in (params or {}).items()}
        flat = {key: value for key, value in pairs.items() if isinstance(value, str)}
        nested = {key: value for key, value in pairs.items() if not isinstance(value, str)}
        try:
            return self.run(action, Params({**parse_pairs(flat.items()), **nested}))
        except ApiError as refusal:
            return {refusal.key: "error", "message": refusal.message}

    def run(self, action: str, params: Params) -> Reply:
        """Run an action as the actor `api`; raises ApiError, with its HTTP status, for a refusal."""
        if not action:
            raise ApiError("Empty action request", status=400)
        name = action.lower()
        handler = ACTIONS.get(name)
        if handler is None:
            raise ApiError(f'Invalid API Action: "{name}" is not a valid API action')
        if name in self.world.switches.role_denied_actions:
            raise ApiError(f'Invalid Permissions: API action "{name}" is not allowed', status=403)
        before, self.world.actor = self.world.actor, Actor.API
        try:
            return handler(self.world, params)
        finally:
            self.world.actor = before
