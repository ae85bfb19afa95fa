"""The chain of evidence: whoever tampers with it is found out, by the chain itself or by a head that was kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from tests.house import House
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import BridgeError, SettingsProblem, UsageProblem
from whmcs_bridge.jobs.backup_chain import check_head, head_line, head_of
from whmcs_bridge.journal import deletions
from whmcs_bridge.settings.secret import Secret

KEY = Secret.given("sixteen letters and more")


@contextmanager
def a_house_with_evidence() -> Iterator[House]:
    """A house in which the backups of one service have gone: a chain of four records."""
    with House.of() as house:
        for kind in ("plan", "deleted", "store", "verdict"):
            add(house, kind, {"locator": "site1/full", "store": "shelf"})
        yield house


def add(house: House, kind: str, body: dict[str, Any]) -> None:
    at = house.bridge.ports.now()
    house.bridge.journal.deletions.add_links([(ServiceId(1), "f00d" * 16, at, kind, body)])


@pytest.fixture
def house() -> Iterator[House]:
    with a_house_with_evidence() as house:
        yield house


def sql(house: House, statement: str, *given: object) -> None:
    """What somebody with the file in their hands would do."""
    with house.bridge.journal._store.writing as conn:  # type: ignore[attr-defined]
        conn.execute(statement, given)


def rebuild(house: House) -> None:
    """Make every hash right again."""
    before = deletions.FIRST_LINK
    for link in list(house.bridge.journal.deletions.links()):
        sql(house, "UPDATE evidence_chain SET previous=? WHERE number=?", before, link.number)
        [now] = [n for n in house.bridge.journal.deletions.links() if n.number == link.number]
        before = deletions.digest_of(now)
        sql(house, "UPDATE evidence_chain SET digest=? WHERE number=?", before, link.number)


def edited(house: House) -> None:
    sql(house, "UPDATE evidence_chain SET body=replace(body, 'site1/full', 'site1/other') WHERE number=2")


def redated(house: House) -> None:
    sql(house, "UPDATE evidence_chain SET at='2024-01-01T00:00:00+00:00' WHERE number=2")


def another_service(house: House) -> None:
    sql(house, "UPDATE evidence_chain SET service_id=99 WHERE number=2")


def removed_in_the_middle(house: House) -> None:
    sql(house, "DELETE FROM evidence_chain WHERE number=2")


def removed_and_renumbered(house: House) -> None:
    removed_in_the_middle(house)
    sql(house, "UPDATE evidence_chain SET number=number-1 WHERE number>2")


def reordered(house: House) -> None:
    for old, new in ((2, 999), (3, 2), (999, 3)):
        sql(house, "UPDATE evidence_chain SET number=? WHERE number=?", new, old)


def put_in_between(house: House) -> None:
    for old in (4, 3):
        sql(house, "UPDATE evidence_chain SET number=? WHERE number=?", old + 1, old)
    sql(house, "INSERT INTO evidence_chain SELECT 3, service_id, plan, at, kind, body, previous, digest "
               "FROM evidence_chain WHERE number=2")  # fmt: skip


def removed_at_the_end(house: House) -> None:
    sql(house, "DELETE FROM evidence_chain WHERE number=4")


def rebuilt_wholly(house: House) -> None:
    edited(house)
    rebuild(house)


def wiped(house: House) -> None:
    sql(house, "DELETE FROM evidence_chain")


SEEN = {
    edited: "record 2 was changed",
    redated: "record 2 was changed",
    another_service: "record 2 was changed",
    removed_in_the_middle: "record 2 is missing",
    removed_and_renumbered: "record 2 does not follow",
    reordered: "record 2 does not follow",
    put_in_between: "record 3 does not follow",
}
ONLY_BY_A_KEPT_HEAD = (removed_at_the_end, rebuilt_wholly, wiped)
Tamper = Callable[[House], None]


def test_a_chain_that_nobody_touched_is_whole_and_its_head_stands(house: House) -> None:
    kept = head_of(house.bridge.ports)
    assert kept is not None
    standing = check_head(house.bridge.ports, str(kept))
    assert (house.bridge.journal.deletions.broken_at(), standing.record.number, standing.since) == ("", kept.number, 0)
    add(house, "verified", {"store": "shelf"})
    standing = check_head(house.bridge.ports, kept.digest)
    assert (standing.record.digest, standing.since) == (kept.digest, 1)


@pytest.mark.parametrize(("tamper", "line"), SEEN.items(), ids=[one.__name__ for one in SEEN])
def test_the_chain_itself_shows(house: House, tamper: Tamper, line: str) -> None:
    tamper(house)
    assert house.bridge.journal.deletions.broken_at().startswith(line)


@pytest.mark.parametrize("tamper", ONLY_BY_A_KEPT_HEAD, ids=[one.__name__ for one in ONLY_BY_A_KEPT_HEAD])
@pytest.mark.parametrize("whole_line", [True, False])
def test_only_a_head_that_was_kept_elsewhere_shows(house: House, tamper: Tamper, whole_line: bool) -> None:
    kept = head_of(house.bridge.ports)
    assert kept is not None
    tamper(house)
    assert house.bridge.journal.deletions.broken_at() == ""
    with pytest.raises(BridgeError, match="rewritten or cut off"):
        check_head(house.bridge.ports, str(kept) if whole_line else kept.digest)


def test_a_head_from_before_the_change_says_nothing_about_what_came_after(house: House) -> None:
    """Record 1 is the same in the rewritten chain: heads have to be kept again and again."""
    first = next(iter(house.bridge.journal.deletions.links()))
    rebuilt_wholly(house)
    assert check_head(house.bridge.ports, first.digest).record.number == 1


def test_a_cut_off_end_is_named_where_the_head_has_its_number(house: House) -> None:
    kept = head_of(house.bridge.ports)
    assert kept is not None
    removed_at_the_end(house)
    with pytest.raises(BridgeError, match="the chain ends at record 3 now"):
        check_head(house.bridge.ports, str(kept))


# --- signed heads ---------------------------------------------------------------------------------------


def with_key(house: House, key: Secret | None) -> Any:
    from dataclasses import replace

    house.bridge.ports.settings = replace(house.bridge.ports.settings, evidence_key=key)
    return house.bridge.ports


def test_a_signed_head_is_known_for_the_houses_own(house: House) -> None:
    ports = with_key(house, KEY)
    kept = str(head_of(ports))
    assert check_head(ports, kept).signed is True
    forged = kept[:-1] + ("0" if kept[-1] != "0" else "1")
    with pytest.raises(BridgeError, match="is not the house's"):
        check_head(ports, forged)
    day = kept.replace(kept[:10], "2020-01-01", 1)
    with pytest.raises(BridgeError, match="is not the house's"):
        check_head(ports, day)
    assert check_head(with_key(house, None), kept).signed is None


def test_who_rewrites_the_chain_without_the_key_makes_no_head_of_it(house: House) -> None:
    ports = with_key(house, KEY)
    rebuilt_wholly(house)
    forged = head_of(with_key(house, Secret.given("another key of the forger")))
    with pytest.raises(BridgeError, match="is not the house's"):
        check_head(with_key(house, KEY), str(forged))
    assert ports.settings.evidence_key is KEY


@pytest.mark.parametrize("kept", ["", "abc", "g" * 64, "A" * 64, "2026-03-02:1:2:" + "a" * 64, "a" * 63])
def test_what_is_no_head_is_said_to_be_none(house: House, kept: str) -> None:
    with pytest.raises(UsageProblem, match="--head: expected the hash of a record"):
        check_head(house.bridge.ports, kept)


def test_a_head_with_the_number_of_another_record_is_no_head_of_ours(house: House) -> None:
    kept = head_of(house.bridge.ports)
    assert kept is not None
    with pytest.raises(BridgeError, match="names record 2, and its hash is that of record 4"):
        check_head(house.bridge.ports, f"2:{kept.digest}")


def test_a_key_that_cannot_be_used_leaves_the_head_unsigned_and_says_so(house: House) -> None:
    short = Secret.given("short")
    assert "less than 16 characters protects nothing" in head_line(with_key(house, short))[1]
    missing = Secret("env:NOT_SET", "bridge.toml: [backups] evidence_key")
    head, trouble = head_line(with_key(house, missing))
    assert head.count(":") == 2
    assert "env:NOT_SET is not set" in trouble
    with pytest.raises(SettingsProblem):
        missing.reveal()


def test_a_house_without_evidence_has_no_head() -> None:
    with House.of() as house:
        assert head_of(house.bridge.ports) is None
        assert head_line(house.bridge.ports) == ("", "")
        letter = house.bridge.morning_letter()
        assert not [section for section in letter.sections if "Evidence" in section.title]


# --- every day, and by which days ------------------------------------------------------------------------


def test_the_morning_mail_carries_the_head_out_of_the_house(house: House) -> None:
    kept = head_of(with_key(house, KEY))
    letter = house.bridge.morning_letter()
    assert str(kept) in letter.text().replace("\n", "")
    assert str(kept) in letter.html()


def test_deletions_of_a_day_are_counted_from_the_end(house: House) -> None:
    chain = house.bridge.journal.deletions
    assert [chain.deleted_on(day) for day in (house.today, date(2020, 1, 1))] == [1, 0]
