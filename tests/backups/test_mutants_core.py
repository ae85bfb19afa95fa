"""The guards that the runs keep for every store, taken away one at a time: a test of what they guard has to fail."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backups.mutants import Mutant, called, missed, mutant
from tests.backups.test_mutants import bulk_verbs
from tests.jobs import test_deletion_guards as guards
from tests.jobs import test_deletions as deletions
from tests.jobs import test_deletions_again as again
from tests.jobs.shelves import Lie
from tests.policy import test_ownership as ownership
from tests.policy import test_protections as protected
from tests.settings import test_secret
from whmcs_bridge.domain.deletions import DeletionPlan, ItemState
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs import (
    backup_accounts,
    backup_carry,
    backup_desk,
    backup_gone,
    backup_guard,
    backup_look,
    backup_plan,
    backup_tend,
    backup_waits,
    erase,
    pause,
    sync,
)
from whmcs_bridge.jobs.backup_carry import _Worker
from whmcs_bridge.plan import limits
from whmcs_bridge.policy import cases, protections, rotation, stages
from whmcs_bridge.policy import ownership as owned
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.settings.secret import Secret

RUNS = "runs"
Folders = pytest.TempPathFactory


def core(
    invariant: str, what: str, guarded: Any, old: str, new: str, kill: Callable[..., object], *given: object
) -> Mutant:
    """A guard of the runs, and the test with what it is given."""
    return mutant(invariant, RUNS, what, guarded, old, new, kill, *given)


BEFORE = guards.test_while_the_name_lives_again_only_what_is_surely_from_before_is_the_accounts.pytestmark[0].args[1]  # type: ignore[attr-defined]
ROTATED = guards.test_a_rotation_explains_only_what_it_would_have_taken.pytestmark[0].args[1]  # type: ignore[attr-defined]

MUTANTS = (
    # --- I4: two proofs ---------------------------------------------------------------------------------
    core(
        "I4",
        "one proof is enough",
        owned.whose,
        "if claim.proven and len(set(claim.proofs)) > 1:",
        "if claim.proven:",
        ownership.test_a_recorded_id_needs_no_days,
    ),
    core(
        "I4",
        "a name is a proof of the time as well",
        owned.whose,
        "if claim.proven and len(set(claim.proofs)) > 1:",
        "if claim.proofs:",
        deletions.test_what_only_may_be_the_accounts_is_left_and_the_verdict_is_not_complete,
    ),
    core(
        "I4",
        "any time will do",
        owned._by_name_and_time,
        "if not all(began <= first and last <= ended for first, last in times):",
        "if False:",
        deletions.test_an_item_replaced_after_the_plan_is_planned_anew_and_never_deleted_by_the_old_one,
    ),
    core(
        "I4",
        "no time will do",
        owned._by_name_and_time,
        "    if not times:",
        "    if False:",
        ownership.test_what_nothing_dates_or_nobody_knows_the_beginning_of_is_left,
    ),
    core(
        "I4",
        "an account has had its name for ever",
        owned._by_name_and_time,
        "    if account.since is None:",
        "    if False:",
        ownership.test_what_nothing_dates_or_nobody_knows_the_beginning_of_is_left,
    ),
    core(
        "I4",
        "nobody else has had the name",
        owned._by_name_and_time,
        "for rival in rivals:",
        "for rival in ():",
        guards.test_what_was_made_on_the_day_a_name_changed_hands_is_neithers,
    ),
    core(
        "I4",
        "nobody else is looked for",
        backup_accounts.rivals_of,
        "if a.service != account.service",
        "if False",
        guards.test_what_was_made_on_the_day_a_name_changed_hands_is_neithers,
    ),
    core(
        "I4",
        "a copy's time is the backup's",
        owned.times_of,
        "if item.made_on is not None:",
        "if item.made_on is not None and item.at is None:",
        ownership.test_the_day_in_the_name_goes_before_the_time_of_the_file,
    ),
    core(
        "I4",
        "a name and a time do without a panel",
        owned._by_name_and_time,
        "if caps is not None and caps.name_is_all and not confirmed_gone:",
        "if False:",
        deletions.test_where_a_name_is_all_there_is_a_panel_has_to_confirm,
    ),
    core(
        "I4",
        "a name alone does although others have had it",
        owned._by_name_alone,
        "    if rivals:",
        "    if False:",
        ownership.test_where_a_name_is_all_a_panel_confirms_or_nothing_goes,
    ),
    core(
        "I4",
        "a name alone does without a panel",
        owned._by_name_alone,
        "if lives is not None or not confirmed_gone:",
        "if False:",
        ownership.test_where_a_name_is_all_a_panel_confirms_or_nothing_goes,
    ),
    core(
        "I4",
        "in a store of several servers only one of them counts",
        backup_look._judge,
        "if look.store.serves(r.server)]",
        "if r.server == account.server]",
        guards.test_in_a_store_of_several_servers_a_name_is_everybodys_who_has_it_on_any,
    ),
    *(
        core(
            "I4",
            f"while the name lives again: {what}",
            owned.surely_before,
            old,
            new,
            guards.test_while_the_name_lives_again_only_what_is_surely_from_before_is_the_accounts,
            *BEFORE[case],
        )
        for what, old, new, case in (
            (
                "it need not be another account",
                "if lives is None or same_account(account, lives) is not False:",
                "if lives is None:",
                2,
            ),
            (
                "an account without an id is another",
                "same_account(account, lives) is not False:",
                "same_account(account, lives) is True:",
                3,
            ),
            (
                "a folder that is updated in place is old",
                'if item.made_on is None and item.meta.get("kind") == "tree":',
                "if False:",
                8,
            ),
            ("the other's days are no matter", "if _key(other) != _key(account) and any(", "if False and any(", 5),
            (
                "an id that both have proves it",
                "if any(c.proven and c.verdict is Verdict.MINE for c in claims):",
                "if False:",
                9,
            ),
            ("no time is an old one", "if not times or account.since is None", "if account.since is None", 7),
            (
                "its own days are no matter",
                "if not all(began <= first and last <= ended for first, last in times):",
                "if False:",
                4,
            ),
        )
    ),
    # --- I5: not live ------------------------------------------------------------------------------------
    core(
        "I5",
        "a living account is none of ours",
        backup_look.ask_panels,
        "same_account(account, found) is not False",
        "same_account(account, found) is True",
        deletions.test_an_account_that_still_lives_on_the_panel_keeps_its_backups,
        "",
        "uid-2",
    ),
    core(
        "I5",
        "the captured account may live",
        backup_look.ask_panels,
        "if found is not None and not account.under",
        "if False",
        deletions.test_an_account_that_still_lives_on_the_panel_keeps_its_backups,
        "uid-1",
        "uid-1",
    ),
    core(
        "I5",
        "a panel that is away has said that nobody lives",
        backup_look.ask_panels,
        "subject.living[account.server] = panel.living()",
        "subject.living[account.server] = getattr(panel, 'living_now')",
        deletions.test_a_panel_that_cannot_say_who_lives_stops_everything,
    ),
    core(
        "I5",
        "a panel is asked once for all stores",
        _Worker._look_closely,
        "ask_panels(self.ports, self.subject)",
        "pass",
        guards.test_a_panel_is_asked_again_before_each_store,
    ),
    core(
        "I5",
        "no panel is asked before a deletion",
        _Worker._look_closely,
        "ask_panels(self.ports, self.subject)",
        "pass",
        guards.test_a_panel_that_goes_away_between_two_stores_stops_the_rest,
    ),
    core(
        "I5",
        "who has the name on the panel now does not matter",
        owned._by_name_and_time,
        "    if lives is not None:",
        "    if False:",
        deletions.test_a_name_given_to_another_account_on_the_panel_leaves_what_only_a_time_proves,
    ),
    core(
        "I5",
        "who has the name in WHMCS now does not matter",
        backup_accounts.twin_of,
        "if other.id != account.service and",
        "if False and",
        deletions.test_of_a_name_that_two_services_had_each_gets_its_own_days,
    ),
    core(
        "I5",
        "a panel is asked before a listing, not after it",
        _Worker._look_closely,
        "ask_panels(self.ports, self.subject)",
        "pass",
        guards.test_whoever_is_given_the_name_while_a_store_is_listed_keeps_what_is_there,
    ),
    core(
        "I5",
        "who lives there since the listing is no matter",
        _Worker._look_closely,
        "if just_listed and self.subject.living == lived:",
        "if just_listed:",
        guards.test_whoever_is_given_the_name_while_a_store_is_listed_keeps_what_is_there,
    ),
    core(
        "I5",
        "who lives on another server of the store is no matter",
        backup_look._judge,
        "lives = lives or _lives_elsewhere(look, account, subject)",
        "pass",
        again.test_who_lives_on_another_server_of_the_store_by_its_panel_alone_keeps_it_too,
    ),
    core(
        "I5",
        "a panel that does not see everybody says who is gone",
        backup_look.ask_panels,
        "if panel.name in blind:",
        "if False:",
        again.test_a_panel_that_does_not_name_whom_whmcs_has_living_confirms_nobodys_end,
    ),
    # --- I6: ended, and nothing against it ----------------------------------------------------------------
    core(
        "I6",
        "a service need not have ended",
        erase.delete_for,
        "if facts.service.status is None or not facts.service.status.ended:",
        "if False:",
        guards.test_a_service_that_is_not_ended_has_nothing_deleted_whatever_a_plan_says,
        ServiceStatus.ACTIVE,
    ),
    core(
        "I6",
        "a person may delete what a living service has",
        backup_desk._refuse_protected,
        "if status is None or not status.ended:",
        "if False:",
        guards.test_a_person_cannot_delete_the_backups_of_a_service_that_lives,
    ),
    core(
        "I6",
        "a person may delete what a hold keeps",
        backup_desk._refuse_protected,
        "    if against:",
        "    if False:",
        guards.test_a_hold_or_a_dispute_keeps_them_as_long_as_it_stands,
        RecordKind.HOLD,
    ),
    core(
        "I6",
        "a service that lives again keeps its plan",
        backup_tend._freeze_or_thaw,
        "if lives and service is not None:",
        "if False:",
        deletions.test_a_service_that_lives_again_freezes_its_plan_and_another_end_makes_another,
    ),
    core(
        "I6",
        "a hold is no matter for backups",
        protections.hold,
        "effect_of(step) not in HARMS",
        "effect_of(step) not in TAKES_DOWN",
        protected.test_a_hold_stops_everything_harmful_deletion_included,
        Kind.DELETE_BACKUPS,
    ),
    Mutant(
        "I6",
        RUNS,
        "a dispute is no matter for backups",
        (
            (protections.disputed, "if record.protects_on(view.today):", "if False:"),
            (erase.held_by_record, "(RecordKind.HOLD, RecordKind.DISPUTE)", "(RecordKind.HOLD,)"),
        ),
        guards.test_a_hold_or_a_dispute_keeps_them_as_long_as_it_stands,
        (RecordKind.DISPUTE,),
    ),
    core(
        "I6",
        "a fraud is an end like others",
        protections.fraud,
        "if view.policy.backups.fraud_ends",
        "if True",
        deletions.test_fraud_keeps_its_backups_unless_the_house_says_otherwise,
    ),
    core(
        "I6",
        "a hold is no matter for what a deleted record left",
        erase.held_by_record,
        "about = record.service_id in (None, service)",
        "about = False",
        guards.test_a_hold_keeps_the_backups_of_a_deleted_record_too,
    ),
    core(
        "I6",
        "a record that is missing once is an end",
        backup_gone._asked_once_more,
        "empty_on=(*record.empty_on, ports.today())",
        "empty_on=(ports.today(), ports.today())",
        deletions.test_a_deleted_record_is_an_end_after_two_empty_days_and_the_panels_word,
    ),
    core(
        "I6",
        "a record that is there again has ended",
        backup_gone._asked_once_more,
        "if found is not None",
        "if False",
        deletions.test_a_record_that_was_not_deleted_after_all_is_no_end,
    ),
    core(
        "I6",
        "nobody has to confirm that a deleted record's account is gone",
        backup_gone._confirmable,
        "bool(servers) and all(",
        "True or all(",
        deletions.test_a_deleted_record_goes_to_staff_where_no_panel_can_confirm,
    ),
    core(
        "I6",
        "a plan's waiting is no reason",
        protections.deletion_waits,
        "if found is None or effect_of",
        "if True or effect_of",
        guards.test_a_wish_for_the_data_holds_the_deletion,
    ),
    core(
        "I6",
        "a client's wish is no reason",
        backup_waits.waits,
        "if wish.until >= today:",
        "if False:",
        guards.test_a_wish_for_the_data_holds_the_deletion,
    ),
    core(
        "I6",
        "a hold that comes while items go is for the next run",
        erase.may_go,
        "if held_by_record(ports.journal.records(client=step.client), step.service, ports.today()):",
        "if False:",
        guards.test_what_comes_against_a_deletion_while_items_go_stops_the_rest,
        "a hold",
    ),
    core(
        "I6",
        "a service that comes back while items go is for the next run",
        erase.may_go,
        "return found is None or (found.status is not None and found.status.ended)",
        "return True",
        guards.test_what_comes_against_a_deletion_while_items_go_stops_the_rest,
        "the service",
    ),
    core(
        "I6",
        "what a module could not end has ended",
        backup_plan._needs,
        "if failed := _module_failed(ports, subject):",
        "if failed := '':",
        guards.test_what_its_module_could_not_end_goes_only_by_a_persons_word_or_a_panels,
    ),
    core(
        "I6",
        "who was erased once has no second end",
        cases._ended,
        "if case.erased_on is not None and seen is not None and seen > case.erased_on:",
        "if False:",
        guards.test_a_second_life_after_the_first_one_s_backups_went_has_its_own_end,
    ),
    # --- I7: shared ---------------------------------------------------------------------------------------
    core(
        "I7",
        "what the store calls shared is the account's",
        owned.whose,
        "if item.shared or claim.verdict is Verdict.SHARED:",
        "if False:",
        ownership.test_shared_items_and_foreign_ones_stay_what_they_are,
    ),
    core(
        "I7",
        "what one claim calls shared another may have",
        owned.whose,
        "item.shared or claim.verdict",
        "claim.verdict",
        ownership.test_shared_items_and_foreign_ones_stay_what_they_are,
    ),
    core(
        "I7",
        "a reseller's accounts go unasked",
        backup_plan._needs,
        "if subject.resellers:",
        "if False:",
        deletions.test_a_resellers_accounts_are_its_own_and_always_need_approval,
    ),
    # --- I9: caps, and what switches off -------------------------------------------------------------------
    core(
        "I9",
        "any number of items goes unasked",
        owned.over_caps,
        "if len(items) > rules.max_items:",
        "if False:",
        guards.test_each_cap_by_itself_needs_a_person,
        {"max_items": 2},
    ),
    core(
        "I9",
        "any number of bytes goes unasked",
        owned.over_caps,
        "if size > rules.max_bytes:",
        "if False:",
        guards.test_each_cap_by_itself_needs_a_person,
        {"max_gib": 1},
    ),
    core(
        "I9",
        "any share of a store goes unasked",
        owned.over_caps,
        "if count >= SHARE_COUNTS_FROM and",
        "if False and",
        deletions.test_more_than_goes_unasked_waits_for_the_approval_of_that_very_plan,
        {"max_percent_of_store": 20},
    ),
    core(
        "I9",
        "nobody is waited for",
        DeletionPlan.waits_for_approval,
        "bool(self.needs) and not self.approved_by",
        "False",
        deletions.test_more_than_goes_unasked_waits_for_the_approval_of_that_very_plan,
        {"max_items": 2},
    ),
    core(
        "I9",
        "any number of services a day",
        limits.over_limit,
        "too_many.append(_over(",
        "too_many.append('' and _over(",
        guards.test_more_deletions_than_a_day_may_have_are_all_refused,
    ),
    core(
        "I9",
        "a pause waits for the end of the plan",
        _Worker._go_on,
        "self.held = not self.may_go()",
        "self.held = False",
        guards.test_a_switch_that_is_thrown_while_items_go_keeps_all_that_are_left,
        "pause",
    ),
    core(
        "I9",
        "a PAUSE file is no pause",
        pause.pause_stop,
        "if file.exists():",
        "if False:",
        guards.test_a_switch_that_is_thrown_while_items_go_keeps_all_that_are_left,
        "file",
    ),
    core(
        "I9",
        "a run deletes on into the next day",
        pause.held_up,
        "ports.day_is_over()",
        "False",
        guards.test_midnight_ends_the_deletions_of_a_run,
    ),
    core(
        "I9",
        "a plan that waits for a person is carried out by a run that has it",
        backup_carry.carry,
        "if plan.waits_for_approval:",
        "if False:",
        guards.test_a_plan_that_needs_a_person_is_not_carried_out_by_whoever_asks,
    ),
    # --- I10: plan, grace, exactly that -------------------------------------------------------------------
    core(
        "I10",
        "there is no grace",
        stages.delete_on,
        'days if view.case.ended_by == "bridge" else max(days, 1)',
        "0",
        deletions.test_a_plan_is_frozen_at_the_end_and_carried_out_after_the_grace,
    ),
    core(
        "I10",
        "what is there as well is planned as well",
        backup_plan.fits,
        "            return False",
        "            continue",
        deletions.test_an_item_that_came_after_the_plan_makes_another_plan,
    ),
    core(
        "I10",
        "an approval is one of whatever is there",
        backup_plan.fits,
        "            return False",
        "            continue",
        guards.test_an_approval_of_one_list_is_none_of_the_next,
    ),
    core(
        "I10",
        "what has the name of a planned item is it",
        owned.unchanged,
        "key_of(planned) == key_of(listed) and same and",
        "key_of(planned) == key_of(listed) and",
        ownership.test_what_vanished_and_was_in_no_plan_is_collateral,
    ),
    core(
        "I10",
        "a hash that a person names is any list's",
        backup_carry.carry,
        "if only and plan.digest != only:",
        "if False:",
        guards.test_the_hash_that_a_person_names_has_to_be_that_of_the_list,
    ),
    core(
        "I10",
        "a hash names its items' places only",
        owned.digest_of,
        ', i.etag or ""]',
        "]",
        ownership.test_a_digest_names_exactly_one_list,
    ),
    # --- I11: quarantine ------------------------------------------------------------------------------------
    Mutant(
        "I11",
        RUNS,
        "nothing is moved aside first",
        (
            (_Worker._move_aside, "if not self.store.caps.quarantine:", "if True:"),
            (_Worker._delete, "if row.state is ItemState.PLANNED and self.store.caps.quarantine:", "if False:"),
        ),
        deletions.test_items_are_moved_aside_first_where_the_store_can,
    ),
    Mutant(
        "I11",
        RUNS,
        "what could not be moved aside goes where it lies",
        (
            (_Worker._after_move, "self._put(number, self._answered(row, receipt))", "pass"),
            (_Worker._delete, "if row.state is ItemState.PLANNED and self.store.caps.quarantine:", "if False:"),
        ),
        guards.test_what_cannot_be_moved_aside_is_not_deleted_where_it_lies,
    ),
    core(
        "I11",
        "quarantine takes no time",
        _Worker._may_be_sent,
        "days=self.rules.quarantine_days",
        "days=0",
        deletions.test_quarantine_days_keep_items_aside_and_the_verdict_says_so,
    ),
    Mutant(
        "I11",
        RUNS,
        "every quarantine is ours",
        (
            (backup_look._sort_aside, "if item.quarantine not in subject.own_plans:", "if False:"),
            (backup_look._sort_aside, "if row is None:", "if False:"),
            (backup_look._sort_aside, "(*row.proofs, MOVED_ASIDE)", "(MOVED_ASIDE,)"),
        ),
        guards.test_what_lies_in_the_quarantine_of_another_service_is_its_own,
    ),
    Mutant(
        "I11",
        RUNS,
        "what slipped in before the move is what was planned",
        (
            (_Worker._fault, "if there is not None and not lies_aside(row, there):", "if False:"),
            (backup_look._sort_aside, "if row is None:", "if False:"),
            (backup_look._sort_aside, "(*row.proofs, MOVED_ASIDE)", "(MOVED_ASIDE,)"),
        ),
        guards.test_what_changed_after_it_was_moved_aside_is_not_deleted,
    ),
    # --- I12: collateral ------------------------------------------------------------------------------------
    core(
        "I12",
        "what vanishes is nobody's",
        owned.collateral,
        "if key_of(i) not in kept",
        "if False",
        deletions.test_a_neighbour_that_vanishes_halts_every_plan_on_the_store_until_a_person_lifts_it,
    ),
    core(
        "I12",
        "nobody compares the listings",
        _Worker.work,
        "backup_guard.compare(self.ports, self.look)",
        "pass",
        guards.test_a_halt_stops_the_plan_that_found_it_and_every_other_and_is_in_the_evidence,
    ),
    core(
        "I12",
        "a halt stops nobody else",
        _Worker._stands_still,
        "if self.store.name in halts:",
        "if False:",
        guards.test_a_halted_store_is_left_out_of_a_plan_that_goes_on_in_another,
    ),
    core(
        "I12",
        "a plan on a halted store is carried out",
        backup_waits.waiting_of,
        " or s.store in halts]",
        "]",
        guards.test_a_plan_that_only_waits_for_a_halt_is_withheld_with_its_reason,
    ),
    core(
        "I12",
        "what a run that died has seen is forgotten",
        backup_guard.begin_batch,
        "ports.journal.put(BATCH + name, body)",
        "pass",
        guards.test_a_neighbour_that_vanished_before_a_run_died_is_missed_by_the_next_one,
    ),
    core(
        "I12",
        "an empty store was always empty",
        backup_guard._shrunk,
        "    if listed == 0:",
        "    if False:",
        guards.test_a_listing_that_has_lost_what_was_in_no_plan_is_not_believed,
        1,
    ),
    core(
        "I12",
        "half a store is the store",
        backup_guard._shrunk,
        "return now * 2 < before and",
        "return False and",
        guards.test_a_listing_that_has_lost_what_was_in_no_plan_is_not_believed,
        30,
    ),
    core(
        "I12",
        "a rotation may take anything",
        rotation._explained,
        "any(d < day for d in left)",
        "False",
        guards.test_a_rotation_explains_only_what_it_would_have_taken,
        *ROTATED[3],
    ),
    core(
        "I12",
        "a rotation takes what is young",
        rotation._explained,
        "day + timedelta(days=rotation.days) <= today",
        "True",
        guards.test_a_rotation_explains_only_what_it_would_have_taken,
        *ROTATED[2],
    ),
    core(
        "I13",
        "a store that is no longer in the settings holds nothing",
        backup_plan._without_store,
        "for old in before.stores:",
        "for old in ():",
        guards.test_a_store_that_leaves_the_settings_keeps_the_whole_from_being_complete,
    ),
    # --- I13: only a listing ----------------------------------------------------------------------------------
    core(
        "I13",
        "an answer is evidence",
        _Worker._answered,
        "return replace(row, state=ItemState.DELETING, note=receipt.note, until=receipt.until)",
        "return replace(row, state=ItemState.GONE_VERIFIED)",
        deletions.test_a_success_that_a_listing_does_not_show_is_a_failure,
        Lie.SUCCESS_WITHOUT_EFFECT,
    ),
    core(
        "I13",
        "nothing is listed after a deletion",
        _Worker.work,
        "        if self.sent:",
        "        if False:",
        deletions.test_a_plan_is_frozen_at_the_end_and_carried_out_after_the_grace,
    ),
    core(
        "I13",
        "a store that is away after a deletion is empty",
        _Worker.work,
        "            if self.look.trouble:",
        "            if False:",
        guards.test_nothing_is_said_of_a_store_that_cannot_be_listed_after_the_deletion,
    ),
    core(
        "I13",
        "a view with gaps is a view",
        backup_look._listed,
        "if not probe.complete:",
        "if False:",
        deletions.test_a_view_that_is_not_complete_proves_nothing_and_nothing_is_deleted,
    ),
    core(
        "I13",
        "what nobody could look at is gone",
        ItemState.gone,
        "(ItemState.GONE_VERIFIED, ItemState.GONE_BEFORE)",
        "(ItemState.GONE_VERIFIED, ItemState.GONE_BEFORE, ItemState.UNVERIFIABLE)",
        deletions.test_every_state_that_is_not_gone_keeps_a_plan_from_being_complete,
    ),
    Mutant(
        "I13",
        RUNS,
        "what was not seen whole is complete",
        (
            (
                ItemState.gone,
                "(ItemState.GONE_VERIFIED, ItemState.GONE_BEFORE)",
                "(ItemState.GONE_VERIFIED, ItemState.GONE_BEFORE, ItemState.UNVERIFIABLE)",
            ),
            (_Worker._verdict, "complete=seen,", "complete=True,"),
        ),
        deletions.test_with_one_of_three_stores_down_the_others_are_done_and_the_whole_is_not,
    ),
    core(
        "I13",
        "nobody looks again",
        backup_carry.next_check,
        "now + timedelta(hours=after[checks - 1] - before)",
        "None",
        deletions.test_a_store_is_listed_again_an_hour_and_a_day_after_a_deletion_and_then_no_more,
    ),
    core(
        "I13",
        "what has come back is not looked at",
        backup_carry._verified_again,
        "    if found.mine:",
        "    if False:",
        deletions.test_what_comes_back_a_day_later_is_planned_anew_and_staff_is_told,
    ),
    core(
        "I13",
        "what a store accepts is done",
        _Worker._answered,
        "return replace(row, state=ItemState.ACCEPTED,",
        "return replace(row, state=ItemState.GONE_VERIFIED,",
        deletions.test_what_a_store_only_accepts_is_not_gone_until_a_listing_says_so,
    ),
    core(
        "I13",
        "bytes that stay are gone",
        _Worker._absent,
        "if until is not None and until > now:",
        "if False:",
        deletions.test_bytes_that_stay_after_a_deletion_are_residual_until_their_day,
    ),
    core(
        "I13",
        "what a store has accepted it will do some day",
        _Worker._poll,
        "elif self.ports.now() - accepted_at > ACCEPTED_AT_MOST:",
        "elif False:",
        guards.test_what_a_store_accepted_and_never_did_is_told_and_sent_again,
    ),
    # --- I14: nothing unless it is switched on -------------------------------------------------------------
    core(
        "I14",
        "shadow acts",
        sync._run,
        "        if enforcing and not reading.unreachable:\n            sanity.announce",
        "        if not reading.unreachable:\n            sanity.announce",
        guards.test_in_shadow_nothing_is_deleted_planned_or_approved,
    ),
    core(
        "I14",
        "a person may delete in shadow",
        backup_desk.delete_by_hand,
        "if not ports.settings.enforcing:",
        "if False:",
        guards.test_in_shadow_nothing_is_deleted_planned_or_approved,
    ),
    # --- I15: at work ------------------------------------------------------------------------------------------
    core(
        "I15",
        "a busy store is deleted in",
        _Worker.work,
        "if to_do and self.look.postponed:",
        "if False:",
        deletions.test_a_backup_at_work_postpones,
    ),
    core(
        "I15",
        "a store that does not say whose backup it makes is not busy",
        backup_look._busy,
        ' | {"*"}',
        "",
        guards.test_a_busy_store_is_busy_for_everybody_and_one_that_says_whose_for_that_one,
    ),
    core(
        "I15",
        "clocks do not matter",
        backup_look._skewed,
        "if skew is not None and",
        "if False and",
        guards.test_a_clock_an_hour_and_a_minute_off_postpones_and_one_an_hour_off_does_not,
    ),
    # --- I16: locks stay -----------------------------------------------------------------------------------------
    core(
        "I16",
        "a locked item is tried",
        _Worker._seen,
        "if lock is not None and lock.lock and",
        "if False and",
        deletions.test_a_lock_is_reported_with_its_end_and_taken_up_again_when_it_is_over,
    ),
    core(
        "I16",
        "a lock that the deletion meets is a failure like others",
        _Worker._answered,
        "            case Outcome.LOCKED:",
        "            case None:",
        guards.test_a_lock_that_only_the_deletion_tells_of_keeps_the_item_and_its_end,
    ),
    # --- I17: secrets ------------------------------------------------------------------------------------------------
    core(
        "I17",
        "a secret shows itself",
        Secret.__repr__,
        "{self.reference}",
        "{self._given or self.reveal()}",
        test_secret.test_no_way_of_printing_settings_shows_a_secret,
    ),
)


@pytest.mark.parametrize("one", MUTANTS, ids=str)
def test_a_guard_of_the_runs_that_is_taken_away_is_missed(one: Mutant, tmp_path_factory: Folders) -> None:
    missed(one, lambda: called(one, {"tmp_path": lambda: tmp_path_factory.mktemp("house")}))


# --- I8: one at a time, from one place ------------------------------------------------------------------

SENT_BY = {("backup_carry.py", "delete"), ("backup_carry.py", "quarantine")}
"""Where a store is told to take something away; everything else looks."""
LIKELY = re.compile(r"store\.(?:delete|quarantine)\(")


def orders(text: str) -> set[str]:
    """Return what stores are told in a module, beside looking: calls of a name that is, or ends in, `store`."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = node.func.value
            name = asked.attr if isinstance(asked, ast.Attribute) else getattr(asked, "id", "")
            if name.endswith("store") and node.func.attr in ("delete", "quarantine"):
                found.add(node.func.attr)
    return found


def test_one_place_sends_deletions_and_it_sends_one_item_at_a_time() -> None:
    root = Path(backup_carry.__file__).parents[1]
    modules = [path for path in root.rglob("*.py") if path.parent.name != "backups"]
    texts = [(path.name, text) for path in modules if LIKELY.search(text := path.read_text())]
    assert {(name, verb) for name, text in texts for verb in orders(text)} == SENT_BY
    runs = [path for path in modules if path.name.startswith(("backup_", "erase"))]
    assert len(runs) > 8
    assert {verb for path in runs for verb in bulk_verbs(path.read_text())} == set()


def test_another_place_would_be_seen() -> None:
    assert orders("for item in look.items: look.store.delete(item)") == {"delete"}
