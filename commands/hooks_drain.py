"""whmcs-bridge hooks drain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import json_option

if TYPE_CHECKING:
    from whmcs_bridge.receiver.drain import Drained
    from whmcs_bridge.settings import Settings

SYSTEM_SPOOL = Path("/var/spool/whmcs-bridge")


@click.command(cls=Command)
@click.option("--spool", type=click.Path(path_type=Path), metavar="PATH", help="The spool; by default [hooks] spool.")
@click.option("--url", metavar="URL", help="Deliver to `serve` there; else straight into the inbox on this machine.")
@json_option
@pass_app
def drain(app: App, spool: Path | None, url: str | None, as_json_: bool) -> None:
    """Deliver the events that WHMCS could not, oldest first, and say how many.

    The file in WHMCS does so by itself with every event that gets through; this is for when nothing comes, and for
    after an outage. Safe to run twice, and while WHMCS delivers. What is never taken is renamed to .bad, stands in
    nobody's way and is reported by `hooks check`. Exits 1 where something is left.

    \b
    Example:
        whmcs-bridge hooks drain
        whmcs-bridge hooks drain --spool /var/spool/whmcs-bridge --url http://127.0.0.1:8765
    """
    settings = app.settings()
    folder = spool or _usual(settings)
    try:
        drained = _over_http(settings, folder, url) if url is not None else _into_inbox(app, folder)
    except OSError as error:
        raise click.ClickException(f"{folder}: {error.strerror}; say --spool PATH") from error
    _show(folder, drained, as_json_)
    if drained.left:
        raise SystemExit(1)


def _usual(settings: Settings) -> Path:
    """Return the spool that the settings name, or else the first of the usual ones that is there."""
    from whmcs_bridge.errors import UsageProblem

    if settings.hooks.spool is not None:
        return settings.hooks.spool
    for place in (settings.folder / "spool", SYSTEM_SPOOL):
        if place.is_dir():
            return place
    raise UsageProblem("which folder is the spool? say --spool PATH, or set [hooks] spool")


def _over_http(settings: Settings, folder: Path, url: str) -> Drained:
    from commands.serve import secret_of
    from whmcs_bridge.receiver.drain import drain, over_http

    return drain(folder, over_http(url, secret_of(settings)))


def _into_inbox(app: App, folder: Path) -> Drained:
    """Keep the events, then work them off, unless a run or a receiver does."""
    from contextlib import suppress

    from commands.hook import desk_of, open_late
    from whmcs_bridge.errors import Locked
    from whmcs_bridge.receiver.drain import drain, into_inbox

    with open_late(app) as bridge, suppress(Locked):
        desk = desk_of(bridge)
        drained = drain(folder, into_inbox(desk))
        bridge.deliver = desk.handle
        bridge.work_off()
    return drained


def _show(folder: Path, drained: Drained, as_json_: bool) -> None:
    if as_json_:
        from commands.show import as_json

        as_json({"spool": str(folder), "delivered": drained.delivered, "bad": drained.bad, "left": drained.left})
        return
    click.echo(f"{folder}: {drained.delivered} delivered, {drained.bad} bad, {drained.left} left")
    if drained.bad:
        click.echo("bad ones are never taken: look at the files named .bad there, then delete them", err=True)
    if drained.left:
        why = f"it was answered with {drained.status}" if drained.status else "nobody answered"
        click.echo(f"left where they are, because {why}; is `whmcs-bridge serve` running?", err=True)
