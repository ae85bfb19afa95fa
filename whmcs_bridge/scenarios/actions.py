"""What happened, in the words of `actions` and `no_actions`, by whoever caused it."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from whmcs_bridge.ports import JournalStep, StepState, Task
from whmcs_bridge.simulator.modules import module_of
from whmcs_bridge.simulator.records import ServiceStatus
from whmcs_bridge.simulator.state import SimEvent, World

REVIEW = "staff:review"
REVIEW_AGAIN = "staff:review again"
"""A task that stands since an earlier day was raised once more: enough for `actions`, nothing for `no_actions`."""
_PLAIN = {
    "module:suspend": "module:suspend",
    "module:unsuspend": "module:unsuspend",
    "module:terminate": "module:terminate",
    "invoice:created": "invoice:create",
    "invoice:cancelled": "invoice:cancel",
}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happened; 0 is no service or client."""

    name: str
    date: dt.date
    service: int = 0
    client: int = 0
    detail: str = ""


def of_world(entry: SimEvent, world: World, vip_group: int) -> Action | None:
    """Return what an effect on WHMCS counts as, or None for one that no expectation can name."""
    name = _PLAIN.get(entry.kind)
    if name is None and entry.kind == "service:status":
        name = _by_status(entry, world)
    elif name is None and entry.kind == "group" and vip_group:
        before, _, after = entry.detail.partition("->")
        name = {before: "vip:remove", after: "vip:add"}.get(str(vip_group))
    if name is None:
        return None
    return Action(name, entry.at.date(), entry.service, entry.client, entry.actor)


def _by_status(entry: SimEvent, world: World) -> str | None:
    """A service without a module counts its status change as a module's."""
    service = world.services.get(entry.service)
    if service is None or module_of(world, service):
        return None
    before, _, after = entry.detail.partition("->")
    if after == ServiceStatus.SUSPENDED:
        return "module:suspend"
    if after == ServiceStatus.ACTIVE and before == ServiceStatus.SUSPENDED:
        return "module:unsuspend"
    ended = (ServiceStatus.TERMINATED, ServiceStatus.CANCELLED, ServiceStatus.FRAUD)
    return "module:terminate" if after in ended else None


def of_notices(steps: Iterable[JournalStep], seen: set[int], today: dt.date) -> list[Action]:
    """Return the notices that were sent and are not in `seen` yet."""
    found = []
    for step in sorted(steps, key=lambda s: s.number):
        if step.number not in seen and step.state is StepState.DONE:
            seen.add(step.number)
            service = int(step.step.service or 0)
            found.append(Action(f"notice:{step.step.message}", today, service, int(step.step.client)))
    return found


def of_tasks(tasks: Iterable[Task], seen: set[int], today: dt.date) -> list[Action]:
    """Return the tasks opened, and those raised again, since the last look."""
    found = []
    for task in tasks:
        if task.last_seen_on != today and task.opened_on != today:
            continue
        name = REVIEW if task.number not in seen and task.opened_on == today else REVIEW_AGAIN
        seen.add(task.number)
        text = f"{task.code}: {task.text}"
        found.append(Action(name, today, int(task.service or 0), int(task.client or 0), text))
    return found


def is_review_of(action: Action, mine: Collection[Action]) -> bool:
    """Staff is asked to look, at one of these or at the house as a whole (a limit, a sanity stop, a run's trouble)."""
    if action.name not in (REVIEW, REVIEW_AGAIN):
        return False
    return action in mine or not (action.service or action.client)


def matches(action: Action, service: int, client: int, owner: int) -> bool:
    """The action is about the service (or, naming none, about its client) and the client asked for; 0 asks for any."""
    if service:
        return action.service == service or (not action.service and action.client == owner)
    return not client or action.client == client
