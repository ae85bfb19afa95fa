"""Printing what `adopt` found: short tables of 100 columns; details behind --all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from commands.failures import gathered
from commands.show import HARMFUL, command, day_or, heading, plural, table, wrapped
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.hindsight import CLASSLESS, EXEMPT, LATER, REVERSED, SMALL, SPANS, STILL_OPEN, UNDATED
from whmcs_bridge.policy.whmcs_settings import Weight

if TYPE_CHECKING:
    from rich.console import Console

    from whmcs_bridge.jobs.findings import Down, Findings, Oddity, Subject
    from whmcs_bridge.policy.hindsight import ClassPast

FEW = 8
"""Rows of a list without --all."""
NAMED = 4
"""Services named in a command to copy."""
WARNING = "yellow"
EVERYONE = "everyone"
WHOSE = {
    Adoption.STAFF: ("staff's", "nothing, ever: not for debt, as far as the book tells"),
    Adoption.WHMCS: ("WHMCS's", "takes them over: lifted when paid; their waiting time begins with the first run"),
    Adoption.OURS: ("ours", "goes on with them; their waiting time begins with the first run"),
}
TITLES = {
    "unsuspend": "lifted",
    "reminder": "reminder",
    "warning": "warning",
    "suspend": "suspended",
    "final_warning": "last warning",
    "terminate": "ended",
    "delete_backups": "backups gone",
    "vip": "VIP",
    "other": "other",
}
STYLES = {"suspend": HARMFUL, "terminate": HARMFUL, "delete_backups": HARMFUL, "unsuspend": "bold green"}
WEIGHTS = {
    Weight.FIGHTS: HARMFUL,
    Weight.GIVES_AWAY: HARMFUL,
    Weight.LOOK: WARNING,
    Weight.UNKNOWN: WARNING,
    Weight.FINE: "green",
}
LEFT_OUT = {
    EXEMPT: "of exempt groups",
    CLASSLESS: "of products without a class",
    REVERSED: "taken back",
    SMALL: "not above min_debt",
    UNDATED: "without a due date",
}


def show_findings(out: Console, found: Findings, *, everything: bool) -> None:
    """Print everything that one `adopt` found."""
    _header(out, found)
    _down(out, found, everything=everything)
    _coming(out, found, everything=everything)
    _past(out, found, everything=everything)
    _settings(out, found, everything=everything)
    _classless(out, found, everything=everything)
    _oddities(out, found.oddities, everything=everything)
    _next(out, found)


def _header(out: Console, found: Findings) -> None:
    read_at = f", read {found.read_at:%Y-%m-%d %H:%M}" if found.read_at is not None else ""
    title = heading(f"The first day: {found.today:%A} {found.today}")
    title.append(f"{read_at}; mode {found.mode}", style="not bold dim")
    out.print(title)
    living = found.active + len(found.down)
    out.print(
        f"{plural(found.clients, 'client')}, {plural(living, 'living service')}: "
        f"{found.active:,} active, {len(found.down):,} suspended, {found.in_debt:,} in debt"
    )
    if found.scope != EVERYONE:
        wrapped(out, f"The bridge acts for {found.scope} only.", style=WARNING)
    age = (found.today - found.read_at.date()).days if found.read_at is not None else 0
    if age > 0:
        out.print(Text(f"What was read is {plural(age, 'day')} old: what was paid since is not in it.", style=WARNING))
    if not found.complete:
        out.print(Text("What was read is not complete: some of this is wrong.", style=HARMFUL))
    for problem in gathered(found.problems):
        wrapped(out, f"could not read: {problem}", lead="  ", style=HARMFUL)


# --- who is down --------------------------------------------------------------------------------


def _down(out: Console, found: Findings, *, everything: bool) -> None:
    out.print()
    out.print(heading(f"Suspended services: {len(found.down):,}"))
    if not found.down:
        return
    rows = table("whose", "count", "what the bridge does", right=("count",), keep=("whose",))
    for whose, (name, does) in WHOSE.items():
        count = len(found.of(whose))
        if count:
            rows.add_row(name, f"{count:,}", does)
    out.print(rows)
    for code, title, todo in (
        ("blank", "no reason given, nothing owed: taken for staff's until you say", _confirming),
        ("wording", "a reason that speaks of money: staff's as it stands", _blanking),
    ):
        doubtful = [d for d in found.down if d.code == code]
        if doubtful:
            out.print()
            out.print(Text(f"To settle: {plural(len(doubtful), 'service')}, {title}", style=WARNING))
            _doubtful(out, doubtful, everything=everything)
            todo(out, doubtful)
    if everything:
        _every_down(out, [d for d in found.down if not d.doubt])


def _doubtful(out: Console, doubtful: Sequence[Down], *, everything: bool) -> None:
    blank = doubtful[0].code == "blank"
    heads = ("service", "client", "domain", "payments") if blank else ("service", "client", "domain", "reason", "owes")
    rows = table(*heads, right=("service", "owes"))
    for column, share in zip(rows.columns[1:4], (3, 4, 4), strict=True):
        column.no_wrap, column.overflow, column.ratio = True, "ellipsis", share
    rows.expand = True
    for one in doubtful if everything else doubtful[:FEW]:
        row = [f"{one.subject.service}", f"{one.subject.client} {one.subject.name}", one.subject.label]
        rows.add_row(*row, *([one.doubt.rpartition("; ")[2]] if blank else [one.reason, _owes(one)]))
    out.print(rows)
    _more(out, len(doubtful), everything=everything)


def _owes(one: Down) -> str:
    return str(one.owed) if one.owed else ""


def _confirming(out: Console, doubtful: Sequence[Down]) -> None:
    some = " ".join(str(one.subject.service) for one in doubtful[:NAMED])
    some += " ..." if len(doubtful) > NAMED else ""
    command(out, "  for billing (lifted by the next sync, nothing is owed): ", f"whmcs-bridge adopt --confirm {some}")
    command(out, "  for anything else, so that nobody asks again: ", "whmcs-bridge adopt --confirm N... --as staff")


def _blanking(out: Console, doubtful: Sequence[Down]) -> None:
    out.print("  for billing: blank the reason in WHMCS, then run adopt again; for anything else: leave it")


def _every_down(out: Console, down: Sequence[Down]) -> None:
    if not down:
        return
    out.print()
    rows = table("service", "client", "domain", "whose", "reason", "since", "owes", right=("service", "owes"))
    for one in down:
        who = f"{one.subject.client} {one.subject.name}"
        row = (f"{one.subject.service}", who, one.subject.label, one.whose.value, one.reason, day_or(one.since))
        rows.add_row(*row, _owes(one))
    out.print(rows)


# --- what comes ---------------------------------------------------------------------------------


def _coming(out: Console, found: Findings, *, everything: bool) -> None:
    coming = found.coming
    out.print()
    days = (coming.until - found.today).days
    out.print(heading(f"What the rules would do, today and over {plural(days, 'day')}, if nobody paid"))
    columns = [c for c in TITLES if any(counts[c] for counts in coming.by_day.values())]
    if not columns:
        out.print("Nothing.")
        return
    rows = table("", *(TITLES[c] for c in columns), right=tuple(TITLES[c] for c in columns))
    for label, first, last in _spans(found.today, coming.until, everything=everything):
        total: Counter[str] = Counter()
        for day, counts in coming.by_day.items():
            if first <= day <= last:
                total.update(counts)
        if total or first == found.today:
            cells = (Text(f"{total[c]:,}" if total[c] else "-", style=STYLES.get(c, "")) for c in columns)
            rows.add_row(label, *cells)
    out.print(rows)
    waits = f" {plural(coming.needs_approval, 'step')} of these would wait for your approval."
    text = "From open invoices, those not yet due included; invoices to come are not in it."
    wrapped(out, text + (waits if coming.needs_approval else ""), style="dim")
    _first_run(out, found)
    if everything:
        for column in columns:
            who = "; ".join(f"{day:%d %b} {_named(subject)}" for day, subject in coming.first[column])
            wrapped(out, f"{TITLES[column]}: {who}", lead="  ", style="dim")


def _spans(today: date, until: date, *, everything: bool) -> Iterator[tuple[str, date, date]]:
    """Yield (label, first, last): today, tomorrow, then weeks; with `everything` each day."""
    ends = range((until - today).days + 1) if everything else (0, 1, 7, 14, 21, *range(30, 400, 30))
    first = today
    for end in ends:
        last = min(today + timedelta(days=end), until)
        if first > last:
            continue
        if first == last:
            named = {0: "today", 1: "tomorrow"}.get((first - today).days)
            yield named or f"{first:%a %d %b}", first, last
        else:
            yield f"{first:%d %b} to {last:%d %b}", first, last
        first = last + timedelta(days=1)
    if first <= until:
        yield f"{first:%d %b} to {until:%d %b}", first, until


def _first_run(out: Console, found: Findings) -> None:
    due = found.coming.by_kind_today
    down, ended, lifted = due[Kind.SUSPEND], due[Kind.TERMINATE], due[Kind.UNSUSPEND]
    said = f"A first enforced run today suspends {f'at most {down:,}' if down else 'nobody'}"
    said += f" and ends {f'{ended:,}' if ended else 'nobody'}" + (f"; it lifts {lifted:,}" if lifted else "")
    out.print(Text(f"{said}{' (it is a quiet day)' if found.quiet else ''}.", style="bold"))
    if found.refusals:
        why = "; ".join(refusal.why for refusal in found.refusals)
        wrapped(out, f"The limits would refuse that ({why}): begin with a few, or, on that day:", style=WARNING)
        command(out, "  ", "whmcs-bridge sync " + " ".join(refusal.flag for refusal in found.refusals))


# --- what would have been -----------------------------------------------------------------------


def _past(out: Console, found: Findings, *, everything: bool) -> None:
    past = found.hindsight
    total = past.whole
    out.print()
    out.print(heading(f"What these rules would have done with the invoices due since {past.since}"))
    if not total.invoices:
        out.print("No invoice to look at: payment history is empty.")
        return
    spans = [span for span in SPANS if total.paid_after[span]]
    names = {LATER: "15+ d", STILL_OPEN: "unpaid"}
    titles = [names.get(span, f"{span} d") for span in spans]
    heads = ("invoices", "suspended", *titles, "ended")
    rows = table("class", *heads, right=heads)
    for name, one in sorted(past.by_class.items()):
        _past_row(rows.add_row, name, one, spans)
    if len(past.by_class) > 1:
        _past_row(rows.add_row, "all", total, spans)
    out.print(rows)
    paid = sum(total.paid_after[span] for span in SPANS[:3])
    if total.suspended:
        share = round(100 * paid / total.suspended)
        text = (
            f"{past.suspended_clients:,} of {plural(past.clients, 'client')} would have been suspended at least once; "
            f"{share} % of those invoices were paid within 14 days of that day anyway."
        )
        wrapped(out, text)
    wrapped(out, "Columns of days: paid so long after the day of the suspension. " + _how_counted(found), style="dim")
    worst = past.worst(50 if everything else 5)
    if worst:
        wrapped(out, f"Most often: {'; '.join(_worst(w) for w in worst)}", style="dim")


def _past_row(add: object, name: str, one: ClassPast, spans: Sequence[str]) -> None:
    add(name, f"{one.invoices:,}", f"{one.suspended:,}", *(f"{one.paid_after[s]:,}" for s in spans), f"{one.ended:,}")  # type: ignore[operator]


def _how_counted(found: Findings) -> str:
    past = found.hindsight
    left = [f"{count:,} {LEFT_OUT[code]}" for code, count in sorted(past.left_out.items()) if count]
    said = f"Left out: {', '.join(left)}. " if left else ""
    if past.several_classes:
        said += f"{plural(past.several_classes, 'client')} with several classes: judged by the one that suspends last."
    return said


def _worst(one: object) -> str:
    return f"{one.client} {one.name} ({one.suspended} of {one.invoices})"  # type: ignore[attr-defined]


# --- what fights, what is odd -------------------------------------------------------------------


def _settings(out: Console, found: Findings, *, everything: bool) -> None:
    out.print()
    out.print(heading("WHMCS's own settings"))
    if found.offline:
        out.print(Text("Not asked (--offline).", style="dim"))
        return
    shown = [s for s in found.settings if everything or s.weight is not Weight.FINE]
    if not shown:
        out.print(Text("None works against the rules.", style="green"))
    for one in shown:
        line = Text(f"{one.setting} is {one.value or 'not known'}", style=WEIGHTS[one.weight])
        if one.set_to:
            line.append(f" -> {one.set_to}", style="bold")
        out.print(line)
        wrapped(out, f"{one.does}{f'; {one.why}' if one.why else ''}", lead="  ")
        if one.set_to:
            wrapped(out, f"in {one.where}", lead="  ", style="dim")
        if one.uncovered and everything:
            wrapped(out, f"then, if the bridge stops: {one.uncovered}", lead="  ", style="dim")


def _classless(out: Console, found: Findings, *, everything: bool) -> None:
    living = [c for c in found.classless if c.living]
    if not living:
        return
    out.print()
    out.print(heading(f"Products without a class: {len(living):,}; nothing is ever done to their services"))
    rows = table("product", "", "services", "in debt", right=("services", "in debt"))
    for one in living if everything else living[:FEW]:
        claimed = f" (claimed by {', '.join(one.classes)})" if one.classes else ""
        name = one.name or "WHMCS does not list it"
        rows.add_row(f"{one.product}", name + claimed, f"{one.living:,}", f"{one.in_debt:,}")
    out.print(rows)
    _more(out, len(living), everything=everything)
    out.print("  Give each to exactly one [class] in bridge.toml, if the rules are meant for it.")


def _oddities(out: Console, oddities: Sequence[Oddity], *, everything: bool) -> None:
    if not oddities:
        return
    out.print()
    out.print(heading("Odd things in the book"))
    rows = table("count", "what, and what to do", right=("count",))
    for one in oddities:
        text = Text(one.text)
        text.append(f" -> {one.todo}", style="dim")
        shown = one.examples if everything else one.examples[:3]
        named = ", ".join(_named(subject) for subject in shown) + (", ..." if one.count > len(shown) else "")
        text.append(f"\n{named}", style="dim")
        rows.add_row(f"{one.count:,}", text)
    out.print(rows)


def _named(subject: Subject) -> str:
    if subject.service is None:
        return f"client {subject.client} {subject.name}"
    return f"{subject.service} {subject.label}"


def _more(out: Console, count: int, *, everything: bool) -> None:
    if not everything and count > FEW:
        out.print(Text(f"  ... and {count - FEW:,} more (--all)", style="dim"))


# --- what to do ---------------------------------------------------------------------------------


def _next(out: Console, found: Findings) -> None:
    out.print()
    out.print(heading("What to do next"))
    for number, (text, line) in enumerate(_steps(found), start=1):
        if line:
            command(out, f"{number}. {text}: ", line)
        else:
            wrapped(out, text, lead=f"{number}. ")


def _steps(found: Findings) -> Iterator[tuple[str, str]]:
    if found.problems or not found.complete:
        yield "Mend what could not be read, then run it again", "whmcs-bridge doctor"
    if any(d.code == "blank" for d in found.down):
        yield "Settle the doubtful suspensions", "whmcs-bridge adopt --confirm SERVICE..."
    if any(s.weight in (Weight.FIGHTS, Weight.GIVES_AWAY) for s in found.settings):
        yield "Change the settings of WHMCS named above, each on the day said there", ""
    if found.mode == "shadow":
        yield "Let the sync run in shadow mode for two weeks, and compare", "whmcs-bridge shadow report"
        yield "Begin with a few", 'whmcs-bridge adopt --only "GROUP" CLIENT...'
        yield 'Then set mode = "enforce" in bridge.toml', ""
    elif found.scope != EVERYONE:
        yield "When all goes well for those few, act for everyone", "whmcs-bridge adopt --everyone"
    else:
        yield "It enforces for everyone: see what today brings", "whmcs-bridge plan"
