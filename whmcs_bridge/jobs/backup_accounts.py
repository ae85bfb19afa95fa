"""Whose accounts there were: kept in the journal while services live, because modules erase it when they end."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from whmcs_bridge.domain.backups import AccountIdentity, LivingAccount
from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.policy.ownership import PANEL_ID
from whmcs_bridge.ports import AccountPanel

SEEN_TO = "accounts-seen-to"
"""Remembered: (mirror's newest snapshot, house day) up to which services were looked at."""
CHUNK = 5_000
RESELLER = "reselleraccount"
Key = tuple[int, str]


def identity_of(service: Service, since: date | None, until: date | None) -> AccountIdentity:
    """Freeze whose account this is, as WHMCS has it now."""
    return AccountIdentity(
        service=service.id,
        client=service.client_id,
        server=int(service.server_id),
        username=service.username,
        domain=service.domain,
        since=since,
        until=until,
        proofs={"dedicated_ip": service.dedicated_ip} if service.dedicated_ip else {},
    )


def after_seeing(service: Service, known: Sequence[AccountIdentity], today: date) -> list[AccountIdentity]:
    """Return what has changed about a service's accounts now that WHMCS shows it so; empty for nothing. Pure.

    A new server or name begins a new account and ends the one before it. What a module has blanked is no change: the
    account keeps what was known, and ends with its service.
    """
    own = {(a.server, a.username): a for a in known if not a.under}
    here = (int(service.server_id), service.username)
    ended = service.status is not None and service.status.ended
    if ended and own and here not in own and (not service.username or not here[0]):
        here = next(reversed(own))  # blanked
    changed: list[AccountIdentity] = []
    for key, account in own.items():
        if key != here and account.until is None:
            changed.append(replace(account, until=today))
    found = own.get(here)
    if found is None:
        since = service.registered if not own else today
        changed.append(identity_of(service, since, today if ended else None))
    else:
        now = _refreshed(found, service, today, ended=ended)
        if now != found:
            changed.append(now)
    gone = today if ended else None
    changed += [replace(a, until=gone) for a in known if a.under and (a.until is None) is ended]
    return changed


def _refreshed(found: AccountIdentity, service: Service, today: date, *, ended: bool) -> AccountIdentity:
    until = (found.until or today) if ended else None
    ip = {"dedicated_ip": service.dedicated_ip} if service.dedicated_ip else {}
    domain = service.domain or found.domain
    return replace(found, client=service.client_id, domain=domain, until=until, proofs={**found.proofs, **ip})


def keep_accounts(ports: Ports) -> list[Note]:
    """Bring the kept accounts up to what the last snapshot shows, changed services only; return what staff should know.

    Costs one pass over the rows that the mirror has written since; a service that is back after its backups were
    erased is told of.
    """
    journal, today = ports.journal, ports.today()
    after = int(journal.get(SEEN_TO, 0))
    newest, rows = ports.mirror.changed_services(after)
    notes: list[Note] = []
    stones = journal.deletions.tombstones()
    chunk: list[Service] = []
    for service in rows:
        chunk.append(service)
        if len(chunk) == CHUNK:
            _keep(ports, chunk, today)
            chunk = []
        if service.id in stones and service.status is not None and service.status.living:
            notes.append(_back_again(service))
    _keep(ports, chunk, today)
    if newest != after:
        journal.put(SEEN_TO, newest)
    return notes


def _keep(ports: Ports, services: Sequence[Service], today: date) -> None:
    if not services:
        return
    deletions = ports.journal.deletions
    known: dict[ServiceId, list[AccountIdentity]] = {}
    for account in deletions.accounts([s.id for s in services]):
        known.setdefault(account.service, []).append(account)
    changed = [a for s in services for a in after_seeing(s, known.get(s.id, ()), today)]
    deletions.save_accounts(changed)


def _back_again(service: Service) -> Note:
    text = f"service {service.id} lives in WHMCS, and its backups were erased: was WHMCS restored from a backup?"
    return Note("erased-is-back", text, "find out why it is back; nothing is done to it", service.client_id, service.id)


def keep_panel_ids(ports: Ports) -> list[str]:
    """Ask each hosting panel who lives there; keep its own ids of our accounts, and what resellers have below them.

    Returns what could not be asked, one line each.
    """
    problems: list[str] = []
    for panel in ports.account_panels:
        try:
            living = panel.living()
        except StoreTrouble as error:
            problems.append(f"panel {panel.name}: {error}")
            continue
        _keep_ids(ports, panel, living)
    return problems


def _keep_ids(ports: Ports, panel: AccountPanel, living: Mapping[str, LivingAccount]) -> None:
    deletions = ports.journal.deletions
    below: dict[str, list[LivingAccount]] = {}
    for one in living.values():
        if one.owner and one.owner != one.username:
            below.setdefault(one.owner, []).append(one)
    changed: list[AccountIdentity] = []
    here = [a for a in deletions.accounts() if a.until is None and panel.serves(a.server)]
    known = {(a.service, a.server, a.username) for a in here}
    for account in here:
        found = living.get(account.username)
        if found is not None and found.identity and account.proofs.get(PANEL_ID) != found.identity:
            changed.append(replace(account, proofs={**account.proofs, PANEL_ID: found.identity}))
        if account.under:
            continue
        for sub in below.get(account.username, ()):
            if (account.service, account.server, sub.username) not in known:
                proofs = {PANEL_ID: sub.identity} if sub.identity else {}
                changed.append(
                    replace(account, username=sub.username, domain=sub.domain, proofs=proofs, under=account.username)
                )
    deletions.save_accounts(changed)


def remember_accounts(ports: Ports, facts: ServiceFacts, proofs: Mapping[str, str]) -> None:
    """Keep whose accounts these are, as WHMCS has it this moment, with what else proves it of the present one."""
    deletions, service = ports.journal.deletions, facts.service
    deletions.save_accounts(after_seeing(service, list(deletions.accounts([service.id])), ports.today()))
    if not proofs:
        return
    here = (int(service.server_id), service.username)
    known = [a for a in deletions.accounts([service.id]) if (a.server, a.username) == here]
    deletions.save_accounts([replace(a, proofs={**a.proofs, **proofs}) for a in known])


def accounts_of(
    ports: Ports, service: Service | None, number: ServiceId, ended_on: date | None
) -> list[AccountIdentity]:
    """Return every account that a service ever had, ended where it has ended; those it had most recently last.

    `service` is what WHMCS has of it, None where it has nothing any more.
    """
    deletions, today = ports.journal.deletions, ports.today()
    known = list(deletions.accounts([number]))
    if service is not None:
        changed = {(a.server, a.username): a for a in after_seeing(service, known, ended_on or today)}
        if changed:
            deletions.save_accounts(changed.values())
            known = list(deletions.accounts([number]))
    return [replace(a, until=a.until or ended_on or today) for a in known]


def hash_of(account: AccountIdentity) -> str:
    """Return the sha256 that a tombstone keeps of an account."""
    return hashlib.sha256(f"{account.server}/{account.username}".encode()).hexdigest()


def rivals_of(ports: Ports, account: AccountIdentity) -> list[AccountIdentity]:
    """Return every other service that has ever had this name on this server."""
    known = ports.journal.deletions.accounts_named(account.server, account.username)
    return [a for a in known if a.service != account.service]


def served(ports: Ports, accounts: Iterable[AccountIdentity]) -> dict[int, AccountPanel | None]:
    """Return the panel of each server that these accounts were on; None where none is configured."""
    return {
        a.server: next((p for p in ports.account_panels if p.serves(a.server)), None) for a in accounts if a.username
    }
