"""whmcs-bridge policy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.lazy import Entry, LazyGroup
from commands.options import json_option
from whmcs_bridge.errors import SettingsProblem

if TYPE_CHECKING:
    from whmcs_bridge.settings import Settings


@click.group(
    cls=LazyGroup,
    sections={
        "Commands": {
            "check": Entry("commands.policy:check", "Name every mistake and doubt in the settings."),
            "schema": Entry("commands.policy:schema", "Print the JSON Schema of bridge.toml, for editors."),
        }
    },
)
def policy() -> None:
    """Check the settings; print their JSON Schema.

    \b
    Example:
        whmcs-bridge policy check
    """


@click.command(cls=Command)
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@json_option
@pass_app
def check(app: App, file: Path | None, as_json_: bool) -> None:
    """Check bridge.toml (or FILE): every mistake at once, one a line, then warnings and what is set to never.

    Asks nobody and needs no credentials. Exits 0 when the file can be used, 2 when it cannot.

    \b
    Example:
        whmcs-bridge policy check
        whmcs-bridge policy check new-rules.toml --json
    """
    from commands.show import as_json
    from whmcs_bridge.settings import load

    path = file or app.path()
    try:
        settings = load(path)
    except SettingsProblem as mistakes:
        if not as_json_:
            raise
        as_json({"file": str(path), "ok": False, "problems": mistakes.problems, "warnings": [], "never": []})
        sys.exit(mistakes.exit_code)
    if as_json_:
        as_json(
            {"file": str(path), "ok": True, "problems": [], "warnings": settings.warnings, "never": _never(settings)}
        )
    else:
        _show(path, settings)


def _never(settings: Settings) -> list[dict[str, str]]:
    from whmcs_bridge.settings.never import never_list

    return [{"layer": one.layer, "key": one.key, "why": one.why} for one in never_list(settings)]


def _show(path: Path, settings: Settings) -> None:
    from rich.text import Text

    from commands.show import console, heading, table, wrapped

    out = console()
    classes = ", ".join(one.name for one in settings.policy.classes) or "none"
    out.print(Text(f"{path}: in order. Mode {settings.mode}; classes: {classes}.", style="green"), soft_wrap=True)
    for warning in settings.warnings:
        wrapped(out, f"warning: {warning}", style="yellow")
    never = _never(settings)
    if never:
        out.print(heading("\nSet to never"))
        rows = table("where", "key", "why", keep=("key",))
        for one in never:
            rows.add_row(one["layer"], one["key"], one["why"])
        out.print(rows)


@click.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of bridge.toml; editors complete and check with it.

    \b
    Example:
        whmcs-bridge policy schema > bridge.schema.json
    """
    from commands.show import as_json
    from whmcs_bridge.settings.schema import json_schema

    as_json(json_schema())
