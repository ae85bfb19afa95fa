"""whmcs-bridge sync."""

import click

from commands.app import App, Command, pass_app
from commands.options import accept_option, all_option, allow_option, codes_of, counts_of, json_option


@click.command(cls=Command)
@allow_option
@accept_option
@all_option
@json_option
@pass_app
def sync(app: App, allow: tuple[str, ...], accept_sanity: tuple[str, ...], everything: bool, as_json_: bool) -> None:
    """Read WHMCS, plan, and carry the plan out inside the limits; in shadow mode, stop after the plan.

    This is what the timer runs. It may be killed at any moment: the next one goes on. Ctrl-C and SIGTERM
    end it after the step in hand.

    Exits 0 when all is done, 1 when something failed or could not be read, 3 when a limit or a sanity check
    refused steps, 130 or 143 after a signal.

    \b
    Example:
        whmcs-bridge sync
        whmcs-bridge sync --allow suspend=37
    """
    from commands.running import finish, finishing, hearing, show_report
    from commands.show import as_json

    counts = counts_of(allow)
    with app.bridge() as bridge, finishing(bridge) as signalled:
        report = hearing(bridge).sync(allow=counts, accept_sanity=codes_of(accept_sanity))
        if as_json_:
            as_json(report.to_json())
        else:
            show_report(bridge, report, everything=everything)
        finish(report, signalled())
