"""Delete an ended service's backups: exact identity, one item at a time, verified by listing again."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Verdict
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, MovedOn
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.pause import held_up
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import BackupStore

IDENTITY = "identity"
DELETION = "deletion"


def identity_of(facts: ServiceFacts, today: date) -> AccountIdentity:
    """Freeze whose account this is, as WHMCS has it now."""
    service = facts.service
    return AccountIdentity(
        service=service.id,
        client=service.client_id,
        server=int(service.server_id),
        username=service.username,
        domain=service.domain,
        since=service.registered,
        until=facts.case.ended_on or (today if service.status is not None and service.status.ended else None),
        proofs={"dedicated_ip": service.dedicated_ip} if service.dedicated_ip else {},
    )


def remember(ports: Ports, facts: ServiceFacts) -> None:
    """Keep the identity in the journal before the service ends: modules erase it."""
    if not ports.stores:
        return
    found = identity_of(facts, ports.today())
    payload: dict[str, Any] = {
        "kind": IDENTITY,
        "server": found.server,
        "username": found.username,
        "domain": found.domain,
        "since": found.since.isoformat() if found.since else None,
        "proofs": dict(found.proofs),
    }
    known = [e for e in ports.journal.evidence(found.service) if e.get("kind") == IDENTITY]
    if not known or {k: known[-1].get(k) for k in payload} != payload:
        ports.journal.add_evidence(found.service, ports.now(), payload)


def recall(ports: Ports, facts: ServiceFacts) -> AccountIdentity:
    """Return the identity captured while the service lived; else what WHMCS still has."""
    captured = [e for e in ports.journal.evidence(facts.service.id) if e.get("kind") == IDENTITY]
    now = identity_of(facts, ports.today())
    if not captured:
        return now
    last = captured[-1]
    since = last.get("since")
    return AccountIdentity(
        service=now.service,
        client=now.client,
        server=int(last.get("server") or 0),
        username=str(last.get("username") or ""),
        domain=str(last.get("domain") or ""),
        since=date.fromisoformat(str(since)) if since else None,
        until=now.until,
        proofs=_proofs(last.get("proofs")),
    )


def _proofs(value: object) -> Mapping[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def delete_for(ports: Ports, facts: ServiceFacts, step: Step) -> str:
    """Delete every item that is provably this account's in every store; return the evidence in one line.

    Raises MovedOn where the service lives again or another living service uses the account, BridgeError where a store
    could not be listed or did not let go: the step is tried again by the next run.
    """
    if facts.service.status is None or not facts.service.status.ended:
        raise MovedOn(f"the service is {facts.service.status}: nothing is deleted")
    account = recall(ports, facts)
    shared = _living_twin(ports, facts, account)
    if shared:
        raise MovedOn(shared)
    lines: list[str] = []
    for store in ports.stores:
        lines.append(_delete_in(ports, store, account, step))
    return "; ".join(lines) or "no backup store is configured"


def _living_twin(ports: Ports, facts: ServiceFacts, account: AccountIdentity) -> str:
    """Say which living service uses the same account on the same server; "" for none."""
    if not account.username:
        return ""  # nobody's twin: without a name only a store's own record of the owner can claim an item
    for other in ports.mirror.services_with_account(account.server, account.username):
        if other.id != facts.service.id and other.status in (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED):
            return f"service {other.id} lives on the same server under the name {account.username}"
    return ""


def _delete_in(ports: Ports, store: BackupStore, account: AccountIdentity, step: Step) -> str:
    before = list(store.items())
    mine = [item for item in before if store.claim(item, account).verdict is Verdict.MINE]
    done: list[BackupItem] = []
    for item in mine:
        if held_up(ports, step):  # a pause stops a deletion between two items
            break
        store.delete(item)
        done.append(item)
    after = {item.locator for item in store.items()}
    left = [item for item in done if item.locator in after]
    lost = [i for i in before if i.locator not in after and i not in mine]
    _keep_evidence(ports, store, account, done, left, lost)
    if lost:
        text = f"store {store.name}: {len(lost)} items vanished that were not to be deleted"
        ports.journal.add_task(
            Note("store-collateral", text, "stop and look at the store", step.client, step.service), ports.today()
        )
    if left:
        raise BridgeError(f"store {store.name}: {len(left)} of {len(mine)} items are still there after the deletion")
    if len(done) < len(mine):
        raise MovedOn(f"store {store.name}: held after {len(done)} of {len(mine)} items; the rest waits for its end")
    return f"{store.name}: {len(mine)} deleted and gone"


def _keep_evidence(
    ports: Ports,
    store: BackupStore,
    account: AccountIdentity,
    mine: Sequence[BackupItem],
    left: Sequence[BackupItem],
    lost: Sequence[BackupItem],
) -> None:
    remaining = {item.locator for item in left}
    at: datetime = ports.now()
    for item in mine:
        payload = {
            "kind": DELETION,
            "store": store.name,
            "locator": item.locator,
            "size": item.size,
            "gone": item.locator not in remaining,
            "collateral": len(lost),
        }
        ports.journal.add_evidence(account.service, at, payload)
