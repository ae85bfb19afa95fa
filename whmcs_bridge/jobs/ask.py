"""Answer WHMCS before it acts: may this service be suspended, released, ended now?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.domain.told import Told
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.explain import as_told, facts_for
from whmcs_bridge.jobs.facts import ClientMemory, facts_of
from whmcs_bridge.jobs.pause import handed_back, pause_stop, standing
from whmcs_bridge.jobs.refusals import why_refused
from whmcs_bridge.jobs.sanity import why_not_sane
from whmcs_bridge.jobs.scope import scope_of
from whmcs_bridge.policy import Ledgers, View, decide, judge, view_of
from whmcs_bridge.policy.decision import HARMFUL_SET, LIFTING, Decision, Due, Kind
from whmcs_bridge.policy.protections import hold
from whmcs_bridge.policy.stages import is_ours, request_is_due
from whmcs_bridge.ports import JournalStep, StepState

STALE_AFTER = timedelta(hours=26)
"""An older reading lets nothing harmful follow; a missed sync is noticed after the same time."""
LONGEST_STEP = timedelta(minutes=10)
"""No module call is waited for longer; the read time-out of module actions is 180 s by default."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to an ask, and why in one line."""

    allowed: bool
    why: str
    ours: bool = False
    """The bridge's own call, known by its open step."""
    advisory: bool = False
    """The bridge does not act for this client yet, or not any more: a refusal is only kept in mind."""


NOT_DOWN = Verdict(True, "not suspended as far as we know")


def may(
    ports: Ports,
    kind: Kind,
    service: ServiceId,
    *,
    paying: InvoiceId | None = None,
    told: Told | None = None,
    by_person: bool = False,
) -> Verdict:
    """Judge from mirror and journal; the invoice being paid right now is not held against the client.

    `told` is what WHMCS said about the client when it asked: it takes the place of what the mirror has of the client.

    A service that the mirror does not know is let through for a release and refused for harm: it returns tomorrow.
    While a pause stands, or a sanity stop of the last run, every harm is refused, also to products that no class takes.
    What a limit or the breaker kept today's runs from, and what the act hours keep them from, is refused to everybody
    but a person (`by_person`).
    """
    if any(
        e.step.service == service and e.step.kind is kind and _in_hand(ports, e) for e in ports.journal.open_steps()
    ):
        return Verdict(True, "the bridge's own step", ours=True)
    pause = standing(ports)
    given_back = pause is not None and pause.to_whmcs
    try:
        facts = facts_for(ports, service, told)
    except UnknownId as unknown:
        return Verdict(kind in LIFTING, str(unknown), advisory=given_back)
    if paying is not None:
        client = replace(facts.client, invoices=tuple(i for i in facts.client.invoices if i.id != paying))
        facts = replace(facts, client=client)
    outside = given_back or not scope_of(ports.journal).takes(facts.client.client, facts.client.group)
    held = (held_for_all(ports) or _too_old(ports, facts)) if kind in HARMFUL_SET else ""
    if held:
        return Verdict(False, held, advisory=outside)
    policy, today = ports.settings.policy, ports.today()
    view, resolved = view_of(facts, policy, today, Ledgers(facts.client, policy, today))
    if not resolved.class_name:
        return Verdict(True, "no class takes the product: not ours to judge")
    refused = "" if by_person else why_refused(ports, kind)
    if refused:
        return Verdict(False, refused, advisory=outside)
    verdict_on = _JUDGES.get(kind)
    if verdict_on is None:
        return Verdict(True, "not ours to judge")
    if kind is Kind.UNSUSPEND and view.service.status is not ServiceStatus.SUSPENDED:
        verdict = NOT_DOWN
    else:
        verdict = verdict_on(view, judge(view, resolved, noted=False))
    if kind is Kind.TERMINATE and told is not None and not verdict.allowed:
        verdict = _fixed_term(view, told) or verdict
    return replace(verdict, advisory=True) if outside else verdict


def may_cancel(ports: Ports, client: ClientId, invoice: InvoiceId, told: Told | None = None) -> Verdict:
    """Judge whether WHMCS may cancel an invoice because a cancellation was requested: not one that is overdue.

    `told` as with `may`. Of a client that nobody knows every invoice may go.
    """
    if told is not None and told.client != client:
        told = None
    book = ports.mirror.book(client) if told is None else as_told(ports, told)
    if book is None:
        return Verdict(True, f"no client {client} in the mirror")
    policy, today = ports.settings.policy, ports.today()
    memory = ClientMemory(ports.journal, today, client, [service.id for service in book.services])
    facts, services = facts_of(book, memory, complete=True)
    ledgers = Ledgers(facts, policy, today)
    outside = handed_back(ports) or not memory.scope.takes(book.client, book.group)
    for service in services:
        decision = decide(service, policy, today, ledgers, timed=False)
        if any(debt.invoice == invoice for debt in (*decision.debts, *decision.holding)):
            return Verdict(False, f"invoice {invoice} is overdue: it stays open", advisory=outside)
    return Verdict(True, "not overdue")


def _too_old(ports: Ports, facts: ServiceFacts) -> str:
    """Say that the client was last looked at too long ago for harm; "" where that is not so.

    Whoever has paid since would go down by an answer that rests on it. What WHMCS told with its question is of now.
    """
    if facts.as_of is None:
        return "the client was never read whole"
    age = ports.now() - facts.as_of
    return f"the client was last read {age.total_seconds() / 3600:.0f} hours ago" if age > STALE_AFTER else ""


def held_for_all(ports: Ports) -> str:
    """Say why nothing harmful may happen to anybody now; "" if it may."""
    stop = pause_stop(ports)
    if stop is not None:
        return stop.why
    return why_not_sane(ports.journal) if ports.settings.policy.sanity.enabled else ""


def _in_hand(ports: Ports, entry: JournalStep) -> bool:
    """The step is being carried out now; one that a killed run left open is nobody's leave to act."""
    return entry.state is StepState.BEGUN and ports.now() - entry.begun_at <= LONGEST_STEP


def may_unsuspend(view: View, decision: Decision) -> Verdict:
    """Not while debt holds the release back."""
    owed = decision.holding or decision.debts
    if view.service.status is not ServiceStatus.SUSPENDED:
        return NOT_DOWN
    if view.case.settled_by and view.case.adoption is Adoption.STAFF:
        return Verdict(False, f"{view.case.settled_by} said that the suspension is the staff's: no payment lifts it")
    if any(d.kind is Kind.UNSUSPEND for d in decision.due):
        return Verdict(True, "nothing that counts is owed")
    if owed:
        numbers = ", ".join(str(d.invoice) for d in owed)
        return Verdict(False, f"invoice {numbers} is still open")
    if not is_ours(view):
        return Verdict(True, "not our suspension, and nothing that counts is owed")
    return Verdict(False, "its debt was not paid")


def may_suspend(view: View, decision: Decision) -> Verdict:
    """Only what is due today."""
    if any(d.kind is Kind.SUSPEND for d in decision.due):
        return Verdict(True, "overdue by the house's rules")
    if not decision.debts:
        return Verdict(False, "no debt: is the next due date behind?")
    for held in decision.withheld:
        if held.kind is Kind.SUSPEND:
            return Verdict(False, held.why)
    return Verdict(False, f"not due before {decision.clocks.suspend_on or 'ever'}")


def may_suspend_addon(view: View, decision: Decision) -> Verdict:
    """Only as a step of ours: which debt is the addon's own is not asked here."""
    return Verdict(False, "an addon goes down in a sync only")


def may_terminate(view: View, decision: Decision) -> Verdict:
    """What is due today, and what its client asked for and whose day has come, unless something holds it."""
    if request_is_due(view):
        held_up = hold(view, Due(Kind.TERMINATE, "a cancellation request", by_request=True))
        return Verdict(False, held_up.why) if held_up else Verdict(True, "a cancellation request")
    if any(d.kind is Kind.TERMINATE for d in decision.due):
        return Verdict(True, "due by the house's rules")
    for held in decision.withheld:
        if held.kind is Kind.TERMINATE:
            return Verdict(False, held.why)
    when = decision.clocks.terminate_on
    return Verdict(False, f"not due before {when}" if when else "nothing in the house's rules ends it")


def _fixed_term(view: View, told: Told) -> Verdict | None:
    """A product sold for so many days ends by WHMCS's own rule, whatever is owed (facts sheet 10.2)."""
    days, began = told.fixed_terms.get(view.service.id), view.service.registered
    if not days or began is None or began + timedelta(days=days) > view.today:
        return None
    held_up = hold(view, Due(Kind.TERMINATE, "its fixed term has ended", by_request=True))
    return Verdict(False, held_up.why) if held_up else Verdict(True, "its fixed term has ended")


_JUDGES: Mapping[Kind, Callable[[View, Decision], Verdict]] = {
    Kind.UNSUSPEND: may_unsuspend,
    Kind.SUSPEND: may_suspend,
    Kind.TERMINATE: may_terminate,
    Kind.SUSPEND_ADDON: may_suspend_addon,
    Kind.CLOSE_ADDON: may_terminate,
}
