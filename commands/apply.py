"""whmcs-bridge apply."""

import click

from commands.app import App, Command, pass_app
from commands.options import accept_option, all_option, allow_option, codes_of, counts_of, json_option


@click.command(cls=Command)
@click.option("--fingerprint", required=True, metavar="HASH", help="The plan you reviewed; `plan` prints it.")
@allow_option
@accept_option
@all_option
@json_option
@pass_app
def apply(
    app: App,
    fingerprint: str,
    allow: tuple[str, ...],
    accept_sanity: tuple[str, ...],
    everything: bool,
    as_json_: bool,
) -> None:
    """Carry out the steps of the plan you reviewed, and no others.

    What is not due any more (somebody has paid) is skipped, with the reason. The whole is refused on another
    day or under another policy, and in shadow mode, which changes nothing.

    Limits count the steps that were reviewed, and what else was done today.

    Exits 0 when all is done, 1 when something failed, 2 in shadow mode, 3 when the plan is stale, or a limit or
    a sanity check refused steps.

    \b
    Example:
        whmcs-bridge apply --fingerprint 4f1c9a02b7de
    """
    from commands.running import finish, finishing, hearing, show_report
    from commands.show import as_json

    counts = counts_of(allow)
    with app.bridge() as bridge, finishing(bridge) as signalled:
        report = hearing(bridge).apply(fingerprint, allow=counts, accept_sanity=codes_of(accept_sanity))
        if as_json_:
            as_json(report.to_json())
        else:
            show_report(bridge, report, everything=everything)
        finish(report, signalled())
