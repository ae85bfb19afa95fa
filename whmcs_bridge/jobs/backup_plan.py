"""Freeze what goes: one list over all stores with a hash, made when a service has ended and kept until it is gone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.deletions import (
    DeletionPlan,
    ItemState,
    PlannedItem,
    PlanState,
    StoreVerdict,
    Untouched,
    key_of,
)
from whmcs_bridge.jobs.backup_look import Found, Look, Subject
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.ownership import digest_of, listing_digest, over_caps, unchanged
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.ports import EvidenceLink


def freeze_plan(
    ports: Ports, subject: Subject, looks: Mapping[str, Look], found: Mapping[str, Found], not_before: date
) -> DeletionPlan:
    """Make a plan of what was found and write it down; it replaces what was planned for the service before."""
    now = ports.now()
    items = [pair for one in found.values() for pair in one.mine.values()]
    items.sort(key=lambda pair: key_of(pair[0]))
    untouched = tuple(u for one in found.values() for u in one.untouched)
    rules, before = ports.settings.policy.backups, _standing_plan(ports, subject)
    in_store = {name: len(look.items) for name, look in looks.items() if not look.trouble}
    needs = over_caps([item for item, _ in items], in_store, rules)
    if subject.resellers:
        needs.append(f"a reseller's account, and {subject.resellers} accounts below it")
    plan = DeletionPlan(
        number=0,
        digest=digest_of(subject.service, [item for item, _ in items]),
        service=subject.service,
        client=subject.client,
        made_at=now,
        not_before=not_before,
        accounts=tuple(subject.accounts),
        items=tuple(PlannedItem(item, proofs, changed_at=now) for item, proofs in items),
        stores=tuple(_attested_before(before, _first_verdict(look, now)) for look in looks.values()),
        untouched=untouched,
        needs=tuple(needs),
    )
    return ports.journal.deletions.add_plan(plan, [_plan_link(ports, plan)])


def _standing_plan(ports: Ports, subject: Subject) -> DeletionPlan | None:
    """The plan that this one takes the place of, if it is about the same end of the same accounts."""
    plan = ports.journal.deletions.plan_of(subject.service)
    if plan is None or plan.state not in (PlanState.OPEN, PlanState.DONE):
        return None
    same = {(a.server, a.username) for a in plan.accounts} == {(a.server, a.username) for a in subject.accounts}
    return plan if same else None


def _attested_before(before: DeletionPlan | None, fresh: StoreVerdict) -> StoreVerdict:
    """A person's word about a store that cannot be listed holds for the next list of the other stores too."""
    old = before.store(fresh.store) if before is not None else None
    if old is None or old.state is not ItemState.ATTESTED or fresh.state is not ItemState.UNVERIFIABLE:
        return fresh
    return old


def _first_verdict(look: Look, now: datetime) -> StoreVerdict:
    state = ItemState.UNVERIFIABLE if look.trouble else ItemState.PLANNED
    kind, root = look.store.kind, "" if look.trouble else look.store.root
    return StoreVerdict(
        look.store.name,
        state,
        look.trouble,
        kind=kind,
        root=root,
        checked_at=now,
        listed=len(look.items),
        by_hand=look.by_hand,
    )


def fits(plan: DeletionPlan, found: Iterable[Found]) -> bool:
    """Whether everything found is what was planned: the same items, unchanged, none of them counted as gone."""
    if plan.state is not PlanState.OPEN:
        return False
    rows = {p.key: p for p in plan.items}
    aside = {key_of(p.aside): p for p in plan.items if p.aside is not None}
    for one in found:
        for key, (item, _) in one.mine.items():
            row = rows.get(key)
            if row is not None and not row.state.gone and unchanged(row.item, item):
                continue
            if key in aside or item.quarantine == plan.digest:
                continue
            return False
    return True


# --- evidence -------------------------------------------------------------------------------------


def item_json(item: BackupItem) -> dict[str, Any]:
    """An item as evidence names it: where, which, how large, when; no content."""
    told = {
        "store": item.store,
        "locator": item.locator,
        "version": item.version,
        "size": item.size,
        "at": item.at.isoformat() if item.at else None,
        "made_on": item.made_on.isoformat() if item.made_on else None,
        "etag": item.etag,
        "owner": item.owner_hint,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def untouched_json(one: Untouched) -> dict[str, Any]:
    return {**item_json(one.item), "verdict": one.verdict, "why": one.why}


def _plan_link(ports: Ports, plan: DeletionPlan) -> EvidenceLink:
    from whmcs_bridge import __version__

    policy: Policy = ports.settings.policy
    body = {
        "items": [{**item_json(p.item), "proofs": list(p.proofs)} for p in plan.items],
        "left_alone": [untouched_json(u) for u in plan.untouched],
        "accounts": [
            {
                "server": a.server,
                "username": a.username,
                "domain": a.domain,
                "since": a.since.isoformat() if a.since else None,
                "until": a.until.isoformat() if a.until else None,
                "under": a.under,
                "recorded_ids": sorted(a.proofs),
            }
            for a in plan.accounts
        ],
        "not_before": plan.not_before.isoformat(),
        "needs": list(plan.needs),
        "stores": [{"store": s.store, "kind": s.kind, "root": s.root, "why": s.why} for s in plan.stores],
        "policy": policy.version,
        "by": ports.actor,
        "tool": __version__,
    }
    return (plan.service, plan.digest, plan.made_at, "plan", body)


def listing_json(before: Sequence[BackupItem], after: Sequence[BackupItem]) -> dict[str, Any]:
    """Both listings by count and digest."""
    return {
        "before": {"items": len(before), "digest": listing_digest(before)},
        "after": {"items": len(after), "digest": listing_digest(after)},
    }
