"""whmcs-bridge doctor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import json_option
from whmcs_bridge.errors import BridgeError, SettingsProblem

if TYPE_CHECKING:
    from commands.checkups import Finding
    from whmcs_bridge.settings import Settings

FAILED = 1
STYLES = {"fail": "bold red", "warn": "yellow", "info": "dim", "ok": "green"}
"""Grades from the worst on."""
TITLES = {"whmcs": "WHMCS's own automation", "vip": "VIP", "permission": "Permissions", "database": "Databases"}


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help="Leave out what has to ask WHMCS.")
@click.option("--strict", is_flag=True, help="Exit 1 for warnings as well.")
@json_option
@pass_app
def doctor(app: App, offline: bool, strict: bool, as_json_: bool) -> None:
    """Check everything a run needs, and what works against it: connection and address, each API permission, clocks,
    WHMCS's own automation, settings that give service away, the VIP group, the module queue, whether this is still
    the same WHMCS, both databases, missed syncs, what is stopped or waits for people.

    Changes nothing: permissions are asked for with ids that cannot exist. Each finding says what, why it matters
    and what to do.

    Exits 0 when nothing is worse than a warning (with --strict: than a note), 1 when something fails, 2 when the
    settings cannot be used. A failure is what keeps a run from its work; a warning works against the house.

    \b
    Example:
        whmcs-bridge doctor
        whmcs-bridge doctor --strict --json
    """
    from commands.checkups import Grade
    from commands.show import as_json

    settings = app.settings()
    found = list(_findings(app, settings, offline=offline))
    grades = {finding.grade for finding in found}
    bad = Grade.FAIL in grades or (strict and Grade.WARN in grades)
    if as_json_:
        rows = [{"area": f.area, "grade": f.grade.value, "text": f.text, "why": f.why, "todo": f.todo} for f in found]
        as_json({"ok": not bad, "findings": rows})
    else:
        show_findings(found)
    sys.exit(FAILED if bad else 0)


def _findings(app: App, settings: Settings, *, offline: bool) -> Iterator[Finding]:
    from commands.app import played_day
    from commands.checkups import files, house
    from whmcs_bridge.wiring import HouseClock

    if not offline:
        yield from _asking(app, settings)
    today = HouseClock(settings.policy.calendar.timezone, played_day()).now().date()
    yield from house.settings_and_rules(settings)
    yield from house.credentials(settings)
    yield from house.store_credentials(settings)
    yield from house.packages()
    yield from house.calendar(settings, today)
    yield from files.databases(settings)
    yield from _remembered(app, settings)


def _remembered(app: App, settings: Settings) -> Iterator[Finding]:
    from commands.checkups import Finding, Grade, files, memory

    if not settings.journal.exists():
        yield Finding("runs", Grade.INFO, "no sync has run yet", "whmcs-bridge adopt, then sync", memory.NOBODY)
    if not files.openable(settings):
        return
    try:
        with app.bridge(offline=True) as bridge:
            yield from memory.remembered(bridge)
    except BridgeError as error:
        yield Finding("database", Grade.FAIL, str(error), "", "no run begins without it")


def _asking(app: App, settings: Settings) -> Iterator[Finding]:
    """Everything that has to ask WHMCS; ends at the first refusal that concerns all of it."""
    from commands.checkups import Finding, catalogue, files, whmcs
    from whmcs_bridge.journal import SqliteJournal
    from whmcs_bridge.wiring import open_api

    try:
        api = open_api(settings)
    except SettingsProblem:
        return  # the credentials are named below
    with api:
        for one in whmcs.connection(api, settings):
            if isinstance(one, Finding):
                yield one
                continue
            values = whmcs.settings_of_whmcs(api)
            journal = SqliteJournal(settings.journal) if files.openable(settings) else None
            try:
                yield from whmcs.installation(api, values, settings, journal)
            finally:
                if journal is not None:
                    journal.close()
            yield from whmcs.permissions(api)
            yield from whmcs.clock(api, settings)
            yield from whmcs.automation(values, settings)
            yield from whmcs.module_queue(api)
            yield from catalogue.catalogue(api, settings, values)


def show_findings(found: list[Finding]) -> None:
    """Print findings by area, the worst first, and how many there are of each grade."""
    from rich.text import Text

    from commands.show import console, heading, plural

    out = console()
    worst_first = list(STYLES)
    for area in dict.fromkeys(finding.area for finding in found):
        out.print(heading(TITLES.get(area, area.capitalize())))
        for finding in sorted((f for f in found if f.area == area), key=lambda f: worst_first.index(f.grade.value)):
            _show_one(finding)
    counted = {grade: sum(f.grade.value == grade for f in found) for grade in STYLES}
    notes = f"{plural(counted['warn'], 'warning')}, {plural(counted['info'], 'note')}"
    said = f"{counted['fail']} failed, {notes}, {counted['ok']} in order"
    out.print(Text(said, style=_verdict(counted)))


def _show_one(finding: Finding) -> None:
    grade = finding.grade.value
    _paragraph(f"  {grade:<6}", finding.text, STYLES[grade])
    if finding.why:
        _paragraph("          why: ", finding.why, "dim")
    if finding.todo:
        _paragraph("          do:  ", finding.todo, "bold" if grade in ("warn", "fail") else "")


def _paragraph(lead: str, text: str, style: str) -> None:
    """Print behind `lead`, without tearing commands and paths apart."""
    import textwrap

    from rich.text import Text

    from commands.show import console

    out = console()
    further = " " * len(lead)
    for line in textwrap.wrap(
        text,
        max(out.width - 1, 40),
        initial_indent=lead,
        subsequent_indent=further,
        break_on_hyphens=False,
        break_long_words=False,
    ):
        out.print(Text(line, style=style), soft_wrap=True)


def _verdict(counted: dict[str, int]) -> str:
    return STYLES["fail"] if counted["fail"] else STYLES["warn"] if counted["warn"] else STYLES["ok"]
