"""What every driver has to keep, tried with a neighbour for every trick.

A driver's test file writes a `Place` (a store with hands behind the driver's back) and subclasses `Contract`:

    class TestLocal(Contract):
        @pytest.fixture
        def place(self, tmp_path: Path) -> Place:
            return LocalPlace(tmp_path)

What a medium cannot hold (a name with a line's end on S3, a link in WebDAV), `make` leaves out; what a place cannot
play (a cut line, a refused half), it leaves at None, and the test is skipped with that reason.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import msgspec
import pytest

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Outcome, Verdict
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.ports import BackupStore

DAY = date(2026, 5, 31)
MADE = datetime(2026, 5, 31, 4, 10, tzinfo=UTC)
BOB = AccountIdentity(ServiceId(7), ClientId(3), 1, "bob", "bob.example.com", date(2026, 1, 10), date(2026, 6, 10))
PLAN = "0f" * 32
NEIGHBOURS = (
    *("bob1", "bobby", "bo", "Bob", "BOB", "bob-", "bob.1", "bob_1", "xbob", "b.b", "user.admin.xbob", "bob%31"),
    *(
        "b*b",
        "b[o]b",
        "b?b",
        "bob\n",
        "bo\u0431",
        "bob\u0441",
        ".bob",
        "bob.",
        "bob ",
        " bob",
        "bob\\",
        "-bob",
        "bob@b",
    ),
    *("bob@b", "bob#", "bob+", "bob~", "bob:1", "bob&x", "bob;x", "$bob", "bob'", 'bob"', "bob=x", "bob%2F..%2Fbob1"),
)
"""User names that are not bob's, and that something careless takes for his."""
ODD_USERS = ("", ".", "..", "*", "bob*", "b.b", "bo[b]", "bob/..", "bob%", "BOB", ".*", "bob\n", "bob1", "bo")
ODD_PATHS = ("", ".", "..", "/", "//", "../x", "a/../b", "./x", "*", "?", "%2e%2e/x", "a//b", "a/", " ", "\n", "{user}")
GOING = (Outcome.DELETED, Outcome.ACCEPTED, Outcome.QUARANTINED, Outcome.PUT_BACK)


BESIDE = {
    "cpanel": (".meta/USER.db", "incremental/accounts/USER-=-meta", f"{DAY}/accounts/USER-=-meta"),
    "hestia": ("USER.log",),
}
"""Layout -> what lies beside an account's backups; all but what has a day in it is residue, too."""


class Place(ABC):
    """A store under test, and hands that lay things into it behind the driver's back."""

    account: AccountIdentity = BOB
    cut_after_send: Callable[[], BackupStore] | None = None
    """Return a store whose line breaks once a deletion was sent."""
    half_forbidden: Callable[[], BackupStore] | None = None
    """Return a store that may not see half of what lies there."""
    away: Callable[[], BackupStore] | None = None
    """Return a store that is not there."""
    read_only: Callable[[], BackupStore] | None = None
    """Return a store that may list and not delete."""
    secrets: Sequence[str] = ()
    """What may be shown nowhere."""
    many = 10_001
    """How many items the paging is tried with."""
    layouts: Collection[str] = ()
    """Layouts that its store can be opened with, by `use`; none where it has no paths of a panel's."""

    @abstractmethod
    def store(self) -> BackupStore:
        """Return the driver on this place, with all rights, freshly made."""

    @abstractmethod
    def make(self, names: Iterable[str]) -> set[str]:
        """Lay items there, made on MADE, each with content of its own; return those that the medium holds."""

    @abstractmethod
    def left(self) -> set[str]:
        """Return the names that lie there now, outside any quarantine, as `make` was given them."""

    @abstractmethod
    def replace(self, name: str) -> None:
        """Put other content in the place of an item."""

    def remove(self, name: str) -> None:
        """Take an item away behind the driver's back; a place that cannot, skips."""
        pytest.skip("this place cannot take an item away by itself")

    def use(self, layout: str) -> None:
        """Open stores with this layout from now on."""
        raise NotImplementedError

    def name_of(self, user: str) -> str:
        """Return the name of a user's backup of DAY."""
        return f"{DAY}/accounts/{user}.tar.gz"

    def as_user(self, user: str) -> AccountIdentity:
        """Return the account known by another name; where not its name but a recorded id says so, by another id."""
        return replace(self.account, username=user)

    def more_of_account(self) -> Sequence[str]:
        """Return further names that are the account's."""
        user = self.account.username
        return (f"weekly/{DAY}/accounts/{user}.tar.gz", f"monthly/2026-05-01/accounts/{user}.tar")

    def odd_names(self) -> Sequence[str]:
        """Return names that are nobody's, or not to be touched, beside those of NEIGHBOURS."""
        mine = self.name_of(self.account.username)
        return (
            *(f"{mine}.old", f"{mine}.tmp", f"x{mine}", f"{mine}/{mine}", f"elsewhere/{mine}"),
            *(f"{DAY}/accounts/bob/../bob1.tar.gz", f"{DAY}/accounts/bob//x.tar.gz", f"{DAY}//accounts/bob.tar.gz"),
            *(f"{DAY}/accounts/./bob.tar.gz", "2026-5-31/accounts/bob.tar.gz", f"{DAY}\n/accounts/bob.tar.gz"),
        )

    def locator_of(self, name: str) -> str:
        """Return the driver's locator of an item that `make` was given under a name."""
        return name


@dataclass(frozen=True, slots=True)
class Laid:
    """What lies in a place: whose is what."""

    mine: set[str]
    others: set[str]


def lay_corpus(place: Place) -> Laid:
    """Lay the account's items and a neighbour for every trick."""
    mine = place.make([place.name_of(place.account.username), *place.more_of_account()])
    others = place.make([*map(place.name_of, NEIGHBOURS), *place.odd_names()])
    return Laid(mine, others - mine)


def lay_few(place: Place) -> Laid:
    """Lay the account's items and the nearest neighbours: enough where no name is in question, and sooner listed."""
    mine = place.make([place.name_of(place.account.username), *place.more_of_account()])
    others = place.make(map(place.name_of, ("bob1", "xbob", "alice")))
    return Laid(mine, others - mine)


def listing(store: BackupStore) -> list[BackupItem]:
    return list(store.items())


def mine_of(store: BackupStore, account: AccountIdentity) -> list[BackupItem]:
    """Return what is claimed for certain."""
    return [item for item in listing(store) if store.claim(item, account).verdict is Verdict.MINE]


def one_of(place: Place, store: BackupStore, name: str) -> BackupItem:
    [found] = [item for item in listing(store) if item.locator == place.locator_of(name)]
    return found


def settled(store: BackupStore, receipt: Any) -> Any:
    """Ask until the store has finished what it accepted."""
    for _ in range(50):
        if receipt.outcome is not Outcome.ACCEPTED:
            break
        receipt = store.poll(receipt)
    return receipt


def without_effect(act: Callable[[], Any]) -> None:
    """Do what must not be done: it is refused, or raises, and never claims to have gone."""
    try:
        receipt = act()
    except StoreTrouble:
        return
    assert receipt.outcome not in GOING, receipt


def lay_beside(place: Place, layout: str) -> tuple[set[str], set[str]]:
    """Lay what a layout has beside the backups, for the account and every neighbour; return whose is what."""
    if layout not in place.layouts:
        pytest.skip("this place has no such layout")
    place.use(layout)
    mine = place.make(form.replace("USER", place.account.username) for form in BESIDE[layout])
    users = (*NEIGHBOURS, "bob.smith", "bob_", "bob-=-meta")
    others = place.make(form.replace("USER", user) for user in users for form in BESIDE[layout])
    return mine, others - mine


def set_aside(place: Place, store: BackupStore) -> tuple[BackupItem, BackupItem]:
    """Move the account's backup of DAY into quarantine; return it as it lies there, and as it was. Skips without."""
    if not store.caps.quarantine:
        pytest.skip("this store has no quarantine")
    item = one_of(place, store, place.name_of(place.account.username))
    there = store.quarantine(item, PLAN).item
    assert there is not None
    return there, item


def left_alone(store: BackupStore, item: BackupItem) -> None:
    """Try to delete, and to quarantine, what must stay."""
    without_effect(lambda: store.delete(item))
    if store.caps.quarantine:
        without_effect(lambda: store.quarantine(item, PLAN))


class Contract:
    """Subclass it in a driver's test file, with a fixture `place`."""

    # --- whose is what -----------------------------------------------------------------------------

    def test_exactly_the_account_s_own_items_are_claimed(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        assert {item.locator for item in mine_of(store, place.account)} == set(map(place.locator_of, laid.mine))

    def test_a_claim_has_two_proofs_or_says_that_there_is_only_a_name(self, place: Place) -> None:
        lay_corpus(place)
        store = place.store()
        for item in mine_of(store, place.account):
            claim = store.claim(item, place.account)
            assert len(claim.proofs) >= 2 or (store.caps.name_is_all and claim.why)

    def test_nothing_that_lies_there_is_left_out_of_a_listing(self, place: Place) -> None:
        """What is odd is shown as odd: an audit has to see it."""
        laid, store = lay_corpus(place), place.store()
        assert len(listing(store)) == len(laid.mine | laid.others)

    def test_an_item_can_be_written_down_and_read_again(self, place: Place) -> None:
        """The journal keeps what was planned: plain values only."""
        lay_corpus(place)
        for item in place.store().items():
            assert msgspec.json.decode(msgspec.json.encode(item), type=BackupItem) == item

    def test_two_listings_are_the_same(self, place: Place) -> None:
        lay_corpus(place)
        store = place.store()
        by_locator = lambda item: item.locator  # noqa: E731
        assert sorted(listing(store), key=by_locator) == sorted(listing(place.store()), key=by_locator)

    def test_what_was_made_before_the_account_had_its_name_is_another_s(self, place: Place) -> None:
        lay_corpus(place)
        store = place.store()
        later = replace(place.account, since=date(2026, 6, 5), until=date(2026, 6, 30))
        assert mine_of(store, later) == []

    def test_what_was_made_after_the_account_s_end_is_not_its_own(self, place: Place) -> None:
        lay_corpus(place)
        store = place.store()
        assert mine_of(store, replace(place.account, until=date(2026, 4, 20))) == []

    def test_an_account_since_nobody_knows_when_has_nothing_for_certain(self, place: Place) -> None:
        lay_corpus(place)
        store = place.store()
        assert mine_of(store, replace(place.account, since=None, proofs={})) == []

    def test_an_odd_user_name_claims_nothing_of_bob_s(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        items, bob_s = listing(store), set(map(place.locator_of, laid.mine))
        for user in ODD_USERS:
            odd = place.as_user(user)
            claimed = {item.locator for item in items if store.claim(item, odd).verdict is Verdict.MINE}
            assert not claimed & bob_s, user

    def test_a_claim_needs_no_store(self, place: Place) -> None:
        """Claims are pure: the same with the store away."""
        lay_corpus(place)
        store = place.store()
        items = listing(store)
        claims = [store.claim(item, place.account) for item in items]
        for name in place.left():
            place.replace(name)
        assert [store.claim(item, place.account) for item in items] == claims

    def test_items_of_another_store_are_nobody_s_here(self, place: Place) -> None:
        lay_corpus(place)
        store = place.store()
        for item in mine_of(store, place.account):
            assert store.claim(replace(item, store="another"), place.account).verdict is not Verdict.MINE

    # --- deleting ----------------------------------------------------------------------------------

    def test_deleting_what_is_claimed_leaves_every_neighbour_and_nothing_of_the_account(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        for item in mine_of(store, place.account):
            assert settled(store, store.delete(item)).outcome in (Outcome.DELETED, Outcome.GONE_BEFORE)
        assert place.left() == laid.others
        assert mine_of(place.store(), place.account) == []
        assert len(listing(place.store())) == len(laid.others)

    def test_deleting_one_item_leaves_the_account_s_others(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        name = place.name_of(place.account.username)
        assert settled(store, store.delete(one_of(place, store, name))).outcome is Outcome.DELETED
        assert place.left() == (laid.mine | laid.others) - {name}

    def test_an_item_that_was_replaced_since_it_was_listed_is_left_alone(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        name = place.name_of(place.account.username)
        item = one_of(place, store, name)
        place.replace(name)
        left_alone(store, item)
        assert place.left() == laid.mine | laid.others

    def test_an_item_that_has_gone_by_itself_was_gone_before(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        name = place.name_of(place.account.username)
        item = one_of(place, store, name)
        place.remove(name)
        assert settled(store, store.delete(item)).outcome is Outcome.GONE_BEFORE
        assert place.left() == (laid.mine | laid.others) - {name}

    def test_deleting_twice_is_no_harm(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        name = place.name_of(place.account.username)
        item = one_of(place, store, name)
        settled(store, store.delete(item))
        again = settled(store, store.delete(item)).outcome
        assert again is Outcome.GONE_BEFORE
        assert place.left() == (laid.mine | laid.others) - {name}

    def test_a_forged_locator_touches_nothing(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        item = one_of(place, store, place.name_of(place.account.username))
        path = item.locator
        aliases = [f"./{path}", f"x/../{path}", path.replace("/", "//", 1), path.replace("/", "/./", 1), f"{path}/."]
        aliases += [f"{path.split('/')[0]}/../{path}", f"/{path}", f"{path}/", path.replace("bob", "bo%62")]
        around = [(odd, f"{DAY}/accounts/{odd}", f"{odd}{path}", f"{path}{odd}") for odd in ODD_PATHS]
        for forged in [*aliases, *(one for four in around for one in four)]:
            if forged != path:
                left_alone(store, replace(item, locator=forged))
        assert place.left() == laid.mine | laid.others

    def test_odd_items_as_listed_are_never_deleted(self, place: Place) -> None:
        """Whatever went wrong before it: a name that something on the way could rewrite is not sent."""
        laid, store = lay_corpus(place), place.store()
        for item in listing(store):
            if "%" in item.locator or ".." in item.locator.split("/") or "//" in item.locator:
                left_alone(store, item)
        assert place.left() == laid.mine | laid.others

    def test_a_neighbour_s_name_under_the_account_s_precondition_is_refused(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        item = one_of(place, store, place.name_of(place.account.username))
        other = one_of(place, store, place.name_of("bob1"))
        without_effect(lambda: store.delete(replace(item, locator=other.locator)))
        assert place.left() == laid.mine | laid.others

    def test_an_item_that_claims_to_lie_in_quarantine_and_does_not_is_left_alone(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        item = one_of(place, store, place.name_of(place.account.username))
        if store.caps.quarantine:
            left_alone(store, replace(item, quarantine=PLAN))
        assert place.left() == laid.mine | laid.others

    def test_an_item_of_another_store_is_not_deleted_here(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        item = one_of(place, store, place.name_of(place.account.username))
        without_effect(lambda: store.delete(replace(item, store="another")))
        assert place.left() == laid.mine | laid.others

    # --- beside the backups ------------------------------------------------------------------------

    @pytest.mark.parametrize("layout", BESIDE)
    def test_what_lies_beside_the_backups_is_found_and_goes_by_the_same_rules(self, place: Place, layout: str) -> None:
        mine, others = lay_beside(place, layout)
        store = place.store()
        residue = list(store.residue(place.account))
        assert {item.locator for item in residue} == {name for name in mine if DAY.isoformat() not in name}
        listed = mine_of(store, place.account)
        assert {item.locator for item in listed} == mine
        assert all(item in listed for item in residue)
        for item in listed:
            assert store.delete(item).outcome is Outcome.DELETED
        assert list(place.store().residue(place.account)) == []
        assert place.left() == others

    @pytest.mark.parametrize("layout", BESIDE)
    def test_nobody_else_is_shown_what_lies_beside_an_account_s_backups(self, place: Place, layout: str) -> None:
        mine, others = lay_beside(place, layout)
        store = place.store()
        for user in ("", "bob*", "Bob", "bob1", "bob.smith"):
            account = replace(place.account, username=user)
            assert not {item.locator for item in store.residue(account)} & mine, user
        assert place.left() == mine | others

    @pytest.mark.parametrize("layout", BESIDE)
    def test_what_lies_beside_the_backups_waits_in_quarantine_and_comes_back(self, place: Place, layout: str) -> None:
        mine, others = lay_beside(place, layout)
        store = place.store()
        item = next(iter(store.residue(place.account)))
        there = store.quarantine(item, PLAN).item
        assert there is not None
        assert item not in store.residue(place.account)
        assert there in listing(store)
        assert store.put_back(there).item == item
        assert place.left() == mine | others

    # --- quarantine --------------------------------------------------------------------------------

    def test_quarantine_keeps_the_item_in_the_listing_and_deletes_it_from_there(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        if not store.caps.quarantine:
            pytest.skip("this store has no quarantine")
        before = len(listing(store))
        name = place.name_of(place.account.username)
        receipt = store.quarantine(one_of(place, store, name), PLAN)
        assert receipt.outcome is Outcome.QUARANTINED
        assert receipt.item is not None
        assert place.left() == (laid.mine | laid.others) - {name}
        [there] = [item for item in listing(store) if item.quarantine]
        assert (there.locator, there.etag, there.size) == (receipt.item.locator, receipt.item.etag, receipt.item.size)
        assert there.quarantine == PLAN
        assert there.account == place.account.username
        assert len(listing(store)) == before
        assert store.claim(there, place.account).verdict is Verdict.MINE
        assert store.delete(there).outcome is Outcome.DELETED
        assert place.left() == (laid.mine | laid.others) - {name}
        assert len(listing(store)) == before - 1

    def test_quarantining_twice_finds_it_there(self, place: Place) -> None:
        """A run that was killed between the move and the record of it asks again."""
        lay_corpus(place)
        store = place.store()
        if not store.caps.quarantine:
            pytest.skip("this store has no quarantine")
        item = one_of(place, store, place.name_of(place.account.username))
        first = store.quarantine(item, PLAN)
        again = place.store().quarantine(item, PLAN)
        assert again.outcome is Outcome.QUARANTINED
        assert again.item == first.item

    def test_what_was_set_aside_is_put_back_where_it_lay(self, place: Place) -> None:
        laid, store = lay_few(place), place.store()
        there, back = set_aside(place, store)
        receipt = store.put_back(there)
        assert receipt.outcome is Outcome.PUT_BACK
        assert receipt.item == one_of(place, store, place.name_of(place.account.username))
        assert receipt.item == replace(back, etag=receipt.item.etag)
        assert place.left() == laid.mine | laid.others
        assert not [item for item in listing(place.store()) if item.quarantine]

    def test_putting_back_twice_finds_it_there(self, place: Place) -> None:
        """A run that was killed between the move and the record of it asks again."""
        laid, store = lay_few(place), place.store()
        there, _ = set_aside(place, store)
        first = store.put_back(there)
        again = place.store().put_back(there)
        assert (again.outcome, again.item) == (Outcome.PUT_BACK, first.item)
        assert place.left() == laid.mine | laid.others

    def test_nothing_is_overwritten_by_what_is_put_back(self, place: Place) -> None:
        laid, store = lay_few(place), place.store()
        there, _ = set_aside(place, store)
        place.make([place.name_of(place.account.username)])
        before = listing(store)
        assert there in before
        assert store.put_back(there).outcome is Outcome.REFUSED
        assert listing(store) == before
        assert place.left() == laid.mine | laid.others

    def test_what_has_changed_in_quarantine_is_not_put_back(self, place: Place) -> None:
        laid, store = lay_few(place), place.store()
        there, back = set_aside(place, store)
        place.replace(there.locator)
        assert store.put_back(there).outcome is Outcome.REFUSED
        assert place.left() == (laid.mine | laid.others) - {back.locator}

    def test_what_has_gone_from_quarantine_is_not_put_back(self, place: Place) -> None:
        """Also where something else lies now where it lay: that is not it."""
        laid, store = lay_few(place), place.store()
        there, back = set_aside(place, store)
        place.remove(there.locator)
        assert store.put_back(there).outcome is Outcome.GONE_BEFORE
        place.make([back.locator])
        place.replace(back.locator)
        assert store.put_back(there).outcome is Outcome.GONE_BEFORE
        assert place.left() == laid.mine | laid.others

    def test_what_lies_in_no_quarantine_is_not_put_back(self, place: Place) -> None:
        laid, store = lay_few(place), place.store()
        item = one_of(place, store, place.name_of(place.account.username))
        for forged in (item, replace(item, quarantine=PLAN), replace(item, store="another")):
            without_effect(partial(store.put_back, forged))
        if not store.caps.quarantine:
            assert store.put_back(item).outcome is Outcome.REFUSED
        assert place.left() == laid.mine | laid.others

    def test_a_forged_way_back_leads_nowhere(self, place: Place) -> None:
        laid, store = lay_few(place), place.store()
        there, back = set_aside(place, store)
        folder = there.locator.removesuffix(back.locator)
        for odd in ("../x", "a/../b", "./x", "*", "%2e%2e/x", "a//b", "", "/"):
            without_effect(partial(store.put_back, replace(there, locator=folder + odd)))
        other = place.name_of("bob1")
        without_effect(partial(store.put_back, replace(there, locator=folder + other)))
        assert place.left() == (laid.mine | laid.others) - {back.locator}

    def test_a_line_that_breaks_while_something_is_put_back_leaves_it_unknown(self, place: Place) -> None:
        if place.cut_after_send is None:
            pytest.skip("this place has no line to cut")
        laid = lay_few(place)
        there, _ = set_aside(place, place.store())
        assert place.cut_after_send().put_back(there).outcome is Outcome.UNKNOWN
        assert place.store().put_back(there).outcome is Outcome.PUT_BACK
        assert place.left() == laid.mine | laid.others

    def test_an_odd_plan_s_digest_moves_nothing(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        if not store.caps.quarantine:
            pytest.skip("this store has no quarantine")
        item = one_of(place, store, place.name_of(place.account.username))
        for plan in ("", ".", "..", "../..", "a/b", "x" * 65, "%41", "*", "a b"):
            without_effect(partial(store.quarantine, item, plan))
        assert place.left() == laid.mine | laid.others

    # --- the whole list, or none -------------------------------------------------------------------

    def test_a_listing_changes_nothing(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        store.probe()
        listing(store)
        list(store.residue(place.account))
        assert place.left() == laid.mine | laid.others

    def test_every_listing_is_a_fresh_one(self, place: Place) -> None:
        laid, store = lay_corpus(place), place.store()
        name = place.name_of(place.account.username)
        before = listing(store)
        place.remove(name)
        assert len(listing(store)) == len(before) - 1 == len(laid.mine | laid.others) - 1

    def test_a_probe_of_a_whole_store_says_so(self, place: Place) -> None:
        lay_corpus(place)
        probe = place.store().probe()
        assert probe.complete, probe.why

    def test_an_empty_store_is_empty(self, place: Place) -> None:
        assert listing(place.store()) == []
        assert place.store().probe().complete

    def test_ten_thousand_and_one_items_are_listed(self, place: Place) -> None:
        names = place.make(place.name_of(f"user{number:05}") for number in range(place.many))
        found = {item.locator for item in place.store().items()}
        assert found == set(map(place.locator_of, names))
        assert len(found) == place.many

    def test_a_store_that_is_away_is_never_taken_for_empty(self, place: Place) -> None:
        if place.away is None:
            pytest.skip("this place is never away")
        laid = lay_corpus(place)
        item = one_of(place, place.store(), place.name_of(place.account.username))
        store = place.away()
        with pytest.raises(StoreTrouble):
            listing(store)
        probe = store.probe()
        assert not probe.complete
        assert probe.why
        without_effect(lambda: store.delete(item))
        assert laid.mine

    def test_half_a_list_is_never_taken_for_a_whole_one(self, place: Place) -> None:
        if place.half_forbidden is None:
            pytest.skip("this place cannot hide half of what it holds")
        lay_corpus(place)
        store = place.half_forbidden()
        with pytest.raises(StoreTrouble):
            listing(store)
        assert not store.probe().complete

    def test_a_line_that_breaks_after_a_deletion_was_sent_leaves_it_unknown(self, place: Place) -> None:
        if place.cut_after_send is None:
            pytest.skip("this place has no line to cut")
        lay_corpus(place)
        item = one_of(place, place.store(), place.name_of(place.account.username))
        store = place.cut_after_send()
        assert store.delete(item).outcome is Outcome.UNKNOWN
        with suppress(StoreTrouble):
            store.delete(item)  # the line is made anew, or cannot be: no error but StoreTrouble may end a run

    def test_a_credential_that_may_only_read_deletes_nothing_and_says_so(self, place: Place) -> None:
        if place.read_only is None:
            pytest.skip("this place knows no reader")
        laid = lay_corpus(place)
        store = place.read_only()
        item = one_of(place, store, place.name_of(place.account.username))
        receipt = store.delete(item)
        assert receipt.outcome in (Outcome.FAILED, Outcome.REFUSED)
        assert receipt.note
        assert len(receipt.note.splitlines()) == 1
        assert place.left() == laid.mine | laid.others

    # --- what is told ------------------------------------------------------------------------------

    def test_no_secret_is_shown(self, place: Place) -> None:
        lay_corpus(place)
        stores: Collection[BackupStore] = (place.store(), *(make() for make in (place.away, place.read_only) if make))
        for store in stores:
            texts = [repr(store), store.name, store.kind, store.root, repr(store.probe())]
            try:
                texts += map(repr, store.items())
            except StoreTrouble as trouble:
                texts += [str(trouble), repr(trouble), repr(trouble.__cause__)]
            for secret in place.secrets:
                assert not [text for text in texts if secret in text]
