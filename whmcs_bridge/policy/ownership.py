"""Whose a backup is, and whether a list of backups may go unasked. Pure: items, tenures and settings in, verdicts out.

A name is not an identity: WHMCS makes account names from domains, and panels give freed names away again. An item
belongs to a service only if its time lies inside the service's own days with that name on that server, and inside
nobody else's (facts sheet backup-stores, section 2).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from whmcs_bridge.domain.backups import UUID, AccountIdentity, BackupItem, Capabilities, Claim, LivingAccount, Verdict
from whmcs_bridge.domain.deletions import ItemState, PlannedItem, key_of

SLACK = timedelta(hours=26)
"""Names carry the panel's local day, and clocks differ: so far beyond both ends an item may still be the account's."""
SHARE_COUNTS_FROM = 20
"""A share of a store means nothing for fewer items than this."""
GIB = 1024**3
Span = tuple[datetime, datetime]
EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=2)
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)


@dataclass(frozen=True, slots=True)
class BackupRules:
    """The house's settings for backups: [backups]."""

    max_items: int = 500
    max_gib: int = 2048
    max_percent_of_store: int = 20
    max_span_days: int | None = 1830
    """A list that spans more waits for a person; None: however long it spans."""
    max_items_a_day: int | None = 20_000
    """On one house day, over all plans and stores; None: no end."""
    slack_hours: int = 26
    quarantine_days: int = 0
    """Items stay aside so long before they are deleted, where the store can move them."""
    verify_after_hours: tuple[int, ...] = (1, 25)
    fraud_ends: bool = False
    """A service marked as Fraud counts as ended here."""
    cancelled_ends: bool = True
    """A service that was set to Cancelled without a request counts as ended here."""
    handover: str = "after-payment"
    """after-payment | for-a-fee | always | never: what a client's wish for their data needs."""
    handover_hold_days: int = 30
    keep_at_most_days: int | None = None
    """Backups still there so long after the end are a task; None is never."""
    max_clock_skew_minutes: int = 60
    id_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name that an id is kept under -> custom fields of WHMCS that may hold it."""

    @property
    def max_bytes(self) -> int:
        return self.max_gib * GIB

    @property
    def slack(self) -> timedelta:
        return timedelta(hours=self.slack_hours)


# --- whose ----------------------------------------------------------------------------------------


def span_of(account: AccountIdentity, slack: timedelta = SLACK) -> Span:
    """Return the instants between which something of the account may have been made; open ends reach to the end."""
    began = EARLIEST if account.since is None else _at(account.since) - slack
    ended = LATEST if account.until is None else _at(account.until) + timedelta(days=1) + slack
    return began, ended


def times_of(item: BackupItem) -> list[Span]:
    """Return when the item was made: as a span, because a day is not an instant. Empty where nothing tells.

    The day in its name goes before the time of its file, which a copy or a touch changes.
    """
    if item.made_on is not None:
        return [(_at(item.made_on), _at(item.made_on) + timedelta(days=1))]
    return [(item.at.astimezone(UTC), item.at.astimezone(UTC))] if item.at is not None else []


def whose(
    item: BackupItem,
    claim: Claim,
    account: AccountIdentity,
    others: Iterable[AccountIdentity],
    *,
    caps: Capabilities | None = None,
    lives: LivingAccount | None = None,
    confirmed_gone: bool = False,
    slack: timedelta = SLACK,
) -> Claim:
    """Say whose an item is, all things considered; what the driver said of it is where it begins.

    `others` are all who have ever had this name on this server, `lives` who has it on the panel now, `confirmed_gone`
    that the panel has said that nobody has. MINE takes two independent proofs: the name, and one of an id that was
    recorded, the item's own metadata, or its time inside the account's days and nobody else's.
    """
    if item.shared or claim.verdict is Verdict.SHARED:
        return Claim(Verdict.SHARED, claim.proofs, claim.why or "it holds more than this account")
    if claim.verdict is not Verdict.MINE:
        return claim
    if claim.proven and len(set(claim.proofs)) > 1:
        return claim
    return _by_name_and_time(item, claim, account, list(others), caps, lives, slack, confirmed_gone=confirmed_gone)


def surely_before(
    item: BackupItem,
    claim: Claim,
    account: AccountIdentity,
    others: Iterable[AccountIdentity],
    claims: Iterable[Claim],
    *,
    lives: LivingAccount | None,
    slack: timedelta = SLACK,
) -> Claim:
    """Say whose an item is while another account lives under the name: MINE is only what is surely from before it.

    `others` are all who have had the name, `claims` what the driver says of the item for each of them. The panel has
    to show that the account that lives is another one. Whatever proves an item, nothing goes that may have been made
    since anybody else had the name, and nothing that is updated in place; and a time has to lie within the account's
    own days, with no slack.
    """
    if item.shared or claim.verdict is not Verdict.MINE:
        return Claim(Verdict.SHARED, claim.proofs, claim.why) if item.shared else claim
    if lives is None or same_account(account, lives) is not False:
        return _perhaps(claim, "no panel shows that the account that lives is another one")
    if item.made_on is None and item.meta.get("kind") == "tree":
        return _perhaps(claim, "it is updated in place, and another account has the name")
    times = times_of(item)
    for other in others:
        if _key(other) != _key(account) and any(_touch(span_of(other, slack), when) for when in times):
            return _perhaps(claim, f"service {other.service} may have had the name then")
    if claim.proven and len(set(claim.proofs)) > 1:
        if any(c.proven and c.verdict is Verdict.MINE for c in claims):
            return _perhaps(claim, "what proves it is another service's as well")
        return claim
    if not times or account.since is None or account.until is None:
        return _perhaps(claim, "nothing tells that it was made before another account had the name")
    began, ended = span_of(account, timedelta(0))
    if not all(began <= first and last <= ended for first, last in times):
        return _perhaps(claim, f"made outside {account.since} to {account.until}")
    return Claim(Verdict.MINE, (*claim.proofs, f"time inside {account.since} to {account.until}, before any other's"))


def _by_name_and_time(
    item: BackupItem,
    claim: Claim,
    account: AccountIdentity,
    others: Sequence[AccountIdentity],
    caps: Capabilities | None,
    lives: LivingAccount | None,
    slack: timedelta,
    *,
    confirmed_gone: bool,
) -> Claim:
    if not account.username:
        return _perhaps(claim, "the service has no account name")
    rivals = [o for o in others if (o.service, o.server, o.username) != _key(account)]
    if len(claim.proofs) < 2 and claim.why:
        return _by_name_alone(claim, rivals, lives, confirmed_gone=confirmed_gone)
    times = times_of(item)
    if not times:
        return _perhaps(claim, "nothing tells when it was made")
    if account.since is None:
        return _perhaps(claim, "it is not known since when the account had this name")
    began, ended = span_of(account, slack)
    if not all(began <= first and last <= ended for first, last in times):
        theirs = [o for o in rivals if all(_holds(o, when, slack) for when in times)]
        if theirs and not any(_touch((began, ended), when) for when in times):
            return Claim(Verdict.NOT_MINE, claim.proofs, f"made while service {theirs[0].service} had the name")
        return _perhaps(claim, f"made outside {account.since} to {account.until or 'now'}")
    for rival in rivals:
        if any(_touch(span_of(rival, slack), when) for when in times):
            return _perhaps(claim, f"service {rival.service} may have had the name then")
    if lives is not None:
        return _perhaps(claim, f"an account {lives.username} lives on the panel now")
    if caps is not None and caps.name_is_all and not confirmed_gone:
        return _perhaps(claim, "only a name and a time tell, and no panel confirms that the account is gone")
    return Claim(Verdict.MINE, (*claim.proofs, f"time inside {account.since} to {account.until or 'now'}"), claim.why)


def _by_name_alone(
    claim: Claim, rivals: Sequence[AccountIdentity], lives: LivingAccount | None, *, confirmed_gone: bool
) -> Claim:
    """Updated in place, so that its time proves nothing: nobody else may ever have had the name."""
    if rivals:
        return _perhaps(claim, f"service {rivals[0].service} has had the name as well, and its time proves nothing")
    if lives is not None or not confirmed_gone:
        return _perhaps(claim, "only its name tells, and no panel confirms that the account is gone")
    return Claim(Verdict.MINE, (*claim.proofs, "the panel confirms that nobody has the name"))


def _perhaps(claim: Claim, why: str) -> Claim:
    return Claim(Verdict.AMBIGUOUS, claim.proofs, why)


def _key(account: AccountIdentity) -> tuple[int, int, str]:
    return (account.service, account.server, account.username)


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _touch(span: Span, when: Span) -> bool:
    return span[0] <= when[1] and when[0] <= span[1]


def _holds(account: AccountIdentity, when: Span, slack: timedelta) -> bool:
    began, ended = span_of(account, slack)
    return account.since is not None and began <= when[0] and when[1] <= ended


def same_account(account: AccountIdentity, lives: LivingAccount) -> bool | None:
    """Whether what lives on the panel is the captured account itself; None where no id tells."""
    known = account.recorded(PANEL_ID) | account.recorded(UUID)
    if not lives.identity or not known:
        return None
    return lives.identity in known


PANEL_ID = "panel_id"
"""Name of the proof that a panel's own id of an account is kept under."""


# --- what goes ------------------------------------------------------------------------------------


def digest_of(service: int, items: Iterable[BackupItem], lives_again: str = "") -> str:
    """Return the sha256 that names exactly this list for this service; order does not matter.

    `lives_again`: who has its name now; a list that was made in spite of it is another list.
    """
    rows = sorted([*key_of(i), i.size, i.at.isoformat() if i.at else "", i.etag or ""] for i in items)
    whole = [int(service), rows, *([lives_again] if lives_again else ())]
    return hashlib.sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()


def listing_digest(items: Iterable[BackupItem]) -> str:
    """Return the sha256 over a whole listing's sorted locators, sizes and times."""
    text = hashlib.sha256()
    for line in sorted(f"{i.locator}|{i.version or ''}|{i.size}|{i.at.isoformat() if i.at else ''}\n" for i in items):
        text.update(line.encode("utf-8", "surrogateescape"))
    return text.hexdigest()


def over_caps(items: Sequence[BackupItem], in_store: Mapping[str, int], rules: BackupRules) -> list[str]:
    """Say why this list is too much to go unasked; empty where it is not. `in_store`: items of each whole store."""
    found: list[str] = []
    if len(items) > rules.max_items:
        found.append(f"{len(items):,} items, {rules.max_items:,} go unasked")
    size = sum(i.size or 0 for i in items)
    if size > rules.max_bytes:
        found.append(f"{size:,} bytes, {rules.max_bytes:,} go unasked")
    days = _days_spanned(items)
    if rules.max_span_days is not None and days > rules.max_span_days:
        found.append(f"{days:,} days from the oldest to the newest item, {rules.max_span_days:,} go unasked")
    for store, total in sorted(in_store.items()):
        count = sum(1 for i in items if i.store == store)
        if count >= SHARE_COUNTS_FROM and count * 100 > total * rules.max_percent_of_store:
            found.append(f"{count:,} of {total:,} items in store {store}, {rules.max_percent_of_store} % go unasked")
    return found


def _days_spanned(items: Iterable[BackupItem]) -> int:
    """Days between the oldest and the newest item; one that tells no time counts for nothing."""
    days = [first.date() for item in items for first, _ in times_of(item)]
    return (max(days) - min(days)).days if days else 0


def unchanged(planned: BackupItem, listed: BackupItem) -> bool:
    """Whether a listing still shows the item that was planned, and not another one in its place."""
    same = (planned.size, planned.at, planned.etag) == (listed.size, listed.at, listed.etag)
    return key_of(planned) == key_of(listed) and same and planned.owner_hint == listed.owner_hint


def same_content(planned: BackupItem, moved: BackupItem) -> bool:
    """Whether what lies aside, or back in its place, is what was planned, by all but its place."""
    if (planned.store, planned.size, planned.version) != (moved.store, moved.size, moved.version):
        return False
    if planned.etag and planned.etag == moved.etag:
        return True
    return planned.at is not None and planned.at == moved.at


def collateral(
    before: Iterable[BackupItem], after: Iterable[BackupItem], planned: Iterable[BackupItem]
) -> list[BackupItem]:
    """Return what vanished between two listings and was in no plan: nobody's deletion but a fault's."""
    kept = {key_of(i) for i in after}
    kept.update(key_of(i) for i in planned)
    return [i for i in before if key_of(i) not in kept]


def lies_aside(row: PlannedItem, item: BackupItem) -> bool:
    """Whether what lies in quarantine is what was planned.

    A folder whose deletion had begun may have lost some of what was in it: nobody else reaches into that place.
    """
    if same_content(row.item, item):
        return True
    begun = row.state in (ItemState.DELETING, ItemState.FAILED) or row.note.startswith(STILL_LISTED)
    here = row.aside is not None and key_of(row.aside) == key_of(item)
    return begun and here and item.meta.get("kind") == "tree" and (item.size or 0) <= (row.item.size or 0)


STILL_LISTED = "still listed after the deletion"
"""Note of an item whose deletion was sent, and which a listing showed again."""
