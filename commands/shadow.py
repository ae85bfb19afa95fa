"""whmcs-bridge shadow."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, Options, pass_app
from commands.options import all_option, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.domain.ids import ClientId, ServiceId
    from whmcs_bridge.jobs.shadow_report import Difference, ShadowReport
    from whmcs_bridge.ports import ForeignAct

    Names = Callable[[ClientId, ServiceId | None], tuple[str, str]]

SHOWN = 5
"""So many examples of each sort without --all."""


class ShadowGroup(Options, click.Group):
    """What shadow mode is good for."""


@click.group(cls=ShadowGroup)
def shadow() -> None:
    """See what shadow mode has recorded.

    In shadow mode (the default) every sync writes down what it would have done, and does nothing.

    \b
    Example:
        whmcs-bridge shadow report
    """


@shadow.command("report", cls=Command)
@click.option(
    "--days",
    type=click.IntRange(min=1, max=400),
    default=14,
    show_default=True,
    help="House days to look at, today included.",
)
@all_option
@json_option
@pass_app
def report(app: App, days: int, everything: bool, as_json_: bool) -> None:
    """Compare what would have been done with what WHMCS, staff and others did; say whether to begin acting.

    Reads what the syncs recorded and asks WHMCS nothing. `ready` in --json is the verdict of the last line. Exits 0
    whatever the verdict is.

    \b
    Example:
        whmcs-bridge shadow report
        whmcs-bridge shadow report --days 30 --all
        whmcs-bridge shadow report --json | jq .ready
    """
    from commands.show import as_json

    with app.bridge(offline=True) as bridge:
        found = bridge.shadow_report(days)
        if as_json_:
            as_json(found.to_json())
        else:
            _show(bridge, found, everything=everything)


def _show(bridge: Bridge, found: ShadowReport, *, everything: bool) -> None:
    from commands.show import console, heading, names_from, plural

    out = console()
    title = heading(f"Shadow report, {found.since} to {found.until}")
    title.append(f"  {plural(found.days, 'shadow day')} in a row; mode {found.mode}", style="not bold dim")
    out.print(title)
    _sums(out, found)
    names = names_from(bridge)
    _differences(out, found, names, None if everything else SHOWN)
    _strangers(out, found.second_actors, names, None if everything else SHOWN)
    _limits(out, found)
    _verdict(out, found)


def _sums(out: Console, found: ShadowReport) -> None:
    """What either side did, and how often they agree."""
    from commands.show import table, wrapped
    from whmcs_bridge.policy.decision import Kind

    out.print()
    steps = ", ".join(f"{kind} {count:,}" for kind, count in found.steps.items())
    wrapped(out, steps or "nothing", lead="The bridge would have done: ")
    acts = ", ".join(f"{SIDES[actor]} {count:,}" for actor, count in found.acts.items())
    wrapped(out, acts or "nothing", lead="Others did to services: ")
    if not found.differences:
        return
    out.print()
    rows = table("", "suspended", "released", "ended", right=("suspended", "released", "ended"))
    for verdict, kinds in found.counts().items():
        if kinds:
            numbers = (kinds.get(kind, 0) for kind in (Kind.SUSPEND, Kind.UNSUSPEND, Kind.TERMINATE))
            rows.add_row(TITLES[verdict], *(f"{number:,}" if number else "-" for number in numbers))
    out.print(rows)


def _differences(out: Console, found: ShadowReport, names: Names, shown: int | None) -> None:
    from commands.show import heading, wrapped
    from whmcs_bridge.jobs.shadow_report import Verdict

    for verdict in Verdict:
        title = TITLES[verdict]
        of_this = found.of(verdict)
        if not of_this or (verdict is Verdict.AGREED and shown is not None):
            continue
        out.print()
        out.print(heading(title[0].upper() + title[1:]))
        paid = sum(one.paid_on is not None for one in of_this)
        if verdict is Verdict.ONLY_WE and paid:
            out.print(f"  {paid:,} of {len(of_this):,} paid by themselves")
        for one in of_this[:shown]:
            wrapped(out, _told(one, names), lead="  ")
        _more(out, len(of_this), shown)


def _told(one: Difference, names: Names) -> str:
    """Return one difference as a sentence: who, what, when, why, and whether it was paid anyway."""
    from whmcs_bridge.jobs.others import PAST

    past = PAST[one.kind.value]
    said = [_who(one.client, one.service, names)]
    if one.theirs is not None:
        by = f"{SIDES[one.theirs.actor]} {one.theirs.user}" if one.theirs.actor == "staff" else SIDES[one.theirs.actor]
        said.append(f"{past} {_when(one.theirs)} by {by}")
    if one.ours_on is not None:
        ours = f"the bridge on {one.ours_on}" if one.theirs is not None else f"would have been {past} on {one.ours_on}"
        said.append(ours)
    if one.reason:
        said.append(one.reason)
    if one.paid_on is not None:
        said.append(f"paid on {one.paid_on}{_days_later(one.ours_on, one.paid_on)}")
    if one.over:
        said.append(f"refused by {one.over}")
    return "; ".join(said)


def _days_later(ours_on: date | None, paid_on: date) -> str:
    if ours_on is None or paid_on < ours_on:
        return ""
    days = (paid_on - ours_on).days
    return " (the same day)" if not days else f" ({days} day{'s' if days > 1 else ''} later)"


def _when(act: ForeignAct) -> str:
    return f"on {act.at:%Y-%m-%d %H:%M}" if act.at is not None else f"by {act.day}"


def _who(client: ClientId, service: ServiceId, names: Names) -> str:
    name, domain = names(client, service)
    inside = ", ".join(part for part in (domain, name) if part)
    return f"service {service} ({inside})" if inside else f"service {service}"


def _strangers(out: Console, acts: Sequence[ForeignAct], names: Names, shown: int | None) -> None:
    from commands.show import HARMFUL, heading, wrapped
    from whmcs_bridge.jobs.others import told

    if not acts:
        return
    out.print()
    out.print(heading("By somebody we do not know", HARMFUL))
    newest = list(reversed(acts))
    for act in newest[:shown]:
        wrapped(out, told(act), lead="  ")
    _more(out, len(acts), shown)


def _limits(out: Console, found: ShadowReport) -> None:
    from commands.show import heading, wrapped

    if not found.over:
        return
    out.print()
    out.print(heading("Limits would have refused"))
    for day, why in sorted(found.over.items(), reverse=True)[:SHOWN]:
        wrapped(out, f"{day}: {'; '.join(why)}", lead="  ")
    _more(out, len(found.over), SHOWN)


def _more(out: Console, count: int, shown: int | None) -> None:
    from rich.text import Text

    if shown is not None and count > shown:
        out.print(Text(f"  and {count - shown:,} more; --all shows them", style="dim"))


def _verdict(out: Console, found: ShadowReport) -> None:
    """The conditions one by one, then the verdict in a line."""
    from commands.show import HARMFUL, heading, wrapped

    out.print()
    out.print(heading("Before it acts in earnest"))
    for check in found.checks:
        wrapped(out, check.text, lead="  ok   " if check.ok else "  no   ", style="" if check.ok else HARMFUL)
        if check.todo:
            wrapped(out, check.todo, lead="       -> ")
    out.print()
    if found.ready:
        wrapped(out, 'reasonable to enforce: set mode = "enforce" in bridge.toml', style="bold green")
        for check in found.checks:
            if check.todo:
                wrapped(out, check.todo, style="bold")
    else:
        open_ = [c.code for c in found.checks if not c.ok]
        wrapped(out, f"not yet: {', '.join(WORDS[code] for code in open_)}", style="bold")


TITLES = {
    "only-we": "the bridge would have, nobody did",
    "only-they": "others did, the rules would not have",
    "released-early": "released by a payment while more was owed",
    "other-day": "both, on another day",
    "agreed": "both, within a day",
}
"""Verdict -> what it is called."""
SIDES = {
    "cron": "WHMCS's cron",
    "payment": "payment",
    "staff": "staff",
    "another-bridge": "another bridge",
    "unknown": "somebody unknown",
}
"""Actor -> what it is called."""
WORDS = {
    "days": "too few shadow days",
    "complete": "WHMCS was not read whole",
    "second-actor": "somebody unknown acts",
    "doubtful": "doubtful suspensions are not settled",
    "automation": "WHMCS's own automation is in the way",
    "limits": "limits would have refused",
    "harm": "somebody who had paid would have been harmed",
    "sanity": "a sanity check has stopped a run",
}
"""Check code -> the verdict's words for it."""
