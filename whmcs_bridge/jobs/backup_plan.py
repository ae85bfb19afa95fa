"""Freeze what goes: one list over all stores with a hash, made when a service has ended and kept until it is gone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem
from whmcs_bridge.domain.deletions import (
    DeletionPlan,
    ItemState,
    PlannedItem,
    PlanState,
    StoreVerdict,
    Untouched,
    key_of,
)
from whmcs_bridge.jobs.backup_look import Found, Look, Subject, root_of
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.ownership import EARLIEST, digest_of, listing_digest, over_caps, unchanged
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.ports import BackupStore, EvidenceLink


def freeze_plan(
    ports: Ports, subject: Subject, looks: Mapping[str, Look], found: Mapping[str, Found], not_before: date
) -> DeletionPlan:
    """Make a plan of what was found and write it down; it replaces what was planned for the service before."""
    now = ports.now()
    items = [pair for one in found.values() for pair in one.mine.values()]
    items.sort(key=lambda pair: key_of(pair[0]))
    items.sort(key=lambda pair: pair[0].at or EARLIEST, reverse=True)  # newest first: it may rest on older ones
    untouched = tuple(u for one in found.values() for u in one.untouched)
    beside = frozenset(key for look in looks.values() for key in look.beside)
    before, attested = ports.journal.deletions.plan_of(subject.service), _standing_plan(ports, subject)
    plan = DeletionPlan(
        number=0,
        digest=digest_of(subject.service, [item for item, _ in items], subject.lives_again),
        service=subject.service,
        client=subject.client,
        made_at=now,
        not_before=not_before,
        accounts=tuple(subject.accounts),
        items=tuple(_planned(item, proofs, now, beside=key_of(item) in beside) for item, proofs in items),
        stores=(
            *(_attested_before(attested, _first_verdict(look, now)) for look in looks.values()),
            *(_without_store(before, [look.store for look in looks.values()]) if before is not None else ()),
        ),
        untouched=untouched,
        needs=tuple(_needs(ports, subject, looks, [item for item, _ in items])),
        lives_again=subject.lives_again,
    )
    return ports.journal.deletions.add_plan(_approved_before(before, plan), [_plan_link(ports, plan)])


def _planned(item: BackupItem, proofs: tuple[str, ...], now: datetime, *, beside: bool) -> PlannedItem:
    """What an earlier plan has moved aside lies there already."""
    if not item.quarantine:
        return PlannedItem(item, proofs, changed_at=now, beside=beside)
    return PlannedItem(item, proofs, ItemState.QUARANTINED, aside=item, changed_at=now)


def _needs(ports: Ports, subject: Subject, looks: Mapping[str, Look], items: Sequence[BackupItem]) -> Iterator[str]:
    """Say why a person has to approve this very list."""
    in_store = {name: len(look.items) for name, look in looks.items() if not look.trouble}
    yield from over_caps(items, in_store, ports.settings.policy.backups)
    if subject.resellers:
        yield f"a reseller's account, and {subject.resellers} accounts below it"
    if subject.lives_again:
        yield f"{subject.lives_again}: these are surely from before"
    if failed := _module_failed(ports, subject):
        yield failed


def _module_failed(ports: Ports, subject: Subject) -> str:
    """The module said that it could not end the account, nobody has seen it end since, and no panel can tell."""
    case = ports.journal.cases([subject.service]).get(subject.service)
    servers = {a.server for a in subject.accounts if a.username}
    if (case is not None and case.ended_by == "bridge") or servers <= set(subject.living):
        return ""
    told = [e for e in ports.journal.evidence(subject.service) if e.get("act") == "AfterModuleTerminateFailed"]
    return f"its module could not end it on {str(told[-1].get('at'))[:10]}, and no panel confirms it" if told else ""


def _approved_before(before: DeletionPlan | None, plan: DeletionPlan) -> DeletionPlan:
    """An approval is of a list: where the same list is made once more for no further reason, it stands."""
    if before is None or before.digest != plan.digest or not set(plan.needs) <= set(before.needs):
        return plan
    same_life = [(a.server, a.username, a.until) for a in before.accounts] == [
        (a.server, a.username, a.until) for a in plan.accounts
    ]
    return replace(plan, approved_by=before.approved_by, approved_at=before.approved_at) if same_life else plan


# --- stores that come, go, and are renamed ------------------------------------------------------------


def other_stores(plan: DeletionPlan, stores: Sequence[BackupStore]) -> str:
    """Say what has changed about the stores since a plan was made, so that it needs another; "" for nothing."""
    roots = {store.name: root_of(store) for store in stores}
    for name, root in roots.items():
        verdict = plan.store(name)
        if verdict is None or verdict.left_settings:
            return f"store {name} was added"
        if root and verdict.root and verdict.root != root:
            return f"store {name} is at {root} now"
    for verdict in plan.stores:
        if verdict.store not in roots and not verdict.settled and not verdict.left_settings:
            return f"store {verdict.store} is none of its stores any more"
    return ""


def _without_store(before: DeletionPlan, stores: Sequence[BackupStore]) -> Iterator[StoreVerdict]:
    """Keep in sight what was not settled in a store that is no longer there, or is somewhere else now.

    One that only has another name is the same place, and looked at by that name.
    """
    roots = {store.name: root_of(store) for store in stores}
    known = {s.store for s in before.stores if not s.left_settings}
    fresh = {(s.kind, roots[s.name]) for s in stores if s.name not in known or roots[s.name] != _root(before, s.name)}
    for old in before.stores:
        here = roots.get(old.store)
        elsewhere = here is not None and bool(old.root) and bool(here) and here != old.root
        if old.settled or (here is not None and not elsewhere) or (old.root and (old.kind, old.root) in fresh):
            continue
        if old.left_settings:
            yield old
            continue
        left = sum(1 for p in before.items if p.item.store == old.store and not p.state.gone)
        why = f"it is no store of this service in the settings any more ({old.root or 'never read'}), and {left} items"
        why += " were planned there: put it back into the settings, or close the plan"
        name = f"{old.store} (was {old.root})" if elsewhere else old.store
        left_alone = replace(old, store=name, state=ItemState.REFUSED, why=why, until=None, next_check_at=None)
        yield replace(left_alone, left_settings=True)


def _root(plan: DeletionPlan, store: str) -> str:
    verdict = plan.store(store)
    return verdict.root if verdict is not None else ""


def is_over(plan: DeletionPlan, subject: Subject, stores: Sequence[BackupStore]) -> bool:
    """It has come to its verdict already, for this very end of the service and these stores."""
    same = _ends(plan.accounts) == _ends(subject.accounts)
    return plan.state is PlanState.DONE and plan.settled and same and not other_stores(plan, stores)


def _standing_plan(ports: Ports, subject: Subject) -> DeletionPlan | None:
    """The plan that this one takes the place of, if it is about the same end of the same accounts."""
    plan = ports.journal.deletions.plan_of(subject.service)
    if plan is None or plan.state is PlanState.FROZEN:
        return None
    return plan if _ends(plan.accounts) == _ends(subject.accounts) else None


def _ends(accounts: Iterable[AccountIdentity]) -> set[tuple[int, str, date | None]]:
    """What tells one end of a service from a later one of the same accounts."""
    return {(a.server, a.username, a.until) for a in accounts}


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


def fits(plan: DeletionPlan, found: Iterable[Found], lives_again: str = "") -> bool:
    """Whether everything found is what was planned: the same items, unchanged, none of them counted as gone."""
    if plan.state is not PlanState.OPEN or plan.lives_again != lives_again:
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
        "lives_again": plan.lives_again,
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
