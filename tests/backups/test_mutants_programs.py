"""The guards of restic, borg, proxmox, pbs, jetbackup and manual, and of what they talk through, taken away."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.backups import (
    test_borg,
    test_jetbackup,
    test_line_guards,
    test_manual,
    test_pbs,
    test_proxmox,
    test_restic,
    test_s3,
)
from tests.backups.contract import Place
from tests.backups.mutants import Mutant, called, missed, mutant
from tests.backups.test_line_guards import stranger as stranger
from whmcs_bridge.backups import borg, claim, jetbackup, machines, proxmox
from whmcs_bridge.backups.borg import BorgStore
from whmcs_bridge.backups.jetbackup import JetBackupApi, JetBackupStore
from whmcs_bridge.backups.line import HttpLine
from whmcs_bridge.backups.manual import ManualStore
from whmcs_bridge.backups.pbs import PbsStore
from whmcs_bridge.backups.programs import Program
from whmcs_bridge.backups.proxmox import ProxmoxApi, ProxmoxStore
from whmcs_bridge.backups.proxmox_panel import Guests, ProxmoxPanel
from whmcs_bridge.backups.restic import ResticStore
from whmcs_bridge.backups.s3 import Connect, S3Store
from whmcs_bridge.backups.webdav import DavLine
from whmcs_bridge.domain.backups import Outcome, Verdict

CLASSES: dict[str, Any] = {
    "restic": test_restic.TestRestic,
    "borg": test_borg.TestBorg,
    "proxmox": test_proxmox.TestProxmox,
    "pbs": test_pbs.TestPbs,
    "jetbackup": test_jetbackup.TestJetBackup,
}


def contract(invariant: str, of: str, what: str, guarded: Any, old: str, new: str, test: str) -> Mutant:
    """A guard that the contract tries."""
    return mutant(invariant, of, what, guarded, old, new, getattr(CLASSES[of](), test))


def case(test: Callable[..., object], part: str) -> tuple[Any, ...]:
    """The one case of a parametrized test whose last value contains this."""
    [found] = [values for values in test.pytestmark[0].args[1] if part in str(values[-1])]  # type: ignore[attr-defined]
    return tuple(found)


MINE = "test_exactly_the_account_s_own_items_are_claimed"
ODD_USER = "test_an_odd_user_name_claims_nothing_of_bob_s"
BEFORE = "test_what_was_made_before_the_account_had_its_name_is_another_s"
SOME_TIME = "test_an_account_since_nobody_knows_when_has_nothing_for_certain"
FORGED = "test_a_forged_locator_touches_nothing"
ODD = "test_odd_items_as_listed_are_never_deleted"
ANOTHER_STORE = "test_an_item_of_another_store_is_not_deleted_here"
REPLACED = "test_an_item_that_was_replaced_since_it_was_listed_is_left_alone"
UNDER_MINE = "test_a_neighbour_s_name_under_the_account_s_precondition_is_refused"
HALF = "test_half_a_list_is_never_taken_for_a_whole_one"
AWAY = "test_a_store_that_is_away_is_never_taken_for_empty"
CUT = "test_a_line_that_breaks_after_a_deletion_was_sent_leaves_it_unknown"
ENOUGH = 'Claim(Verdict.MINE, ("name", "and that is enough"))'

ENOUGH_HERE = 'type(NOT_MINE)(type(NOT_MINE.verdict).MINE, ("name", "and that is enough"))'
GAPS = test_jetbackup.test_what_is_no_whole_list_is_no_list.pytestmark[0].args[1]
BY_ID = test_pbs.test_a_vmid_counts_only_in_a_namespace_of_its_own_or_with_a_uuid

RESTIC = (
    mutant(
        "I1",
        "restic",
        "a part of a tag or path is it",
        ResticStore.claim,
        "wanted_tag in tags, bool(self._path) and wanted_path in paths",
        "any(wanted_tag in t for t in tags), bool(self._path) and any(wanted_path in p for p in paths)",
        test_restic.test_whose_a_snapshot_is,
        ["user=bob1"],
        ["/home/bob1"],
        Verdict.NOT_MINE,
    ),
    mutant(
        "I1",
        "restic",
        "what begins like another's is not another's",
        ResticStore._users,
        "self._path_pattern.fullmatch(path)",
        'self._path_pattern.fullmatch(path.rstrip("1"))',
        test_restic.test_whose_a_snapshot_is,
        ["user=bob"],
        ["/home/bob1"],
        Verdict.SHARED,
    ),
    mutant(
        "I2",
        "restic",
        "a repository need not tell users apart",
        ResticStore.__init__,
        "if not tag and not path:",
        "if False:",
        test_restic.test_without_tag_and_path_nothing_is_anybody_s,
    ),
    Mutant(
        "I3",
        "restic",
        "any words are an id",
        (
            (ResticStore.delete, "not FULL_ID.fullmatch(item.locator) or item.version != item.locator", "False"),
            (ResticStore.delete, "if item.locator not in listed:", "if False:"),
            (ResticStore.delete, "if self._item(listed[item.locator]) != item:", "if False:"),
        ),
        getattr(test_restic.TestRestic(), FORGED),
    ),
    contract(
        "I4", "restic", "a name is an identity", ResticStore.claim, "proved(item, account, proofs)", ENOUGH, BEFORE
    ),
    mutant(
        "I4",
        "restic",
        "a tag or a path is both",
        ResticStore.claim,
        "if (self._tag and not tagged) or (self._path and not placed):",
        "if False:",
        test_restic.test_whose_a_snapshot_is,
        [],
        ["/home/bob"],
        Verdict.AMBIGUOUS,
    ),
    mutant(
        "I7",
        "restic",
        "what else a snapshot holds goes with it",
        ResticStore.claim,
        "if len(paths) != 1 or",
        "if False and",
        test_restic.test_whose_a_snapshot_is,
        ["user=bob"],
        ["/home/bob", "/etc"],
        Verdict.SHARED,
    ),
    Mutant(
        "I10",
        "restic",
        "any store's item is ours",
        (
            (ResticStore.delete, "item.store != self.name or", ""),
            (ResticStore.delete, "if self._item(listed[item.locator]) != item:", "if False:"),
        ),
        getattr(test_restic.TestRestic(), ANOTHER_STORE),
    ),
    mutant(
        "I10",
        "restic",
        "a snapshot is what its id is",
        ResticStore.delete,
        "if self._item(listed[item.locator]) != item:",
        "if False:",
        test_line_guards.test_a_snapshot_that_holds_something_else_by_now_is_left,
    ),
    mutant(
        "I13",
        "restic",
        "any answer is a list",
        ResticStore._loaded,
        "if not whole:",
        "rows = rows or []\n        if not whole and rows:",
        test_restic.test_what_is_no_list_is_no_empty_list,
        "{}",
    ),
    mutant(
        "I13",
        "restic",
        "what cannot be loaded is not there",
        ResticStore._snapshots,
        "if not missing:",
        "if True:",
        test_restic.test_a_snapshot_that_restic_leaves_out_makes_the_list_incomplete,
    ),
    mutant(
        "I13",
        "restic",
        "a cache is a listing",
        ResticStore._run,
        '"--no-cache", ',
        "",
        test_line_guards.test_reading_a_repository_takes_no_lock_and_believes_no_cache,
    ),
    contract(
        "I13",
        "restic",
        "a program that did not end was not begun",
        ResticStore.delete,
        "return Receipt(Outcome.UNKNOWN, str(late))",
        "return Receipt(Outcome.FAILED, str(late))",
        CUT,
    ),
    mutant(
        "I14",
        "restic",
        "whoever looks takes a lock",
        ResticStore._run,
        '*(() if lock else ("--no-lock",))',
        "",
        test_line_guards.test_reading_a_repository_takes_no_lock_and_believes_no_cache,
    ),
    mutant(
        "I15",
        "restic",
        "a lock is nobody's",
        ResticStore.probe,
        '("*",) if locks else ()',
        "()",
        test_restic.test_a_lock_is_a_backup_at_work,
    ),
    mutant(
        "I17",
        "restic",
        "a program sees all of our environment",
        Program.run,
        "for name in KEPT_FROM_OUTSIDE if name in os.environ",
        "for name in os.environ",
        test_restic.test_a_program_sees_no_more_of_our_environment_than_it_needs,
    ),
    mutant(
        "I17",
        "restic",
        "what a program says is told as it is",
        Program.run,
        'self._without_secrets(errors.read(64 * 1024).decode("utf-8", "replace"))',
        'errors.read(64 * 1024).decode("utf-8", "replace")',
        test_restic.test_a_program_s_complaint_is_one_line_without_its_secrets,
    ),
    mutant(
        "I17",
        "restic",
        "a program shows what it was given",
        Program.__repr__,
        "{self._name}",
        "{self._name}, {self._given}",
        test_line_guards.test_a_program_shows_no_secret,
    ),
)

BORG = (
    contract(
        "I1",
        "borg",
        "case does not count",
        claim.claim_by_layout,
        "layout.form_of(item.locator, account",
        "layout.form_of(item.locator.lower(), account",
        MINE,
    ),
    mutant(
        "I3",
        "borg",
        "any name is an archive's",
        BorgStore._delete,
        "if _name_fault(name):",
        "if False:",
        test_borg.test_no_name_becomes_the_whole_repository,
        "a b",
    ),
    contract(
        "I4",
        "borg",
        "a name is an identity",
        claim.claim_by_layout,
        "return proved(",
        f"return {ENOUGH} or proved(",
        BEFORE,
    ),
    mutant(
        "I8",
        "borg",
        "no name is a name: the whole repository",
        BorgStore._delete,
        "if _name_fault(name):",
        "if False:",
        test_borg.test_no_name_becomes_the_whole_repository,
        "",
    ),
    Mutant(
        "I10",
        "borg",
        "who has the name is it",
        (
            (BorgStore.delete, "if item.version not in here:", "if item.locator not in here.values():"),
            (BorgStore.delete, "if here[item.version] != item.locator or", "if False and"),
        ),
        test_borg.test_an_archive_that_took_the_name_is_left_alone,
    ),
    mutant(
        "I10",
        "borg",
        "two of a name are one",
        BorgStore.delete,
        "or list(here.values()).count(item.locator) != 1",
        "",
        test_line_guards.test_an_archive_whose_name_another_one_has_as_well_is_left,
    ),
    contract(
        "I10", "borg", "any store's item is ours", BorgStore.delete, "item.store != self.name or", "", ANOTHER_STORE
    ),
    mutant(
        "I13",
        "borg",
        "what borg says is so",
        BorgStore.delete,
        'if any(row["id"] == item.version for row in self._archives()):',
        "if False:",
        test_borg.test_what_borg_says_is_gone_and_lists_was_not_deleted,
    ),
    contract("I13", "borg", "any answer is a list", BorgStore._archives, "if not whole:", "if False:", HALF),
    mutant(
        "I15",
        "borg",
        "a lock is nobody's",
        BorgStore._busy,
        'return ("*",)',
        "return ()",
        test_line_guards.test_a_repository_that_somebody_has_locked_is_busy,
    ),
    mutant(
        "I16",
        "borg",
        "what a server keeps is forgotten",
        BorgStore.delete,
        "if self._append_only:",
        "if False:",
        test_borg.test_an_append_only_repository_is_not_said_to_forget,
    ),
    mutant(
        "I17",
        "borg",
        "any host key will do",
        borg.open_store,
        "StrictHostKeyChecking=yes",
        "StrictHostKeyChecking=no",
        test_line_guards.test_borg_s_host_keys_are_pinned_and_its_passphrase_is_in_no_argument,
    ),
)

PROXMOX = (
    contract(
        "I1",
        "proxmox",
        "a vmid that begins so is it",
        ProxmoxStore.claim,
        "item.account in numbers_of(account)",
        "any(item.account.startswith(v) for v in numbers_of(account))",
        MINE,
    ),
    mutant(
        "I3",
        "proxmox",
        "any words are a task",
        ProxmoxStore.poll,
        "upid = UPID.fullmatch(receipt.task)",
        "upid = UPID.match(receipt.task)",
        test_proxmox.test_a_task_s_odd_number_is_never_asked_for,
    ),
    contract(
        "I3",
        "proxmox",
        "a forged name is one of theirs",
        ProxmoxStore.delete,
        "if now != item:",
        "if False:",
        UNDER_MINE,
    ),
    mutant(
        "I3",
        "proxmox",
        "what the storage reports is what it is",
        proxmox._read,
        'or str(reported) == found["vmid"]',
        "or True",
        test_proxmox.test_a_name_that_says_one_vmid_and_a_storage_that_says_another_prove_nothing,
    ),
    mutant(
        "I4",
        "proxmox",
        "a vmid is an identity",
        ProxmoxStore.claim,
        "if proof:",
        "if True:",
        test_proxmox.test_a_vmid_alone_is_never_enough,
        {},
        test_proxmox.SAME,
        Verdict.AMBIGUOUS,
    ),
    mutant(
        "I4",
        "proxmox",
        "another machine's uuid is no matter",
        ProxmoxStore.claim,
        "if contradicts(item.meta, account):",
        "if False:",
        test_proxmox.test_a_vmid_alone_is_never_enough,
        {"uuid": test_proxmox.OTHER, "vmgenid": test_proxmox.GENERATION},
        test_proxmox.SAME,
        Verdict.NOT_MINE,
    ),
    mutant(
        "I4",
        "proxmox",
        "ids prove any time",
        ProxmoxStore._in_time,
        "if account.since is not None and found.verdict is not Verdict.MINE:",
        "if False:",
        test_proxmox.test_ids_that_agree_at_another_time_prove_nothing,
    ),
    contract(
        "I10", "proxmox", "nothing is looked at again", ProxmoxStore.delete, "if now != item:", "if False:", REPLACED
    ),
    mutant(
        "I10",
        "proxmox",
        "the machine in it is what it was",
        ProxmoxStore._listed,
        "fresh=True",
        "fresh=False",
        test_proxmox.test_the_machine_in_it_is_looked_at_again_before_it_goes,
    ),
    contract(
        "I12",
        "proxmox",
        "what it may not see is not there",
        ProxmoxStore._places,
        'self._api.must(f"/storage/{storage}", "Datastore.Allocate", "backups would be left out of its lists")',
        "pass",
        HALF,
    ),
    mutant(
        "I13",
        "proxmox",
        "a node that is away has nothing",
        ProxmoxStore._places,
        'if nodes.get(node) != "online":',
        "if False:",
        test_proxmox.test_what_may_hide_something_is_no_list,
        *case(test_proxmox.test_what_may_hide_something_is_no_list, "node pve2 is offline"),
    ),
    mutant(
        "I13",
        "proxmox",
        "a storage that is away is empty",
        ProxmoxStore._on,
        'if not row.get("active") or not row.get("enabled"):',
        "if False:",
        test_proxmox.test_what_may_hide_something_is_no_list,
        *case(test_proxmox.test_what_may_hide_something_is_no_list, "not active on node pve1"),
    ),
    mutant(
        "I13",
        "proxmox",
        "a task that has ended is done",
        ProxmoxStore.poll,
        'if ended == "OK":',
        "if ended:",
        test_proxmox.test_a_task_is_asked_until_it_has_ended,
        "unable to remove",
        Outcome.FAILED,
    ),
    mutant(
        "I13",
        "proxmox",
        "an answer without a task is one",
        ProxmoxStore.delete,
        "if isinstance(answer, str) and UPID.fullmatch(answer):",
        "if answer:",
        test_proxmox.test_an_answer_without_a_task_is_no_task,
        "UPID",
    ),
    contract(
        "I13",
        "proxmox",
        "a deletion without an answer was not sent",
        ProxmoxApi.delete,
        "return Receipt(Outcome.UNKNOWN, str(late))",
        "return Receipt(Outcome.FAILED, str(late))",
        CUT,
    ),
    mutant(
        "I15",
        "proxmox",
        "a backup at work is no matter",
        ProxmoxStore.delete,
        'if {item.account, "*"} & self._at_work({p.node for p in self._places()}):',
        "if False:",
        test_proxmox.test_a_backup_at_work_is_told_and_nothing_of_it_is_deleted,
        {"upid": "UPID:x", "id": "100"},
    ),
    mutant(
        "I15",
        "proxmox",
        "work that names no machine is nobody's",
        ProxmoxStore._at_work,
        'str(row.get("id") or "*")',
        'str(row.get("id"))',
        test_proxmox.test_a_backup_at_work_is_told_and_nothing_of_it_is_deleted,
        {"upid": "UPID:x", "id": ""},
    ),
    mutant(
        "I16",
        "proxmox",
        "what is protected is tried",
        ProxmoxStore.delete,
        "if now.lock:",
        "if False:",
        test_proxmox.test_what_is_protected_stays_and_is_never_unprotected,
    ),
    mutant(
        "I16",
        "proxmox",
        "protection is a refusal like others",
        ProxmoxApi.delete,
        "if PROTECTED in said:",
        "if False:",
        test_proxmox.test_what_was_protected_meanwhile_is_locked,
    ),
)

PBS = (
    contract(
        "I1",
        "pbs",
        "an id that begins so is it",
        PbsStore._host,
        "item.account != account.username",
        "not item.account.startswith(account.username)",
        MINE,
    ),
    mutant(
        "I2",
        "pbs",
        "any namespace is ours",
        PbsStore._must_see_all,
        "if space and space not in there:",
        "if False:",
        test_pbs.test_what_may_hide_something_is_no_list,
        *case(test_pbs.test_what_may_hide_something_is_no_list, "no namespace cluster1"),
    ),
    Mutant(
        "I3",
        "pbs",
        "no id is odd",
        (
            (PbsStore._item, 'account=number if fair else ""', "account=number"),
            (PbsStore.delete, "or not right:", "or False:"),
        ),
        getattr(test_pbs.TestPbs(), ODD),
    ),
    contract(
        "I4",
        "pbs",
        "a name is an identity",
        PbsStore._timed,
        "found = proved(",
        f"found = {ENOUGH} or proved(",
        BEFORE,
    ),
    mutant(
        "I4",
        "pbs",
        "a namespace is one cluster's",
        PbsStore.claim,
        "if not self._exclusive:",
        "if False:",
        partial(BY_ID, exclusive=False, proofs={}, comment="", verdict=Verdict.AMBIGUOUS),
    ),
    mutant(
        "I4",
        "pbs",
        "another machine's uuid is no matter",
        PbsStore.claim,
        "if contradicts(item.meta, account):",
        "if False:",
        partial(
            BY_ID, exclusive=True, proofs={"uuid": test_pbs.OTHER}, comment=test_pbs.UUID, verdict=Verdict.AMBIGUOUS
        ),
    ),
    mutant(
        "I4",
        "pbs",
        "a recorded vmid is a name",
        machines.by_number,
        "since is None or day is None or day < since",
        "False",
        test_pbs.test_a_recorded_vmid_under_another_name_needs_the_uuid,
    ),
    mutant(
        "I4",
        "pbs",
        "a number is the machine's after its end",
        machines.by_number,
        "day > account.until",
        "False",
        test_pbs.test_a_number_proves_nothing_of_days_before_it_was_seen_or_after_the_end,
        *case(
            test_pbs.test_a_number_proves_nothing_of_days_before_it_was_seen_or_after_the_end, "after the machine's end"
        ),
    ),
    mutant(
        "I4",
        "proxmox",
        "any network card is the container's",
        machines.by_card,
        "if here.isdisjoint(known):",
        "if False:",
        test_proxmox.test_a_container_is_told_by_its_cards_and_its_days_and_never_proved,
        *case(
            test_proxmox.test_a_container_is_told_by_its_cards_and_its_days_and_never_proved,
            "its network card is none",
        ),
    ),
    mutant(
        "I5",
        "proxmox",
        "a guest that is not listed is gone",
        Guests._must_be_free,
        "if not self._api.is_free(number):",
        "if False:",
        test_proxmox.test_a_number_that_is_not_listed_is_free_only_if_the_cluster_says_so,
    ),
    mutant(
        "I5",
        "proxmox",
        "a node without a quorum knows who lives",
        ProxmoxPanel._quorate,
        'row.get("quorate") != 1',
        "False",
        test_proxmox.test_what_may_leave_a_guest_out_says_nobody_is_gone,
        *case(test_proxmox.test_what_may_leave_a_guest_out_says_nobody_is_gone, "no quorum: its list"),
    ),
    mutant(
        "I5",
        "proxmox",
        "a right that is missing hides nobody",
        ProxmoxPanel.living,
        'self._api.must("/vms", "VM.Audit", "machines would be left out of its lists")',
        "pass",
        test_proxmox.test_what_may_leave_a_guest_out_says_nobody_is_gone,
        *case(test_proxmox.test_what_may_leave_a_guest_out_says_nobody_is_gone, "lacks VM.Audit on /vms"),
    ),
    contract("I10", "pbs", "nothing is looked at again", PbsStore.delete, "if now != item:", "if False:", REPLACED),
    contract(
        "I12",
        "pbs",
        "what it may not see is not there",
        PbsStore._must_see_all,
        'self._api.must(path, "Datastore.Audit", "snapshots of other owners would be left out of its lists")',
        "pass",
        HALF,
    ),
    mutant(
        "I13",
        "pbs",
        "nobody counts",
        PbsStore._snapshots,
        'if group["backup-count"] not in (len(rows), finished):',
        "if False:",
        test_pbs.test_what_may_hide_something_is_no_list,
        *case(test_pbs.test_what_may_hide_something_is_no_list, "0 of 1 snapshots"),
    ),
    mutant(
        "I13",
        "pbs",
        "another group's snapshots are this one's",
        PbsStore._snapshots,
        "if any(str(row[name]) != value for row in rows for name, value in wanted.items()):",
        "if False:",
        test_pbs.test_what_may_hide_something_is_no_list,
        *case(test_pbs.test_what_may_hide_something_is_no_list, "another group"),
    ),
    mutant(
        "I15",
        "pbs",
        "what is being written is a snapshot",
        PbsStore.delete,
        "if now.size is None:",
        "if False:",
        test_pbs.test_what_is_being_written_is_at_work_and_stays,
    ),
    mutant(
        "I16",
        "pbs",
        "what is protected is tried",
        PbsStore.delete,
        "if now.lock:",
        "if False:",
        test_pbs.test_what_is_protected_stays,
    ),
)

JETBACKUP = (
    contract(
        "I1",
        "jetbackup",
        "a name that begins so is it",
        JetBackupStore.claim,
        "item.account != account.username",
        "not item.account.startswith(account.username)",
        MINE,
    ),
    mutant(
        "I1",
        "jetbackup",
        "what a backup says of its user is no matter",
        JetBackupStore._item,
        'same = row.get("account") in (None, "", user)',
        "same = True",
        test_jetbackup.test_a_backup_that_names_another_user_than_its_account_is_nobody_s,
    ),
    mutant(
        "I3",
        "jetbackup",
        "any words are a deletion",
        JetBackupStore.poll,
        "if not ID.fullmatch(account) or not ID.fullmatch(receipt.task):",
        "if False:",
        test_jetbackup.test_a_list_that_is_not_whole_is_no_end,
    ),
    contract(
        "I4",
        "jetbackup",
        "a name is an identity",
        JetBackupStore.claim,
        "return proved(",
        f"return {ENOUGH_HERE} or proved(",
        BEFORE,
    ),
    mutant(
        "I4",
        "jetbackup",
        "another account's id is no matter",
        claim.proved,
        "if contradiction:",
        "if False:",
        test_jetbackup.test_an_account_of_the_same_name_with_another_id_is_another_s,
        {"jetbackup_uuid": "uuid-bob2"},
        Verdict.NOT_MINE,
    ),
    mutant(
        "I5",
        "jetbackup",
        "an account that lives there is gone",
        JetBackupStore._refusal,
        'if account.get("orphan") not in (1, True):',
        "if False:",
        test_jetbackup.test_what_belongs_to_a_living_account_stays,
        0,
    ),
    mutant(
        "I7",
        "jetbackup",
        "what else a snapshot holds goes with it",
        JetBackupStore._refusal,
        "or len(with_it) != 1",
        "",
        test_jetbackup.test_a_snapshot_with_other_backups_in_it_stays,
        "shared",
    ),
    contract(
        "I10",
        "jetbackup",
        "nothing is looked at again",
        JetBackupStore._refusal,
        "if here != item:",
        "if False:",
        REPLACED,
    ),
    mutant(
        "I10",
        "jetbackup",
        "which id is taken is clear",
        JetBackupStore.delete,
        "if not self._by:",
        "if False:",
        test_jetbackup.test_until_it_is_proved_which_id_is_taken_nothing_is_deleted,
    ),
    contract(
        "I13",
        "jetbackup",
        "nobody counts",
        JetBackupApi.all,
        'if str(found.get("total")) != str(len(rows)) or',
        "if",
        HALF,
    ),
    mutant(
        "I13",
        "jetbackup",
        "no account is no right",
        JetBackupStore._accounts,
        "if not found:",
        "if False:",
        test_jetbackup.test_no_account_at_all_is_a_missing_right,
    ),
    Mutant(
        "I13",
        "jetbackup",
        "a filter that the server did not use was used",
        (
            (JetBackupStore._rows, 'if row.get("account_id") != account:', "if False:"),
            (JetBackupStore.items, "if len({item.locator for item in found}) != len(found):", "if False:"),
        ),
        test_jetbackup.test_backups_of_another_account_than_asked_for_are_no_answer,
    ),
    mutant(
        "I13",
        "jetbackup",
        "what is not said is success",
        jetbackup.succeeded,
        'answer.get("success") in (1, True)',
        "True",
        test_jetbackup.test_what_is_no_whole_list_is_no_list,
        "listBackups",
        "backups",
        GAPS[1],
    ),
    mutant(
        "I13",
        "jetbackup",
        "success is a mark",
        JetBackupStore.delete,
        'if "marked" not in said.casefold():',
        "if False:",
        test_jetbackup.test_an_answer_that_does_not_say_marked_leaves_it_unknown,
        {"success": 1, "message": "Hello"},
    ),
    mutant(
        "I13",
        "jetbackup",
        "what was marked is gone",
        JetBackupStore.poll,
        "return receipt if there else",
        "return",
        test_jetbackup.test_what_was_only_marked_is_asked_for_until_it_is_gone,
    ),
    mutant(
        "I16",
        "jetbackup",
        "what is locked is tried",
        JetBackupStore._refusal,
        "if here.lock:",
        "if False:",
        test_jetbackup.test_a_locked_snapshot_stays,
    ),
)

MANUAL = (
    mutant(
        "I4",
        "manual",
        "what it is asked for is the account's",
        ManualStore.claim,
        "return NOT_MINE",
        "return type(NOT_MINE)(type(NOT_MINE.verdict).MINE)",
        test_manual.test_nothing_in_it_is_known_or_deleted,
    ),
    mutant(
        "I8",
        "manual",
        "what nobody sees is deleted",
        ManualStore.delete,
        "Outcome.REFUSED",
        "Outcome.DELETED",
        test_manual.test_nothing_in_it_is_known_or_deleted,
    ),
    mutant(
        "I13",
        "manual",
        "no list is an empty list",
        ManualStore.items,
        'raise ViewIncomplete(f"store {self.name}: {self._why}")',
        "return []",
        test_manual.test_it_is_never_an_empty_list,
    ),
    mutant(
        "I13",
        "manual",
        "no view is a complete one",
        ManualStore.probe,
        "complete=False",
        "complete=True",
        test_manual.test_it_is_never_an_empty_list,
    ),
)

LINES = tuple(
    mutant("I17", of, what, guarded, old, new, kill)
    for of in ("proxmox", "pbs", "jetbackup")
    for what, guarded, old, new, kill in (
        (
            "any certificate will do",
            HttpLine.ask,
            "verify=self._session.verify",
            "verify=False",
            test_line_guards.test_a_server_that_nobody_vouches_for_hears_no_request,
        ),
        (
            "whoever sends us on is followed",
            HttpLine.ask,
            "allow_redirects=False",
            "allow_redirects=True",
            test_line_guards.test_nobody_is_followed_elsewhere,
        ),
    )
)

STRANGERS = (
    mutant(
        "I17",
        "webdav",
        "any certificate will do",
        DavLine._connected,
        "context=context",
        "context=ssl._create_unverified_context()",
        test_line_guards.test_a_webdav_server_that_nobody_vouches_for_hears_no_password,
    ),
    mutant(
        "I17",
        "s3",
        "any certificate will do",
        Connect._client,
        "endpoint_url=self._endpoint_url,",
        "endpoint_url=self._endpoint_url, verify=False,",
        test_line_guards.test_a_bucket_that_nobody_vouches_for_hears_no_request,
    ),
    mutant(
        "I2",
        "s3",
        "a bucket is a store",
        S3Store.__init__,
        "        if not prefix:",
        "        if False:",
        test_s3.test_a_bucket_s_root_is_no_store,
    ),
)


MUTANTS = (*RESTIC, *BORG, *PROXMOX, *PBS, *JETBACKUP, *MANUAL, *LINES, *STRANGERS)
PLACES: dict[str, Callable[[HTTPServer], Place]] = {
    "restic": lambda _: test_restic.DoublePlace(),
    "borg": lambda _: test_borg.DoublePlace(),
    "proxmox": test_proxmox.ProxmoxPlace,
    "pbs": test_pbs.PbsPlace,
    "jetbackup": test_jetbackup.JetPlace,
}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("one", MUTANTS, ids=str)
def test_a_guard_that_is_taken_away_is_missed(
    one: Mutant, httpserver: HTTPServer, stranger: test_line_guards.Stranger
) -> None:
    def server() -> HTTPServer:
        httpserver.clear()
        return httpserver

    with pytest.MonkeyPatch.context() as patch:
        fixtures: dict[str, Callable[[], object]] = {
            "place": lambda: PLACES[one.of](server()),
            "httpserver": server,
            "stranger": lambda: stranger,
            "monkeypatch": lambda: patch,
            "server": lambda: "http://127.0.0.1:1",
        }
        missed(one, lambda: called(one, fixtures))
