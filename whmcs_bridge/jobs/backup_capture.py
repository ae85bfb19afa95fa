"""What backup stores show of accounts only while they live: asked for in time, and kept among their proofs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from whmcs_bridge.domain.backups import ASKED, SEEN, AccountIdentity
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import StoreTrouble, ViewIncomplete
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.ports import BackupStore

WHILE_LIVING: Final = ("openstack", "solusvm2")
"""Kinds of store that show what proves whose a backup was only while the account lives."""
ASK_AGAIN = timedelta(hours=12)
MOST_A_RUN = 200
"""Accounts asked about in one run and store, those asked longest ago first: a run stays short."""
FAILURES = 5
"""After so many the store is left to a later run."""


def keep_captured(ports: Ports) -> list[str]:
    """Ask each store that needs it about the living accounts it has not been asked about for half a day.

    Returns what could not be asked, one line a store. The caller holds the journal's writer.
    """
    problems: list[str] = []
    stores = _capturing(ports)
    if not stores:
        return problems
    living = [a for a in ports.journal.deletions.accounts() if a.until is None and not a.under]
    for store in stores:
        due = [a for a in living if store.serves(a.server) and _is_due(a, store.name, ports.now())]
        due.sort(key=lambda a: a.proofs.get(f"{store.name}/{ASKED}", ""))
        failures = 0
        for account in due[:MOST_A_RUN]:
            try:
                _keep(ports, store, account)
            except ViewIncomplete as error:  # of this one: it is asked about after the others from now on
                _save(ports, store, account, {})
                problems += [] if failures else [f"what {store.name} has of service {account.service}: {error}"]
                failures += 1
                if failures >= FAILURES:
                    break
            except StoreTrouble as error:
                problems.append(f"what {store.name} has of service {account.service}: {error}")
                break
    return problems


def capture_before_end(ports: Ports, service: ServiceId) -> None:
    """Ask once more right before we end a service; what does not answer now has answered before, or has not."""
    for store in _capturing(ports):
        for account in ports.journal.deletions.accounts([service]):
            if account.until is None and not account.under and store.serves(account.server):
                try:
                    _keep(ports, store, account)
                except StoreTrouble:
                    continue


def _capturing(ports: Ports) -> list[BackupStore]:
    """No other store is opened for it: opening one reads its secrets."""
    return [store for store in ports.stores if store.kind in WHILE_LIVING]


def _is_due(account: AccountIdentity, store: str, now: datetime) -> bool:
    asked = account.proofs.get(f"{store}/{ASKED}", "")
    return not asked or datetime.fromisoformat(asked) + ASK_AGAIN <= now


def _keep(ports: Ports, store: BackupStore, account: AccountIdentity) -> None:
    """Keep what the store knows of the account now; what it knew before stays where it knows nothing any more."""
    _save(ports, store, account, store.capture(account))


def _save(ports: Ports, store: BackupStore, account: AccountIdentity, found: Mapping[str, str]) -> None:
    now, prefix = ports.now().isoformat(), f"{store.name}/"
    others = {name: value for name, value in account.proofs.items() if not (found and name.startswith(prefix))}
    seen = {f"{prefix}{name}": value for name, value in {**found, SEEN: now}.items()} if found else {}
    proofs = {**others, **seen, f"{prefix}{ASKED}": now}
    ports.journal.deletions.save_accounts([replace(account, proofs=proofs)])
