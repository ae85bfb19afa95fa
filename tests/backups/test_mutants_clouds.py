"""The guards of virtualizor, solusvm2 and openstack, and of what is asked in time, taken away one by one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.backups import test_openstack, test_solusvm2, test_virtualizor
from tests.backups.cloud import Cloud, an_id
from tests.backups.contract import Contract
from tests.backups.mutants import Mutant, called, missed, mutant
from tests.backups.test_openstack import ACCOUNT, KNOWN, SERVER, VOLUME, CloudPlace, seen_of
from tests.backups.test_solusvm2 import SolusPlace
from tests.backups.test_virtualizor import VirtPlace
from whmcs_bridge.backups import recorded
from whmcs_bridge.backups.openstack import OpenStackStore
from whmcs_bridge.backups.openstack_api import Cloud as Api
from whmcs_bridge.backups.solusvm2 import SolusApi, SolusStore
from whmcs_bridge.backups.virtualizor import VirtualizorApi, VirtualizorStore
from whmcs_bridge.domain.backups import Verdict

ENOUGH = 'Claim(Verdict.MINE, ("name", "and that is enough"))'


def contract(test: str) -> Callable[..., object]:
    """A test of the contract, with the driver's place."""
    found: Callable[..., object] = getattr(Contract(), test)
    return found


def case(test: Callable[..., object], part: str) -> tuple[Any, ...]:
    """The first case of a parametrized test one of whose values contains this."""
    cases = test.pytestmark[0].args[1]  # type: ignore[attr-defined]
    return tuple(next(values for values in cases if any(part in str(value) for value in values)))


MINE = contract("test_exactly_the_account_s_own_items_are_claimed")
BEFORE = contract("test_what_was_made_before_the_account_had_its_name_is_another_s")
REPLACED = contract("test_an_item_that_was_replaced_since_it_was_listed_is_left_alone")
ANOTHER_STORE = contract("test_an_item_of_another_store_is_not_deleted_here")
FORGED = contract("test_a_forged_locator_touches_nothing")
HALF = contract("test_half_a_list_is_never_taken_for_a_whole_one")
CUT = contract("test_a_line_that_breaks_after_a_deletion_was_sent_leaves_it_unknown")

V, VA, tv = VirtualizorStore, VirtualizorApi, test_virtualizor
V_GAPS = tv.test_what_is_no_whole_list_is_no_list
Row = tuple[Any, ...]
VIRTUALIZOR: tuple[Row, ...] = (
    ("I1", "any ending will do", V._read, "or ending not in self._endings", "", MINE),
    (
        "I1",
        "what is listed for a machine is its own",
        V.claim,
        "if not vpsid or item.account != vpsid:",
        "if not vpsid:",
        MINE,
    ),
    (
        "I2",
        "any folder is the store's",
        V._read,
        'if lies["dir"] not in self._directories:',
        "if False:",
        tv.test_files_in_other_folders_or_with_other_endings_are_left_and_told,
    ),
    (
        "I3",
        "a day is any folder of digits",
        V._read,
        'if lies["day"] == listed_on else',
        "if True else",
        tv.test_a_file_in_another_day_s_folder_is_left_and_told,
    ),
    ("I4", "a number proves all times", V.claim, "proved(item, replace(account, proofs={}), proofs)", ENOUGH, BEFORE),
    (
        "I4",
        "a former number proves as much",
        V.claim,
        "if item.account and item.account in before:",
        "vpsid = item.account if item.account in before else vpsid\n        if False:",
        tv.test_what_a_former_number_has_is_left_and_told,
    ),
    (
        "I4",
        "whoever has no number has no backups",
        V.residue,
        "        if not vpsid:\n",
        "        if not vpsid:\n            return ()\n        if False:\n",
        tv.test_without_a_recorded_number_nothing_is_known,
    ),
    (
        "I5",
        "a machine that lives may lose its backups",
        V.delete,
        "if item.account in self._living():",
        "if False:",
        tv.test_nothing_of_a_machine_that_lives_goes,
    ),
    (
        "I5",
        "a machine that lives without backups is done with",
        V.residue,
        "if vpsid in living and not found:",
        "if False:",
        tv.test_a_machine_that_lives_without_backups_is_not_taken_for_done,
    ),
    (
        "I8",
        "nobody has to prove what delete takes",
        V.delete,
        "if what not in self._proofs:",
        "if False:",
        tv.test_until_people_have_proved_it_nothing_is_deleted,
        ("get_vps",),
        "what delete takes",
    ),
    ("I10", "a file is what its path is", V.delete, "if now != item:", "if False:", REPLACED),
    (
        "I10",
        "what is sent need not be listed",
        V.delete,
        "if now is None:",
        "now = now or item\n        if False:",
        tv.test_what_moved_to_another_backup_server_is_not_what_was_listed,
    ),
    (
        "I13",
        "no machine is an empty store",
        V._living,
        "if rows in ({}, []) and found:",
        "if rows in ({}, []):",
        V_GAPS,
        *case(V_GAPS, "no machine at all"),
    ),
    (
        "I13",
        "the first page is the list",
        V._living,
        "found.update(dict.fromkeys(rows))",
        "return list(rows)",
        tv.test_every_page_of_machines_is_asked_for,
    ),
    (
        "I13",
        "a refusal is an answer",
        VA.ask,
        'if found.get("error"):',
        "if False:",
        V_GAPS,
        *case(V_GAPS, "a refusal of vs"),
    ),
    (
        "I13",
        "nobody has to prove what get_vps says",
        V.residue,
        "if gone and GET_VPS not in self._proofs:",
        "if False:",
        tv.test_until_it_is_proved_nothing_is_said_of_a_machine_that_is_gone,
    ),
    (
        "I13",
        "any answer is a deletion",
        V._send,
        'if answer.get("delete_done") in (1, True, "1"):',
        "if answer is not None:",
        tv.test_an_answer_that_does_not_say_done_leaves_it_unknown,
        {},
    ),
    (
        "I13",
        "what was cut off was not sent",
        V._send,
        "Receipt(Outcome.UNKNOWN, str(late))",
        "Receipt(Outcome.FAILED)",
        CUT,
    ),
    (
        "I17",
        "the key is the password",
        VA._key,
        "return drawn +",
        "return drawn + self._pass +",
        tv.test_each_request_has_a_key_of_its_own_and_never_the_password,
    ),
)

S, SA, ts = SolusStore, SolusApi, test_solusvm2
S_GAPS, S_UNSEEN = ts.test_what_is_no_whole_list_is_no_list, ts.test_what_was_not_seen_in_time_is_never_called_gone
NO_ABSENCE = ts.test_what_is_no_word_of_the_panel_s_own_is_no_absence
SOLUSVM2: tuple[Row, ...] = (
    ("I1", "any server's backup is the account's", S.claim, "item.account == number", "True", MINE),
    (
        "I4",
        "a number proves all times",
        S.claim,
        "proved(replace(item, meta={}), replace(account, proofs={}), proofs)",
        ENOUGH,
        BEFORE,
    ),
    (
        "I4",
        "another server's uuid does not matter",
        S.claim,
        "if uuid and known and uuid != known:",
        "if False:",
        ts.test_another_server_under_its_number_proves_nothing,
    ),
    (
        "I4",
        "what was listed of any server is the account's",
        S._known,
        'before if before.get(SERVER) == f"#{number}" else {}',
        "before",
        ts.test_what_was_listed_of_a_number_that_was_wrong_is_nobody_s_here,
    ),
    ("I8", "it deletes by itself", S.delete, "Outcome.REFUSED", "Outcome.DELETED", ts.test_nothing_is_ever_deleted),
    (
        "I13",
        "what was never listed is gone",
        S.residue,
        "        if not before:\n",
        "        if not before:\n            return ()\n        if False:\n",
        S_UNSEEN,
        *case(S_UNSEEN, "nothing was listed of server 100"),
    ),
    (
        "I13",
        "an old list is as good",
        S.residue,
        "self._must_be_fresh(account, number, before)",
        "pass",
        S_UNSEEN,
        *case(S_UNSEEN, "too long before"),
    ),
    (
        "I13",
        "any user sees the same",
        S.residue,
        "if self._user() != before.get(LISTED_AS):",
        "if False:",
        S_UNSEEN,
        *case(S_UNSEEN, "another user"),
    ),
    (
        "I13",
        "the server alone is looked for",
        S.residue,
        "for one in _numbers(before)",
        "for one in ()",
        ts.test_a_backup_that_outlived_its_server_is_told_as_the_account_s,
    ),
    (
        "I13",
        "a server that lives without backups is done with",
        S._while_it_lives,
        "if not self._api.all(",
        "if None and self._api.all(",
        ts.test_while_the_server_lives_its_backups_are_listed_and_nothing_is_called_gone,
    ),
    (
        "I13",
        "any 404 is an absence",
        SA._ask,
        'if "data" in found or "message" not in found:',
        "if False:",
        NO_ABSENCE,
        "backups/500",
        Response("{}", 404),
    ),
    (
        "I13",
        "whoever lists servers sees all",
        S._servers_listed,
        'self._api.all("backup_nodes")',
        "pass",
        S_GAPS,
        *case(S_GAPS, "does not let us in"),
    ),
    (
        "I13",
        "no server is an empty store",
        S._servers_listed,
        "if not rows:",
        "if False:",
        S_GAPS,
        *case(S_GAPS, "no server at all"),
    ),
    (
        "I13",
        "nothing is counted",
        SA._counted,
        "if total is not None and",
        "if False and",
        S_GAPS,
        *case(S_GAPS, "2 of 3 rows"),
    ),
    (
        "I13",
        "the first page is the list",
        SA.all,
        'found.update({row["id"]: row for row in rows})',
        "return rows",
        ts.test_every_page_is_asked_for_and_counted,
        True,
    ),
    (
        "I13",
        "a list is never too old",
        recorded.too_old,
        "if seen + within <",
        "if False and seen + within <",
        ts.test_the_last_list_may_be_as_old_as_the_settings_say,
    ),
)

N, OA, to = OpenStackStore, Api, test_openstack
O_GAPS, O_UNSEEN = (
    to.test_what_is_no_whole_list_is_no_list,
    to.test_what_could_not_be_known_as_the_account_s_is_never_called_gone,
)
OF_VOLUME = to.test_a_volume_s_backups_are_whose_server_it_was_attached_to_at_last
OPENSTACK: tuple[Row, ...] = (
    (
        "I1",
        "any volume's backup is the account's",
        N.claim,
        "(bears[OF_VOLUME] in volumes[True])",
        "bool(bears[OF_VOLUME])",
        MINE,
    ),
    (
        "I4",
        "a volume that left proves as much",
        N.claim,
        "(bears[OF_VOLUME] in volumes[True])",
        "(bears[OF_VOLUME] in volumes[True] | volumes[False])",
        OF_VOLUME,
        {"uuid": SERVER, **seen_of(SERVER), "cloud/former volume 1": VOLUME},
        Verdict.AMBIGUOUS,
    ),
    (
        "I4",
        "what any server had is the account's",
        N.claim,
        "_volumes(seen) if seen.get(OF_SERVER) == server else {True: set(), False: set()}",
        "_volumes(seen)",
        OF_VOLUME,
        {"uuid": an_id("x"), **seen_of(SERVER, VOLUME)},
        Verdict.NOT_MINE,
    ),
    (
        "I4",
        "ids prove all times",
        N.claim,
        "proved(replace(item, meta={}), replace(account, proofs={}), proofs)",
        ENOUGH,
        BEFORE,
    ),
    (
        "I4",
        "a shared volume is the server's own",
        N._is_its_own,
        'not row.get("multiattach") and',
        "True or",
        to.test_a_server_s_volumes_are_seen_and_those_that_left_it_are_remembered_apart,
    ),
    (
        "I4",
        "whoever has no id has no backups",
        N.residue,
        "        if not number:\n",
        "        if not number:\n            return ()\n        if False:\n",
        O_UNSEEN,
        replace(KNOWN, proofs={}),
        "no id of root was recorded as uuid",
    ),
    (
        "I4",
        "volumes that were never seen have no backups",
        N.residue,
        "if not before or before.get(OF_SERVER) != number:",
        "if not before:\n            return ()\n        if False:",
        O_UNSEEN,
        ACCOUNT,
        "were never seen while it lived",
    ),
    (
        "I5",
        "what a server uses may go",
        N.delete,
        "refusal = self._refusal(kind, number, item)",
        "refusal = None",
        to.test_what_a_living_server_uses_stays,
    ),
    (
        "I5",
        "servers in its project do not matter",
        N._used_by,
        "if self._project_field and self._servers_in(project):",
        "if False:",
        to.test_while_servers_live_in_a_project_nothing_of_it_goes,
    ),
    (
        "I8",
        "older ones go first",
        N._refusal,
        'if row.get("has_dependent_backups"):',
        "if False:",
        to.test_what_newer_backups_rest_on_goes_after_them,
    ),
    ("I10", "an item is what its id is", N._refusal, "if now != item:", "if False:", REPLACED),
    (
        "I3",
        "any task is one of ours",
        N.poll,
        "if kind not in PLACES or not ID.fullmatch(number):",
        "if kind not in PLACES:",
        to.test_a_task_that_is_none_of_ours_is_asked_nowhere,
    ),
    ("I13", "nothing is counted", OA.all, "if count != len(found):", "if False:", HALF),
    (
        "I13",
        "the first page is the list",
        OA.all,
        "            if not rows:\n",
        "            if rows:\n",
        to.test_pages_are_followed_by_marker_and_no_address_of_an_answer_is,
    ),
    (
        "I13",
        "pages may repeat themselves",
        OA.all,
        "if len(fresh) != len(rows) or not found.keys().isdisjoint(fresh):",
        "if not found.keys().isdisjoint(fresh):\n                return list(found.values())\n            if False:",
        to.test_a_server_that_gives_the_same_page_for_each_marker_has_no_end,
    ),
    (
        "I13",
        "whoever asks for all projects gets them",
        N._must_see_all,
        "if ADMIN not in self._cloud.roles:",
        "if False:",
        to.test_who_is_no_administrator_is_never_given_all_projects,
    ),
    (
        "I13",
        "hidden images are not there",
        N._images,
        'for hidden in ("false", "true"):',
        'for hidden in ("false",):',
        to.test_images_in_every_visibility_are_listed_and_others_than_of_servers_are_not,
    ),
    (
        "I13",
        "any project's token will do",
        OA.log_in,
        'if not isinstance(project, dict) or project.get("id") != self._project:',
        "if False:",
        O_GAPS,
        *case(O_GAPS, "belongs to another project"),
    ),
    (
        "I13",
        "an accepted deletion is done",
        N.poll,
        "return replace(receipt, outcome=Outcome.FAILED,",
        "return replace(receipt, outcome=Outcome.DELETED,",
        to.test_success_without_effect_is_no_success,
    ),
    (
        "I13",
        "what was cut off was not sent",
        N._send,
        "Receipt(Outcome.UNKNOWN, str(late))",
        "Receipt(Outcome.FAILED)",
        CUT,
    ),
    (
        "I16",
        "a protection is a failure",
        N._item,
        'PROTECTED if row.get("protected") else ""',
        '""',
        to.test_a_protected_image_stays_and_is_never_unprotected,
    ),
    (
        "I17",
        "addresses in the clear are asked",
        OA._address,
        'if parts.scheme != "https" and not',
        "if False and not",
        to.test_an_address_in_the_clear_is_never_asked,
    ),
)

BY_DRIVER = {"virtualizor": VIRTUALIZOR, "solusvm2": SOLUSVM2, "openstack": OPENSTACK}
MUTANTS = [mutant(row[0], of, *row[1:]) for of, rows in BY_DRIVER.items() for row in rows]
PLACES: dict[str, Callable[[HTTPServer], object]] = {
    "virtualizor": VirtPlace,
    "solusvm2": SolusPlace,
    "openstack": CloudPlace,
}


@pytest.mark.parametrize("one", MUTANTS, ids=str)
def test_a_guard_that_is_taken_away_is_missed(one: Mutant, httpserver: HTTPServer) -> None:
    def server() -> HTTPServer:
        httpserver.clear()
        return httpserver

    fixtures: dict[str, Callable[[], object]] = {
        "place": lambda: PLACES[one.of](server()),
        "cloud": lambda: Cloud(server()),
    }
    missed(one, lambda: called(one, fixtures))


def test_every_driver_has_its_mutants() -> None:
    assert {one.of for one in MUTANTS} == set(PLACES)
