"""whmcs-bridge morning."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, pass_app
from commands.options import json_option

if TYPE_CHECKING:
    from datetime import date

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.ports import MorningMail


@click.command(cls=Command)
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The mail of this day, as kept.")
@click.option("--send", is_flag=True, help="Mail it to the administrators now, if today's is not out yet.")
@json_option
@pass_app
def morning(app: App, day: datetime | None, send: bool, as_json_: bool) -> None:
    """Print the staff's morning mail: done, due today and tomorrow, refused, to approve, withheld, tasks.

    The first sync of a day writes it into the folder morning beside the databases, and in enforce mode asks WHMCS
    to mail it ([staff] morning_mail). Without --date this writes today's anew, from mirror and journal alone. It is
    sent once a day at most: one whose answer was lost is not sent again.

    Exits 0; 1 when --send fails; 2 for a day without a mail, or one that may be out already.

    \b
    Example:
        whmcs-bridge morning
        whmcs-bridge morning --date 2026-03-02
        whmcs-bridge morning --send
    """
    from commands.show import as_json
    from whmcs_bridge.errors import UsageProblem

    if send and day is not None:
        raise UsageProblem("--send mails today's; leave --date out")
    with app.bridge(offline=not send) as bridge:
        found = _kept(bridge, day.date()) if day is not None else _today(bridge, send=send)
    if as_json_:
        as_json(found)
        return
    click.echo(f"{found['subject']}\n\n{found['text']}", nl=False)
    if send:
        click.echo("sent to the administrators", err=True)


def _kept(bridge: Bridge, day: date) -> dict[str, Any]:
    from whmcs_bridge.errors import UnknownId

    mail = bridge.journal.morning_mail(day)
    if mail is None:
        raise UnknownId(f"no morning mail of {day}; no sync ran on that day, or it was written by an earlier version")
    return _json(mail)


def _today(bridge: Bridge, *, send: bool) -> dict[str, Any]:
    letter = bridge.morning_letter()
    if send:
        bridge.send_morning(letter)
    mail = bridge.journal.morning_mail(letter.day)
    known = _json(mail) if mail is not None else {"date": letter.day.isoformat(), "state": None, "note": ""}
    return known | {"subject": letter.subject, "text": letter.text()}


def _json(mail: MorningMail) -> dict[str, Any]:
    """The shape of `morning --json`; fields are added, never renamed."""
    return {
        "date": mail.day.isoformat(),
        "state": mail.state,
        "note": mail.note,
        "begun_at": mail.begun_at.isoformat(),
        "ended_at": mail.ended_at.isoformat() if mail.ended_at is not None else None,
        "subject": mail.subject,
        "text": mail.text,
    }
