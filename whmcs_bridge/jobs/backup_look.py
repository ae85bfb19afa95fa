"""Look at backup stores and panels: what they say of themselves, what is there, and whose it is. Changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Claim, LivingAccount, Probe, Verdict
from whmcs_bridge.domain.deletions import DeletionPlan, Untouched, key_of
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import AccountLives, StoreTrouble, ViewIncomplete
from whmcs_bridge.jobs.backup_accounts import rivals_of
from whmcs_bridge.jobs.backup_sight import blind_panels
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.ownership import BackupRules, lies_aside, same_account, surely_before, whose
from whmcs_bridge.ports import BackupStore

ItemKey = tuple[str, str, str]


@dataclass(slots=True)
class Look:
    """One store as it is now."""

    store: BackupStore
    items: list[BackupItem] = field(default_factory=list)
    """Its whole listing, and what lies beside the accounts' backups."""
    beside: set[ItemKey] = field(default_factory=set)
    """What of it only these accounts' looks show: another account's look has no such items."""
    trouble: str = ""
    """Why nothing may be concluded from it."""
    postponed: str = ""
    """Why nothing may be deleted in it now."""
    busy: str = ""
    """Which backup is at work, of an account that it is about: what it makes is not listed yet."""
    keeps_for: timedelta | None = None
    _keys: dict[ItemKey, BackupItem] | None = None

    @property
    def by_hand(self) -> bool:
        """Nothing is deleted in it by us. A store that cannot even be opened is none of these."""
        try:
            return not self.store.caps.deletes
        except StoreTrouble:
            return False

    @property
    def keys(self) -> dict[ItemKey, BackupItem]:
        """The listing by what names each item; it does not change once it was made."""
        if self._keys is None:
            self._keys = {key_of(item): item for item in self.items}
        return self._keys


def root_of(store: BackupStore) -> str:
    """Where a store begins; "" where it cannot even be opened."""
    try:
        return store.root
    except StoreTrouble:
        return ""


@dataclass(slots=True)
class Subject:
    """The service whose backups it is about, and everything that says whose an item is."""

    service: ServiceId
    client: ClientId
    accounts: Sequence[AccountIdentity]
    rivals: Mapping[str, Sequence[AccountIdentity]] = field(default_factory=dict)
    """Account name -> whoever else has ever had it, on whatever server."""
    own_plans: frozenset[str] = frozenset()
    """Hashes of this service's plans: what they have moved aside is its own."""
    plans_named: Callable[[str], Sequence[DeletionPlan]] = lambda digest: ()
    """Hash -> the plans, to see what exactly they have moved aside."""
    lives_again: str = ""
    """Who lives under its name now: then only what is surely from before goes. "" is nobody."""
    living: dict[int, Mapping[str, LivingAccount]] = field(default_factory=dict)
    """Server -> who lives there, as its panel says; a server without a panel is not in it."""

    @property
    def resellers(self) -> int:
        """Accounts that a reseller had below it."""
        return sum(1 for a in self.accounts if a.under)


@dataclass(slots=True)
class Found:
    """What of one listing is the service's, and what may be and is left alone."""

    mine: dict[ItemKey, tuple[BackupItem, tuple[str, ...]]] = field(default_factory=dict)
    untouched: list[Untouched] = field(default_factory=list)


def subject_of(
    ports: Ports, service: ServiceId, client: ClientId, accounts: Sequence[AccountIdentity], own_plans: frozenset[str]
) -> Subject:
    """Bring together who has ever had the names of this service."""
    rivals = {a.username: rivals_of(ports, a) for a in accounts if a.username}
    return Subject(service, client, accounts, rivals, own_plans, cache(ports.journal.deletions.plan_named))


Listed = tuple[Probe | None, Sequence[BackupItem], str]
"""What a store said of itself, its whole listing, and why nothing may be concluded from it."""


class Listings:
    """Listings that the looks of many services share, where nothing is deleted on what they show.

    Fifty services may end in one night, and a store may take minutes to list. What is older than `LISTED_FOR` is listed
    anew; a store that was away is not waited for once more by each of them.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: dict[str, tuple[datetime, Listed]] = {}

    def of(self, store: BackupStore) -> Listed:
        """Return the store's listing, which nobody may change."""
        found = self._kept.get(store.name)
        if found is None or self._now() - found[0] > LISTED_FOR:
            found = self._kept[store.name] = (self._now(), _listed(store))
        return found[1]


LISTED_FOR = timedelta(minutes=10)


def _listed(store: BackupStore) -> Listed:
    try:
        probe = store.probe()
        if not probe.complete:
            return probe, (), f"its view is not complete: {probe.why or 'it does not say why'}"
        return probe, list(store.items()), ""
    except StoreTrouble as error:
        return None, (), str(error)


def look_at(
    store: BackupStore, accounts: Sequence[AccountIdentity], rules: BackupRules, listings: Listings | None = None
) -> Look:
    """Probe a store, then list it whole; what goes wrong is the look's trouble.

    `listings`: a listing that others were shown before will do; never where something is deleted on it.
    """
    probe, items, trouble = listings.of(store) if listings is not None else _listed(store)
    look = Look(store, list(items), trouble=trouble)
    if probe is None or trouble:
        return look
    try:
        _with_residue(look, accounts)
    except StoreTrouble as error:
        look.items, look.trouble = [], str(error)
        return look
    look.keeps_for = probe.keeps_for
    look.busy = _busy(probe, accounts)
    look.postponed = look.busy or _skewed(probe, rules)
    return look


def _with_residue(look: Look, accounts: Sequence[AccountIdentity]) -> None:
    known = {key_of(item) for item in look.items}
    for account in accounts:
        for item in look.store.residue(account):
            if key_of(item) not in known:
                known.add(key_of(item))
                look.items.append(item)
                look.beside.add(key_of(item))


def _busy(probe: Probe, accounts: Sequence[AccountIdentity]) -> str:
    busy = {a.username for a in accounts if a.username} | {"*"}
    at_work = sorted(busy.intersection(probe.busy))
    return f"a backup is at work ({', '.join(at_work)})" if at_work else ""


def _skewed(probe: Probe, rules: BackupRules) -> str:
    skew = probe.clock_skew
    if skew is not None and abs(skew) > timedelta(minutes=rules.max_clock_skew_minutes):
        return f"its clock is {abs(skew)} off ours"
    return ""


def ask_panels(ports: Ports, subject: Subject) -> None:
    """Ask who lives now on the servers of these accounts, and on those of others who had their names.

    Raises StoreTrouble where a panel cannot say, AccountLives where the account itself is still there.
    """
    subject.living = {}
    others = (rival for rivals in subject.rivals.values() for rival in rivals)
    blind = blind_panels(ports)
    for account in (*subject.accounts, *others):
        if not account.username or account.server in subject.living:
            continue
        panel = next((p for p in ports.account_panels if p.serves(account.server)), None)
        if panel is None:
            continue
        if panel.name in blind:
            raise ViewIncomplete(blind[panel.name])
        subject.living[account.server] = panel.living()
    for account in subject.accounts:
        found = subject.living.get(account.server, {}).get(account.username)
        if found is not None and not account.under and same_account(account, found) is not False:
            where = f"server {account.server}"
            raise AccountLives(f"the account {account.username} still lives on {where}: nothing of it is deleted")


def search(look: Look, subject: Subject, rules: BackupRules) -> Found:
    """Sort a listing: what is provably the service's, and what may be or is not only its own."""
    found = Found()
    if look.trouble:
        return found
    accounts = [a for a in subject.accounts if look.store.serves(a.server)]
    for item in look.items:
        if item.quarantine:
            _sort_aside(item, subject, found)
            continue
        claim = _best([_judge(look, item, account, subject, rules) for account in accounts])
        if claim is None:
            continue
        if claim.verdict is Verdict.MINE:
            found.mine[key_of(item)] = (item, claim.proofs)
        else:
            found.untouched.append(Untouched(item, claim.verdict.value, claim.why))
    return found


def _sort_aside(item: BackupItem, subject: Subject, found: Found) -> None:
    """What a plan of the service has moved aside was proved then; anything else in that place never was."""
    if item.quarantine not in subject.own_plans:
        return
    plans = [p for p in subject.plans_named(item.quarantine) if p.service == subject.service]
    row = next((r for p in plans for r in p.items if lies_aside(r, item)), None)
    if row is None:
        found.untouched.append(Untouched(item, Verdict.AMBIGUOUS.value, "it is nothing that a plan has moved aside"))
    elif subject.lives_again and not any(p.lives_again for p in plans):
        why = "it was moved aside before another account had the name"
        found.untouched.append(Untouched(item, Verdict.AMBIGUOUS.value, why))
    else:
        found.mine[key_of(item)] = (item, (*row.proofs, MOVED_ASIDE))


MOVED_ASIDE = "moved aside by a plan of this service"
ORDER = (Verdict.SHARED, Verdict.MINE, Verdict.AMBIGUOUS)


def _best(claims: Sequence[Claim | None]) -> Claim | None:
    """Shared goes before mine, and mine before perhaps; None where no account has anything to do with it."""
    for verdict in ORDER:
        for claim in claims:
            if claim is not None and claim.verdict is verdict:
                return claim
    return None


def _judge(
    look: Look, item: BackupItem, account: AccountIdentity, subject: Subject, rules: BackupRules
) -> Claim | None:
    claim = look.store.claim(item, account)
    if claim.verdict is Verdict.NOT_MINE:
        return None
    living = subject.living.get(account.server)
    lives = living.get(account.username) if living is not None else None
    rivals = [r for r in subject.rivals.get(account.username, ()) if look.store.serves(r.server)]
    if subject.lives_again and (lives is not None or any(r.until is None for r in rivals)):
        claims = [look.store.claim(item, r) for r in rivals]
        return surely_before(item, claim, account, rivals, claims, lives=lives, slack=rules.slack)
    lives = lives or _lives_elsewhere(look, account, subject)
    return whose(
        item,
        claim,
        account,
        rivals,
        caps=look.store.caps,
        lives=lives,
        confirmed_gone=living is not None and lives is None,
        slack=rules.slack,
    )


def _lives_elsewhere(look: Look, account: AccountIdentity, subject: Subject) -> LivingAccount | None:
    """Who has the name on another server of this store: what a name and a time prove may be theirs."""
    for server, living in subject.living.items():
        if server != account.server and account.username in living and look.store.serves(server):
            return living[account.username]
    return None


def serving(ports: Ports, accounts: Sequence[AccountIdentity]) -> list[BackupStore]:
    """Return the stores in which something of these accounts may lie."""
    return [s for s in ports.stores if any(s.serves(a.server) for a in accounts)]
