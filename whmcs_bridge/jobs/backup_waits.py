"""Why deletions of backups cannot go on now: light, because the facts of every ended service ask for it."""

from collections.abc import Mapping
from datetime import date

from whmcs_bridge.domain.deletions import DeletionPlan, FrozenBy, ItemState, PlanState, StoreVerdict, Waiting
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.ports import Journal

HALTS = "backup-halts"
"""Remembered: store -> why every plan on it stands still."""
LIVE_PLANS = (PlanState.OPEN, PlanState.FROZEN)
SHORT = 12
"""So many letters of a hash name a plan to people."""
WAITS = (
    ItemState.LOCKED_UNTIL,
    ItemState.RESIDUAL_UNTIL,
    ItemState.ACCEPTED,
    ItemState.QUARANTINED,
    ItemState.REFUSED,
)
"""What no further attempt changes: it is looked at again later."""


def waiting_of(plan: DeletionPlan, halts: Mapping[str, str]) -> Waiting | None:
    """Say why the deletion cannot go on now; None where a run may try."""
    if plan.state is PlanState.FROZEN:
        return Waiting("backups-name" if plan.frozen_by is FrozenBy.NAME else "backups-frozen", plan.why)
    if plan.waits_for_approval:
        why = f"its plan needs approval: {'; '.join(plan.needs)}; {how_to_approve(plan)}"
        return Waiting("backups-approval", why)
    if not plan.stores:
        return Waiting("backups-no-store", "no [[backup_store]] keeps backups of its servers")
    undone = [s for s in plan.stores if not s.settled]
    if not undone:
        return None
    stuck = [s for s in undone if s.state in WAITS or s.by_hand or _in_doubt(s) or s.store in halts]
    if len(stuck) < len(undone):
        return None
    first = stuck[0]
    if first.store in halts:
        return Waiting("backups-halted", f"every plan on store {first.store} stands still: {halts[first.store]}")
    until = max((s.until.date() for s in stuck if s.until is not None), default=None)
    why = "; ".join(f"store {s.store}: {s.why or s.state.value}" for s in stuck)
    return Waiting(f"backups-{first.state.value.split('_')[0]}", why, until)


def _in_doubt(verdict: StoreVerdict) -> bool:
    """What it held has vanished without our doing: a later look has to say so again."""
    return verdict.state is ItemState.UNVERIFIABLE and verdict.until is not None


def how_to_approve(plan: DeletionPlan) -> str:
    """The command that approves a plan."""
    name = plan.digest[:SHORT]
    if plan.lives_again:
        return f'whmcs-bridge backups delete {plan.service} --plan {name} --override "why"'
    return f"whmcs-bridge backups plans approve {name}"


def halted(journal: Journal) -> dict[str, str]:
    """Return the stores on which every plan stands still, and why."""
    return dict(journal.get(HALTS, {}))


def waits(journal: Journal, today: date) -> dict[ServiceId, Waiting]:
    """Return why deletions cannot go on now, by service: plans that wait, and clients who asked for their data."""
    halts = halted(journal)
    plans = journal.deletions.plan_heads(LIVE_PLANS)
    found = {p.service: w for p in plans if (w := waiting_of(p, halts)) is not None}
    for service, wish in journal.deletions.handovers().items():
        if wish.until >= today:
            found[service] = Waiting("handover", f"the client asked for their data on {wish.asked_on}", wish.until)
    return found
