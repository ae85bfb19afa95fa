"""whmcs-bridge explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import ID, all_option, json_option
from whmcs_bridge.errors import UnknownId, UsageProblem

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.explain import ClientExplanation, Explanation


@click.command(cls=Command)
@click.argument("what", required=False, metavar="[CLIENT|SERVICE]")
@click.option("--client", type=ID, metavar="ID", help="Explain this client and all its services.")
@click.option("--service", type=ID, metavar="ID", help="Explain this service.")
@all_option
@json_option
@pass_app
def explain(
    app: App, what: str | None, client: int | None, service: int | None, everything: bool, as_json_: bool
) -> None:
    """Explain a service or a client: facts, rule, which setting won, what is withheld and why, what comes next.

    CLIENT|SERVICE is client:12 or service:34; a bare number is a service, or else a client. Reads mirror and
    journal only, so it works while WHMCS is away. --all shows every setting, also those at their default.

    Exits 0, or 2 for an id that the mirror does not have.

    \b
    Example:
        whmcs-bridge explain service:34
        whmcs-bridge explain --client 12 --json
    """
    from commands.show import as_json, console
    from commands.show_explanation import show_client, show_service

    kind, number = _asked(what, client, service)
    with app.bridge(offline=True) as bridge:
        found = _found(bridge, kind, number)
        if as_json_:
            as_json(found.to_json())
            return
        from whmcs_bridge.jobs.explain import Explanation

        if isinstance(found, Explanation):
            show_service(console(), found, everything=everything)
        else:
            show_client(console(), found, everything=everything)


def _asked(what: str | None, client: int | None, service: int | None) -> tuple[str, int]:
    """Return ("client" | "service" | "", number); "" is a bare number."""
    given = [(kind, number) for kind, number in (("client", client), ("service", service)) if number is not None]
    if what is not None:
        kind, colon, digits = what.rpartition(":")
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 16
        if kind not in (("client", "service") if colon else ("",)) or not is_number:
            raise UsageProblem(
                f"{what[:40]!r} is neither a client nor a service: write client:12, service:34 or a number"
            )
        given.append((kind, int(digits)))
    if len(given) != 1:
        raise UsageProblem("explain one client or one service: client:12, service:34 or a number")
    return given[0]


def _found(bridge: Bridge, kind: str, number: int) -> Explanation | ClientExplanation:
    from whmcs_bridge.domain.ids import ClientId, ServiceId

    if kind == "client":
        return bridge.explain_client(ClientId(number))
    if kind == "service":
        return bridge.explain_service(ServiceId(number))
    if bridge.mirror.book_of_service(ServiceId(number)) is not None:
        if bridge.mirror.book(ClientId(number)) is not None:
            click.echo(f"service {number}; there is a client {number} too: explain client:{number}", err=True)
        return bridge.explain_service(ServiceId(number))
    if bridge.mirror.book(ClientId(number)) is not None:
        return bridge.explain_client(ClientId(number))
    raise UnknownId(f"neither a service nor a client {number} in the mirror; check the number, or run a sync first")
