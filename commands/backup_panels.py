"""whmcs-bridge backups panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import all_option, json_option

if TYPE_CHECKING:
    from whmcs_bridge.jobs.panel_lists import PanelSays

SHOWN = 40


@click.command("panels", cls=Command)
@all_option
@json_option
@pass_app
def panels(app: App, everything: bool, as_json_: bool) -> None:
    """Ask the hosting panels who lives there, which backups they list, and where they send them.

    A panel's word is a hint and no evidence. What it shows is accounts without a service, backups of accounts that are
    gone, and places to which backups go that no [[backup_store]] names: nobody deletes anything there. Exits 1 where a
    panel could not be asked, or not for its backups, which takes further rights.

    \b
    Example:
        whmcs-bridge backups panels
        whmcs-bridge backups panels --json
    """
    from commands.show import as_json
    from whmcs_bridge.errors import BridgeError
    from whmcs_bridge.jobs import panel_lists

    with app.bridge(offline=True) as bridge:
        told = panel_lists.ask_all(bridge.ports)
    if as_json_:
        as_json([panel_lists.says_json(says) for says in told])
    elif not told:
        click.echo("No [[panel]] is configured.")
    else:
        for says in told:
            _show_panel(says, None if everything else SHOWN)
    bad = [says.panel for says in told if says.troubles]
    if bad:
        raise BridgeError(f"not every panel could be asked everything: {', '.join(bad)}")


def _show_panel(says: PanelSays, limit: int | None) -> None:
    from commands.show import console, heading, table

    out = console()
    out.print(heading(f"{says.panel}: {says.living:,} accounts live there, {says.backups:,} backups listed"))
    for trouble in says.troubles:
        out.print(f"  {trouble}")
    if says.unknown:
        shown = says.unknown if limit is None else says.unknown[:limit]
        more = f" and {len(says.unknown) - len(shown):,} more (--all)" if len(shown) < len(says.unknown) else ""
        out.print(f"  no living service in WHMCS has: {', '.join(shown)}{more}")
    for place in says.unnamed:
        where = " ".join(word for word in (place.name, place.host, place.path) if word)
        off = "" if place.used else ", switched off, and what was sent there before is still there"
        out.print(f"  no [[backup_store]] names its destination {where} ({place.kind}){off}")
    if says.gone:
        rows = table("gone account", "services", "backups", "newest", "kept at", right=("backups",), keep=("newest",))
        for one in says.gone if limit is None else says.gone[:limit]:
            services = ", ".join(map(str, one.services)) or "none ever"
            newest = f"{one.newest}" if one.newest else ""
            rows.add_row(one.account, services, f"{one.backups:,}", newest, ", ".join(sorted(one.kept_at)))
        out.print(rows)
        if limit is not None and len(says.gone) > limit:
            out.print(f"... and {len(says.gone) - limit:,} more (--all)")
    for note in says.notes:
        out.print(f"  note: {note}")
