"""whmcs-bridge hooks uninstall."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.app import Command
from commands.hooks_install import whmcs_help
from commands.options import json_option
from whmcs_bridge.errors import BridgeError, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(cls=Command)
@click.option("--whmcs", "root", required=True, type=click.Path(path_type=Path), metavar="PATH", help=whmcs_help)
@click.option("--hand-back", "handing_back", is_flag=True, help="First give what we suspended back to WHMCS.")
@click.option("--yes", is_flag=True, help="Do not ask before handing back.")
@json_option
@click.pass_context
def uninstall(ctx: click.Context, root: Path, handing_back: bool, yes: bool, as_json_: bool) -> None:
    """Take the hook file out of WHMCS: it asks and tells the bridge nothing more, from its next page on.

    Both files are kept beside their old place under a dated name that WHMCS does not load. Suspensions that carry
    our reason are never lifted by WHMCS itself: --hand-back blanks them first (see hand-back), and leaves the files in
    place if that fails. Taking them out while the bridge stays is fine as well: the sync alone keeps things right.

    Exits 0 when the files are gone, 1 when one could not be moved or the handing back failed.

    \b
    Example:
        whmcs-bridge hooks uninstall --whmcs /var/www/whmcs
        whmcs-bridge hooks uninstall --whmcs /var/www/whmcs --hand-back --yes
    """
    from commands.hook_files import hooks_folder
    from commands.show import as_json

    folder = hooks_folder(root.absolute())
    waiting = _waiting(folder)
    if handing_back:
        if as_json_:
            raise UsageProblem("--hand-back says itself what it does: leave --json out, or run hand-back --json first")
        _hand_back(ctx, yes=yes)
    kept = _set_aside(folder)
    if as_json_:
        as_json({"removed": len(kept), "backups": [str(path) for path in kept], "waiting": waiting})
        return
    _show(folder, kept, waiting)


def _hand_back(ctx: click.Context, *, yes: bool) -> None:
    """Run hand-back; ends the command where it fails."""
    from commands.hand_back import hand_back

    try:
        ctx.invoke(hand_back, dry_run=False, yes=yes, by=None, everything=False, as_json_=False)
    except SystemExit as ended:
        if ended.code:
            click.echo("error: not all was handed back, so the hook file stays; run it again", err=True)
            sys.exit(ended.code)


def _waiting(folder: Path) -> int:
    """Return how many events wait in the spool, as far as that can be seen."""
    from commands.hook_files import SETTINGS, settings_in
    from commands.php_values import Unreadable

    try:
        spool = settings_in((folder / SETTINGS).read_text("utf-8")).get("spool")
        return len(list(Path(str(spool)).glob("*.json"))) if spool else 0
    except (OSError, UnicodeDecodeError, Unreadable):
        return 0


def _set_aside(folder: Path) -> Sequence[Path]:
    from datetime import datetime

    from commands.hook_files import SETTINGS, SHIM, set_aside

    at, kept = datetime.now().astimezone(), []
    for name in (SHIM, SETTINGS):
        try:
            if (folder / name).exists():
                kept.append(set_aside(folder / name, at))
        except OSError as error:
            raise BridgeError(f"{folder / name} could not be moved: {error.strerror}") from error
    return kept


def _show(folder: Path, kept: Sequence[Path], waiting: int) -> None:
    from commands.show import command, console, wrapped

    out = console()
    if not kept:
        out.print(f"There is no hook file of ours in {folder}.")
        return
    for path in kept:
        wrapped(out, str(path), lead="kept as ")
    if waiting:
        command(out, f"{waiting:,} events wait in the spool: ", "whmcs-bridge hooks drain")
    command(out, "What carries our reason stays down until the bridge lifts it, or: ", "whmcs-bridge hand-back")
