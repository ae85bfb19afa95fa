"""Delete an ended service's backups: exact identity, a frozen plan, one item at a time, verified by listing again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.deletions import DeletionPlan, FrozenBy, Handover, ItemState, PlanState, StoreVerdict
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.errors import BridgeError, MovedOn
from whmcs_bridge.jobs.backup_accounts import accounts_of, identity_of, remember_accounts, twin_of
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
    subject = subject_of(ports, service, client, accounts, ports.journal.deletions.digests_of(service))
    subject.lives_again = living_twin(ports, subject)
    return subject


def delete_for(ports: Ports, facts: ServiceFacts, step: Step) -> str:
    """Delete every item that is provably this account's in every store; return the evidence in one line.

    Raises MovedOn where the service lives again, another living service uses the account, or what is left waits for
    something; BridgeError where a store could not be listed or did not let go: it is tried again by the next run.
    """
    if facts.service.status is None or not facts.service.status.ended:
        raise MovedOn(f"the service is {facts.service.status}: nothing is deleted")
    subject = subject_for(ports, facts)
    ended_on = facts.case.ended_on or facts.ended_seen or ports.today()
    return delete_all(ports, subject, ended_on, may_go(ports, step))


ASK_WHMCS_AGAIN = timedelta(minutes=5)


def may_go(ports: Ports, step: Step) -> Callable[[], bool]:
    """Return what is asked before every item: no pause, hold or wish has come, and the service has not come back.

    WHMCS itself is asked after so many minutes once more: what it cannot say holds.
    """
    asked_at = ports.now()

    def asked() -> bool:
        nonlocal asked_at
        assert step.service is not None
        if held_up(ports, step):
            return False
        if held_by_record(ports.journal.records(client=step.client), step.service, ports.today()):
            return False
        if standing_wish(ports, step.service) is not None:
            return False
        if ports.now() - asked_at <= ASK_WHMCS_AGAIN:
            return True
        try:
            found = ports.panel.service(step.service)
        except BridgeError:
            return False
        asked_at = ports.now()
        return found is None or (found.status is not None and found.status.ended)

    return asked


def held_by_record(records: Iterable[Record], service: ServiceId, today: date) -> str:
    """Say which hold or dispute stands against a deletion; "" for none. What is about the whole client counts."""
    for record in records:
        about = record.service_id in (None, service)
        if about and record.kind in (RecordKind.HOLD, RecordKind.DISPUTE) and record.protects_on(today):
            return f"a {record.kind} by {record.author} stands since {record.since}"
    return ""


def standing_wish(ports: Ports, service: ServiceId) -> Handover | None:
    """Return the client's wish for their data that holds the deletion today; None for none."""
    wish = ports.journal.deletions.handovers().get(service)
    return wish if wish is not None and wish.until >= ports.today() else None


def delete_all(ports: Ports, subject: Subject, not_before: date, may_go: Callable[[], bool], only: str = "") -> str:
    """Carry the deletion out as far as it goes; return the evidence in one line. Raises as `delete_for` does.

    `only`: the hash of the plan that a person has named; raises StalePlan where it does not fit any more. While
    another service lives under the name, only a plan goes that was made in spite of it and that a person has let go.
    """
    if subject.lives_again:
        plan = ports.journal.deletions.plan_of(subject.service)
        if plan is None or plan.state is not PlanState.OPEN or plan.lives_again != subject.lives_again:
            if plan is not None:
                freeze(ports, plan, subject.lives_again, FrozenBy.NAME)
            raise MovedOn(f"{subject.lives_again}; what may go: whmcs-bridge backups delete {subject.service}")
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
        raise MovedOn("no [[backup_store]] keeps backups of its servers")
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
    """Say which living service has one of the accounts now; "" for none."""
    return next((twin for account in subject.accounts if (twin := twin_of(ports, account))), "")
