"""Delete an ended service's backups: exact identity, a frozen plan, one item at a time, verified by listing again."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.deletions import DeletionPlan, ItemState, StoreVerdict
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, MovedOn
from whmcs_bridge.jobs.backup_accounts import accounts_of, identity_of, remember_accounts
from whmcs_bridge.jobs.backup_carry import carry, freeze
from whmcs_bridge.jobs.backup_look import Subject, subject_of
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.pause import held_up
from whmcs_bridge.plan.model import Step

IDENTITY = "identity"


def remember(ports: Ports, facts: ServiceFacts, proofs: Mapping[str, str] | None = None) -> None:
    """Keep the identity in the journal before the service ends, whether or not a store is configured: modules erase it.

    `proofs`: ids that are known beside WHMCS's own fields (a vmid, a uuid), by the name that a driver knows them by.
    Answers in milliseconds: no panel is asked. The caller holds the journal's writer.
    """
    remember_accounts(ports, facts, proofs or {})
    found = identity_of(facts.service, facts.service.registered, None)
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


def subject_for(ports: Ports, facts: ServiceFacts) -> Subject:
    """Return whose backups those of a service are: every account that it ever had, and who else had their names."""
    service = facts.service
    ended_on = facts.case.ended_on or facts.ended_seen
    accounts = accounts_of(ports, service, service.id, ended_on)
    return subject_for_accounts(ports, service.id, service.client_id, accounts)


def subject_for_accounts(
    ports: Ports, service: ServiceId, client: ClientId, accounts: Sequence[AccountIdentity]
) -> Subject:
    """The same for a service whose accounts are known from the journal alone."""
    return subject_of(ports, service, client, accounts, ports.journal.deletions.digests_of(service))


def delete_for(ports: Ports, facts: ServiceFacts, step: Step) -> str:
    """Delete every item that is provably this account's in every store; return the evidence in one line.

    Raises MovedOn where the service lives again, another living service uses the account, or what is left waits for
    something; BridgeError where a store could not be listed or did not let go: it is tried again by the next run.
    """
    if facts.service.status is None or not facts.service.status.ended:
        raise MovedOn(f"the service is {facts.service.status}: nothing is deleted")
    subject = subject_for(ports, facts)
    ended_on = facts.case.ended_on or facts.ended_seen or ports.today()
    return delete_all(ports, subject, ended_on, lambda: not held_up(ports, step))


def delete_all(ports: Ports, subject: Subject, not_before: date, may_go: Callable[[], bool], only: str = "") -> str:
    """Carry the deletion out as far as it goes; return the evidence in one line. Raises as `delete_for` does.

    `only`: the hash of the plan that a person has named; raises StalePlan where it does not fit any more.
    """
    twin = living_twin(ports, subject)
    if twin:
        plan = ports.journal.deletions.plan_of(subject.service)
        if plan is not None:
            freeze(ports, plan, twin)
        raise MovedOn(twin)
    plan = carry(ports, subject, not_before, may_go, only)
    return said_of(plan)


def said_of(plan: DeletionPlan) -> str:
    """Say in one line what a plan has come to; raises MovedOn for one that waits, BridgeError for one that failed."""
    if plan.waits_for_approval:
        raise MovedOn(f"plan {plan.digest[:12]} waits for approval: {'; '.join(plan.needs)}")
    if plan.settled:
        return "; ".join(_gone(plan, s) for s in plan.stores)
    undone = [s for s in plan.stores if not s.settled]
    if not undone:
        return "no backup store is configured for this server"
    lines = "; ".join(f"store {s.store}: {s.why or s.state.value}" for s in undone)
    if any(s.state in TRIED_AGAIN and not s.by_hand for s in undone):
        raise BridgeError(lines)
    raise MovedOn(lines)


TRIED_AGAIN = (ItemState.FAILED, ItemState.DELETING, ItemState.UNVERIFIABLE)


def _gone(plan: DeletionPlan, store: StoreVerdict) -> str:
    if not store.state.gone:
        return f"{store.store}: {store.why or store.state.value}"
    rows = [p for p in plan.items if p.item.store == store.store]
    return f"{store.store}: {len(rows)} deleted and gone" if rows else f"{store.store}: nothing there"


def living_twin(ports: Ports, subject: Subject) -> str:
    """Say which living service uses one of the accounts on the same server; "" for none."""
    for account in subject.accounts:
        if not account.username:
            continue  # nobody's twin: without a name only a store's own record of the owner can claim an item
        for other in ports.mirror.services_with_account(account.server, account.username):
            if other.id != subject.service and other.status in (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED):
                return f"service {other.id} lives on the same server under the name {account.username}"
    return ""
