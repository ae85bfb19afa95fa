"""The certificate of a deletion: what the journal's evidence says about one service, fit to be shown to others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from whmcs_bridge.domain.deletions import ChainLink, DeletionPlan, PlannedItem, PlanState, StoreVerdict
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.jobs.context import Ports

SAYS_COMPLETE = (
    "Every store named here was listed completely after the deletion, and no listing showed an item of the accounts "
    "named here any more."
)
SAYS_PARTLY = (
    "What is said of a store rests on the listing named with it. A store that is not gone_verified or gone_before is "
    "not proved to be empty; what is known to be left is named."
)
SAYS_HOW = "Each item went one by one, after its name and at least one more thing had proved whose it was."
SAYS_NOT = (
    "It says nothing about copies that the client, their visitors or others have made.",
    "It says nothing about places that are not among the stores named here: other servers, disks, snapshots of file "
    "systems, tapes, replicas.",
    "A store's listing is what the store told; bytes on its disks may stay until they are written over.",
    "It names backups only. Mail, tickets, invoices and other records of the business are no part of it.",
)


def certificate(ports: Ports, service: ServiceId) -> dict[str, Any]:
    """Return the certificate's content; raises UnknownId where there is no evidence about the service."""
    deletions = ports.journal.deletions
    plan = deletions.plan_of(service)
    links = list(deletions.links(service))
    old = [e for e in ports.journal.evidence(service) if e.get("kind") == "deletion"]
    if plan is None and not links and not old:
        raise UnknownId(
            f"nothing was planned or deleted for service {service}; see: whmcs-bridge backups list {service}"
        )
    broken = deletions.broken_at()
    stones = deletions.tombstones().get(service)
    return {
        "service": int(service),
        "client": int(plan.client) if plan is not None else None,
        "issued_at": ports.now().isoformat(timespec="seconds"),
        "verdict": verdict_of(plan),
        "complete": plan is not None and plan.complete,
        "closed_because": plan.why if plan is not None and plan.state is PlanState.DONE else "",
        "erased_on": stones.erased_on.isoformat() if stones is not None else None,
        "plan": plan.digest if plan is not None else None,
        "planned_at": plan.made_at.isoformat(timespec="seconds") if plan is not None else None,
        "approved_by": plan.approved_by if plan is not None else "",
        "accounts": [_account_json(a) for a in plan.accounts] if plan is not None else [],
        "stores": [_store_json(s, plan.items, links) for s in plan.stores] if plan is not None else [],
        "left": [{**_item(u.item), "why": f"{u.verdict}: {u.why}"} for u in plan.untouched] if plan is not None else [],
        "earlier": [{"store": e.get("store"), "locator": e.get("locator"), "gone": e.get("gone")} for e in old],
        "events": [{"number": n.number, "at": n.at, "kind": n.kind, "digest": n.digest} for n in links],
        "chain": {"whole": not broken, "trouble": broken, "head": deletions.head(), "records": len(links)},
        "says": [SAYS_COMPLETE if plan is not None and plan.complete else SAYS_PARTLY, SAYS_HOW],
        "says_not": list(SAYS_NOT),
    }


def verdict_of(plan: DeletionPlan | None) -> str:
    """Say in a few words what a plan has come to."""
    if plan is None:
        return "nothing was deleted by a plan"
    if plan.complete:
        return "complete: every store was listed and holds nothing of it any more"
    if plan.state is PlanState.DONE:
        return "closed by a person; what is named as left was not deleted"
    if plan.state is PlanState.FROZEN:
        return f"frozen: {plan.why}"
    if plan.waits_for_approval:
        return "waits for approval"
    undone = [s for s in plan.stores if not (s.state.gone and s.complete)]
    return "not complete: " + "; ".join(f"{s.store}: {s.why or s.state.value}" for s in undone)


def _account_json(account: Any) -> dict[str, Any]:
    return {
        "server": account.server,
        "username": account.username,
        "domain": account.domain,
        "since": account.since.isoformat() if account.since else None,
        "until": account.until.isoformat() if account.until else None,
        "under": account.under,
    }


def _store_json(store: StoreVerdict, items: Sequence[PlannedItem], links: Sequence[ChainLink]) -> dict[str, Any]:
    own = [p for p in items if p.item.store == store.store]
    return {
        "store": store.store,
        "kind": store.kind,
        "root": store.root,
        "state": store.state.value,
        "why": store.why,
        "until": store.until.isoformat() if store.until else None,
        "view_complete": store.complete,
        "checked_at": store.checked_at.isoformat(timespec="seconds") if store.checked_at else None,
        "verified_again": [link.at for link in links if link.kind == "verified" and _about(link) == store.store],
        "listed": store.listed,
        "listing_digest": store.digest,
        "items": [
            {**_item(p.item), "state": p.state.value, "note": p.note, "proofs": list(p.proofs)}
            | ({"until": p.until.isoformat()} if p.until else {})
            for p in own
        ],
        "bytes": sum(p.item.size or 0 for p in own),
    }


def _about(link: ChainLink) -> str:
    found = json.loads(link.body)
    return str(found.get("store", "")) if isinstance(found, Mapping) else ""


def _item(item: Any) -> dict[str, Any]:
    return {
        "locator": item.locator,
        "version": item.version,
        "size": item.size,
        "at": item.at.isoformat() if item.at else None,
    }


def certificate_lines(it: Mapping[str, Any]) -> list[str]:
    """Return the certificate as text for people, a line each."""
    lines = [f"Deletion of backups, service {it['service']}" + (f", client {it['client']}" if it["client"] else "")]
    lines += [f"issued    {it['issued_at']}", f"verdict   {it['verdict']}"]
    if it["plan"]:
        approved = f", approved by {it['approved_by']}" if it["approved_by"] else ""
        lines.append(f"plan      {it['plan'][:12]}, frozen {it['planned_at']}{approved}")
    for a in it["accounts"]:
        under = f" (under {a['under']})" if a["under"] else ""
        lines.append(
            f"account   {a['username']}{under} on server {a['server']}, {a['since'] or '?'} to {a['until'] or '?'}"
        )
    for s in it["stores"]:
        why = f": {s['why']}" if s["why"] else ""
        lines += ["", f"{s['store']} ({s['kind']}, {s['root']}): {s['state']}{why}"]
        lines.append(
            f"  listed {s['checked_at']}, {'complete' if s['view_complete'] else 'not complete'}, {s['listed']} items"
        )
        lines += [f"  listed again {at}" for at in s["verified_again"]]
        for i in s["items"]:
            size = f", {i['size']} bytes" if i["size"] is not None else ""
            lines.append(f"  {i['state']}  {i['locator']}{size}  ({'; '.join(i['proofs'])})")
    if it["left"]:
        lines += ["", "Left:"]
        lines += [f"  {i['locator']}: {i['why']}" for i in it["left"]]
    lines += ["", "It says:", *(f"  - {line}" for line in it["says"])]
    lines += ["", "It does not say:", *(f"  - {line}" for line in it["says_not"])]
    chain = it["chain"]
    lines += ["", f"{chain['records']} records, chain {'whole' if chain['whole'] else 'broken: ' + chain['trouble']}"]
    lines.append(f"newest record {chain['head']}")
    return lines
