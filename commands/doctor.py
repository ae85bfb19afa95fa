"""whmcs-bridge doctor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import json_option
from whmcs_bridge.errors import SettingsProblem

if TYPE_CHECKING:
    from commands.checkups import Finding
    from whmcs_bridge.settings import Settings

FAILED = 1
STYLES = {"ok": "green", "info": "dim", "warn": "yellow", "fail": "bold red"}


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help="Leave out what has to ask WHMCS.")
@click.option("--strict", is_flag=True, help="Exit 1 for warnings as well.")
@json_option
@pass_app
def doctor(app: App, offline: bool, strict: bool, as_json_: bool) -> None:
    """Check everything a run needs: connection, credentials, each API permission, clock and time zone, settings
    of WHMCS that work against ours, package names, databases, what is set to never.

    Changes nothing: permissions are asked for with ids that cannot exist.

    Exits 0 when nothing fails (warnings allowed, unless --strict), 1 when something fails, 2 when the settings
    cannot be used.

    \b
    Example:
        whmcs-bridge doctor
        whmcs-bridge doctor --json
    """
    from commands.checkups import Grade
    from commands.show import as_json

    settings = app.settings()
    found = list(_findings(settings, offline=offline))
    worst = {finding.grade for finding in found}
    bad = Grade.FAIL in worst or (strict and Grade.WARN in worst)
    if as_json_:
        rows = [{"area": f.area, "grade": f.grade.value, "text": f.text, "todo": f.todo} for f in found]
        as_json({"ok": not bad, "findings": rows})
    else:
        _show(found)
    sys.exit(FAILED if bad else 0)


def _findings(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    from commands import checkups
    from whmcs_bridge.wiring import open_api

    yield from checkups.settings_and_rules(settings)
    yield from checkups.packages()
    yield from checkups.databases(settings)
    yield from checkups.credentials(settings)
    if offline:
        return
    try:
        api = open_api(settings)
    except SettingsProblem:
        return  # the credentials are named above
    with api:
        yield from checkups.connection(api, settings)


def _show(found: list[Finding]) -> None:
    from rich.text import Text

    from commands.show import console, table

    out = console()
    rows = table("", "area", "found", keep=("area",))
    for finding in found:
        text = Text(finding.text)
        if finding.todo:
            text.append(f" -> {finding.todo}", style="bold" if finding.grade.value in ("warn", "fail") else "dim")
        rows.add_row(Text(finding.grade.value, style=STYLES[finding.grade.value]), finding.area, text)
    out.print(rows)
    counted = {grade: sum(f.grade.value == grade for f in found) for grade in STYLES}
    out.print(Text(f"{counted['fail']} failed, {counted['warn']} warnings", style=_verdict(counted)))


def _verdict(counted: dict[str, int]) -> str:
    return STYLES["fail"] if counted["fail"] else STYLES["warn"] if counted["warn"] else STYLES["ok"]
