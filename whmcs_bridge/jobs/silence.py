"""Which payment gateways have fallen silent: their invoices are held, and staff is asked, until a person says so."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.policy.silence import LOOKS_BACK_DAYS, silent_since
from whmcs_bridge.ports import Journal

CODE = "gateway-silence:"
"""Begins the code that a person accepts, and that of the task; the gateway's system name ends it."""
SILENT = "sanity:silent gateways"
"""Journal key: gateway -> day of its last payment, as the last complete reading found."""
ACCEPTED = "sanity:silence accepted"
"""Journal key: gateway -> the day of the last payment before the silence that was accepted, and when that was."""
ACCEPTED_FOR_DAYS = 7
"""An accepted silence is asked about again after so many days, unless the gateway has booked."""


def silent_gateways(journal: Journal) -> dict[str, date]:
    """Return the gateways that the last complete reading found silent, with the day of their last payment."""
    return {name: date.fromisoformat(day) for name, day in (journal.get(SILENT) or {}).items()}


def listen(ports: Ports, accepted: Collection[str]) -> dict[str, date]:
    """Find the silent gateways in what was just read whole, and keep them; `accepted` are codes of this run.

    A gateway is silent only where an invoice of it is past due: nobody waits for one that is not used any more.
    """
    today, journal, policy = ports.today(), ports.journal, ports.settings.policy
    found: dict[str, date] = {}
    if policy.sanity.enabled:
        for name, days in ports.mirror.payment_days(today - timedelta(days=LOOKS_BACK_DAYS)).items():
            since = silent_since(days, today, policy.calendar)
            if since is not None:
                found[name] = since
    if found:
        owed = ports.mirror.gateways_owed(today)
        found = {name: since for name, since in found.items() if name in owed}
    known = _accept(journal, found, accepted, today)
    found = {name: since for name, since in found.items() if name not in known}
    keep = {name: since.isoformat() for name, since in found.items()}
    if keep != (journal.get(SILENT) or {}):
        journal.put(SILENT, keep)
    return found


def _accept(journal: Journal, found: Mapping[str, date], accepted: Collection[str], today: date) -> Collection[str]:
    """Keep what is accepted by this run; return the gateways whose present silence a person knows of."""
    before = journal.get(ACCEPTED) or {}
    oldest = (today - timedelta(days=ACCEPTED_FOR_DAYS)).isoformat()
    known = {
        name: entry
        for name, entry in before.items()
        if name in found and entry["since"] == found[name].isoformat() and entry["on"] > oldest
    }
    for name, since in found.items():
        if f"{CODE}{name}" in accepted:
            known[name] = {"since": since.isoformat(), "on": today.isoformat()}
    if known != before:
        journal.put(ACCEPTED, known)
    return known


def silence_notes(silent: Mapping[str, date], today: date) -> Iterator[Note]:
    """One question to staff a gateway."""
    for name, since in silent.items():
        text = f"no payment by {name} since {since} ({(today - since).days} days): its unpaid invoices are held"
        way = f"whmcs-bridge sync --accept-sanity {shlex.quote(CODE + name)}"
        yield Note(CODE + name, text, f"is its callback broken? mend it and book what was paid; if all is well: {way}")
