"""whmcs-bridge plan."""

import sys

import click

from commands.app import App, Command, pass_app
from commands.failures import gathered
from commands.options import all_option, allow_option, counts_of, json_option

HAS_STEPS = 4
FAILED = 1


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help="From the mirror only: WHMCS is not asked.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 4 when the plan has steps.")
@allow_option
@all_option
@json_option
@pass_app
def plan(
    app: App, offline: bool, detailed_exitcode: bool, allow: tuple[str, ...], everything: bool, as_json_: bool
) -> None:
    """Show what a sync would do now: what, to whom, why, how much money; what is withheld; what limits say.

    Changes nothing. The plan is kept under its fingerprint for today, for `whmcs-bridge apply`.

    Exits 0; 1 when something could not be read; 4 when there are steps and --detailed-exitcode is given.

    \b
    Example:
        whmcs-bridge plan
        whmcs-bridge plan --offline --json
    """
    counts = counts_of(allow)
    with app.bridge(offline=offline) as bridge:
        made = bridge.plan(offline=offline, allow=counts)
        if as_json_:
            from commands.show import as_json
            from whmcs_bridge.plan.render import to_json

            as_json(to_json(made))
        else:
            from commands.show import console, show_plan

            show_plan(console(), bridge, made, everything=everything)
    if made.problems or not made.complete:
        for problem in gathered(made.problems):
            click.echo(f"could not read: {problem}", err=True)
        sys.exit(FAILED)
    sys.exit(HAS_STEPS if detailed_exitcode and (made.steps or made.refused) else 0)
