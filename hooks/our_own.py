"""Which of the things that came through WHMCS's API the bridge did itself: known by its steps in the journal."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from hooks.about import client_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.jobs.ask import LONGEST_STEP
from whmcs_bridge.policy.decision import Kind

SLACK: Final = timedelta(seconds=5)
"""WHMCS's server has a clock of its own, and tells whole seconds."""
NEWEST: Final = 50
"""So many steps of three days are looked through."""
_MODULE: Final = {"Suspend": Kind.SUSPEND, "Unsuspend": Kind.UNSUSPEND, "Terminate": Kind.TERMINATE}
_MAKES: Final[Mapping[str, frozenset[Kind]]] = {
    **{f"AfterModule{act}": frozenset({kind}) for act, kind in _MODULE.items()},
    **{f"AfterModule{act}Failed": frozenset({kind}) for act, kind in _MODULE.items()},
    "ServiceEdit": frozenset(_MODULE.values()),
    "ClientEdit": frozenset({Kind.VIP_ADD, Kind.VIP_REMOVE}),
}
"""Hook point -> the steps of ours that make WHMCS call it."""


def our_own(event: HookEvent, bridge: Bridge) -> bool:
    """The bridge was at it itself at that moment; other programs use WHMCS's API as well."""
    kinds = _MAKES.get(event.point)
    if event.actor != Actor.API or not kinds:
        return False
    service, day = service_of(event), event.at.date()
    client = client_of(event, bridge) if service is None else None
    if service is None and client is None:
        return False
    near = timedelta(days=1)
    steps = bridge.journal.steps(client=client, service=service, since=day - near, until=day + near, limit=NEWEST)
    return any(
        step.step.kind in kinds
        and step.begun_at - SLACK <= event.at <= (step.ended_at or step.begun_at + LONGEST_STEP) + SLACK
        for step in steps
    )
