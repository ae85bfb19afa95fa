"""Whose a backup is: two proofs, days of its own, and nobody else's; and how much may go unasked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Capabilities, Claim, LivingAccount, Verdict
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.policy.ownership import (
    PANEL_ID,
    SHARE_COUNTS_FROM,
    BackupRules,
    collateral,
    digest_of,
    over_caps,
    same_account,
    unchanged,
    whose,
)

BY_NAME = Claim(Verdict.MINE, ("name",))
PROVEN = Claim(Verdict.MINE, ("name", "recorded uuid"), proven=True)
NAME_ALONE = Claim(Verdict.MINE, ("name",), "updated in place")


def bob(
    service: int = 1, since: date | None = date(2024, 1, 1), until: date | None = date(2025, 1, 1)
) -> AccountIdentity:
    return AccountIdentity(ServiceId(service), ClientId(service), 1, "bob", "example.com", since, until)


def an_item(at: datetime | None = datetime(2024, 6, 1, tzinfo=UTC), **more: object) -> BackupItem:
    return replace(BackupItem("s", "bob/full", 10, at, account="bob"), **more)  # type: ignore[arg-type]


def verdict(
    claim: Claim,
    item: BackupItem | None = None,
    others: Sequence[AccountIdentity] = (),
    account: AccountIdentity | None = None,
    *,
    lives: LivingAccount | None = None,
    name_is_all: bool = False,
    confirmed_gone: bool = False,
) -> Verdict:
    caps = Capabilities(name_is_all=name_is_all)
    found = whose(
        item or an_item(), claim, account or bob(), others, caps=caps, lives=lives, confirmed_gone=confirmed_gone
    )
    return found.verdict


def test_a_name_and_a_time_of_its_own_make_it_the_accounts() -> None:
    assert verdict(BY_NAME) is Verdict.MINE


@pytest.mark.parametrize(
    ("days", "expected"),
    [(-2, Verdict.AMBIGUOUS), (-1, Verdict.MINE), (0, Verdict.MINE), (366, Verdict.MINE), (368, Verdict.MINE),
     (369, Verdict.AMBIGUOUS)],
)  # fmt: skip
def test_twenty_six_hours_beyond_both_ends_still_count(days: int, expected: Verdict) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days)
    assert verdict(BY_NAME, an_item(at)) is expected


def test_what_nothing_dates_or_nobody_knows_the_beginning_of_is_left() -> None:
    assert verdict(BY_NAME, an_item(None)) is Verdict.AMBIGUOUS
    assert verdict(BY_NAME, account=bob(since=None)) is Verdict.AMBIGUOUS


def test_the_day_in_the_name_goes_before_the_time_of_the_file() -> None:
    copied = an_item(datetime(2025, 5, 5, tzinfo=UTC), made_on=date(2024, 6, 1))
    assert verdict(BY_NAME, copied) is Verdict.MINE


def test_another_services_days_with_the_name_make_it_doubtful_or_theirs() -> None:
    during = bob(2, date(2024, 5, 1), date(2024, 7, 1))
    assert verdict(BY_NAME, others=[during]) is Verdict.AMBIGUOUS
    before = bob(2, date(2022, 1, 1), date(2023, 1, 1))
    assert verdict(BY_NAME, others=[before]) is Verdict.MINE
    assert verdict(BY_NAME, an_item(datetime(2022, 6, 1, tzinfo=UTC)), [before]) is Verdict.NOT_MINE
    unknown = bob(2, None, date(2023, 1, 1))
    assert verdict(BY_NAME, an_item(datetime(2022, 6, 1, tzinfo=UTC)), [unknown]) is Verdict.AMBIGUOUS
    assert verdict(BY_NAME, others=[bob(2, date(2025, 3, 1), None)]) is Verdict.MINE


def test_a_recorded_id_needs_no_days() -> None:
    during = bob(2, date(2024, 5, 1), None)
    assert verdict(PROVEN, an_item(None), [during]) is Verdict.MINE
    assert verdict(replace(PROVEN, proofs=("uuid",)), an_item(None)) is Verdict.AMBIGUOUS  # one proof is not two


def test_a_living_account_of_the_name_leaves_only_what_an_id_proves() -> None:
    lives = LivingAccount("bob", "another")
    assert verdict(BY_NAME, lives=lives) is Verdict.AMBIGUOUS
    assert verdict(PROVEN, lives=lives) is Verdict.MINE


def test_where_a_name_is_all_a_panel_confirms_or_nothing_goes() -> None:
    assert verdict(BY_NAME, name_is_all=True) is Verdict.AMBIGUOUS
    assert verdict(BY_NAME, name_is_all=True, confirmed_gone=True) is Verdict.MINE
    assert verdict(NAME_ALONE) is Verdict.AMBIGUOUS
    assert verdict(NAME_ALONE, confirmed_gone=True) is Verdict.MINE
    assert verdict(NAME_ALONE, others=[bob(2, date(2020, 1, 1), date(2021, 1, 1))], confirmed_gone=True) is (
        Verdict.AMBIGUOUS
    )


def test_shared_items_and_foreign_ones_stay_what_they_are() -> None:
    assert verdict(PROVEN, an_item(shared=True)) is Verdict.SHARED
    for other in (Verdict.NOT_MINE, Verdict.AMBIGUOUS, Verdict.SHARED):
        assert verdict(Claim(other)) is other


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), max_size=4), st.integers(-100, 1000))
def test_no_item_is_two_services(others: list[tuple[int, int]], at: int) -> None:
    """Whoever had the name, one item is never provably the account's of two of them."""
    start = date(2023, 1, 1)
    tenures = [
        bob(n, start + timedelta(days=began), start + timedelta(days=began + length))
        for n, (began, length) in enumerate(others, 1)
    ]
    item = an_item(datetime(2023, 1, 1, 12, tzinfo=UTC) + timedelta(days=at))
    mine = [t for t in tenures if whose(item, BY_NAME, t, tenures).verdict is Verdict.MINE]
    assert len(mine) < 2


@pytest.mark.parametrize(
    ("captured", "living", "same"), [("u1", "u1", True), ("u1", "u2", False), ("", "u2", None), ("u1", "", None)]
)
def test_only_two_ids_tell_whether_it_is_the_same_account(captured: str, living: str, same: bool | None) -> None:
    account = replace(bob(), proofs={PANEL_ID: captured} if captured else {})
    assert same_account(account, LivingAccount("bob", living)) is same


def test_a_digest_names_exactly_one_list() -> None:
    one, two = an_item(), an_item(locator="bob/other")
    assert digest_of(1, [one, two]) == digest_of(1, [two, one])
    assert len({digest_of(1, [one]), digest_of(2, [one]), digest_of(1, [two]), digest_of(1, [])}) == 4
    assert digest_of(1, [one]) != digest_of(1, [replace(one, etag="changed")])


def test_a_share_means_nothing_for_a_handful() -> None:
    few = [an_item(locator=f"{n}") for n in range(SHARE_COUNTS_FROM - 1)]
    assert over_caps(few, {"s": len(few)}, BackupRules()) == []
    many = [an_item(locator=f"{n}") for n in range(SHARE_COUNTS_FROM)]
    assert over_caps(many, {"s": 5 * len(many)}, BackupRules()) == []
    assert len(over_caps(many, {"s": 5 * len(many) - 1}, BackupRules())) == 1


@pytest.mark.parametrize(("days", "asks"), [(0, False), (1830, False), (1831, True)])
@pytest.mark.parametrize("by_name", [True, False])
def test_a_list_over_more_years_than_rotations_keep_waits_for_a_person(days: int, asks: bool, by_name: bool) -> None:
    """By the day in the name or by the time of the file; an item without a time counts for nothing."""
    first = datetime(2019, 1, 1, 23, tzinfo=UTC)
    last = first + timedelta(days=days)
    made = [an_item(at, locator=f"{at}", made_on=at.date() if by_name else None) for at in (first, last)]
    made.append(an_item(None, locator="timeless"))
    assert bool(over_caps(made, {"s": 100}, BackupRules())) is asks
    assert over_caps(made, {"s": 100}, BackupRules(max_span_days=None)) == []
    assert bool(over_caps(made, {"s": 100}, BackupRules(max_span_days=1))) is (days > 1)


def test_what_vanished_and_was_in_no_plan_is_collateral() -> None:
    one, two, new = an_item(), an_item(locator="eve/full"), an_item(locator="new")
    assert collateral([one, two], [two], [one]) == []
    assert collateral([one, two], [new], [one]) == [two]
    assert unchanged(one, one)
    assert not unchanged(one, replace(one, size=11))
