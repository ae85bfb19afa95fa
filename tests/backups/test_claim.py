"""Claims: a name is not an identity. It takes a second proof, and anything unclear is nobody's to delete."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.backups.contract import BOB
from whmcs_bridge.backups.base import PathStore
from whmcs_bridge.backups.claim import KIND, LINKS, LINKS_HERE, NAME, TIME, claim_by_layout, proved
from whmcs_bridge.backups.layouts import CPANEL, DIRECTADMIN, custom
from whmcs_bridge.domain.backups import BackupItem, Verdict

ITEM = BackupItem("disk", "2026-05-31/accounts/bob.tar.gz", 7, account="bob", made_on=date(2026, 5, 31))
UNDATED = BackupItem("disk", "user.admin.bob.tar.gz", 7, datetime(2026, 5, 31, 4, tzinfo=UTC), account="bob")


def test_a_name_and_a_day_within_the_account_s_life_are_two_proofs() -> None:
    claim = claim_by_layout(CPANEL, ITEM, BOB)
    assert (claim.verdict, claim.proofs, claim.proven) == (Verdict.MINE, (NAME, TIME), False)


@pytest.mark.parametrize(
    ("day", "verdict"),
    [
        (date(2026, 1, 7), Verdict.NOT_MINE),
        (date(2026, 1, 8), Verdict.MINE),  # the panel's day may be another than the house's
        (date(2026, 1, 10), Verdict.MINE),
        (date(2026, 6, 10), Verdict.MINE),
        (date(2026, 6, 12), Verdict.MINE),
        (date(2026, 6, 13), Verdict.NOT_MINE),
        (date(2026, 7, 1), Verdict.NOT_MINE),
    ],
)
def test_a_day_outside_the_account_s_life_is_another_s(day: date, verdict: Verdict) -> None:
    item = replace(ITEM, locator=f"{day}/accounts/bob.tar.gz", made_on=day)
    assert claim_by_layout(CPANEL, item, BOB).verdict is verdict


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        (-27, Verdict.NOT_MINE),
        (-25, Verdict.MINE),
        (0, Verdict.MINE),
        (24 * 152 + 25, Verdict.MINE),
        (24 * 152 + 27, Verdict.AMBIGUOUS),
    ],
)
def test_a_time_is_weighed_with_26_hours_of_slack(hours: int, verdict: Verdict) -> None:
    """Where only the file's own time is known, one after the end proves nothing: a copy has it too."""
    begin = datetime(2026, 1, 10, tzinfo=UTC)
    claim = claim_by_layout(DIRECTADMIN, replace(UNDATED, at=begin + timedelta(hours=hours)), BOB)
    assert claim.verdict is verdict


def test_an_account_that_lives_has_no_end_yet() -> None:
    item = replace(ITEM, locator="2031-01-01/accounts/bob.tar.gz", made_on=date(2031, 1, 1))
    assert claim_by_layout(CPANEL, item, replace(BOB, until=None)).verdict is Verdict.MINE


def test_without_a_time_or_a_beginning_a_name_is_not_enough() -> None:
    assert claim_by_layout(DIRECTADMIN, replace(UNDATED, at=None), BOB).verdict is Verdict.AMBIGUOUS
    assert claim_by_layout(CPANEL, ITEM, replace(BOB, since=None)).verdict is Verdict.AMBIGUOUS


def test_a_recorded_id_is_a_proof_and_another_s_id_is_one_against_it() -> None:
    item = replace(UNDATED, at=None, meta={"uuid": "u-1"})
    known = replace(BOB, since=None, proofs={"uuid": "u-1"})
    claim = claim_by_layout(DIRECTADMIN, item, known)
    assert (claim.verdict, claim.proofs, claim.proven) == (Verdict.MINE, (NAME, "recorded uuid"), True)
    timed = claim_by_layout(CPANEL, replace(ITEM, meta={"uuid": "u-1"}), known)
    assert (timed.verdict, timed.proven) == (Verdict.MINE, True)
    other = claim_by_layout(CPANEL, replace(ITEM, meta={"uuid": "u-2"}), known)
    assert (other.verdict, other.why) == (Verdict.NOT_MINE, "its uuid is another account's")


def test_empty_ids_prove_nothing() -> None:
    item = replace(UNDATED, at=None, meta={"uuid": ""})
    assert proved(item, replace(BOB, proofs={"uuid": ""}), (NAME,)).verdict is Verdict.AMBIGUOUS


def test_a_reseller_s_archive_is_shared() -> None:
    item = replace(UNDATED, locator="reseller.admin.bob.tar.gz", shared=True)
    assert claim_by_layout(DIRECTADMIN, item, BOB).verdict is Verdict.SHARED
    assert claim_by_layout(DIRECTADMIN, item, replace(BOB, username="bo")).verdict is Verdict.NOT_MINE


def test_upper_case_is_unclear_where_the_store_does_not_tell_it_from_lower() -> None:
    item = replace(ITEM, locator="Bob.tar", meta={})
    layout, upper = custom("{user}.tar"), replace(BOB, username="Bob")
    assert claim_by_layout(layout, item, upper).verdict is Verdict.MINE
    assert claim_by_layout(layout, item, upper, case_blind=True).verdict is Verdict.AMBIGUOUS
    assert claim_by_layout(layout, replace(item, locator="bob.tar"), BOB, case_blind=True).verdict is Verdict.MINE


@pytest.mark.parametrize("kind", ["symlink", "special"])
def test_what_is_no_file_in_the_place_of_a_backup_is_unclear(kind: str) -> None:
    assert claim_by_layout(CPANEL, replace(ITEM, meta={KIND: kind}), BOB).verdict is Verdict.AMBIGUOUS
    other = replace(ITEM, locator="2026-05-31/accounts/bob1.tar.gz", meta={KIND: kind})
    assert claim_by_layout(CPANEL, other, BOB).verdict is Verdict.NOT_MINE


def test_a_file_of_several_names_needs_all_of_them_here() -> None:
    there = {LINKS: "3", LINKS_HERE: "3"}
    assert claim_by_layout(CPANEL, replace(ITEM, meta=there), BOB).verdict is Verdict.MINE
    assert claim_by_layout(CPANEL, replace(ITEM, meta={**there, LINKS_HERE: "2"}), BOB).verdict is Verdict.AMBIGUOUS
    assert claim_by_layout(CPANEL, replace(ITEM, meta={LINKS: "3"}), BOB).verdict is Verdict.AMBIGUOUS


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("2026-05-31/accounts/bob.tar.gz.old", Verdict.AMBIGUOUS),
        ("dumps/bob.sql.gz", Verdict.AMBIGUOUS),
        ("2026-05-31/accounts/bob-.tar.gz", Verdict.AMBIGUOUS),
        ("moved/bob/inbox", Verdict.AMBIGUOUS),
        ("2026-05-31/accounts/bob1.tar.gz", Verdict.NOT_MINE),
        ("2026-05-31/accounts/xbob.tar.gz.old", Verdict.NOT_MINE),
        ("2026-05-31/accounts/bob_1.tar.gz.old", Verdict.NOT_MINE),
        ("dumps/bobby-bo.sql", Verdict.NOT_MINE),
        ("dumps/bobbob-bob.sql", Verdict.AMBIGUOUS),
        ("2026-05-31/system/bob", Verdict.NOT_MINE),
    ],
)
def test_what_mentions_the_account_and_is_nobody_s_is_told(path: str, verdict: Verdict) -> None:
    item = PathStore("disk", "/backup", CPANEL).made(path, size=1)
    assert claim_by_layout(CPANEL, item, BOB).verdict is verdict
    assert claim_by_layout(CPANEL, item, replace(BOB, username="")).verdict is Verdict.NOT_MINE


def test_an_account_whose_name_the_layout_does_not_know_is_never_taken_for_gone() -> None:
    item = PathStore("disk", "/backup", CPANEL).made("2026-05-31/accounts/my-site.tar.gz", size=1)
    claim = claim_by_layout(CPANEL, item, replace(BOB, username="my-site"))
    assert claim.verdict is Verdict.AMBIGUOUS
    assert claim.why == "it mentions the account, and is not named as cpanel names backups"
