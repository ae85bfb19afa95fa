"""Each guard taken away in turn: something that is tried elsewhere has to fail without it.

The numbers are those of the safety invariants in docs/reference/backup-drivers.md; what is guarded by the jobs (live
accounts, terminations done, caps, plans, collateral) is tried there.
"""

import ast
import inspect
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.backups import mutants, test_claim, test_local
from tests.backups.contract import Contract
from tests.backups.mutants import mutant
from tests.backups.test_local import LocalPlace
from tests.settings import test_mistakes
from whmcs_bridge import backups
from whmcs_bridge.backups import base, claim, layouts, local, names
from whmcs_bridge.backups.claim import NAME
from whmcs_bridge.backups.layouts import CPANEL, Form, Layout
from whmcs_bridge.backups.local import LocalStore
from whmcs_bridge.domain.backups import BackupItem, Claim, Probe, Verdict
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.settings.drivers import paths

Patch = pytest.MonkeyPatch
Try = Callable[[Any], object]
FORM_OF = Layout.form_of
ITEMS = LocalStore.items
CHECK = LocalStore._check
MADE = base.PathStore.made


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard, how it is taken away, and what has to fail then."""

    invariant: str
    what: str
    apply: Callable[[Patch], None]
    kill: Try


def contract(name: str) -> Try:
    test = getattr(test_local.TestLocal(), name)
    return lambda place: test(place)


def here(test: Callable[..., None], *more: Any) -> Try:
    return lambda place: test(place, *more)


def pure(test: Callable[..., None], *more: Any) -> Try:
    return lambda _place: test(*more)


def _by(same: Callable[[str, str], object]) -> Callable[[Patch], None]:
    """A layout that compares the name in a path with the user's in another way."""

    def form_of(self: Layout, locator: str, user: str, *, tree: bool = False) -> Form | None:
        found = self._match(locator, tree)
        return found[0] if found is not None and same(found[1].get("user") or "", user) else None

    return lambda patch: patch.setattr(Layout, "form_of", form_of)


def _no_end(patch: Patch) -> None:
    """A layout whose patterns may end anywhere."""
    compiled = layouts._compiled
    patch.setattr(layouts, "_compiled", lambda form, user: re.compile(compiled(form, user).pattern + "(?s:.*)"))
    patch.setattr(test_local, "CPANEL", Layout("cpanel", layouts.CPANEL_USER, [form for form, _ in CPANEL._files]))


def _ignoring_case(self: Layout, locator: str, user: str, *, tree: bool = False) -> Form | None:
    return FORM_OF(self, locator.lower(), user, tree=tree)


def _unshared(self: Layout, locator: str, user: str, *, tree: bool = False) -> Form | None:
    form = FORM_OF(self, locator, user, tree=tree)
    return None if form is None else replace(form, shared=False)


def _any_links(self: Layout, locator: str, user: str, *, tree: bool = False) -> Form | None:
    form = FORM_OF(self, locator, user, tree=tree)
    return None if form is None else replace(form, linked=True)


def _name_is_enough(*_args: Any, **_more: Any) -> Claim:
    return Claim(Verdict.MINE, (NAME, "and that is enough"))


def _look_once(self: LocalStore, folder: int, name: str, item: BackupItem, *, begun: bool = False) -> None:
    if not begun:
        CHECK(self, folder, name, item)


def _follow(patch: Patch) -> None:
    patch.setattr(local, "FOLDER", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def rewritten(driver: ModuleType, old: str, new: str) -> Callable[[Patch], None]:
    """A driver with a line of its source rewritten, in the place of the real one."""

    def apply(patch: Patch) -> None:
        text = inspect.getsource(driver)
        assert old in text
        mutant = ModuleType("mutant")
        patch.setitem(sys.modules, "mutant", mutant)
        exec(compile(text.replace(old, new), "mutant", "exec"), vars(mutant))
        patch.setattr(test_local, "LocalStore", mutant.LocalStore)

    return apply


def _open_to_others(patch: Patch) -> None:
    patch.setattr(stat, "S_IMODE", lambda _mode: 0o700)


def _nobody() -> None:
    assert CPANEL.form_of("2026-05-31/system/x", "") is None


def _filtered(self: LocalStore) -> Iterator[BackupItem]:
    return (item for item in ITEMS(self) if item.account)


def _remembered(patch: Patch) -> None:
    seen: list[BackupItem] = []

    def items(self: LocalStore) -> list[BackupItem]:
        seen.extend([] if seen else ITEMS(self))
        return list(seen)

    patch.setattr(LocalStore, "items", items)


def _partial(self: LocalStore) -> Iterator[BackupItem]:
    try:
        yield from ITEMS(self)
    except StoreTrouble:
        return


def _writing_probe(self: LocalStore) -> Probe:
    Path(self.root, "can-i-write").touch()
    return Probe(complete=True)


def _told(text: str) -> Try:
    [case] = [(given, line) for given, line in test_mistakes.CASES if text in given]
    test = test_mistakes.test_a_mistake_is_told_with_its_key_what_was_found_and_what_was_expected
    return pure(test, *case)


def set_(target: Any, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(target, name, value)


ODD_USER = contract("test_an_odd_user_name_claims_nothing_of_bob_s")
MINE = contract("test_exactly_the_account_s_own_items_are_claimed")
FORGED = contract("test_a_forged_locator_touches_nothing")
REPLACED = contract("test_an_item_that_was_replaced_since_it_was_listed_is_left_alone")
MUTANTS = (
    Mutant("I1", "a prefix is a match", _by(lambda found, user: found.startswith(user)), MINE),
    Mutant("I1", "an ending is a match", _by(lambda found, user: found.endswith(user)), MINE),
    Mutant("I1", "a pattern is a match", _by(lambda found, user: re.match(user, found)), ODD_USER),
    Mutant("I1", "a path may go on", _no_end, MINE),
    Mutant("I1", "no user is a user", _by(lambda found, user: found == user), pure(_nobody)),
    Mutant("I1", "case does not count", set_(Layout, "form_of", _ignoring_case), MINE),
    Mutant(
        "I4",
        "what cannot be read is nobody's",
        set_(claim, "_mentions", lambda *_: False),
        pure(test_claim.test_an_account_whose_name_the_layout_does_not_know_is_never_taken_for_gone),
    ),
    Mutant("I2", "any folder is a store", set_(paths, "TOO_WIDE", frozenset()), _told('"/home"')),
    Mutant(
        "I2",
        "an empty folder is a store",
        set_(LocalStore, "_recognise", lambda *_: None),
        here(test_local.test_a_folder_without_its_sentinel_is_away_not_empty, "no sentinel"),
    ),
    Mutant("I3", "no name is odd", set_(names, "segment_fault", lambda _segment: ""), FORGED),
    Mutant(
        "I3",
        "links are followed",
        _follow,
        here(test_local.test_a_linked_day_is_not_walked_and_nothing_goes_through_it),
    ),
    Mutant(
        "I3",
        "links to a root are followed",
        _follow,
        here(test_local.test_a_root_that_is_reached_through_a_link_is_refused),
    ),
    Mutant(
        "I3",
        "mounts are walked",
        rewritten(local, "if os.fstat(inner).st_dev != device:", "if False:"),
        here(test_local.test_a_disk_that_is_mounted_in_the_store_is_told_and_nothing_is_left_out),
    ),
    Mutant(
        "I3",
        "mounts are passed",
        rewritten(local, "if os.fstat(here).st_dev != device:", "if False:"),
        here(test_local.test_nothing_is_deleted_past_a_disk_that_is_mounted_on_the_way),
    ),
    Mutant(
        "I3",
        "files may have names elsewhere",
        set_(claim, "_links_fault", lambda *_: ""),
        here(test_local.test_a_file_with_a_name_elsewhere_is_reported_and_left, "outside"),
    ),
    Mutant(
        "I3",
        "any panel makes hard links",
        set_(Layout, "form_of", _any_links),
        here(test_local.test_a_panel_that_makes_no_hard_links_has_none),
    ),
    Mutant(
        "I3",
        "a link is a file",
        set_(base.PathStore, "made", lambda self, locator, **more: MADE(self, locator, **{**more, "meta": {}})),
        here(test_local.test_a_link_is_listed_as_a_link_and_left_alone),
    ),
    Mutant(
        "I4",
        "a name is an identity",
        set_(claim, "proved", _name_is_enough),
        contract("test_what_was_made_before_the_account_had_its_name_is_another_s"),
    ),
    Mutant(
        "I4",
        "a name needs no beginning",
        set_(claim, "proved", _name_is_enough),
        contract("test_an_account_since_nobody_knows_when_has_nothing_for_certain"),
    ),
    Mutant(
        "I4",
        "recorded ids may differ",
        set_(claim, "_recorded", lambda *_: ((), "")),
        pure(test_claim.test_a_recorded_id_is_a_proof_and_another_s_id_is_one_against_it),
    ),
    Mutant(
        "I7",
        "a reseller's archive is one account's",
        set_(Layout, "form_of", _unshared),
        pure(test_claim.test_a_reseller_s_archive_is_shared),
    ),
    Mutant("I10", "nothing is looked at again", set_(LocalStore, "_check", lambda *_, **__: None), REPLACED),
    Mutant(
        "I10",
        "a folder is what its inode is",
        set_(
            LocalStore,
            "_check",
            lambda self, folder, name, item, begun=False: CHECK(self, folder, name, item, begun=True),
        ),
        here(test_local.test_a_backup_folder_that_grew_since_it_was_listed_is_left),
    ),
    Mutant(
        "I11",
        "nothing is looked at after the move",
        set_(LocalStore, "_check", _look_once),
        here(test_local.test_what_slips_in_between_the_look_and_the_move_is_put_back, "file"),
    ),
    Mutant(
        "I11",
        "others may reach into the quarantine",
        _open_to_others,
        here(test_local.test_a_quarantine_that_is_a_link_or_open_to_others_takes_nothing),
    ),
    Mutant(
        "I12",
        "a listing leaves out what is nobody's",
        set_(LocalStore, "items", _filtered),
        contract("test_nothing_that_lies_there_is_left_out_of_a_listing"),
    ),
    Mutant("I13", "a listing is remembered", _remembered, contract("test_every_listing_is_a_fresh_one")),
    Mutant(
        "I13",
        "half a list is a list",
        set_(LocalStore, "items", _partial),
        contract("test_half_a_list_is_never_taken_for_a_whole_one"),
    ),
    Mutant(
        "I14",
        "a probe tries to write",
        set_(LocalStore, "probe", _writing_probe),
        contract("test_a_listing_changes_nothing"),
    ),
    Mutant(
        "I15",
        "a backup at work is not seen",
        set_(local, "busy_of", lambda _items: ()),
        here(test_local.test_a_backup_that_is_being_written_makes_its_account_busy),
    ),
    Mutant(
        "I15",
        "a queue is not seen",
        set_(local, "_has_content", lambda _path: False),
        lambda place: test_local.test_a_queue_with_something_in_it_makes_everybody_busy(place, place.root.parent),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: f"{one.invariant} {one.what}")
def test_a_guard_that_is_taken_away_is_missed(mutant: Mutant, tmp_path: Path) -> None:
    for folder in ("with", "without"):
        (tmp_path / folder).mkdir()
    with pytest.MonkeyPatch.context() as patch:
        mutant.kill(LocalPlace(tmp_path / "with", patch))
    with pytest.MonkeyPatch.context() as guard, pytest.MonkeyPatch.context() as patch:
        mutant.apply(guard)
        with pytest.raises((AssertionError, pytest.fail.Exception, StoreTrouble, ValueError)):
            mutant.kill(LocalPlace(tmp_path / "without", patch))


BACK = (
    mutant(
        "I10",
        "local",
        "half a folder is put back",
        LocalStore._return_checked,
        "self._check(aside, name, item)",
        "self._check(aside, name, item, begun=True)",
        test_local.test_a_folder_of_which_a_part_is_gone_is_not_put_back,
    ),
    mutant(
        "I10",
        "local",
        "what changed in quarantine is put back",
        LocalStore._return_checked,
        "self._check(aside, name, item)",
        "pass",
        contract("test_what_has_changed_in_quarantine_is_not_put_back"),
    ),
    mutant(
        "I10",
        "local",
        "what lies where it lay is it",
        LocalStore._lies_back,
        "self._check(folder, own, back)",
        "os.stat(own, dir_fd=folder)",
        contract("test_what_has_gone_from_quarantine_is_not_put_back"),
    ),
    mutant(
        "I3",
        "local",
        "a file may have got names",
        LocalStore._check,
        "+ more_names:",
        "+ more_names + 1:",
        test_local.test_a_file_of_which_another_has_a_name_now_is_not_put_back,
    ),
    mutant(
        "I11",
        "local",
        "a way back overwrites",
        local._return,
        "os.link(name, own, src_dir_fd=aside, dst_dir_fd=folder, follow_symlinks=False)",
        "return os.rename(name, own, src_dir_fd=aside, dst_dir_fd=folder) is None",
        contract("test_nothing_is_overwritten_by_what_is_put_back"),
    ),
    mutant(
        "I3",
        "local",
        "links on the way back are followed",
        local._beneath,
        "os.open(name, FOLDER, dir_fd=here)",
        "os.open(name, os.O_RDONLY, dir_fd=here)",
        test_local.test_nothing_is_put_back_through_a_link,
    ),
    mutant(
        "I1",
        "local",
        "a beginning of a name is a name",
        LocalStore._exactly,
        "own == name",
        "own.startswith(name[:3])",
        test_local.test_what_lies_beside_the_backups_is_found_in_a_folder_that_is_left_out,
    ),
)


@pytest.mark.parametrize("one", BACK, ids=str)
def test_a_guard_of_the_way_back_that_is_taken_away_is_missed(
    one: mutants.Mutant, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def kill() -> None:
        with pytest.MonkeyPatch.context() as patch:
            one.kill(LocalPlace(tmp_path_factory.mktemp("disk"), patch), *one.given)

    mutants.missed(one, kill)


# --- I8: no verb that takes more than one ------------------------------------------------------------------

BULK = frozenset(
    (
        "rmtree",
        "removedirs",
        "delete_objects",
        "delete_bucket",
        "remove_all",
        "purge",
        "glob",
        "rglob",
        "system",
        "popen",
    )
)
"""Calls that take more than one named item, or a shell's words."""


def bulk_verbs(text: str) -> set[str]:
    """Return the verbs called in a module that take more than one named item, and shells."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found |= {called} & BULK
            shell = [word for word in node.keywords if word.arg == "shell"]
            found |= {"shell"} if shell else set()
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "force-delete" in node.value:
            found.add("force-delete")
    return found


@pytest.mark.parametrize("module", sorted(Path(backups.__file__ or "").parent.glob("*.py")), ids=lambda path: path.stem)
def test_no_driver_knows_a_verb_that_takes_more_than_one(module: Path) -> None:
    assert bulk_verbs(module.read_text()) == set()


@pytest.mark.parametrize(
    "text", ["shutil.rmtree(x)", "s3.delete_objects(Delete=y)", "run(x, shell=True)", "h['x-minio-force-delete'] = 1"]
)
def test_such_a_verb_would_be_seen(text: str) -> None:
    assert bulk_verbs(text)


def test_the_contract_has_no_test_that_a_driver_has_lost() -> None:
    """A subclass that redefines a test to make it pass would be no driver of ours."""
    own = {name for name in vars(Contract) if name.startswith("test_")}
    assert len(own) >= 25
    for kind in Contract.__subclasses__():
        assert not own & set(vars(kind)), kind
