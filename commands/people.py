"""What the commands about people share: whom they name, days and amounts, keeping a record, listing records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from commands.app import login_name
from commands.options import ID, json_option

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.domain.records import Record, RecordKind, RecordState
    from whmcs_bridge.jobs.report import RunReport

LONGEST_REASON = 300
MOST_YEARS = 10
"""No promise, hold or freeze begins or ends further away than that: who types such a day has mistyped it."""
HIGHEST_AMOUNT = Decimal(10**12)
MAY_OVERRIDE = ("promise", "release", "arrangement", "receipt", "dispute")
"""Kinds whose command has --override."""


# --- what is typed ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """A client or a service; the other one is None."""

    client: int | None = None
    service: int | None = None

    def __str__(self) -> str:
        return f"client {self.client}" if self.client is not None else f"service {self.service}"


def subject_of(text: str) -> Subject:
    """client:12 or service:34. A bare number could be either, and the wrong one would be protected."""
    kind, colon, digits = text.partition(":")
    number = _number(digits)
    if not colon and _number(kind):
        raise click.BadParameter(f"{kind} could be a client or a service: write client:{kind} or service:{kind}")
    if number is None or kind not in ("client", "service"):
        raise click.BadParameter(f"{text[:40]!r} is neither a client nor a service: write client:12 or service:34")
    return Subject(client=number) if kind == "client" else Subject(service=number)


def number_of(wanted: str) -> Callable[[str], int]:
    """Return a reader of the number of one kind of thing: 34, or service:34."""

    def read(text: str) -> int:
        kind, colon, digits = text.rpartition(":")
        number = _number(digits)
        if number is None or kind != (wanted if colon else ""):
            raise click.BadParameter(f"{text[:40]!r} is no {wanted}: write its number, as 34 or {wanted}:34")
        return number

    return read


def day_of(text: str) -> date:
    """Return the day that is written as 2026-03-31."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter(f"{text[:40]!r} is no day: write it as 2026-03-31") from None


def amount_of(text: str) -> Decimal:
    """Return the sum, in the client's currency, that is written as 59 or 59.90."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 < amount < HIGHEST_AMOUNT or amount != amount.quantize(Decimal("0.01")):
        raise click.BadParameter(f"{text[:40]!r} is no amount: write it as 59 or 1234.50")
    return amount


def reason_of(text: str) -> str:
    """Return a line of text that says something."""
    said = " ".join(text.split())
    if not said:
        raise click.BadParameter('say why, as in --reason "phoned, salary on Friday"')
    if len(said) > LONGEST_REASON:
        raise click.BadParameter(f"is {len(said)} characters long, {LONGEST_REASON} are kept: say it shorter")
    return said


def _number(text: str) -> int | None:
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    return found or None


SUBJECT, DAY, AMOUNT, REASON = subject_of, day_of, amount_of, reason_of
SERVICE, CLIENT, INVOICE = number_of("service"), number_of("client"), number_of("invoice")
subject_argument = click.argument("subject", type=SUBJECT, metavar="CLIENT|SERVICE")
number_argument = click.argument("number", type=ID, metavar="N")
reason_option = click.option(
    "--reason", type=REASON, required=True, metavar="TEXT", help="Why, or what the client said."
)
why_option = click.option("--reason", type=REASON, default=None, metavar="TEXT", help="Why; kept with the record.")
override_option = click.option(
    "--override", is_flag=True, help="Against a rule of the house: it stands under your name, with the reason."
)
by_option = click.option("--by", metavar="NAME", help="Who records it; by default your login name.")


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose records a `list` shows, and which."""
    for option in (
        json_option,
        click.option("--all", "everything", is_flag=True, help="Also those that are over."),
        click.option("--service", type=SERVICE, metavar="ID", help="Of this service, and of its client as a whole."),
        click.option("--client", type=CLIENT, metavar="ID", help="Of this client."),
    ):
        command = option(command)
    return command


def until_of(day: date, today: date, option: str = "--until") -> date:
    """Return the day; raises UsageProblem for one that is past."""
    from whmcs_bridge.errors import UsageProblem

    if day < today:
        raise UsageProblem(f"{option} {day} is past; today is {today}")
    return day


# --- keeping ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """A record that was made or closed, and what came of it at once."""

    record: Record
    report: RunReport | None = None
    """The look at the client that followed; None: nothing could follow from it."""
    later: bool = False
    """That look has to wait: a run is under way."""


def new_record(bridge: Bridge, kind: RecordKind, by: str | None, reason: str, **fields: Any) -> Record:
    """Return a record of today that has not been judged yet; raises UsageProblem for a day out of all proportion."""
    from whmcs_bridge.domain.records import Record, RecordState

    today = bridge.today()
    fields.setdefault("since", today)
    fields.setdefault("until", None)
    record = Record(0, kind, RecordState.OPEN, _author(by), reason, today, **fields)
    for day in (record.since, record.until, *(part.on for part in record.parts)):
        if day is not None:
            _within_reach(day, today)
    return record


def _within_reach(day: date, today: date) -> None:
    from whmcs_bridge.errors import UsageProblem

    if abs(day - today) > timedelta(days=MOST_YEARS * 366):
        raise UsageProblem(f"{day} is more than {MOST_YEARS} years from today, {today}: write the day that is meant")


def _author(by: str | None) -> str:
    return " ".join((by or "").split()) or login_name()


def keep(bridge: Bridge, wanted: Record, *, override: bool = False) -> Kept:
    """Record it, and look at its client again where it can bring something back.

    Raises RecordRefused with the rule and the way out, UnknownId.
    """
    from whmcs_bridge.errors import RecordRefused

    noting = bridge.noting()
    try:
        kept = noting.record(wanted, override=override)
    except RecordRefused as refused:
        if refused.rule and not override and wanted.kind.value in MAY_OVERRIDE:
            raise RecordRefused(f"{refused}; or take it on yourself: --override") from refused
        raise
    return _looked(bridge, kept, dict(noting.noted))


def end(bridge: Bridge, number: int, kind: RecordKind, state: RecordState, by: str | None, reason: str | None) -> Kept:
    """End a record of this kind today, and look at its client again where that may bring something back.

    Raises UnknownId, RecordRefused for one that is over.
    """
    noting = bridge.noting()
    closed = noting.end_record(number, kind, state, author=_author(by), reason=reason or "")
    return _looked(bridge, closed, dict(noting.noted))


def _looked(bridge: Bridge, record: Record, causes: dict[Any, str]) -> Kept:
    """Look at the clients again now, or have it done by the run that is under way."""
    report = None
    for client, cause in causes.items():
        report = bridge.look_again(client, cause)
    return Kept(record, report, later=bool(causes) and report is None)


# --- saying -----------------------------------------------------------------------------------------


def about(record: Record) -> str:
    """Return whom a record is about: the narrowest that it names."""
    if record.line_id is not None:
        return f"line {record.line_id} of invoice {record.invoice_id}"
    for what, number in (
        ("invoice", record.invoice_id),
        ("service", record.service_id),
        ("client", record.client_id),
    ):
        if number is not None:
            return f"{what} {number}"
    return f"clients who pay by {record.gateway}" if record.gateway else "every client"


def tell(kept: Kept, *, as_json_: bool, line: str = "") -> int:
    """Print what was kept and what came of it; return the exit code."""
    from commands.show import as_json

    if as_json_:
        as_json(kept_json(kept))
    else:
        click.echo(line or said(kept.record))
        for more in came_of_it(kept):
            click.echo(f"  {more}")
    report = kept.report
    for problem in report.problems if report is not None else ():
        click.echo(f"error: {problem}; it is kept, and the next sync looks again", err=True)
    return report.exit_code if report is not None and report.mode == "enforce" else 0


def said(record: Record) -> str:
    """Return a record in one line: number, what, about whom, how much, until when, by whom, why."""
    sort = f" ({record.sort})" if record.sort else ""
    since = f" from {record.since}" if record.since != record.made_on else ""
    until = f" until {record.until}" if record.until is not None and not record.parts else ""
    how = f" ({record.how})" if record.how else ""
    against = f"; against the rule: {record.against}" if record.against else ""
    what = f"{record.kind.value} {record.id}{sort} of {about(record)}{_sums(record)}{since}{until}"
    return f"{what}, by {record.author}{how}: {record.reason}{against}{_over(record)}"


def _sums(record: Record) -> str:
    amounts = [f"{record.amount:,.2f}"] if record.amount is not None else []
    amounts += [f"{part.amount:,.2f} by {part.on}" for part in record.parts]
    if record.discount is not None:
        amounts.append(f"discount {record.discount:,.2f}")
    return "".join(f", {amount}" for amount in amounts)


def _over(record: Record) -> str:
    if record.closed_on is None:
        return ""
    by = f" by {record.closed_by}" if record.closed_by else ""
    why = f": {record.closed_why}" if record.closed_why else ""
    return f" [{record.state.value} on {record.closed_on}{by}{why}]"


def came_of_it(kept: Kept) -> Iterable[str]:
    """Say what followed, what would have followed in shadow mode, or why nothing did yet."""
    report = kept.report
    if kept.later:
        yield "a run is under way: what follows from it is done when that has ended, by the next sync at the latest"
    if report is None:
        return
    if report.mode != "enforce":
        for step in report.plan.steps:
            yield f"shadow mode: {step.kind.value} of {step.subject} would follow now"
        return
    for result in report.results:
        note = f": {result.note}" if result.note and result.state.value != "done" else ""
        yield f"{result.step.kind.value} of {result.step.subject}: {result.state.value}{note}"


def kept_json(kept: Kept) -> dict[str, Any]:
    """Return the shape that every command here prints with --json."""
    report = kept.report
    shadow = report is not None and report.mode != "enforce"
    return {
        "record": record_json(kept.record),
        "did": [
            {"kind": r.step.kind.value, "service": r.step.service, "state": r.state.value, "note": r.note}
            for r in (report.results if report is not None else ())
        ],
        "would": [
            {"kind": s.kind.value, "service": s.service}
            for s in (report.plan.steps if report is not None and shadow else ())
        ],
        "later": kept.later,
        "problems": list(report.problems) if report is not None else [],
    }


def record_json(record: Record) -> dict[str, Any]:
    """Return a record as machines read it: the fields of `journal export`, and what belongs to its kind."""
    return {
        "number": record.id,
        "kind": record.kind.value,
        "state": record.state.value,
        "author": record.author,
        "reason": record.reason,
        "made_on": record.made_on.isoformat(),
        "since": record.since.isoformat(),
        "until": _iso(record.until),
        "closed_on": _iso(record.closed_on),
        "client": record.client_id,
        "service": record.service_id,
        "invoice": record.invoice_id,
        "line": record.line_id,
        "amount": str(record.amount) if record.amount is not None else None,
        "sort": record.sort,
        "gateway": record.gateway,
        "parts": [{"amount": str(part.amount), "on": part.on.isoformat()} for part in record.parts],
        "discount": str(record.discount) if record.discount is not None else None,
        "how": record.how,
        "against": record.against,
        "closed_by": record.closed_by,
        "closed_why": record.closed_why,
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


# --- listing ----------------------------------------------------------------------------------------


def show_list(
    bridge: Bridge, kind: RecordKind, client: int | None, service: int | None, *, everything: bool, as_json_: bool
) -> None:
    """List the records of a kind, the newest last; raises UnknownId for a client or service that nobody knows."""
    from commands.show import as_json

    found = _chosen(bridge, kind, client, service)
    wanted = [r for r in found if everything or r.state.value == "open"]
    if as_json_:
        as_json([record_json(record) for record in wanted])
        return
    if not wanted:
        over = f" {len(found)} over (--all)." if found else ""
        click.echo(f"No {kind.value} is open.{over}" if not everything else f"No {kind.value}.")
        return
    _table(bridge, wanted)


def _chosen(bridge: Bridge, kind: RecordKind, client: int | None, service: int | None) -> list[Record]:
    from whmcs_bridge.domain.ids import ClientId, ServiceId
    from whmcs_bridge.errors import UnknownId

    if service is not None:
        book = bridge.mirror.book_of_service(ServiceId(service))
        if book is None:
            raise UnknownId(f"no service {service} in the mirror; check the number, or run a sync first")
        if client not in (None, book.client.id):
            raise UnknownId(f"service {service} is of client {book.client.id}, not of client {client}")
        client = book.client.id
    elif client is not None and bridge.mirror.book(ClientId(client)) is None:
        raise UnknownId(f"no client {client} in the mirror; check the number, or run a sync first")
    owner = ClientId(client) if client is not None else None
    found = bridge.journal.records(client=owner, kind=kind)
    return [r for r in found if service is None or r.service_id in (None, service)]


def _table(bridge: Bridge, records: Sequence[Record]) -> None:
    from commands.show import console, names_from, table

    out, names = console(), names_from(bridge)
    money = any(_sums(record) for record in records)
    rows = table(
        "N", "about", "client", *(["amount"] if money else []), "until", "state", "by", "reason",
        right=("N",), keep=("until", "state"),
    )  # fmt: skip
    for record in records:
        name = names(record.client_id, record.service_id)[0] if record.client_id is not None else ""
        sort = f" ({record.sort})" if record.sort else ""
        rows.add_row(
            f"{record.id}",
            about(record) + sort,
            name,
            *([_sums(record).removeprefix(", ")] if money else []),
            f"{record.until or 'open'}",
            record.state.value,
            record.author,
            record.reason,
        )
    out.print(rows)
