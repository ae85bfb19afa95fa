"""Whose accounts there were: kept in the journal while services live, because modules erase it when they end."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, Protocol

from whmcs_bridge.domain.backups import NUMBERED_ON, UUID, VMID, AccountIdentity, LivingAccount, with_ids
from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.jobs.backup_sight import judge_sight
from whmcs_bridge.jobs.backup_sightings import Sightings
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.policy.ownership import PANEL_ID
from whmcs_bridge.ports import AccountPanel

SEEN_TO = "accounts-seen-to"
"""Remembered: (mirror's newest snapshot, house day) up to which services were looked at."""
ERASED_IS_BACK = "erased-is-back"
"""Code of the task about a service that lives although its backups were erased."""
CHUNK = 5_000
NO_SERVER: Final = 0
"""No server of WHMCS has this id: what serves it serves all."""
NUMBER: Final = re.compile(r"[1-9][0-9]{2,8}", re.ASCII)
"""A vmid: 100 to 999999999."""
NUMBERS: Final = ("vpsid", "server_id")
"""Ids that tell machines apart whose services are known by WHMCS's user name, which several may have."""
KNOW_ACCOUNTS: Final = ("jetbackup",)
"""Kinds of store that list living accounts by ids of their own."""
Key = tuple[int, str]


def name_of(service: Service) -> str:
    """Return what an account is known by: its machine's number where a custom field holds one, else the user name."""
    return number_of(service) or service.username


def number_of(service: Service) -> str:
    """Return the number that the service's machine has in its cluster; "" where no custom field holds one."""
    number = dict(service.ids).get(VMID, "")
    return number if NUMBER.fullmatch(number) else ""


def identity_of(service: Service, since: date | None, until: date | None) -> AccountIdentity:
    """Freeze whose account this is, as WHMCS has it now."""
    return AccountIdentity(
        service=service.id,
        client=service.client_id,
        server=int(service.server_id),
        username=name_of(service),
        domain=service.domain,
        since=since,
        until=until,
        proofs=_proofs(service),
    )


def _proofs(service: Service) -> dict[str, str]:
    """What WHMCS itself holds that proves something. A number that is none proves nothing."""
    ids = {name: value.lower() if name == UUID else value for name, value in service.ids if name != VMID}
    number, ip = number_of(service), service.dedicated_ip
    return {**ids, **({VMID: number} if number else {}), **({"dedicated_ip": ip} if ip else {})}


def after_seeing(service: Service, known: Sequence[AccountIdentity], today: date) -> list[AccountIdentity]:
    """Return what has changed about a service's accounts now that WHMCS shows it so; empty for nothing. Pure.

    A new server, name or machine's number begins a new account and ends the one before it. What a module has blanked
    is no change: the account keeps what was known, and ends with its service. A machine proves nothing by its number
    alone for the days before it was first seen under it.
    """
    wrong = misnamed(service, known)
    own = {(a.server, a.username): a for a in known if not a.under and a not in wrong}
    here = _place(service, own)
    ended = service.status is not None and service.status.ended
    changed = [replace(a, until=today) for key, a in own.items() if key != here and a.until is None]
    found = own.get(here)
    if found is None:
        since = service.registered if not own else today
        begun = replace(identity_of(service, since, today if ended else None), server=here[0], username=here[1])
        numbered = {NUMBERED_ON: today.isoformat()} if begun.is_machine else {}
        changed.append(replace(begun, proofs={**begun.proofs, **numbered}))
    else:
        now = _refreshed(found, service, today, ended=ended)
        if now != found:
            changed.append(now)
    return [*changed, *_below(known, found, here, today, ended=ended)]


def _below(
    known: Iterable[AccountIdentity], found: AccountIdentity | None, here: Key, today: date, *, ended: bool
) -> Iterator[AccountIdentity]:
    """Yield what a reseller had below it as it ends with the reseller's own account, and comes back with it."""
    for account in known:
        if not account.under:
            continue
        if account.until is None and (ended or (account.server, account.under) != here):
            yield replace(account, until=today)
        elif not ended and found is not None and found.until is not None and account.until == found.until:
            yield replace(account, until=None)


def misnamed(service: Service, known: Iterable[AccountIdentity]) -> list[AccountIdentity]:
    """Return accounts that were taken for the service's until its machine's number was known.

    WHMCS's user name of a machine is nobody's account: every machine may have the same.
    """
    if not number_of(service):
        return []
    server = int(service.server_id)
    return [a for a in known if not (a.under or a.is_machine) and a.until is None and a.server in (server, 0)]


def _place(service: Service, own: Mapping[Key, AccountIdentity]) -> Key:
    """Return server and name of the service's present account; what WHMCS shows blank is as it was."""
    last = next((key for key, a in own.items() if a.until is None), next(iter(reversed(list(own))), None))
    server, name = int(service.server_id), name_of(service)
    if last is None:
        return server, name
    server = server or last[0]
    was_machine = own[last].is_machine and server == last[0]
    return server, last[1] if not name or (was_machine and not number_of(service)) else name


def _refreshed(found: AccountIdentity, service: Service, today: date, *, ended: bool) -> AccountIdentity:
    until = (found.until or today) if ended else None
    fresh = _proofs(service)
    proofs = {**fresh, **found.proofs} if ended else with_ids(found.proofs, fresh)
    domain = service.domain or found.domain
    return replace(found, client=service.client_id, domain=domain, until=until, proofs=proofs)


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
            notes.append(back_again(service))
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
    wrong = [a for s in services for a in misnamed(s, known.get(s.id, ()))]
    if wrong:
        deletions.drop_accounts(wrong)
    deletions.save_accounts(changed)


def back_again(service: Service) -> Note:
    """What staff is told of a service that lives although its backups were erased."""
    text = f"service {service.id} lives in WHMCS, and its backups were erased: was WHMCS restored from a backup?"
    return Note(ERASED_IS_BACK, text, "find out why it is back; nothing is done to it", service.client_id, service.id)


# --- ids that panels and stores know accounts by --------------------------------------------------


def keep_panel_ids(ports: Ports) -> list[str]:
    """Ask who lives there: each panel, and each store that knows accounts by ids; keep their ids of our accounts, and
    what resellers have below them.

    Returns what could not be asked, one line each.
    """
    sightings = Sightings(ports, int(ports.journal.get(SEEN_TO, 0)))
    problems: list[str] = []
    for panel in ports.account_panels:
        problems += _keep_ids(ports, sightings, f"panel {panel.name}", panel, panel=panel.name)
    for store in ports.stores:
        # one of every server would take one server's account for another's of the same name
        if store.kind in KNOW_ACCOUNTS and not store.serves(NO_SERVER):
            problems += _keep_ids(ports, sightings, f"store {store.name}", store)
    sightings.keep()
    return problems


class KnowsAccounts(Protocol):
    """A panel, or a store that lists living accounts by ids of its own. Reads raise StoreTrouble."""

    def serves(self, server: int) -> bool: ...
    def living(self) -> Mapping[str, LivingAccount]: ...


def _keep_ids(ports: Ports, sightings: Sightings, place: str, there: KnowsAccounts, *, panel: str = "") -> list[str]:
    deletions = ports.journal.deletions
    problems: list[str] = []
    changed: list[AccountIdentity] = []
    try:
        living = there.living()
        here = [a for a in deletions.accounts() if a.until is None and there.serves(a.server)]
        several = {name for name, count in Counter(a.username for a in here if not a.under).items() if count > 1}
        # Each look at one costs a request where they are not all in one answer: then once a day does.
        whole = isinstance(living, dict)
        todo = here if whole or not sightings.looked_today(place) else [a for a in here if _new(a, sightings, place)]
        names = frozenset(living)
        if panel:
            own = [a for a in here if a.username and not a.under and a.is_machine is not whole]
            problems += judge_sight(ports, panel, own, names, lambda account: _living(ports, account) is not None)
        for account in todo:
            if account.username in names:
                found = living[account.username]
                if found.ids and account.username in several:
                    problems.append(f"{place}: several services name {account.username}; none of its ids is recorded")
                    continue
                after = _with_panel_ids(account, found, sightings, place, ports.today())
                changed += [after] if after != account else []
        if whole and panel:
            changed += _resellers(here, living, ports.today())
        elif not whole:
            sightings.looked(place)
    except StoreTrouble as error:
        sightings.silent(place)
        problems.append(f"{place}: {str(error).removeprefix(f'{place}: ')}")
    deletions.save_accounts(changed)
    return sorted(set(problems))


def _new(account: AccountIdentity, sightings: Sightings, place: str) -> bool:
    return PANEL_ID not in account.proofs or sightings.once(place, account)


def _with_panel_ids(
    account: AccountIdentity, found: LivingAccount, sightings: Sightings, place: str, today: date
) -> AccountIdentity:
    """Return the account with the ids that a panel shows; those that prove whose a backup is, on the second look."""
    identity = {PANEL_ID: found.identity} if found.identity else {}
    fresh = {**identity, **found.ids}
    proofs = with_ids(account.proofs, fresh)
    if proofs == account.proofs or (found.ids and not sightings.twice(place, account, fresh)):
        return account
    numbered = {NUMBERED_ON: today.isoformat()} if VMID in proofs and VMID not in account.proofs else {}
    return replace(account, proofs=proofs | numbered)


def _resellers(
    here: Sequence[AccountIdentity], living: Mapping[str, LivingAccount], today: date
) -> list[AccountIdentity]:
    """Return what has changed below resellers: accounts that came, and those that went or are another's now."""
    below: dict[str, list[LivingAccount]] = {}
    for one in living.values():
        if one.owner and one.owner != one.username:
            below.setdefault(one.owner, []).append(one)
    own = {(a.server, a.username) for a in here if not a.under}
    held = {(a.server, a.username): a for a in here if a.under}
    known = {(a.service, a.server, a.username) for a in here}
    tells = any(one.owner for one in living.values())
    left = {key for key, a in held.items() if key in own or _left(a, living.get(a.username), tells=tells)}
    changed = [replace(held[key], until=today) for key in left]
    for account in here:
        if account.under:
            continue
        for sub in below.get(account.username, ()):
            key = (account.server, sub.username)
            if key in own or (account.service, *key) in known:
                continue  # a service of its own, or known
            proofs = {PANEL_ID: sub.identity} if sub.identity else {}
            since = today if key in held else account.since  # it was another's until now
            changed.append(
                replace(
                    account,
                    username=sub.username,
                    domain=sub.domain,
                    since=since,
                    proofs=proofs,
                    under=account.username,
                )
            )
    return changed


def _left(account: AccountIdentity, found: LivingAccount | None, *, tells: bool) -> bool:
    """An account below a reseller is gone, or another's. `tells`: the panel says of accounts whose they are."""
    return found is None or (found.owner != account.under and (bool(found.owner) or tells))


def remember_accounts(ports: Ports, facts: ServiceFacts, proofs: Mapping[str, str]) -> None:
    """Keep whose accounts these are, as WHMCS has it this moment, with what else proves it of the present one."""
    service = facts.service
    told = tuple(sorted({**dict(service.ids), **{name: value for name, value in proofs.items() if value}}.items()))
    _keep(ports, [replace(service, ids=told)], ports.today())


def accounts_of(
    ports: Ports, service: Service | None, number: ServiceId, ended_on: date | None
) -> list[AccountIdentity]:
    """Return every account that a service ever had, ended where it has ended; those it had most recently last.

    `service` is what WHMCS has of it, None where it has nothing any more.
    """
    deletions, today = ports.journal.deletions, ports.today()
    known = list(deletions.accounts([number]))
    if service is not None:
        _keep(ports, [service], ended_on or today)
        known = list(deletions.accounts([number]))
    return [replace(a, until=a.until or ended_on or today) for a in known]


def hash_of(account: AccountIdentity) -> str:
    """Return the sha256 that a tombstone keeps of an account."""
    return hash_of_name(account.server, account.username)


def hash_of_name(server: int, username: str) -> str:
    """Return the same for a name that a store shows."""
    return hashlib.sha256(f"{server}/{username}".encode()).hexdigest()


def rivals_of(ports: Ports, account: AccountIdentity) -> list[AccountIdentity]:
    """Return every other service that has ever had this name, on whatever server: one store may keep several's."""
    known = ports.journal.deletions.accounts_named(None, account.username)
    return [a for a in known if a.service != account.service]


def twin_of(ports: Ports, account: AccountIdentity) -> str:
    """Say which other living service has this account now, by WHMCS or by the number of its machine; "" for none."""
    if not account.username or account.under:
        # Nobody's twin: without a name only a store's own record of the owner can claim an item; and what a reseller
        # had may be a service of its own by now: its panel has named it, and says of each item whether it lives.
        return ""
    for other in ports.mirror.services_with_account(account.server, account.username):
        if other.id != account.service and _lives(other) and not _is_another(ports, account, other):
            return f"service {other.id} lives on the same server under the name {account.username}"
    rivals = rivals_of(ports, account) if account.is_machine else []
    rival = next((r for r in rivals if _has_its_machine(ports, account, r)), None)
    return f"service {rival.service} lives, and its machine has the same number {account.username}" if rival else ""


def _has_its_machine(ports: Ports, account: AccountIdentity, rival: AccountIdentity) -> bool:
    """Another living service has the number in the same cluster, and nothing shows that it is another machine."""
    if rival.until is not None or not rival.is_machine or not _same_cluster(ports, account, rival):
        return False
    return not _another_machine(account, rival) and _living(ports, rival) is not None


def _living(ports: Ports, account: AccountIdentity) -> Service | None:
    """The service of an account, if it lives in WHMCS."""
    book = ports.mirror.book_of_service(account.service)
    found = next((s for s in book.services if s.id == account.service), None) if book is not None else None
    return found if found is not None and _lives(found) else None


def _lives(service: Service) -> bool:
    return service.status is not None and service.status.living


def _is_another(ports: Ports, account: AccountIdentity, other: Service) -> bool:
    """The other service is known by a number, so that its user name is nobody's account."""
    known = [a for a in ports.journal.deletions.accounts([other.id]) if a.until is None and not a.under]
    here = [a for a in known if a.server == int(other.server_id)]
    return any(a.is_machine or any(_differ(account, a, name) for name in NUMBERS) for a in here)


def _differ(one: AccountIdentity, other: AccountIdentity, name: str) -> bool:
    """Both are recorded under a name, and nothing of it is the same."""
    mine, theirs = one.recorded(name), other.recorded(name)
    return bool(mine and theirs) and mine.isdisjoint(theirs)


def _same_cluster(ports: Ports, one: AccountIdentity, other: AccountIdentity) -> bool:
    """A number counts in a whole cluster, of which WHMCS may know each node as a server."""
    both = (one.server, other.server)
    return one.server == other.server or any(all(map(p.serves, both)) for p in ports.account_panels)


def _another_machine(one: AccountIdentity, other: AccountIdentity) -> bool:
    """Both are recorded, and as different machines: by uuid, else by what the panel knows them by."""
    if one.recorded(UUID) and other.recorded(UUID):
        return _differ(one, other, UUID)
    return _differ(one, other, PANEL_ID)


def served(ports: Ports, accounts: Iterable[AccountIdentity]) -> dict[int, AccountPanel | None]:
    """Return the panel of each server that these accounts were on; None where none is configured."""
    return {
        a.server: next((p for p in ports.account_panels if p.serves(a.server)), None) for a in accounts if a.username
    }
