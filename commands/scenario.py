"""whmcs-bridge scenario."""

import sys
from pathlib import Path

import click

from commands.app import App, Command, pass_app
from commands.lazy import Entry, LazyGroup
from commands.options import json_option


@click.group(cls=LazyGroup, sections={"Commands": {"test": Entry("commands.scenario:test", "Play timelines.")}})
def scenario() -> None:
    """Test your rules on timelines, before you switch them on.

    \b
    Example:
        whmcs-bridge scenario test rules/
    """


@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="FILE_OR_FOLDER...", type=click.Path(path_type=Path))
@json_option
@pass_app
def test(app: App, paths: tuple[Path, ...], as_json_: bool) -> None:
    """Play timelines (TOML or JSON) on the simulator with the real bridge, and check what they expect.

    Needs no settings and no WHMCS: each file brings its own. --json prints one object a scenario, one a line.

    Exits 0 when everything holds, 1 when an expectation fails, 2 when a file is wrong.

    \b
    Example:
        whmcs-bridge scenario test rules/late-payer.toml
        whmcs-bridge scenario test rules/ --json
    """
    from whmcs_bridge.scenarios import exit_code, render, run_files, summary, to_line

    outcomes = []
    for path in paths:
        for outcome in run_files([path]):
            outcomes.append(outcome)
            click.echo(to_line(outcome) if as_json_ else render(outcome))
    if not as_json_:
        click.echo(summary(outcomes))
    sys.exit(exit_code(outcomes))
