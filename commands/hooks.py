"""whmcs-bridge hooks."""

import click

from commands.lazy import Entry, LazyGroup


@click.group(
    cls=LazyGroup,
    sections={
        "Commands": {
            "install": Entry("commands.hooks_install:install", "Put the hook file into WHMCS, or bring it up to date."),
            "check": Entry("commands.hooks_check:check", "Tell whether it is current and reaches the bridge."),
            "drain": Entry("commands.hooks_drain:drain", "Deliver the events that WHMCS could not."),
            "uninstall": Entry("commands.hooks_uninstall:uninstall", "Take the hook file out of WHMCS."),
        }
    },
)
def hooks() -> None:
    """Put the file into WHMCS through which it asks and tells the bridge; check it; take it out.

    \b
    Example:
        whmcs-bridge hooks install --whmcs /var/www/whmcs
        whmcs-bridge hooks check --whmcs /var/www/whmcs
    """
