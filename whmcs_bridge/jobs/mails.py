"""Notices: one mail for what a client has to hear of one kind, sent once, delivered or told to staff."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from whmcs_bridge.domain.book import Contact, SentEmail
from whmcs_bridge.domain.case import SentNotice
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.money import ZERO, Money
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, WhmcsError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.cases import after_notice
from whmcs_bridge.policy.decision import Decision, Kind
from whmcs_bridge.policy.rules import FINAL_WARNING, SUSPENSION_WARNING, Message
from whmcs_bridge.settings.messages import BUILT_IN, render

MUST_ARRIVE = frozenset({SUSPENSION_WARNING, FINAL_WARNING})
"""Messages whose delivery is looked up: a step rests on them."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail about one or more services of a client; `subject` is "" for WHMCS's templates."""

    client: ClientId
    template: str
    subject: str
    html: str
    about: str
    """WHMCS's message type, invoice or product; `related` is that thing's id."""
    related: int


@dataclass(frozen=True, slots=True)
class Concern:
    """One service that a mail speaks of: what was planned, and how the service is judged now."""

    step: Step
    facts: ServiceFacts
    decision: Decision


def message_named(ports: Ports, name: str) -> Message:
    """Return the message of this name: from the settings, built in, or else WHMCS's template of that name."""
    return ports.settings.policy.messages.get(name) or BUILT_IN.get(name) or Message(name, template=name)


def compose(ports: Ports, name: str, concerns: Sequence[Concern]) -> Mail:
    """Write the mail about these services of one client."""
    message = message_named(ports, name)
    first = concerns[0]
    invoices = sorted({i for c in concerns for i in c.step.invoices})
    about = "invoice" if invoices and first.facts.service.status is ServiceStatus.ACTIVE else "product"
    if message.template:
        about = message.about
    related = {"invoice": int(invoices[0]) if invoices else 0, "general": int(first.step.client)}.get(
        about, int(first.facts.service.id)
    )
    if message.template:
        return Mail(first.step.client, message.template, "", "", about, related)
    subject, html = render(message, _values(ports, concerns, invoices))
    return Mail(first.step.client, "", subject, html, about, related)


def _values(ports: Ports, concerns: Sequence[Concern], invoices: Sequence[InvoiceId]) -> dict[str, str]:
    numbers = {i.id: i.number or str(i.id) for i in concerns[0].facts.client.invoices}
    dues = {i.id: i.due for i in concerns[0].facts.client.invoices}
    decisions = [c.decision for c in concerns]
    today = ports.today()
    suspend = min((d.clocks.suspend_on for d in decisions if d.clocks.suspend_on), default=None)
    if suspend is not None and suspend <= today:
        suspend = ports.settings.policy.calendar.next_active(today + timedelta(days=1))
    terminate = min((d.clocks.terminate_on for d in decisions if d.clocks.terminate_on), default=None)
    services = ", ".join(_called(c.facts) for c in concerns)
    return {
        "client": concerns[0].facts.client.client.name,
        "services": services,
        "invoices": ", ".join(numbers.get(i, str(i)) for i in invoices),
        "amount": str(_total(concerns)),
        "due": str(min((d for i in invoices if (d := dues.get(i))), default="")),
        "suspend_on": str(suspend or ""),
        "terminate_on": str(terminate or ""),
        "link": f"{ports.settings.whmcs.url.rstrip('/')}/clientarea.php?action=invoices",
    }


def _called(facts: ServiceFacts) -> str:
    """Name a service by its domain or product, with its number where the client has another of that name.

    Subjects tell mails apart: a lost one is looked for in WHMCS's mail log by its subject.
    """
    own = facts.service
    name = own.domain or own.name
    others = (s.domain or s.name for s in facts.client.services.values() if s.id != own.id)
    return f"{name} ({own.id})".lstrip() if not name or name in others else name


def _total(concerns: Sequence[Concern]) -> Money:
    """Add up what is owed; services that are judged by the same debts are counted once."""
    seen: dict[object, Money] = {}
    for concern in concerns:
        debts = concern.decision.debts
        shared = len({c.decision.debts for c in concerns}) == 1
        key: object = debts if debts and shared else concern.step.id
        amount = concern.step.amount
        if amount is not None:
            seen[key] = amount
    total = sum((m.amount for m in seen.values()), ZERO)
    return Money(total, concerns[0].facts.client.currency)


def send(ports: Ports, mail: Mail) -> None:
    """Hand the mail to WHMCS; raises WhmcsError."""
    if mail.template:
        ports.panel.send_template(mail.template, mail.related)
    else:
        ports.panel.send_text(mail.about, mail.related, mail.subject, mail.html)


# --- where it would arrive ----------------------------------------------------------------------


def on_domain(email: str, domain: str) -> bool:
    """The mailbox is on this domain or below it."""
    host = email.rpartition("@")[2].casefold().strip(".")
    own = domain.casefold().strip(".").removeprefix("www.")
    return bool(own) and (host == own or host.endswith("." + own))


def reaches_someone(ports: Ports, facts: ServiceFacts, after: Step | None = None) -> bool:
    """A mail to the client reaches a mailbox that works: the client's own, or a contact's that gets such mails.

    `after` is a step that was done since the facts were read: its service is down by it, or up again.
    """
    done_to = after.service if after is not None else None
    down = [s.domain for s in facts.client.services.values() if s.status is ServiceStatus.SUSPENDED and s.id != done_to]
    if after is not None and after.kind in (Kind.SUSPEND, Kind.TERMINATE):
        down.append(facts.service.domain)
    if not any(on_domain(facts.client.client.email, domain) for domain in down):
        return True
    try:
        contacts: Sequence[Contact] = ports.panel.contacts(facts.client.client.id)
    except WhmcsError:
        return False
    return any(
        (c.invoice_emails or c.product_emails or c.general_emails)
        and not any(on_domain(c.email, domain) for domain in down)
        for c in contacts
    )


# --- what WHMCS sent itself ---------------------------------------------------------------------

_MERGE_FIELD = re.compile(r"\\\{\\\$[^}]*\\\}|\\\{[^}]*\\\}")


def pattern_of(subject: str) -> re.Pattern[str]:
    """Return what a template's subject looks like once WHMCS has filled in its merge fields."""
    return re.compile(_MERGE_FIELD.sub(".*", re.escape(subject)), re.IGNORECASE)


def whmcs_wrote_today(ports: Ports, client: ClientId) -> bool:
    """WHMCS itself sent the client a mail about debt on this house day."""
    if ports.debt_mail_subjects is None:
        ports.debt_mail_subjects = ports.panel.debt_mail_subjects()
    patterns = [pattern_of(s) for s in ports.debt_mail_subjects if s]
    if not patterns:
        return False
    today = ports.today()
    return any(
        mail.at is not None and mail.at.date() == today and any(p.fullmatch(mail.subject) for p in patterns)
        for mail in ports.panel.emails(client, today)
        if not mail.failed
    )


def find_sent(ports: Ports, mail_subject: str, client: ClientId, day: date) -> SentEmail | None:
    """Return the mail of this subject that WHMCS's log has for the client on this day."""
    for mail in ports.panel.emails(client, day):
        if mail.at is not None and mail.at.date() >= day and mail.subject.strip() == mail_subject.strip():
            return mail
    return None


# --- did it arrive ------------------------------------------------------------------------------


def look_up_deliveries(ports: Ports, memory: Memory) -> list[str]:
    """Settle whether warnings of earlier runs failed, by WHMCS's mail log; return what could not be read."""
    waiting: dict[ClientId, list[tuple[ServiceId, SentNotice]]] = {}
    for case in list(memory.cases.values()):
        for notice in case.notices:
            if notice.delivered is None and notice.message in MUST_ARRIVE:
                book = ports.mirror.book_of_service(case.service_id)
                if book is not None:
                    waiting.setdefault(book.client.id, []).append((case.service_id, notice))
    problems: list[str] = []
    for client, notices in waiting.items():
        try:
            sent = ports.panel.emails(client, min(n.on for _, n in notices))
        except BridgeError as error:
            problems.append(f"mail log of client {client}: {error}")
            continue
        for service, notice in notices:
            failed = any(
                m.failed and m.at is not None and m.at.date() == notice.on and _is_about(ports, m, notice) for m in sent
            )
            memory.keep(after_notice(memory.case(service), replace(notice, delivered=not failed)))
    return problems


def _is_about(ports: Ports, mail: SentEmail, notice: SentNotice) -> bool:
    """A failed mail of that day may be this notice: its subject begins like it, or cannot tell it apart."""
    message = message_named(ports, notice.message)
    if message.template or not message.subject:
        return True
    return re.match(re.sub(r"\\\{[a-z_]+\\\}", ".*", re.escape(message.subject)), mail.subject.strip()) is not None
