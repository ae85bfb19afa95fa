"""The guards of folders over a line, and those of the lines' own, taken away one at a time: something has to fail.

What stands once for sftp, ftp and webdav is tried over the line of test_folders, what is a protocol's own over its
server.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.backups import test_folders, test_ftp, test_sftp, test_webdav
from tests.backups.ftpd import Ftpd, running_ftpd
from tests.backups.mutants import Mutant, missed, mutant
from tests.backups.sshd import Sshd
from tests.backups.test_folders import DiskPlace
from tests.backups.test_ftp import FtpPlace
from tests.backups.test_sftp import SftpPlace
from tests.backups.test_webdav import Dav, DavPlace, running_dav
from whmcs_bridge.backups import ftp, names, webdav
from whmcs_bridge.backups.base import PathStore
from whmcs_bridge.backups.folders import FolderStore, Line, ListingLine
from whmcs_bridge.backups.ftp import FtpLine
from whmcs_bridge.backups.sftp import SftpLine
from whmcs_bridge.backups.webdav import DavLine
from whmcs_bridge.domain.backups import Outcome

KEYS = {"public": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExam"}


def contract(tests: type[Any], name: str) -> Callable[..., object]:
    """A test of the contract, as a function of the place."""
    return CONTRACT.setdefault((tests, name), lambda place, *given: getattr(tests(), name)(place, *given))


CONTRACT: dict[tuple[type[Any], str], Callable[..., object]] = {}


def base(
    invariant: str, what: str, guarded: Any, old: str, new: str, kill: Callable[..., object], *given: Any
) -> Mutant:
    """A guard that stands once for all of them."""
    return mutant(invariant, "folders", what, guarded, old, new, kill, *given)


def kept(name: str) -> Callable[..., object]:
    return contract(test_folders.TestFolders, name)


FOLDERS = (
    base(
        "I2",
        "an empty folder is a store",
        Line.recognise,
        "if sentinel is None or sentinel.kind is not Kind.FILE:",
        "if False:",
        test_folders.test_a_folder_without_its_sentinel_is_away_not_empty,
        "no sentinel",
    ),
    base(
        "I2",
        "whatever has the sentinel's name is one",
        Line.recognise,
        "or sentinel.kind is not Kind.FILE",
        "",
        test_folders.test_a_folder_without_its_sentinel_is_away_not_empty,
        "sentinel is a link",
    ),
    base(
        "I2",
        "a store stays what it was",
        FolderStore._opened,
        "self.case_blind = self._line.recognise()",
        "pass",
        test_folders.test_a_store_is_recognised_before_every_change,
    ),
    base(
        "I3",
        "a root may be reached by a link",
        Line.recognise,
        "        if not straight:",
        "        if False:",
        test_folders.test_a_root_that_the_server_reaches_by_a_link_is_refused,
    ),
    base(
        "I3",
        "links are listed as folders",
        Line.entries,
        "if not self._straight(path):",
        "if False:",
        test_folders.test_a_folder_that_the_server_reaches_by_a_link_makes_the_list_incomplete,
    ),
    base(
        "I3",
        "links on the way are followed",
        Line.look,
        "if found.kind is not Kind.FOLDER:",
        "if False:",
        test_folders.test_nothing_goes_through_a_linked_day,
    ),
    base(
        "I3",
        "links on the way back are followed",
        Line.look,
        "if found.kind is not Kind.FOLDER:",
        "if False:",
        test_folders.test_nothing_is_put_back_through_a_link,
    ),
    base(
        "I3",
        "a server leads where it says",
        Line.look,
        "if not self._straight(way):",
        "if False:",
        test_folders.test_nothing_goes_by_a_way_that_the_server_says_is_another,
    ),
    base(
        "I3",
        "a second way is a way",
        FolderStore._only_way,
        "if found.unique and found.unique in seen:",
        "if False:",
        test_folders.test_a_second_way_to_a_folder_makes_the_list_incomplete,
    ),
    base(
        "I3",
        "a second way within a backup folder is a way",
        FolderStore._all_in,
        "self._only_way(found, shown(here), seen)",
        "pass",
        test_folders.test_a_second_way_within_a_backup_folder_makes_the_list_incomplete,
    ),
    base(
        "I3",
        "any item may be touched",
        FolderStore._guarded,
        "if fault := self.fault_of(item):",
        "if fault := '':",
        kept("test_an_item_of_another_store_is_not_deleted_here"),
    ),
    base(
        "I3",
        "odd names are names",
        names.segment_fault,
        'if segment in ("", ".", ".."):',
        "if False:",
        kept("test_a_forged_locator_touches_nothing"),
    ),
    base(
        "I11",
        "what says that it lies in quarantine does",
        PathStore.fault_of,
        "if plan != item.quarantine:",
        "if False:",
        kept("test_an_item_that_claims_to_lie_in_quarantine_and_does_not_is_left_alone"),
    ),
    base(
        "I10",
        "a link is a file",
        FolderStore._same,
        "if found.kind is not Kind.FILE:",
        "if False:",
        test_folders.test_what_lies_in_the_place_of_a_file_and_is_none_is_left,
        "a link",
    ),
    base(
        "I10",
        "a file is a folder",
        FolderStore._same,
        "if found.kind is not Kind.FOLDER:",
        "if False:",
        test_folders.test_a_file_in_the_place_of_a_backup_folder_is_left,
    ),
    base(
        "I10",
        "nothing is looked at again",
        FolderStore._same,
        "        if not same:",
        "        if False:",
        kept("test_an_item_that_was_replaced_since_it_was_listed_is_left_alone"),
    ),
    base(
        "I10",
        "size and second are enough",
        FolderStore._same,
        "(found.etag == item.etag or (moved and self.new_etags))",
        "True",
        test_folders.test_a_file_of_the_same_size_and_second_is_another_by_its_etag,
    ),
    base(
        "I10",
        "a folder is what it is called",
        FolderStore._same,
        "same = begun or ",
        "same = True or ",
        test_folders.test_a_backup_folder_that_grew_since_it_was_listed_is_left,
    ),
    base(
        "I10",
        "half a folder is put back",
        FolderStore._put_back,
        "self._checked(line, item, moved=True)",
        "self._checked(line, item, moved=True, begun=True)",
        test_folders.test_a_folder_of_which_a_part_is_gone_is_not_put_back,
    ),
    base(
        "I10",
        "what changed in quarantine is put back",
        FolderStore._put_back,
        "self._checked(line, item, moved=True)",
        "pass",
        kept("test_what_has_changed_in_quarantine_is_not_put_back"),
    ),
    base(
        "I10",
        "what lies where it lay is it",
        FolderStore._lies_back,
        "found = self._checked(line, back, moved=True)",
        "found = Entry('', Kind.FILE, back.size, back.at, back.etag or '')",
        kept("test_what_has_gone_from_quarantine_is_not_put_back"),
    ),
    base(
        "I11",
        "nothing is moved aside",
        FolderStore._delete,
        "item, found, _ = self._move_aside(line, item, ASIDE)",
        "found = self._checked(line, item)",
        test_folders.test_what_comes_into_the_place_of_what_is_being_deleted_stays,
    ),
    base(
        "I11",
        "folders are deleted where they lie",
        FolderStore._bound,
        "if not self.binds or is_tree(item):",
        "if not self.binds:",
        test_folders.test_a_folder_is_moved_aside_also_where_the_server_binds,
    ),
    base(
        "I11",
        "nothing is looked at before a bound deletion",
        FolderStore._bound,
        "self._same(line, item, found)",
        "pass",
        webdav_kept := contract(
            test_webdav.TestWebDav, "test_an_item_that_was_replaced_since_it_was_listed_is_left_alone"
        ),
    ),
    base(
        "I11",
        "nothing is looked at after the move",
        FolderStore._move_aside,
        "            self._same(line, there, found, moved=True, begun=True)\n        except",
        "            pass\n        except",
        test_folders.test_what_slips_in_between_the_look_and_the_move_is_put_back,
    ),
    base(
        "I11",
        "what was moved by mistake stays away",
        FolderStore._move_aside,
        "line.move(target, item.locator)",
        "pass",
        test_folders.test_what_slips_in_between_the_look_and_the_move_is_put_back,
    ),
    base(
        "I11",
        "what was moved by mistake goes back over what came since",
        FolderStore._move_aside,
        "line.move(target, item.locator)",
        "line.move_aside(target, item.locator)",
        test_folders.test_what_slips_in_twice_stays_twice,
    ),
    base(
        "I11",
        "others may reach into the quarantine",
        FolderStore._make_room,
        "if not found.private:",
        "if False:",
        test_folders.test_a_quarantine_that_is_not_ours_takes_nothing,
        "open to others",
    ),
    base(
        "I11",
        "a way back overwrites",
        FolderStore._put_back,
        "line.move(item.locator, original)",
        "line.move_aside(item.locator, original)",
        test_folders.test_what_comes_into_its_place_just_before_it_is_put_back_is_not_overwritten,
    ),
    base(
        "I11",
        "what no run has recorded is moved twice",
        FolderStore._move_aside,
        "        if found is not None:",
        "        if False:",
        kept("test_quarantining_twice_finds_it_there"),
    ),
    base(
        "I11",
        "a broken line has done nothing",
        Line._guarded,
        "(Lost(str(trouble)) if sent else trouble)",
        "trouble",
        kept("test_a_line_that_breaks_after_a_deletion_was_sent_leaves_it_unknown"),
    ),
    base(
        "I11",
        "what is nowhere to be seen was moved",
        FolderStore._move_aside,
        'raise Lost(f"store {self.name}: moved, and not there; a listing tells where it is")',
        "return Moved(there, Entry('', Kind.FILE, 0, None, ''))",
        test_folders.test_what_is_moved_and_not_to_be_found_is_unknown,
    ),
    base(
        "I1",
        "what answers to a name has it",
        FolderStore._exactly,
        "        for one in line.entries(folder):\n            if one.name == name and",
        "        for one in filter(None, [line.glance(path)]):\n            if",
        test_folders.test_another_s_file_does_not_lie_beside_where_the_server_takes_its_name_for_ours,
    ),
    base(
        "I1",
        "a beginning of a name is a name",
        FolderStore._exactly,
        "one.name == name",
        "one.name.startswith(name[:3])",
        kept("test_what_lies_beside_the_backups_is_found_and_goes_by_the_same_rules"),
        "cpanel",
    ),
    base(
        "I12",
        "what is left out is left out everywhere",
        FolderStore._walk,
        "if depth == 0 and found.name in self._leave_out:",
        "if found.name in self._leave_out:",
        test_folders.test_folders_that_hold_no_backups_are_left_out_only_at_the_top,
    ),
    *(
        base("I13", what, Line.entries, old, new, test_folders.test_a_list_of_what_lies_elsewhere_is_no_list, name)
        for what, old, new, name in (
            ("a name may lead down", '"/" in name or ', "", "accounts/bob.tar.gz"),
            ("a name may lead up", ' or name in ("", ".", "..")', "", ".."),
            ("two things may have a name", "len(names) != len(found) or ", "", "told-twice"),
        )
    ),
    base(
        "I13",
        "what may not be listed is empty",
        Line.entries,
        "        except Told as told:\n",
        "        except Told as told:\n            found = []\n        except StoreUnreachable as told:\n",
        kept("test_half_a_list_is_never_taken_for_a_whole_one"),
    ),
    base(
        "I13",
        "a listing is over the line that is there",
        FolderStore.items,
        "line = self._connect()",
        "line = self._opened()",
        test_folders.test_every_listing_is_over_a_line_of_its_own,
    ),
    base(
        "I13",
        "what is too deep is not there",
        FolderStore._walk,
        "            if depth >= MAX_DEPTH:\n",
        "            if depth >= MAX_DEPTH:\n                continue\n",
        test_folders.test_folders_without_end_make_the_list_incomplete,
    ),
    base(
        "I13",
        "what is too deep in a backup folder is not there",
        FolderStore._all_in,
        "        if depth > MAX_DEPTH:\n",
        "        if depth > MAX_DEPTH:\n            return\n",
        test_folders.test_backup_folders_without_end_make_the_list_incomplete,
    ),
)


@pytest.mark.parametrize("one", FOLDERS, ids=str)
def test_a_guard_of_all_folders_that_is_taken_away_is_missed(
    one: Mutant, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    def kill() -> None:
        with pytest.MonkeyPatch.context() as patch:
            if one.kill is webdav_kept:
                place: Any = DavPlace(patch, request.getfixturevalue("dav"))
            else:
                place = DiskPlace(tmp_path_factory.mktemp("disk"), patch)
            one.kill(place, *one.given)

    missed(one, kill)


# --- what is a protocol's own ----------------------------------------------------------------------------

SFTP = (
    mutant(
        "I17",
        "sftp",
        "any host key will do",
        SftpLine._logged_in,
        "if transport.get_remote_server_key()",
        "if not transport.get_remote_server_key()",
        test_sftp.test_a_machine_with_another_host_key_hears_nothing_of_us,
        KEYS,
        "public",
    ),
    mutant(
        "I3",
        "sftp",
        "links are followed",
        SftpLine._entry,
        "self.session.lstat(",
        "self.session.stat(",
        test_sftp.test_a_linked_day_is_not_walked_and_nothing_goes_through_it,
    ),
    mutant(
        "I3",
        "sftp",
        "a root may be reached by a link",
        SftpLine._straight,
        "return self.session.normalize(self.whole(path)) == self.whole(path)",
        "return True",
        test_sftp.test_a_root_that_is_reached_through_a_link_is_refused,
    ),
    mutant(
        "I11",
        "sftp",
        "what is put back overwrites",
        SftpLine._move,
        "self.session.rename(",
        "self.session.posix_rename(",
        test_sftp.test_what_slips_in_while_something_is_moved_back_stays,
    ),
    mutant(
        "I11",
        "sftp",
        "the quarantine is open to others",
        SftpLine._make_folder,
        ", 0o700",
        "",
        test_sftp.test_the_quarantine_is_closed_to_others,
    ),
)
FTP = (
    mutant(
        "I17",
        "ftp",
        "any certificate will do",
        FtpLine._logged_in,
        "ssl.create_default_context(cafile=ca_file)",
        "ssl._create_unverified_context()",
        test_ftp.test_a_certificate_that_nobody_vouches_for_is_not_taken,
    ),
    mutant(
        "I13",
        "ftp",
        "what has no type is something",
        FtpLine._entries,
        "            if not kind:",
        "            if False:",
        test_ftp.test_a_server_without_types_is_not_believed,
    ),
    mutant(
        "I3",
        "ftp",
        "what a server calls a link is a file",
        ftp._kind,
        'if kind == "file":',
        'if kind != "dir":',
        test_ftp.test_what_is_neither_file_nor_folder_is_listed_and_left,
    ),
    mutant(
        "I10",
        "ftp",
        "case does not count",
        ListingLine._entry,
        "self._seen[folder].get(name)",
        "{n.casefold(): e for n, e in self._seen[folder].items()}.get(name.casefold())",
        test_ftp.test_a_name_in_another_case_is_another_s,
    ),
    mutant(
        "I3",
        "ftp",
        "a link in a folder is a folder",
        FolderStore._empty,
        "elif not line.unlink(here):",
        "else:",
        test_ftp.test_a_link_in_a_backup_folder_goes_and_nothing_that_it_leads_to,
    ),
    mutant(
        "I3",
        "ftp",
        "a link in a folder's place is a folder",
        FolderStore._delete,
        "if line.unlink(item.locator):",
        "if False:",
        test_ftp.test_a_link_in_the_place_of_a_backup_folder_goes_and_is_told,
    ),
    mutant(
        "I11",
        "ftp",
        "what was seen before a move is seen after it",
        ListingLine._forget,
        "self._seen.clear()",
        "pass",
        test_ftp.test_what_slips_in_while_something_is_moved_back_stays,
    ),
    mutant(
        "I13",
        "ftp",
        "what was seen once is seen for ever",
        ListingLine._forget,
        "self._seen.clear()",
        "pass",
        contract(test_ftp.TestFtp, "test_nothing_is_overwritten_by_what_is_put_back"),
    ),
    mutant(
        "I3",
        "ftp",
        "a server tells sizes in text",
        FtpLine._answers,
        'self.session.voidcmd("TYPE I")',
        "pass",
        test_ftp.test_a_server_that_takes_upper_case_for_lower_is_known,
    ),
    mutant(
        "I11",
        "ftp",
        "what is put back overwrites",
        FtpLine._move,
        "if self._entry(target) is not None:",
        "if False:",
        test_ftp.test_what_slips_in_while_something_is_moved_back_stays,
    ),
    mutant(
        "I8",
        "ftp",
        "a server removes no full folder",
        FtpLine._remove_folder,
        "if self.entries(path):",
        "if False:",
        test_ftp.test_a_server_that_removes_full_folders_is_not_asked_to,
    ),
    mutant(
        "I11",
        "ftp",
        "a server that hangs up has said no",
        FtpLine.fault,
        'if isinstance(error, ftplib.error_temp) and str(error).startswith("421"):',
        "if False:",
        test_ftp.test_a_server_that_hangs_up_after_a_move_was_sent_leaves_it_unknown,
    ),
)
WEBDAV = (
    mutant(
        "I8",
        "webdav",
        "a server deletes no full folder",
        DavLine._remove_folder,
        "if self.entries(path):",
        "if False:",
        test_webdav.test_a_folder_is_not_deleted_with_what_has_come_into_it,
    ),
    mutant(
        "I10",
        "webdav",
        "a deletion is bound to nothing",
        DavLine._delete,
        '{"If-Match": found.binding} if found.binding else {}',
        "{}",
        test_webdav.test_what_slips_in_between_the_look_and_the_deletion_stays,
    ),
    mutant(
        "I10",
        "webdav",
        "a weak ETag binds",
        webdav._binding,
        'if not tag or tag.startswith("W/"):',
        "if not tag:",
        test_webdav.test_only_a_strong_etag_binds,
    ),
    mutant(
        "I11",
        "webdav",
        "what is put back overwrites",
        DavLine._move,
        '"Overwrite": "F"',
        '"Overwrite": "T"',
        test_webdav.test_what_slips_in_while_something_is_moved_back_stays,
    ),
    mutant(
        "I3",
        "webdav",
        "a redirect is followed, or an answer",
        DavLine._judge,
        "if 300 <= reply.status < 400:",
        "if False:",
        test_webdav.test_a_redirect_is_told_as_one,
    ),
    *(
        mutant(
            "I13",
            "webdav",
            what,
            DavLine._entries,
            old,
            new,
            test_webdav.test_a_list_by_halves_or_of_elsewhere_is_no_list,
            number,
        )
        for what, old, new, number in (
            ("a list need not tell of the folder itself", "if not itself:", "if False:", 0),
            ("a list may tell of elsewhere", "if there != own + name:", "if False:", 1),
        )
    ),
    mutant(
        "I13",
        "webdav",
        "what may not be seen has no size",
        webdav._entries,
        "if not href or props is None:",
        "if not href or (props := ElementTree.Element('none') if props is None else props) is None:",
        test_webdav.test_a_list_by_halves_or_of_elsewhere_is_no_list,
        8,
    ),
    *(
        mutant(
            "I13",
            "webdav",
            what,
            webdav._refused,
            old,
            new,
            test_webdav.test_what_the_server_says_to_a_deletion,
            status,
            outcome,
        )
        for what, old, new, status, outcome in (
            ("what was only accepted was refused", "if reply.status == 202:", "if False:", 202, Outcome.UNKNOWN),
            ("what broke in the server did nothing", "if reply.status >= 500:", "if False:", 500, Outcome.UNKNOWN),
            ("a lock is a refusal like others", "if reply.status == LOCKED:", "if False:", 423, Outcome.LOCKED),
        )
    ),
)


@pytest.fixture(scope="module")
def ftpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ftpd]:
    with running_ftpd(tmp_path_factory.mktemp("ftpd")) as running:
        yield running


@pytest.fixture(scope="module")
def dav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dav]:
    with running_dav(tmp_path_factory.mktemp("dav")) as running:
        yield running


@pytest.mark.parametrize("one", SFTP, ids=str)
def test_a_guard_of_sftp_that_is_taken_away_is_missed(
    one: Mutant, tmp_path_factory: pytest.TempPathFactory, sshd: Sshd
) -> None:
    missed(one, lambda: _over(one, lambda patch: SftpPlace(tmp_path_factory.mktemp("sftp"), patch, sshd)))


@pytest.mark.parametrize("one", FTP, ids=str)
def test_a_guard_of_ftp_that_is_taken_away_is_missed(one: Mutant, ftpd: Ftpd) -> None:
    missed(one, lambda: _over(one, lambda patch: FtpPlace(patch, ftpd)))


@pytest.mark.parametrize("one", WEBDAV, ids=str)
def test_a_guard_of_webdav_that_is_taken_away_is_missed(one: Mutant, dav: Dav) -> None:
    missed(one, lambda: _over(one, lambda patch: DavPlace(patch, dav)))


def _over(one: Mutant, make: Callable[[pytest.MonkeyPatch], Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        place = make(patch)
        try:
            one.kill(place, *one.given)
        finally:
            place.close()
