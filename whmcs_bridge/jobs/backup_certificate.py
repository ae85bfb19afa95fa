"""The certificate of a deletion: what the journal's evidence says about one service, fit to be shown to others.

It goes to the client, or to whoever audits the house, so it names nothing of anybody else: what was left alone because
it may be another's is counted and not named, and reasons are said in general words. What staff needs to know of it
stands in the plan (`backups plans show`).
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Verdict
from whmcs_bridge.domain.deletions import (
    Attestation,
    ChainLink,
    DeletionPlan,
    ItemState,
    PlannedItem,
    PlanState,
    StoreVerdict,
    Untouched,
)
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.jobs.backup_accounts import rivals_of
from whmcs_bridge.jobs.backup_chain import head_line
from whmcs_bridge.jobs.backup_waits import SHORT
from whmcs_bridge.jobs.context import Ports

SAYS_COMPLETE = (
    "Every store named here was listed completely after the deletion, and no listing showed an item of the accounts "
    "named here any more."
)
SAYS_PARTLY = (
    "What is said of a store rests on the listing named with it. A store that is not gone_verified or gone_before is "
    "not proved to be empty; what is known to be left is named or counted."
)
SAYS_ATTESTED = (
    "A store that is attested was not seen by a listing: a named person says that nothing is left in it, and answers "
    "for it. The bridge has not checked that."
)
SAYS_HOW = "Each item went one by one, after its name and at least one more thing had proved whose it was."
SAYS_NOT = (
    "It says nothing about copies that the client, their visitors or others have made.",
    "It says nothing about places that are not among the stores named here: other servers, disks, snapshots of file "
    "systems, tapes, replicas.",
    "A store's listing is what the store told; bytes on its disks may stay until they are written over.",
    "It names backups only. Mail, tickets, invoices and other records of the business are no part of it.",
)
STORE_SAYS: Mapping[ItemState, str] = {
    ItemState.PLANNED: "what was found has not been deleted yet",
    ItemState.QUARANTINED: "what was found was moved aside; it still exists",
    ItemState.DELETING: "a deletion was sent, and no listing has shown its effect yet",
    ItemState.ACCEPTED: "the store has accepted the deletion and works on it",
    ItemState.GONE_VERIFIED: "the account's items were deleted, and a complete listing does not show them any more",
    ItemState.RESIDUAL_UNTIL: "nothing is listed any more; the store itself keeps the bytes until the day named",
    ItemState.LOCKED_UNTIL: "a lock or legal hold of the store keeps items; locks are never lifted",
    ItemState.REFUSED: "items were left alone: they have changed, or nothing proves that they are this account's alone",
    ItemState.FAILED: "items are still there after the deletion",
    ItemState.UNVERIFIABLE: "it could not be listed completely, or its listing is not believed yet: nothing is known",
    ItemState.GONE_BEFORE: "a complete listing showed nothing of the account, and nothing had to be deleted",
    ItemState.ATTESTED: "not by a listing: on a person's word alone",
}
"""What each state means, for people who do not know the bridge."""
EVENT_SAYS: Mapping[str, str] = {
    "plan": "a list of what goes was made",
    "approved": "a person approved the list",
    "quarantined": "an item was moved aside",
    "deleted": "the deletion of an item was sent",
    "store": "a store was listed",
    "verified": "a store was listed again",
    "attested": "a person answered for a store",
    "verdict": "the deletion came to its end",
    "frozen": "the deletion was stopped",
    "thawed": "what had stopped the deletion was over",
    "put-back": "an item was put back where it had lain",
    "replaced": "another list took the place of this one",
    "rotated": "the panel's own rotation had removed items",
    "back": "items were there again",
    "halt": "a store was stopped",
    "lifted": "a store was released",
    "requested": "the client asked for their data, or had it",
}
"""What each kind of record means."""
STANDS_STILL = "deletions in it stand still until staff has looked at it"
BY_HAND = "its items have to be deleted by a person"
LEFT_SAYS: Mapping[str, str] = {
    Verdict.AMBIGUOUS: "nothing proves that it is this account's and nobody else's",
    Verdict.SHARED: "it holds data of others as well",
}


def certificate(ports: Ports, service: ServiceId) -> dict[str, Any]:
    """Return the certificate's content; raises UnknownId where there is no evidence about the service."""
    from whmcs_bridge import __version__

    deletions = ports.journal.deletions
    plan = deletions.plan_of(service)
    links = list(deletions.links(service))
    old = [e for e in ports.journal.evidence(service) if e.get("kind") == "deletion"]
    if plan is None and not links and not old:
        raise UnknownId(
            f"nothing was planned or deleted for service {service}; see: whmcs-bridge backups list {service}"
        )
    broken = deletions.broken_at()
    stone = deletions.tombstones().get(service)
    return {
        "service": int(service),
        "client": int(plan.client) if plan is not None else None,
        "issuer": urlsplit(ports.settings.whmcs.url).hostname or "",
        "tool": f"whmcs-bridge {__version__}",
        "issued_at": ports.now().isoformat(timespec="seconds"),
        "outcome": outcome_of(plan),
        "verdict": verdict_of(plan),
        "complete": plan is not None and plan.complete,
        "closed_because": plan.why if plan is not None and plan.state is PlanState.DONE else "",
        "erased_on": stone.erased_on.isoformat() if stone is not None else None,
        "plan": plan.digest if plan is not None else None,
        "planned_at": plan.made_at.isoformat(timespec="seconds") if plan is not None else None,
        "not_before": plan.not_before.isoformat() if plan is not None else None,
        "approved_by": plan.approved_by if plan is not None else "",
        "accounts": [_account_json(a) for a in plan.accounts if a.username] if plan is not None else [],
        "stores": [_store_json(s, plan, links) for s in plan.stores] if plan is not None else [],
        "left": _left(plan, _only_ours(ports, plan.accounts)) if plan is not None else [],
        "earlier": [{"store": e.get("store"), "locator": e.get("locator"), "gone": e.get("gone")} for e in old],
        "events": [
            {
                "number": n.number,
                "at": n.at,
                "kind": n.kind,
                "means": EVENT_SAYS.get(n.kind, n.kind),
                "digest": n.digest,
            }
            for n in links
        ],
        "chain": {
            "whole": not broken,
            "trouble": broken,
            "head": deletions.head(),
            "kept": head_line(ports)[0],
            "records": len(links),
        },
        "says": _says(plan),
        "says_not": list(SAYS_NOT),
    }


def outcome_of(plan: DeletionPlan | None) -> str:
    """Return what a plan has come to, in one word: complete, attested, closed, frozen, waits, open, none."""
    if plan is None:
        return "none"
    if plan.complete:
        return "complete"
    if plan.state is PlanState.DONE:
        return "attested" if plan.attested else "closed"
    if plan.state is PlanState.FROZEN:
        return "frozen"
    return "waits" if plan.waits_for_approval else "open"


def verdict_of(plan: DeletionPlan | None) -> str:
    """Say in a few words what a plan has come to, naming nobody else."""
    match outcome_of(plan):
        case "none":
            return "nothing was deleted by a plan"
        case "complete":
            return "complete: every store was listed and holds nothing of it any more"
        case "closed":
            return "closed by a person; what is named as left was not deleted"
        case "frozen":
            return "frozen: the service, or the name of its account, is in use again"
        case "waits":
            return "not complete: the deletion waits for approval"
    assert plan is not None
    if plan.attested:
        words = [s for s in plan.stores if s.state is ItemState.ATTESTED]
        seen = len(plan.stores) - len(words)
        said = "; ".join(f"{s.store} on the word of {s.attested.by}" for s in words if s.attested is not None)
        return f"attested, not complete: {seen} of {len(plan.stores)} stores verified by listing; {said}"
    undone = [s for s in plan.stores if not s.settled]
    return "not complete: " + "; ".join(f"{s.store}: {_meaning(s, plan)}" for s in undone)


def _says(plan: DeletionPlan | None) -> list[str]:
    if plan is not None and plan.complete:
        return [SAYS_COMPLETE, SAYS_HOW]
    attested = plan is not None and any(s.state is ItemState.ATTESTED for s in plan.stores)
    return [SAYS_PARTLY, *((SAYS_ATTESTED,) if attested else ()), SAYS_HOW]


def _account_json(account: AccountIdentity) -> dict[str, Any]:
    return {
        "server": account.server,
        "username": account.username,
        "domain": account.domain,
        "since": account.since.isoformat() if account.since else None,
        "until": account.until.isoformat() if account.until else None,
        "under": account.under,
    }


def _store_json(store: StoreVerdict, plan: DeletionPlan, links: Sequence[ChainLink]) -> dict[str, Any]:
    own = [p for p in plan.items if p.item.store == store.store]
    return {
        "store": store.store,
        "kind": store.kind,
        "root": store.root,
        "state": store.state.value,
        "why": "" if store.state.gone and store.complete else _meaning(store, plan),
        "means": _meaning(store, plan),
        "until": store.until.isoformat() if store.until else None,
        "view_complete": store.complete,
        "checked_at": store.checked_at.isoformat(timespec="seconds") if store.checked_at else None,
        "verified_again": [n.at for n in links if n.kind == "verified" and (n.plan, _about(n)) == _of(plan, store)],
        "listed": store.listed,
        "listing_digest": store.digest,
        "attested": _attested_json(store.attested) if store.attested and not store.state.gone else None,
        "items": [_row_json(p) for p in own],
        "bytes": sum(p.item.size or 0 for p in own),
    }


def _of(plan: DeletionPlan, store: StoreVerdict) -> tuple[str, str]:
    return plan.digest, store.store


def _meaning(store: StoreVerdict, plan: DeletionPlan) -> str:
    """Say what a store's state means, without the words of the store or the names of others."""
    if store.state is ItemState.REFUSED:
        left = any(p.item.store == store.store and p.state is ItemState.REFUSED for p in plan.items)
        if store.by_hand:
            return BY_HAND
        if not left and not any(u.item.store == store.store for u in plan.untouched):
            return STANDS_STILL
    if store.state.gone and not store.complete:
        return STORE_SAYS[ItemState.UNVERIFIABLE]
    until = f" ({store.until.date()})" if store.until is not None else ""
    return STORE_SAYS[store.state] + until


def _attested_json(given: Attestation) -> dict[str, Any]:
    return {
        "by": given.by,
        "recorded_by": given.recorded_by,
        "at": given.at.isoformat(timespec="seconds"),
        "because": given.because,
        "reference": given.reference,
        "proofs": [{"name": p.name, "sha256": p.sha256, "bytes": p.size} for p in given.proofs],
    }


def _about(link: ChainLink) -> str:
    found = json.loads(link.body)
    return str(found.get("store", "")) if isinstance(found, Mapping) else ""


def _row_json(row: PlannedItem) -> dict[str, Any]:
    return {
        **_item(row.item),
        "state": row.state.value,
        "note": row.item.lock if row.state is ItemState.LOCKED_UNTIL else "",
        "proofs": list(row.proofs),
        "until": row.until.isoformat() if row.until else None,
    }


def _item(item: BackupItem) -> dict[str, Any]:
    return {
        "locator": item.locator,
        "version": item.version,
        "size": item.size,
        "at": item.at.isoformat() if item.at else None,
    }


# --- what is left --------------------------------------------------------------------------------------


def _only_ours(ports: Ports, accounts: Sequence[AccountIdentity]) -> set[str]:
    """Names of these accounts that no other service has ever had."""
    named = [a for a in accounts if a.username]
    return {a.username for a in named} - {a.username for a in named if rivals_of(ports, a)}


def _left(plan: DeletionPlan, ours: Collection[str]) -> list[dict[str, Any]]:
    """What was left alone: named where it can be nobody else's, else by a mark that staff can look up."""
    return [_left_json(one, named=one.item.account in ours and not one.item.shared) for one in plan.untouched]


def _left_json(one: Untouched, *, named: bool) -> dict[str, Any]:
    why = f"{one.verdict}: {LEFT_SAYS.get(one.verdict, 'it was left alone')}"
    where = {"store": one.item.store, "mark": mark_of(one.item), "why": why}
    if named and one.verdict == Verdict.AMBIGUOUS:
        return {**where, **_item(one.item)}
    return {**where, "locator": None, "version": None, "size": None, "at": None}


def mark_of(item: BackupItem) -> str:
    """Return a short hash by which staff finds an item that a certificate does not name."""
    return hashlib.sha256(f"{item.store}/{item.locator}/{item.version or ''}".encode()).hexdigest()[:SHORT]


# --- as text ---------------------------------------------------------------------------------------


def certificate_lines(it: Mapping[str, Any]) -> list[str]:
    """Return the certificate as text for people, a line each."""
    lines = [f"Deletion of backups, service {it['service']}" + (f", client {it['client']}" if it["client"] else "")]
    lines += [f"issued    {it['issued_at']} by {it['issuer']}", f"verdict   {it['verdict']}"]
    if it["closed_because"]:
        lines.append(f"          {it['closed_because']}")
    if it["plan"]:
        approved = f", approved by {it['approved_by']}" if it["approved_by"] else ""
        lines.append(f"plan      {it['plan'][:SHORT]}, frozen {it['planned_at']}{approved}")
    for a in it["accounts"]:
        under = f" (under {a['under']})" if a["under"] else ""
        lines.append(
            f"account   {a['username']}{under} on server {a['server']}, {a['since'] or '?'} to {a['until'] or '?'}"
        )
    for s in it["stores"]:
        lines += ["", *_store_lines(s)]
    if it["left"]:
        lines += ["", "Left:"]
        lines += [
            f"  {i['locator'] or 'item ' + i['mark'] + ' (not named)'} in {i['store']}: {i['why']}" for i in it["left"]
        ]
    lines += ["", "It says:", *(f"  - {line}" for line in it["says"])]
    lines += ["", "It does not say:", *(f"  - {line}" for line in it["says_not"])]
    chain = it["chain"]
    lines += ["", f"{chain['records']} records, chain {'whole' if chain['whole'] else 'broken: ' + chain['trouble']}"]
    lines.append(f"head of the chain {chain['kept'] or chain['head']}")
    return lines


def _store_lines(s: Mapping[str, Any]) -> list[str]:
    lines = [f"{s['store']} ({s['kind']}, {s['root']}): {s['state']}: {s['means']}"]
    if s["checked_at"]:
        seen = f"completely, {s['listed']} items in all" if s["view_complete"] else "not completely"
        lines.append(f"  listed {s['checked_at']}, {seen}")
    lines += [f"  listed again {at}" for at in s["verified_again"]]
    given = s["attested"]
    if given:
        typed = f" (recorded by {given['recorded_by']})" if given["recorded_by"] != given["by"] else ""
        lines.append(f"  attested by {given['by']}{typed} {given['at']}: {given['because']}")
        lines += [f"  reference {given['reference']}"] if given["reference"] else []
        lines += [f"  proof {p['name']}, {p['bytes']} bytes, sha256 {p['sha256']}" for p in given["proofs"]]
    for i in s["items"]:
        size = f", {i['size']} bytes" if i["size"] is not None else ""
        note = f": {i['note']}" if i["note"] else ""
        lines.append(f"  {i['state']}{note}  {i['locator']}{size}  ({'; '.join(i['proofs'])})")
    return lines
