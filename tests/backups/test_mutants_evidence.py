"""Guards over evidence, attesting and the two hands, taken away one at a time: a test of each has to fail."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.backups import test_two_handed as hands
from tests.backups.mutants import Mutant, called, missed, mutant
from tests.jobs import test_attested as attested
from tests.jobs import test_backup_back as back
from tests.jobs import test_certificate as certificates
from tests.jobs import test_chain as chain
from tests.jobs import test_deletions as deletions
from whmcs_bridge.backups.two_handed import TwoHanded
from whmcs_bridge.domain.deletions import DeletionPlan
from whmcs_bridge.jobs import (
    backup_attest,
    backup_back,
    backup_carry,
    backup_certificate,
    backup_chain,
    backup_plan,
)
from whmcs_bridge.jobs.backup_carry import _Worker
from whmcs_bridge.journal.deletions import SqliteDeletions
from whmcs_bridge.policy import ownership as owned

Folders = pytest.TempPathFactory
EVIDENCE, CHAIN, HANDS = "evidence", "chain", "hands"


def guard(
    invariant: str, of: str, what: str, guarded: Any, old: str, new: str, kill: Callable[..., object], *given: object
) -> Mutant:
    return mutant(invariant, of, what, guarded, old, new, kill, *given)


MUTANTS = (
    # --- I9: what a person or a day has to allow ------------------------------------------------------------
    guard(
        "I9",
        EVIDENCE,
        "any span of years goes unasked",
        owned.over_caps,
        "days > rules.max_span_days:",
        "False:",
        deletions.test_a_list_that_spans_more_days_than_the_house_allows_waits_for_its_own_approval,
    ),
    guard(
        "I9",
        EVIDENCE,
        "any number of items goes on one day",
        _Worker._within_the_day,
        "return to_do[:left]",
        "return to_do",
        deletions.test_the_house_deletes_only_so_many_items_on_one_day_approved_or_not,
        False,
    ),
    guard(
        "I9",
        EVIDENCE,
        "each run of a day has a day's number of its own",
        SqliteDeletions.deleted_on,
        "return int(row[0])",
        "return int(row[0]) * 0",
        deletions.test_the_house_deletes_only_so_many_items_on_one_day_approved_or_not,
        True,
    ),
    # --- I14: two hands ---------------------------------------------------------------------------------------
    *(
        guard(
            "I14",
            HANDS,
            f"the reading hand does {verb}",
            getattr(TwoHanded, verb),
            f"self._acting.{verb}",
            f"self._reading.{verb}",
            hands.test_acting_never_takes_up_the_reading_hand,
        )
        for verb in ("quarantine", "put_back", "delete", "poll")
    ),
    *(
        guard(
            "I14",
            HANDS,
            f"the deleting hand does {verb}",
            getattr(TwoHanded, verb),
            f"self._reading.{verb}",
            f"self._acting.{verb}",
            hands.test_looking_never_takes_up_the_deleting_hand,
        )
        for verb in ("probe", "items", "claim", "residue", "capture")
    ),
    # --- a person's word is no evidence -----------------------------------------------------------------------
    guard(
        "verdict",
        EVIDENCE,
        "what is attested is complete",
        DeletionPlan.complete,
        "s.state.gone and s.complete for s",
        "s.settled for s",
        attested.test_a_persons_word_ends_the_plan_as_attested_and_never_as_complete,
    ),
    guard(
        "verdict",
        EVIDENCE,
        "the record calls it complete",
        backup_carry.conclude,
        '"complete" if plan.complete else "attested"',
        '"complete"',
        attested.test_a_persons_word_ends_the_plan_as_attested_and_never_as_complete,
    ),
    guard(
        "verdict",
        EVIDENCE,
        "a store that the bridge deletes in is attested",
        backup_attest.attest,
        "if not old.by_hand:",
        "if False:",
        attested.test_only_what_people_delete_can_be_attested_and_only_in_an_open_plan,
    ),
    guard(
        "verdict",
        EVIDENCE,
        "what a store still shows is attested away",
        backup_attest._must_not_show,
        "    if still:",
        "    if False:",
        attested.test_what_a_store_still_shows_cannot_be_attested_away,
        "items",
    ),
    guard(
        "verdict",
        EVIDENCE,
        "the word stands against a listing",
        _Worker._contradicted,
        "return bool(self.found.mine) or",
        "return False and",
        attested.test_a_word_given_early_falls_with_the_first_listing_that_shows_something,
        True,
    ),
    guard(
        "verdict",
        EVIDENCE,
        "the word is forgotten with every new list",
        backup_plan._attested_before,
        "    return old\n",
        "    return fresh\n",
        attested.test_a_word_about_one_store_holds_when_the_list_of_another_is_made_anew,
    ),
    # --- the chain --------------------------------------------------------------------------------------------
    guard(
        "chain",
        CHAIN,
        "a record may be changed",
        SqliteDeletions.broken_at,
        "if digest_of(link) != link.digest:",
        "if False:",
        chain.test_the_chain_itself_shows,
        chain.edited,
        "record 2 was changed",
    ),
    guard(
        "chain",
        CHAIN,
        "records may be moved",
        SqliteDeletions.broken_at,
        "if link.previous != before:",
        "if False:",
        chain.test_the_chain_itself_shows,
        chain.reordered,
        "record 2 does not follow",
    ),
    guard(
        "chain",
        CHAIN,
        "a head that is not there any more stands",
        backup_chain.check_head,
        '    record = deletions.link_of(given["digest"])\n',
        '    record = deletions.link_of(given["digest"]) or newest\n',
        chain.test_only_a_head_that_was_kept_elsewhere_shows,
        chain.removed_at_the_end,
        False,
    ),
    guard(
        "chain",
        CHAIN,
        "any signature is the house's",
        backup_chain.check_head,
        "if signed is False:",
        "if signed is False and not kept:",
        chain.test_a_signed_head_is_known_for_the_houses_own,
    ),
    # --- the certificate --------------------------------------------------------------------------------------
    guard(
        "certificate",
        EVIDENCE,
        "what holds others' data is named",
        backup_certificate._left_json,
        "if named and one.verdict == Verdict.AMBIGUOUS:",
        "if True:",
        certificates.test_items_that_may_be_others_are_counted_and_not_named,
    ),
    guard(
        "certificate",
        EVIDENCE,
        "what may be a former owner's is named",
        backup_certificate._only_ours,
        " - {a.username for a in named if rivals_of(ports, a)}",
        "",
        certificates.test_of_a_name_that_others_had_too_nothing_that_is_left_is_named,
    ),
    guard(
        "certificate",
        EVIDENCE,
        "a store speaks in its own words",
        backup_certificate._store_json,
        '"means": _meaning(store, plan),',
        '"means": store.why,',
        certificates.test_what_a_store_answers_is_said_in_our_words,
        "away",
    ),
    # --- what is back ------------------------------------------------------------------------------------------
    guard(
        "tombstone",
        EVIDENCE,
        "a restored store is noticed by nobody",
        backup_carry._watch,
        "backup_back.notice(ports, look, subject.service)",
        "pass",
        back.test_a_look_for_another_service_sees_what_a_restore_has_brought_back,
    ),
    guard(
        "tombstone",
        EVIDENCE,
        "what was left knowingly is back",
        backup_back._judge,
        "if key_of(item) not in known]",
        "]",
        back.test_what_a_plan_has_left_knowingly_is_not_back,
    ),
    guard(
        "tombstone",
        EVIDENCE,
        "who has the name now is taken for the erased one",
        backup_back._is_gone,
        "            return False\n",
        "            return True\n",
        back.test_an_account_that_lives_on_the_panel_again_is_no_restored_store,
    ),
    guard(
        "tombstone",
        EVIDENCE,
        "a restored WHMCS is told of once",
        backup_back.still_back,
        "for number in dict.fromkeys(before):",
        "for number in ():",
        back.test_a_service_that_lives_in_spite_of_its_tombstone_is_told_of_for_as_long_as_it_does,
    ),
)


@pytest.mark.parametrize("one", MUTANTS, ids=str)
def test_a_guard_that_is_taken_away_is_missed(one: Mutant, tmp_path_factory: Folders) -> None:
    missed(one, lambda: _with_house(one, tmp_path_factory.mktemp("house")))


def _with_house(one: Mutant, folder: Path) -> None:
    """Run its test; those of the chain get a house of their own."""
    with chain.a_house_with_evidence() if one.of == CHAIN else nullcontext() as house:
        called(one, {"tmp_path": lambda: folder, "house": lambda: house})
