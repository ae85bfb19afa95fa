"""Take back what one run did, as far as the world allows: suspensions, releases, group moves; say what stays."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.jobs.approvals import MANY, run_of
from whmcs_bridge.jobs.by_hand import Wish, plan_by_hand
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.settle import settle
from whmcs_bridge.plan.model import Plan, Step
from whmcs_bridge.plan.render import step_json, to_json
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import JournalStep, RunInfo, StepState

UNDO = "undo"
"""Job of a run that takes another one back."""
_TOOK_EFFECT = frozenset({StepState.DONE, StepState.BEGUN, StepState.UNKNOWN})
_OF_ONE_SERVICE = frozenset({Kind.SUSPEND, Kind.UNSUSPEND, Kind.TERMINATE, Kind.HAND_BACK})
_MOVES = frozenset({Kind.VIP_ADD, Kind.VIP_REMOVE})
_GROUPS = re.compile(r"group (\d+)(?: -> (\d+))?")


@dataclass(frozen=True, slots=True)
class Stays:
    """One step that is not taken back."""

    step: Step
    why: str
    todo: str = ""
    """What a person can do about it; "" is nothing."""


@dataclass(frozen=True, slots=True)
class Undo:
    """What taking a run back would do, and what stays as it is."""

    run: RunInfo
    plan: Plan
    stays: tuple[Stays, ...]

    def to_json(self) -> dict[str, Any]:
        """The shape of `undo --dry-run --json`; fields are added, never renamed."""
        stays = [{"step": step_json(one.step), "why": one.why, "todo": one.todo} for one in self.stays]
        return {"undoes": self.run.number, "job": self.run.job, **to_json(self.plan), "stays": stays}


_CANNOT: Mapping[Kind, tuple[str, str]] = {
    Kind.TERMINATE: ("an end cannot be taken back", "set the account up anew in WHMCS, from a backup if there is one"),
    Kind.DELETE_BACKUPS: ("what was deleted is gone", ""),
    Kind.NOTICE: ("the mail is out", ""),
    Kind.CANCEL_INVOICE: ("the invoice is Cancelled", "set it to Unpaid in WHMCS, if it is owed"),
    Kind.CLOSE_ADDON: ("the addon is closed", "set it to Active in WHMCS, if its service is"),
    Kind.UNSUSPEND_ADDON: ("the addon is up", "the next sync does what is due"),
    Kind.HAND_BACK: ("its reason is blank", "whmcs-bridge adopt --confirm says whose it is"),
}


def plan_undo(
    ports: Ports,
    number: int,
    *,
    by: str,
    reason: str,
    until: date | None,
    message: str = "",
    allow: Mapping[str, int] | None = None,
) -> Undo:
    """Look at what run `number` did and plan its reverse; nothing changes in WHMCS.

    What comes up again although it owes is held up until `until`; None: the next run does what the rules say.
    `message`: what the clients whose service comes back are sent. Raises UnknownId, UsageProblem for a run that did
    nothing.
    """
    with ports.journal.writer():
        run = run_of(ports, number)
        settle(ports, Memory(ports.journal, ports.today()))  # what it left open may not have happened
        entries = [e for e in reversed(ports.journal.steps(run=number, limit=MANY)) if e.state in _TOOK_EFFECT]
        if not entries:
            raise UsageProblem(f"run {number} ({run.job} of {run.today}) did nothing: there is nothing to undo")
        wishes: list[Wish] = []
        stays: list[Stays] = []
        by_key: dict[str, Step] = {}
        for entry in entries:
            found = _reverse(ports, entry, ByHand(by, reason, undoes=number, until=until, message=message))
            if isinstance(found, Stays):
                stays.append(found)
            else:
                wishes.append(found)
                by_key[found.key] = entry.step
        plan = plan_by_hand(ports, UNDO, wishes, allow=allow)
        return Undo(run, plan, (*stays, *_withheld(plan, wishes, by_key)))


def _withheld(plan: Plan, wishes: Sequence[Wish], steps: Mapping[str, Step]) -> list[Stays]:
    """What has changed since, or must not be taken back now."""
    left = {step.id.rpartition("@")[0] for step in (*plan.steps, *plan.refused)}
    found: list[Stays] = []
    for wish in wishes:
        if wish.key in left:
            continue
        why = [h.withheld.why for h in plan.withheld if (h.service, h.client) == (wish.service, wish.client)]
        found.append(Stays(steps[wish.key], _plainly(why) if why else "could not be read"))
    return found


def _plainly(why: Sequence[str]) -> str:
    """Without the advice that is for another command."""
    return "; ".join(dict.fromkeys(text.partition("; --")[0] for text in why))


def _reverse(ports: Ports, entry: JournalStep, asked: ByHand) -> Wish | Stays:
    step, kind = entry.step, entry.step.kind
    if kind in _CANNOT:
        return Stays(step, *_CANNOT[kind])
    newer = _newer(ports, entry)
    if newer is not None:
        return Stays(step, f"run {newer.run} took another step since: {newer.step.kind}")
    if kind in _MOVES:
        return _moved_back(ports, entry, asked)
    theirs = step.by_hand
    if kind is Kind.SUSPEND:
        staffs = theirs is not None and theirs.staffs
        words = theirs.reason if theirs is not None and staffs else ""
        up = _asked(asked, override=True, staffs=staffs, words=words)
        return Wish(Kind.UNSUSPEND, step.client, step.service, up)
    if kind is Kind.SUSPEND_ADDON:
        return Wish(Kind.UNSUSPEND_ADDON, step.client, step.service, _asked(asked, override=True), step.target)
    if theirs is not None and theirs.staffs:
        todo = f"whmcs-bridge service suspend {step.service} --abuse --reason ..."
        return Stays(step, "it was down for a reason of the staff's, which nobody kept", todo)
    return Wish(Kind.SUSPEND, step.client, step.service, _asked(asked, early=True, message=""))


def _asked(asked: ByHand, **more: Any) -> ByHand:
    given = {"until": asked.until, "message": asked.message} | more
    return ByHand(asked.by, asked.reason, undoes=asked.undoes, **given)


def _newer(ports: Ports, entry: JournalStep) -> JournalStep | None:
    """A step that took effect since on the same service, or group of the client: taking this back would undo that."""
    step = entry.step
    kinds = _MOVES if step.kind in _MOVES else _OF_ONE_SERVICE
    if step.kind is Kind.SUSPEND_ADDON:
        kinds = frozenset({Kind.SUSPEND_ADDON, Kind.UNSUSPEND_ADDON, Kind.CLOSE_ADDON, Kind.TERMINATE})
    about = {"service": step.service} if step.service is not None else {"client": step.client}
    for other in ports.journal.steps(**about, since=entry.begun_at.date(), limit=MANY):
        same = other.step.kind in kinds and (other.step.target == step.target or step.kind in _MOVES)
        if other.number > entry.number and same and other.state in _TOOK_EFFECT:
            return other
    return None


def _moved_back(ports: Ports, entry: JournalStep, asked: ByHand) -> Wish | Stays:
    """Back into the group where the client was; the journal has it with the step."""
    step, vip = entry.step, ports.settings.policy.vip
    group = ports.mirror.group_named(vip.group) if vip is not None else None
    if group is None:
        return Stays(step, "there is no VIP group any more", "move the client in WHMCS")
    said = _GROUPS.search(entry.note)
    before, after = (said[1], said[2] or said[1]) if said is not None else (None, None)
    known = ports.journal.membership(step.client)
    previous = known.previous_group if known is not None and known.previous_group is not None else 0
    if step.kind is Kind.VIP_REMOVE:
        now = int(after) if after is not None else previous
        return Wish(Kind.VIP_ADD, step.client, None, _asked(asked, group=now), int(group.id))
    back = int(before) if said is not None and said[2] is not None and before is not None else previous
    return Wish(Kind.VIP_REMOVE, step.client, None, _asked(asked, group=int(group.id)), back)
