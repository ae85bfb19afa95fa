"""The JetBackup 5 driver against a double of its API that can lie; no real JetBackup."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.backups.contract import BOB, MADE, Contract, Place, listing, one_of, settled
from whmcs_bridge.backups.jetbackup import PATHS, JetBackupStore, open_store
from whmcs_bridge.domain.backups import BackupItem, Outcome, Receipt, Verdict
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, ViewIncomplete
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

TOKEN = "jetbackup-token-for-tests"
AGAIN = "/2"
Rows = list[dict[str, Any]]


class Double:
    """Answers as JetBackup 5's documentation says, or as it must not be believed."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/").rstrip("/")
        server.expect_request(re.compile(".*")).respond_with_handler(self.answer)
        self.accounts: dict[str, dict[str, Any]] = {}
        self.backups: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        self.calls: list[Mapping[str, str]] = []
        self.number = 0
        self.effect = True
        self.hides = 0
        self.spoil: Callable[[str, dict[str, Any]], Any] = lambda function, found: found

    def lay(self, name: str, **more: Any) -> None:
        user = name.removesuffix(AGAIN)
        account = self.accounts.setdefault(
            user, {"_id": self.next(), "uuid": f"uuid-{user}", "username": user, "orphan": 1, "active": 0}
        )
        number = self.next()
        self.names[number] = name
        self.backups[number] = {
            "_id": number,
            "parent_id": self.next(),
            "account_id": account["_id"],
            "account": user,
            "created": MADE.isoformat(),
            "size": self.number,
            "lock": 0,
            "deleted": False,
            **more,
        }

    def next(self) -> str:
        self.number += 1
        return f"{self.number:024x}"

    def answer(self, request: Request) -> Response:
        import json

        words = dict(request.args)
        login = request.authorization
        if TOKEN not in request.headers["Authorization"] and (login is None or login.password != TOKEN):
            return Response("", 401)
        self.calls.append(words)
        found = self.spoil(words["function"], self._call(words))
        return found if isinstance(found, Response) else Response(json.dumps(found), content_type="application/json")

    def _call(self, words: Mapping[str, str]) -> dict[str, Any]:
        assert words["function"] == "deleteSnapshot" or words["limit"] == "0"
        match words["function"]:
            case "listAccounts":
                orphan = int(words.get("orphan", 0))
                return self._list(
                    "accounts", [a for a in self.accounts.values() if a["orphan"] == orphan or not orphan]
                )
            case "listBackups":
                rows = [row for row in self.backups.values() if row["account_id"] == words["account_id"]]
                return self._list("backups", rows if words["contains"] == "511" else [])
            case "deleteSnapshot":
                if self.effect:
                    self.backups.pop(words["_id"], None)
                return {"success": 1, "message": "Snapshot marked to deleted successfully", "data": {}}
        return {"success": 0, "message": "Unknown function"}

    def _list(self, key: str, rows: Rows) -> dict[str, Any]:
        return {"success": 1, "message": "", "data": {key: rows[self.hides :], "total": len(rows)}}


def store_on(url: str, servers: Collection[int] = (), **more: Any) -> JetBackupStore:
    options = {
        "url": url,
        "through": "whm",
        "user": "root",
        "token": Secret.given(TOKEN),
        "contains": (511,),
        "deletes_by": "_id",
        "timeout_seconds": 5,
        "bytes_kept_days": 0,
        **more,
    }
    return open_store(BackupStoreSettings("jet", "jetbackup", tuple(servers), options))


class JetPlace(Place):
    """Accounts by their names; a second backup of one has /2 behind it."""

    secrets = (TOKEN,)
    many = 31  # each account is a list of its own

    def __init__(self, server: HTTPServer) -> None:
        self.double = Double(server)
        self.away = lambda: store_on("http://127.0.0.1:1")
        self.half_forbidden = self._half
        self.cut_after_send = lambda: self._deleting(Response("", 504))
        self.read_only = lambda: self._deleting({"success": 0, "message": "no permissions"})
        self.double.accounts["server"] = {"_id": "f" * 24, "username": "server", "orphan": 0}

    def store(self) -> BackupStore:
        return store_on(self.double.url)

    def _half(self) -> BackupStore:
        self.double.hides = len(self.double.accounts) // 2
        return self.store()

    def _deleting(self, answer: object) -> BackupStore:
        self.double.effect = False
        self.double.spoil = lambda function, found: answer if function == "deleteSnapshot" else found
        return self.store()

    def name_of(self, user: str) -> str:
        return user

    def more_of_account(self) -> tuple[str, ...]:
        return (f"bob{AGAIN}",)

    def odd_names(self) -> tuple[str, ...]:
        return ("bob/../bob1", "bob//x", "bob/", "/bob", "./bob", "server/bob")

    def make(self, names: Iterable[str]) -> set[str]:
        made = set(names) - self.left()
        for name in sorted(made):
            self.double.lay(name)
        return made

    def left(self) -> set[str]:
        return {self.double.names[number] for number in self.double.backups}

    def replace(self, name: str) -> None:
        self.double.backups[self.locator_of(name)]["size"] += 1

    def remove(self, name: str) -> None:
        del self.double.backups[self.locator_of(name)]

    def locator_of(self, name: str) -> str:
        return next((n for n, there in self.double.names.items() if there == name and n in self.double.backups), "")


@pytest.fixture
def place(httpserver: HTTPServer) -> JetPlace:
    return JetPlace(httpserver)


class TestJetBackup(Contract):
    @pytest.fixture
    def place(self, httpserver: HTTPServer) -> Place:
        return JetPlace(httpserver)


def one(place: JetPlace, store: BackupStore | None = None, **row: Any) -> tuple[BackupStore, BackupItem]:
    place.double.lay("bob", **row)
    place.double.lay("bob1")
    store = store or place.store()
    return store, one_of(place, store, "bob")


# --- whose -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proofs", "verdict"),
    [
        ({}, Verdict.MINE),
        ({"jetbackup_uuid": "uuid-bob"}, Verdict.MINE),
        ({"jetbackup_uuid": "uuid-bob2"}, Verdict.NOT_MINE),
        ({"jetbackup_id": "a" * 24}, Verdict.NOT_MINE),
    ],
)
def test_an_account_of_the_same_name_with_another_id_is_another_s(
    place: JetPlace, proofs: dict[str, str], verdict: Verdict
) -> None:
    store, item = one(place)
    assert store.claim(item, replace(BOB, proofs=proofs)).verdict is verdict


def test_a_recorded_id_proves_more_than_a_time(place: JetPlace) -> None:
    store, item = one(place, created="some day")
    assert item.at is None
    assert store.claim(item, BOB).verdict is Verdict.AMBIGUOUS
    assert store.claim(item, replace(BOB, proofs={"jetbackup_uuid": "uuid-bob"})).proven


def test_a_backup_that_names_another_user_than_its_account_is_nobody_s(place: JetPlace) -> None:
    store, item = one(place, account="bob1")
    assert store.claim(item, BOB).verdict is Verdict.NOT_MINE


@pytest.mark.parametrize(
    "proofs", [{"jetbackup_uuid": "uuid-bob"}, {"jetbackup_uuid": "new", "jetbackup_uuid.1": "uuid-bob"}]
)
def test_a_backup_that_names_another_user_under_the_recorded_account_is_left_and_told(
    place: JetPlace, proofs: dict[str, str]
) -> None:
    store, item = one(place, account="bob1")
    claim = store.claim(item, replace(BOB, proofs=proofs))
    assert (claim.verdict, "names another user" in claim.why) == (Verdict.AMBIGUOUS, True)
    assert (
        store.claim(item, replace(BOB, proofs={"jetbackup_uuid": "other", "jetbackup_id": ""})).verdict
        is Verdict.NOT_MINE
    )


# --- the whole list, or none ---------------------------------------------------------------------------


def spoiled(function: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
    return lambda called, found: change(found) if called == function else found


BOTH = pytest.mark.parametrize(("function", "key"), [("listAccounts", "accounts"), ("listBackups", "backups")])


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        lambda found, key: {**found, "success": 0, "message": "no"},
        lambda found, key: {**found, "success": "1"},
        lambda found, key: {"data": found["data"]},
        lambda found, key: [],
        lambda found, key: {"success": 1, "data": []},
        lambda found, key: {"success": 1, "data": {"items": [], "total": 0}},
        lambda found, key: {"success": 1, "data": {key: found["data"][key]}},
        lambda found, key: {"success": 1, "data": {key: found["data"][key], "total": 99}},
        lambda found, key: {"success": 1, "data": {key: [{"_id": "../x"}], "total": 1}},
        lambda found, key: {"success": 1, "data": {key: found["data"][key] * 2, "total": 2 * found["data"]["total"]}},
        lambda found, key: {"success": 1, "data": {key: [{"_id": "a" * 24, "x": "No permissions"}], "total": 1}},
    ],
)
def test_what_is_no_whole_list_is_no_list(
    place: JetPlace, function: str, key: str, change: Callable[[dict[str, Any], str], Any]
) -> None:
    store, item = one(place)
    place.double.accounts.pop("server")
    place.double.spoil = spoiled(function, lambda found: change(found, key))
    with pytest.raises(ViewIncomplete):
        listing(store)
    assert not store.probe().complete
    assert store.delete(item).outcome is Outcome.FAILED
    assert place.left() == {"bob", "bob1"}


def test_no_account_at_all_is_a_missing_right(place: JetPlace) -> None:
    place.double.accounts.clear()
    with pytest.raises(ViewIncomplete, match="the right to list them"):
        listing(place.store())


def test_backups_of_another_account_than_asked_for_are_no_answer(place: JetPlace) -> None:
    one(place)
    place.double.backups[place.locator_of("bob1")]["account_id"] = place.double.accounts["bob"]["_id"]
    place.double.spoil = spoiled(
        "listBackups",
        lambda found: {"success": 1, "data": {"backups": [*place.double.backups.values()], "total": 2}},
    )
    with pytest.raises(ViewIncomplete):
        listing(place.store())


def test_every_kind_of_content_is_asked_for(place: JetPlace) -> None:
    one(place)
    listing(store_on(place.double.url, contains=(511, 1)))
    assert {call["contains"] for call in place.double.calls if "contains" in call} == {"511", "1"}


@pytest.mark.parametrize("through", PATHS)
def test_each_way_to_it_has_its_login(httpserver: HTTPServer, through: str) -> None:
    double = Double(httpserver)
    double.lay("bob")
    assert len(listing(store_on(double.url, through=through))) == 1
    sent = httpserver.log[-1][0]
    assert sent.path == PATHS[through]
    assert sent.args.get("api") == (None if through == "whm" else "1")
    login = {"whm": f"whm root:{TOKEN}", "linux": f"Bearer root:{TOKEN}"}.get(through)
    assert sent.headers["Authorization"] == login if login else sent.headers["Authorization"].startswith("Basic ")


def test_a_wrong_token_is_no_empty_list(place: JetPlace) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(store_on(place.double.url, token=Secret.given("another")))


# --- who lives ---------------------------------------------------------------------------------------


def test_living_accounts_are_told_with_their_ids_and_orphans_are_not(place: JetPlace) -> None:
    place.double.accounts["kid"] = {
        "_id": "a" * 24,
        "uuid": "uuid-kid",
        "username": "kid",
        "orphan": 0,
        "domain": "k.x",
    }
    place.double.accounts["odd"] = {"_id": "b" * 24, "uuid": "uuid-odd", "username": "odd", "orphan": None}
    place.double.lay("bob")
    living = store_on(place.double.url).living()
    assert set(living) == {"server", "kid"}
    assert living["kid"].ids == {"jetbackup_id": "a" * 24, "jetbackup_uuid": "uuid-kid"}
    assert (living["kid"].domain, living["server"].ids["jetbackup_uuid"]) == ("k.x", "")


def test_of_two_living_accounts_of_one_name_none_is_told(place: JetPlace) -> None:
    for number in ("a", "b"):
        place.double.accounts[number] = {"_id": number * 24, "uuid": number, "username": "kid", "orphan": 0}
    assert set(store_on(place.double.url).living()) == {"server"}


# --- how it is proved --------------------------------------------------------------------------------


def how(place: JetPlace, test_account: str = "bob", **more: Any) -> str:
    probe = store_on(place.double.url, deletes_by="", test_account=test_account, **more).probe()
    assert probe.complete
    assert not [call for call in place.double.calls if call["function"] == "deleteSnapshot"]
    return "\n".join(probe.notes[1:])


def test_the_probe_says_what_to_type_to_prove_which_id_is_taken(place: JetPlace) -> None:
    place.double.lay("bob", created="2026-05-30T04:10:00+00:00")
    place.double.lay(f"bob{AGAIN}")
    first, second = place.locator_of("bob"), place.locator_of(f"bob{AGAIN}")
    parent = place.double.backups[first]["parent_id"]
    said = how(place)
    assert f"_id {first}, parent_id {parent}" in said
    assert f"_id {second}" in said
    assert f"jetbackup5api -F deleteSnapshot -D '_id={first}' -O json" in said
    assert f'is exactly {first} gone: set deletes_by = "_id"' in said
    assert f"jetbackup5api -F deleteSnapshot -D '_id={parent}' -O json" in said
    assert f"'_id={second}'" not in said


def test_one_backup_is_not_enough_to_see_what_a_deletion_took(place: JetPlace) -> None:
    place.double.lay("bob")
    said = how(place)
    assert "make another backup of it" in said
    assert "jetbackup5api" not in said


@pytest.mark.parametrize(("account", "why"), [("", "make an account"), ("bobby", "0 accounts are called bobby")])
def test_without_a_test_account_the_probe_asks_for_one(place: JetPlace, account: str, why: str) -> None:
    place.double.lay("bob")
    assert why in how(place, account)


def test_where_both_ids_are_the_same_there_is_nothing_to_prove(place: JetPlace) -> None:
    for name in ("bob", f"bob{AGAIN}"):
        place.double.lay(name)
        number = place.locator_of(name)
        place.double.backups[number]["parent_id"] = number
    assert "both ids are the same" in how(place)


def test_what_is_no_id_is_never_put_into_a_command(place: JetPlace) -> None:
    for name in ("bob", f"bob{AGAIN}"):
        place.double.lay(name, parent_id="x'; rm -rf /; '")
    assert "rm -rf /" not in "".join(line for line in how(place).splitlines() if "jetbackup5api" in line)


def test_what_is_proved_needs_no_word_about_it(place: JetPlace) -> None:
    place.double.lay("bob")
    assert len(store_on(place.double.url, test_account="bob").probe().notes) == 1


# --- deleting --------------------------------------------------------------------------------------------


def test_until_it_is_proved_which_id_is_taken_nothing_is_deleted(place: JetPlace) -> None:
    store, item = one(place, store_on(place.double.url, deletes_by=""))
    assert not store.caps.deletes
    receipt = store.delete(item)
    assert receipt.outcome is Outcome.REFUSED
    assert "has to be proved" in receipt.note
    assert not [call for call in place.double.calls if call["function"] == "deleteSnapshot"]


def test_the_proved_id_is_sent(place: JetPlace) -> None:
    store, item = one(place, store_on(place.double.url, deletes_by="parent_id"))
    store.delete(item)
    parent = place.double.backups[item.locator]["parent_id"]
    assert [c["_id"] for c in place.double.calls if c["function"] == "deleteSnapshot"] == [parent]


@pytest.mark.parametrize("parent", ["", "shared"])
def test_a_snapshot_with_other_backups_in_it_stays(place: JetPlace, parent: str) -> None:
    parent = "e" * 24 if parent else ""
    store, item = one(place, store_on(place.double.url, deletes_by="parent_id"), parent_id=parent)
    place.double.backups[place.locator_of("bob1")]["parent_id"] = parent
    assert store.delete(item).outcome is Outcome.REFUSED


def test_a_locked_snapshot_stays(place: JetPlace) -> None:
    store, item = one(place, lock=1)
    assert (item.lock, store.delete(item).outcome) == ("lock", Outcome.LOCKED)
    assert "bob" in place.left()


@pytest.mark.parametrize("orphan", [0, None])
def test_what_belongs_to_a_living_account_stays(place: JetPlace, orphan: object) -> None:
    store, item = one(place)
    place.double.accounts["bob"]["orphan"] = orphan
    assert store.delete(item).outcome is Outcome.REFUSED
    assert "bob" in place.left()


def test_what_was_only_marked_is_asked_for_until_it_is_gone(place: JetPlace) -> None:
    store, item = one(place)
    place.double.effect = False
    receipt = store.delete(item)
    assert receipt.outcome is Outcome.ACCEPTED
    assert settled(store, receipt).outcome is Outcome.ACCEPTED
    place.double.backups[item.locator]["deleted"] = True
    assert store.poll(receipt).outcome is Outcome.DELETED


def test_what_is_listed_under_another_account_by_now_is_not_gone(place: JetPlace) -> None:
    store, item = one(place)
    place.double.effect = False
    receipt = store.delete(item)
    bob, row = place.double.accounts.pop("bob"), place.double.backups[item.locator]
    place.double.accounts["bob again"] = {**bob, "_id": "e" * 24}
    row["account_id"] = "e" * 24
    assert store.poll(receipt).outcome is Outcome.ACCEPTED
    del place.double.backups[item.locator]
    assert store.poll(receipt).outcome is Outcome.DELETED


def test_a_list_that_is_not_whole_is_no_end(place: JetPlace) -> None:
    store, item = one(place)
    receipt = store.delete(item)
    place.double.hides = 1
    with pytest.raises(StoreTrouble):
        store.poll(receipt)
    assert store.poll(Receipt(Outcome.ACCEPTED, task="x")).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("answer", [{"success": 1, "message": "Hello"}, {"success": 1}, [], {"message": "marked"}])
def test_an_answer_that_does_not_say_marked_leaves_it_unknown(place: JetPlace, answer: object) -> None:
    store, item = one(place)
    place.double.spoil = spoiled("deleteSnapshot", lambda found: answer)
    assert store.delete(item).outcome is Outcome.UNKNOWN
