"""The Virtualizor driver against a double of its API that can lie; no real Virtualizor."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.backups.contract import BOB, DAY, Contract, Place, listing
from tests.settings.files import problems_of
from whmcs_bridge.backups.virtualizor import VirtualizorStore, open_store
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Outcome, Verdict
from whmcs_bridge.errors import StoreAuthFailed, ViewIncomplete
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

PASS = "virtualizor-pass-for-tests"
FOLDER = "/var/virtualizor/backups"
ACCOUNT = replace(BOB, username="vps", proofs={"vpsid": "100"})
TODAY = f"{DAY:%Y%m%d}"


class Double:
    """Answers in the shapes of the public clients: machines by page, backups of one of them, any file deleted."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/").rstrip("/")
        server.expect_request(re.compile(".*")).respond_with_handler(self.answer)
        self.living = {"7", "1001"}
        self.files: dict[str, dict[str, Any]] = {}
        """Path below the folder -> size, and the machines that it is listed for."""
        self.page = 1000
        self.seen: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = []
        self.number = 0
        self.effect = True
        self.neighbour = ""
        self.server = "0"
        self.spoil: Callable[[str, Any], Any] = lambda what, found: found

    def lay(self, name: str, *machines: str) -> None:
        self.number += 1
        self.files[name] = {"size": 1000 + self.number, "for": machines or ("100",)}

    def answer(self, request: Request) -> Response:
        words, form = dict(request.args), dict(request.form)
        self.seen.append((request.method, words, form))
        key = words.get("apikey", "")
        if key[8:] != hashlib.md5((PASS + key[:8]).encode()).hexdigest():
            return Response("<html>login</html>")
        assert words["api"] == "json"
        what = "delete" if form else words["act"]
        found = self.spoil(what, self._call(what, words, form))
        return found if isinstance(found, Response) else Response(json.dumps(found), content_type="application/json")

    def _call(self, what: str, words: Mapping[str, str], form: Mapping[str, str]) -> Any:
        match what:
            case "vs":
                rows = sorted(self.living, key=int)
                size = min(self.page, int(words["reslen"]))
                start = (int(words["page"]) - 1) * size
                return {"vs": {n: {"vpsid": n, "hostname": "web"} for n in rows[start : start + size]} or []}
            case "vpsrestore":
                days: dict[str, list[dict[str, Any]]] = {}
                for name, row in self.files.items():
                    if words["vpsid"] in row["for"]:
                        path = f"{FOLDER}/{name}"
                        days.setdefault(name.partition("/")[0], []).append({"abs_path": path, "size": str(row["size"])})
                return {"backup_list": days or [], "directories": [FOLDER], "vps_backup_server": self.server}
            case "delete":
                assert form["dir"] == FOLDER
                if self.effect:
                    self.files.pop(f"{form['date']}/{form['delete']}", None)
                self.files.pop(self.neighbour, None)
                return {"delete_done": True}
        return {"error": ["Unknown"]}


class Looked(VirtualizorStore):
    """The store as a run looks at it: its listing, and what is listed for the account's own machine beside it."""

    def items(self) -> Iterable[BackupItem]:
        every = {item.locator: item for item in super().items()}
        for item in self.residue(ACCOUNT):
            every.setdefault(item.locator, item)
        return list(every.values())


def store_on(url: str, **more: Any) -> VirtualizorStore:
    options = {
        "url": url,
        "api_pass": Secret.given(PASS),
        "directories": (FOLDER,),
        "endings": ("img", "tar", "tar.gz"),
        "id_field": "vpsid",
        "proved": ("get_vps", "delete"),
        "timeout_seconds": 5,
        "bytes_kept_days": 0,
        **more,
    }
    return open_store(BackupStoreSettings("virt", "virtualizor", (1,), options))


def looked_at(url: str, **more: Any) -> VirtualizorStore:
    store = store_on(url, **more)
    store.__class__ = Looked
    return store


class VirtPlace(Place):
    """Files of machines by their numbers: bob's, 100, is gone, and everybody's files are listed for it as well."""

    account = ACCOUNT
    secrets = (PASS,)
    many = 10_001

    def __init__(self, server: HTTPServer) -> None:
        self.double = Double(server)
        self.away = lambda: looked_at("http://127.0.0.1:1")
        self.half_forbidden = self._half
        self.cut_after_send = lambda: self._deleting(Response("", 504))
        self.read_only = lambda: self._deleting(Response("", 403))

    def store(self) -> BackupStore:
        return looked_at(self.double.url)

    def _half(self) -> BackupStore:
        self.double.living.clear()
        return self.store()

    def _deleting(self, answer: Response) -> BackupStore:
        self.double.effect = False
        self.double.spoil = lambda what, found: answer if what == "delete" else found
        return self.store()

    def name_of(self, user: str) -> str:
        number = {"vps": "100", "bob1": "1001"}.get(user, user.removeprefix("user"))
        return f"{TODAY}/{number}.img"

    def as_user(self, user: str) -> AccountIdentity:
        return replace(ACCOUNT, proofs={"vpsid": user})

    def more_of_account(self) -> tuple[str, ...]:
        return (f"{TODAY}/100.tar.gz", "20260501/100.tar")

    def odd_names(self) -> tuple[str, ...]:
        mine = self.name_of("vps")
        return (
            *(f"{mine}.old", f"{TODAY}/x100.img", f"{TODAY}/100_1.img", f"{TODAY}/100.IMG", f"{TODAY}/100"),
            *(
                f"{TODAY}/10.img",
                f"{TODAY}/1000.img",
                f"{TODAY}/0100.img",
                f"{TODAY}/200.img",
                f"{TODAY}/1\u0660\u0660.img",
            ),
            *(f"{TODAY}/../{mine}", f"{TODAY}//100.img", f"{TODAY}/100/100.img", "20260230/100.img", f"2026/{mine}"),
        )

    def make(self, names: Iterable[str]) -> set[str]:
        made = set(names) - self.left()
        for name in sorted(made):
            self.double.lay(name, "100", "1001")
        return made

    def left(self) -> set[str]:
        return set(self.double.files)

    def replace(self, name: str) -> None:
        self.double.files[name]["size"] += 5000

    def remove(self, name: str) -> None:
        del self.double.files[name]

    def locator_of(self, name: str) -> str:
        return f"0:{FOLDER}/{name}"


@pytest.fixture
def place(httpserver: HTTPServer) -> VirtPlace:
    return VirtPlace(httpserver)


class TestVirtualizor(Contract):
    @pytest.fixture
    def place(self, httpserver: HTTPServer) -> Place:
        return VirtPlace(httpserver)


def one(place: VirtPlace, **more: Any) -> tuple[VirtualizorStore, BackupItem]:
    place.double.lay(place.name_of("vps"))
    store = store_on(place.double.url, **more)
    proving = store_on(place.double.url)
    [item] = proving.residue(ACCOUNT)
    return store, item


# --- whose -------------------------------------------------------------------------------------------


def test_without_a_recorded_number_nothing_is_known(place: VirtPlace) -> None:
    store, item = one(place)
    for proofs in ({}, {"vpsid": ""}, {"vpsid": "0100"}, {"vpsid": "100 OR 1"}, {"number": "100"}):
        account = replace(ACCOUNT, username="100", proofs=proofs)
        assert store.claim(item, account).verdict is Verdict.NOT_MINE
        with pytest.raises(ViewIncomplete, match="no number of the machine of 100 was recorded as vpsid"):
            store.residue(account)


def test_what_a_former_number_has_is_left_and_told(place: VirtPlace) -> None:
    """A number that was corrected by hand has been somebody else's."""
    store, _ = one(place)
    place.double.lay(f"{TODAY}/55.img", "55")
    account = replace(ACCOUNT, proofs={"vpsid": "100", "vpsid.1": "55", "vpsid.2": "x"})
    verdicts = {item.account: store.claim(item, account).verdict for item in store.residue(account)}
    assert verdicts == {"100": Verdict.MINE, "55": Verdict.AMBIGUOUS}


def test_an_account_that_has_not_ended_is_asked_for_nothing(place: VirtPlace) -> None:
    store, _ = one(place, proved=())
    assert list(store.residue(replace(ACCOUNT, until=None, proofs={}))) == []


def test_what_was_made_at_another_time_is_left_and_told(place: VirtPlace) -> None:
    store, item = one(place)
    claim = store.claim(item, replace(ACCOUNT, until=DAY.replace(month=3)))
    assert (claim.verdict, claim.why) == (
        Verdict.AMBIGUOUS,
        "its machine is the account's, but it was made after the account's end",
    )


def test_another_number_may_hold_the_machine(place: VirtPlace) -> None:
    store, item = one(place, id_field="vps number")
    assert store.claim(item, replace(ACCOUNT, proofs={"vps number": " 100 "})).proven


def test_files_in_other_folders_or_with_other_endings_are_left_and_told(place: VirtPlace) -> None:
    _, item = one(place)
    for more in ({"directories": ("/elsewhere",)}, {"endings": ("tar",)}):
        store = store_on(place.double.url, **more)
        [odd] = store.residue(ACCOUNT)
        assert odd.locator == item.locator
        assert store.claim(odd, ACCOUNT).verdict is Verdict.AMBIGUOUS
        assert store.delete(odd).outcome is Outcome.REFUSED
        assert store.delete(item).outcome is Outcome.REFUSED
    assert len(place.left()) == 1


def test_a_file_in_another_day_s_folder_is_left_and_told(place: VirtPlace) -> None:
    store, item = one(place)
    day = {"20260601": [{"abs_path": f"{FOLDER}/{TODAY}/100.img", "size": 1}]}
    place.double.spoil = answered("vpsrestore", lambda found: {**found, "backup_list": day})
    found = list(store.residue(ACCOUNT))
    assert [store.claim(odd, ACCOUNT).verdict for odd in found] == [Verdict.AMBIGUOUS]
    assert "another day's folder" in store.claim(found[0], ACCOUNT).why
    assert store.delete(item).outcome is Outcome.REFUSED


def test_an_account_on_another_server_is_none_of_its_business(place: VirtPlace) -> None:
    store, _ = one(place)
    place.double.seen.clear()
    assert list(store.residue(replace(ACCOUNT, server=2, proofs={}))) == []
    assert place.double.seen == []


# --- the whole list, or none ---------------------------------------------------------------------------


def test_every_page_of_machines_is_asked_for(place: VirtPlace) -> None:
    place.double.living = {str(number) for number in range(1, 8)}
    place.double.page = 2
    for number in place.double.living:
        place.double.lay(f"{TODAY}/{number}.img", number)
    assert len(listing(store_on(place.double.url))) == 7


def answered(what: str, change: Callable[[Any], Any]) -> Callable[[str, Any], Any]:
    return lambda asked, found: change(found) if asked == what else found


@pytest.mark.parametrize(
    ("what", "change", "why"),
    [
        ("vs", lambda found: {"vs": []}, "no machine at all"),
        ("vs", lambda found: {}, "machines in another shape"),
        ("vs", lambda found: {"vs": {"7": {"vpsid": "8"}}}, "machines in another shape"),
        ("vs", lambda found: {"vs": {"x": {"vpsid": "x"}}}, "machines in another shape"),
        ("vs", lambda found: {"vs": {"7": {"vpsid": "7"}}}, "the same machines on two pages"),
        ("vs", lambda found: {**found, "error": ["No permission"]}, "a refusal of vs"),
        ("vs", lambda found: [], "another shape to vs"),
        ("vs", lambda found: Response("<html>login</html>"), "no JSON"),
        ("vpsrestore", lambda found: {}, "backups in another shape"),
        ("vpsrestore", lambda found: {"backup_list": "none"}, "backups in another shape"),
        ("vpsrestore", lambda found: {**found, "vps_backup_server": "x"}, "backups in another shape"),
        ("vpsrestore", lambda found: {"backup_list": {TODAY: None}}, "a day's backups in another shape"),
        ("vpsrestore", lambda found: {"backup_list": {TODAY: ["100.img"]}}, "a backup in another shape"),
        ("vpsrestore", lambda found: {"backup_list": {TODAY: [{"abs_path": "/x"}]}}, "a backup in another shape"),
        (
            "vpsrestore",
            lambda found: {"backup_list": {TODAY: [{"abs_path": f"{FOLDER}/{TODAY}/100.img", "size": 1}] * 2}},
            "one backup twice",
        ),
        ("vpsrestore", lambda found: {**found, "error": "The VPS does not exist"}, "a refusal of vpsrestore"),
    ],
)
def test_what_is_no_whole_list_is_no_list(place: VirtPlace, what: str, change: Callable[[Any], Any], why: str) -> None:
    store, item = one(place)
    place.double.spoil = answered(what, change)
    with pytest.raises(ViewIncomplete, match=why):
        listing(store)
    with pytest.raises(ViewIncomplete, match=why):
        store.residue(ACCOUNT)
    assert why in store.probe().why
    assert store.delete(item).outcome is Outcome.FAILED
    assert len(place.left()) == 1


def test_a_wrong_password_or_a_closed_door_is_no_empty_list(place: VirtPlace) -> None:
    with pytest.raises(ViewIncomplete, match="a login page"):
        listing(store_on(place.double.url, api_pass=Secret.given("another")))
    place.double.spoil = lambda what, found: Response("", 403)
    with pytest.raises(StoreAuthFailed):
        listing(store_on(place.double.url))


def test_each_request_has_a_key_of_its_own_and_never_the_password(place: VirtPlace) -> None:
    store, item = one(place)
    store.delete(item)
    keys = [words["apikey"] for _, words, _ in place.double.seen]
    assert len(set(keys)) == len(keys) > 3
    assert not [text for text in map(str, place.double.seen) if PASS in text]


def test_a_machine_that_lives_without_backups_is_not_taken_for_done(place: VirtPlace) -> None:
    place.double.living.add("100")
    store = store_on(place.double.url)
    with pytest.raises(ViewIncomplete, match="the machine 100 lives, and may be backed up at any time"):
        store.residue(ACCOUNT)
    place.double.lay(place.name_of("vps"))
    assert list(store.residue(ACCOUNT)) == []
    assert len(listing(store)) == 1


# --- deleting --------------------------------------------------------------------------------------------


def posts(place: VirtPlace) -> Iterator[Mapping[str, str]]:
    return (form for method, _, form in place.double.seen if method == "POST")


@pytest.mark.parametrize(
    ("proved", "why"),
    [((), "nobody has proved what get_vps says"), (("get_vps",), "what delete takes"), (("delete",), "get_vps says")],
)
def test_until_people_have_proved_it_nothing_is_deleted(place: VirtPlace, proved: tuple[str, ...], why: str) -> None:
    store, item = one(place, proved=proved)
    assert not store.caps.deletes
    receipt = store.delete(item)
    assert receipt.outcome is Outcome.REFUSED
    assert why in receipt.note
    assert any(why in note for note in store.probe().notes)
    assert not list(posts(place))
    assert place.left() == {place.name_of("vps")}


def test_until_it_is_proved_nothing_is_said_of_a_machine_that_is_gone(place: VirtPlace) -> None:
    """An empty list may mean that everything is gone, or that it lists nothing of a machine that is."""
    store = store_on(place.double.url, proved=("delete",))
    with pytest.raises(ViewIncomplete, match="nobody has proved what get_vps says"):
        store.residue(ACCOUNT)
    assert list(store_on(place.double.url).residue(ACCOUNT)) == []


@pytest.mark.parametrize(("server", "more"), [("0", {}), ("3", {"bid": "3"})])
def test_only_what_was_listed_is_sent_back(place: VirtPlace, server: str, more: dict[str, str]) -> None:
    place.double.server = server
    store, item = one(place)
    assert store.delete(item).outcome is Outcome.DELETED
    assert list(posts(place)) == [{"delete": "100.img", "dir": FOLDER, "date": TODAY, **more}]
    assert place.left() == set()


def test_nothing_of_a_machine_that_lives_goes(place: VirtPlace) -> None:
    store, item = one(place)
    place.double.living.add("100")
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "the machine 100 lives")
    assert not list(posts(place))


def test_what_moved_to_another_backup_server_is_not_what_was_listed(place: VirtPlace) -> None:
    store, item = one(place)
    place.double.server = "3"
    assert store.delete(item).outcome is Outcome.GONE_BEFORE
    assert not list(posts(place))


@pytest.mark.parametrize("answer", [{}, {"delete_done": 0}, {"error": "x"}, [], Response("", 500)])
def test_an_answer_that_does_not_say_done_leaves_it_unknown(place: VirtPlace, answer: object) -> None:
    store, item = one(place)
    place.double.spoil = answered("delete", lambda found: answer)
    assert store.delete(item).outcome is Outcome.UNKNOWN


def test_success_without_effect_is_seen_by_the_next_list(place: VirtPlace) -> None:
    store, item = one(place)
    place.double.effect = False
    assert store.delete(item).outcome is Outcome.DELETED
    assert list(store.residue(ACCOUNT)) == [item]


def test_a_neighbour_that_vanishes_with_it_is_missing_in_the_next_list(place: VirtPlace) -> None:
    store, item = one(place)
    place.double.lay(f"{TODAY}/1001.img", "1001")
    before = listing(store)
    place.double.neighbour = f"{TODAY}/1001.img"
    store.delete(item)
    assert {gone.account for gone in before} - {there.account for there in listing(store)} == {"1001"}


# --- the settings ------------------------------------------------------------------------------------------

GIVEN = f"""[[backup_store]]
name = "virt"
driver = "virtualizor"
servers = [3]
url = "https://master.example.com:4085"
api_pass = "env:VIRTUALIZOR_PASS"
directories = ["{FOLDER}"]
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (":4085", ":4084", 'found "https://master.example.com:4084", expected its administrator\'s port over TLS'),
        (":4085", "", "expected its administrator's port over TLS"),
        ("https", "http", "plain http"),
        ("servers = [3]\n", "", "servers: missing, expected WHMCS's ids of its servers: machines have numbers"),
        (f'"{FOLDER}"', '"/"', "directories #1: found"),
        (f'"{FOLDER}"', '"/var"', "which holds more than backups"),
        (f'"{FOLDER}"', "", "directories: found"),
        ("directories", 'endings = ["img*"]\ndirectories', "endings #1: found"),
        ("directories", 'proved = ["all"]\ndirectories', 'proved #1: found "all", expected "get_vps" or "delete"'),
    ],
)
def test_settings_that_could_reach_too_far_are_refused(old: str, new: str, line: str) -> None:
    assert problems_of(GIVEN) == []
    [found] = problems_of(GIVEN.replace(old, new))
    assert line in found
