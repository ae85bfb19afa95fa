"""whmcs-bridge api."""

from __future__ import annotations

import click

from commands.app import App, Command, pass_app
from commands.options import json_option
from whmcs_bridge.errors import UsageProblem

OURS = frozenset({"action", "identifier", "secret", "accesskey", "username", "password", "responsetype"})


@click.command(cls=Command)
@click.argument("action", metavar="ACTION")
@click.argument("params", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--paginate", is_flag=True, help="Read every page of a list and print its rows.")
@json_option
@pass_app
def api(app: App, action: str, params: tuple[str, ...], paginate: bool, as_json_: bool) -> None:
    """Call any action of WHMCS's API with the credentials of the settings, and print the reply.

    Keys go out as they stand, also PHP's way of writing lists (pid[0]=1, customfields[5]=x); a key given
    twice becomes a list. Passwords and other secrets in the reply are hidden. A writing action changes
    WHMCS, whatever the mode. --json prints it on one line.

    Exits 0, 1 when WHMCS refuses or cannot be reached.

    \b
    Example:
        whmcs-bridge api GetClientsProducts serviceid=34
        whmcs-bridge api GetInvoices status=Overdue --paginate --json
    """
    from commands.show import as_json
    from whmcs_bridge.api.redact import redact

    given = _params(params)
    with app.api() as whmcs:
        if not paginate:
            as_json(redact(whmcs.call(action, **given)), indent=None if as_json_ else 2)
            return
        try:
            listing = whmcs.listing(action, **given)
        except ValueError as error:
            raise UsageProblem(f"--paginate: {error}") from error
        rows = [redact(row) for row in listing.everything()]
    as_json(rows, indent=None if as_json_ else 2)


def _params(pairs: tuple[str, ...]) -> dict[str, object]:
    """Return the parameters; raises UsageProblem for one that is no KEY=VALUE."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageProblem(f"{pair!r}: expected KEY=VALUE, as clientid=12")
        if key.casefold() in OURS:
            raise UsageProblem(f"{key} is not a parameter of yours: the settings give it")
        known = found.get(key)
        if known is None:
            found[key] = value
        else:
            found[key] = [*known, value] if isinstance(known, list) else [known, value]
    return found
