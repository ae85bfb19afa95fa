"""The guards of what is recorded about accounts, taken away: each is missed by a test."""

import pytest

from tests.backups.mutants import Mutant, called, missed, mutant
from tests.hooks import test_whose_account as hooked
from tests.jobs import test_backup_accounts as kept
from whmcs_bridge.domain import backups
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs import backup_accounts, backup_sight
from whmcs_bridge.jobs.backup_sightings import Sightings

MUTANTS = (
    mutant(
        "I4",
        "identity",
        "one look is enough",
        Sightings.twice,
        "if same and before is not None and self._whole and before[0] != self._reading:",
        "if True:",
        kept.test_a_machine_made_while_whmcs_was_read_is_never_the_one_that_ended_then,
    ),
    mutant(
        "I4",
        "identity",
        "half a reading of WHMCS is one",
        Sightings.twice,
        "and self._whole and",
        "and",
        kept.test_half_a_reading_of_whmcs_confirms_nothing,
    ),
    mutant(
        "I4",
        "identity",
        "a changed id takes the place of the former one",
        backups.with_ids,
        "if before:",
        "if False:",
        kept.test_a_rebuilt_machine_has_two_uuids_and_a_glance_at_another_one_none,
    ),
    mutant(
        "I4",
        "identity",
        "a blank number is no number any more",
        backup_accounts._place,
        "not name or (was_machine and not number_of(service))",
        "not name",
        kept.test_what_a_module_blanks_of_a_machine_stays_known,
        ServiceStatus.TERMINATED,
    ),
    mutant(
        "I4",
        "identity",
        "an id that is shown after the end is the account's",
        backup_accounts._refreshed,
        "{**fresh, **found.proofs} if ended else with_ids(found.proofs, fresh)",
        "with_ids(found.proofs, fresh)",
        kept.test_an_id_that_changes_after_the_end_is_somebody_else_s,
    ),
    mutant(
        "I4",
        "identity",
        "of two services that name one machine each is its owner",
        backup_accounts._keep_ids,
        "if found.ids and account.username in several:",
        "if False:",
        kept.test_of_two_services_that_name_one_machine_neither_gets_its_ids,
    ),
    mutant(
        "I5",
        "identity",
        "the same number is another machine",
        backup_accounts.twin_of,
        "rivals_of(ports, account) if account.is_machine else []",
        "[]",
        kept.test_machines_with_the_same_user_name_are_nobody_s_twins,
    ),
    mutant(
        "I5",
        "identity",
        "a panel that names hardly anybody is believed",
        backup_sight._line,
        "if living > most:",
        "if False:",
        kept.test_a_cluster_that_leaves_out_machines_is_not_believed_either,
    ),
    mutant(
        "I7",
        "identity",
        "what left a reseller is the reseller's",
        backup_accounts._resellers,
        "changed = [replace(held[key], until=today) for key in left]",
        "changed: list[AccountIdentity] = []",
        kept.test_what_leaves_a_reseller_ends_there_on_that_day,
    ),
    mutant(
        "I17",
        "identity",
        "every custom field is an id",
        backups.ids_among,
        "if text not in BLANK",
        "if True",
        hooked.test_what_holds_no_id_names_no_machine,
        {"VM ID": "0"},
    ),
)


@pytest.mark.parametrize("one", MUTANTS, ids=str)
def test_a_guard_that_is_taken_away_is_missed(one: Mutant) -> None:
    missed(one, lambda: called(one, {}))
