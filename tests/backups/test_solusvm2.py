"""The SolusVM 2 driver against a double of its API that can lie; no real SolusVM."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.backups.contract import BOB, MADE, Contract, Place, lay_corpus, left_alone, listing, mine_of
from tests.settings.files import problems_of
from whmcs_bridge.backups.solusvm2 import SolusStore, open_store
from whmcs_bridge.domain.backups import SEEN, AccountIdentity, Outcome, Verdict
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, ViewIncomplete
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

TOKEN = "solus-token-for-tests"
ACCOUNT = replace(BOB, username="vps", proofs={"server_id": "100"})
AGAIN = "/2"
Rows = list[dict[str, Any]]


class Double:
    """Answers in the panel's shapes: rows under `data`, pages with `meta`, a 404 of its own for what it has not."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/").rstrip("/")
        server.expect_request(re.compile(".*")).respond_with_handler(self.answer)
        self.servers: dict[int, str] = {7: "uuid-7"}
        self.backups: dict[int, dict[str, Any]] = {}
        self.names: dict[int, str] = {}
        self.user = 1
        self.page = 15
        self.paged = True
        self.seen: list[tuple[str, str]] = []
        self.spoil: Callable[[str, Any], Any] = lambda path, found: found

    def lay(self, name: str) -> None:
        number = 500 + len(self.names)
        server = int(name.removesuffix(AGAIN))
        self.servers.setdefault(server, f"uuid-{server}")
        self.names[number] = name
        self.backups[number] = {
            "id": number,
            "type": "full",
            "creation_method": "auto",
            "status": "created",
            "size": number,
            "created_at": "2026-05-31T04:10:00.000000Z",
            "backup_node": {"id": 1, "name": "box"},
            "compute_resource_vm": {"id": server, "uuid": self.servers[server]},
        }

    def end(self, server: int) -> None:
        """Delete a server, and its backups with it."""
        del self.servers[server]
        self.backups = {n: row for n, row in self.backups.items() if row["compute_resource_vm"]["id"] != server}

    def answer(self, request: Request) -> Response:
        path, words = request.path.removeprefix("/api/v1/"), dict(request.args)
        self.seen.append((request.method, path))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Response('{"message": "Unauthenticated."}', 401)
        found = self.spoil(path, self._get(path, words))
        if isinstance(found, Response):
            return found
        status = 404 if found == MISSING else 200
        return Response(json.dumps(found), status, content_type="application/json")

    def _get(self, path: str, words: Mapping[str, str]) -> Any:
        match path.split("/"):
            case ["account"]:
                return {"data": {"id": self.user, "email": "bridge@example.com"}}
            case ["backup_nodes"]:
                return self._pages([{"id": 1, "name": "box"}], words)
            case ["servers"]:
                return self._pages([self._server(n) for n in sorted(self.servers)], words)
            case ["servers", number]:
                return {"data": self._server(int(number))} if int(number) in self.servers else MISSING
            case ["servers", number, "backups"]:
                rows = [r for r in self.backups.values() if r["compute_resource_vm"]["id"] == int(number)]
                return self._pages(rows, words) if int(number) in self.servers else MISSING
            case ["backups", number]:
                return {"data": self.backups[int(number)]} if int(number) in self.backups else MISSING
        return MISSING

    def _server(self, number: int) -> dict[str, Any]:
        return {"id": number, "uuid": self.servers[number], "name": "bob", "project": {"id": 3}}

    def _pages(self, rows: Rows, words: Mapping[str, str]) -> Any:
        if not self.paged:
            return {"data": rows}
        start = (int(words["page"]) - 1) * self.page
        return {"data": rows[start : start + self.page], "meta": {"total": len(rows), "per_page": self.page}}


MISSING = {"message": "No query results for model."}


def store_on(url: str, **more: Any) -> SolusStore:
    options = {
        "url": url,
        "token": Secret.given(TOKEN),
        "id_field": "server_id",
        "listed_within_hours": 26,
        "timeout_seconds": 5,
        **more,
    }
    return open_store(BackupStoreSettings("solus", "solusvm2", (1,), options))


class SolusPlace(Place):
    """Backups by their servers' numbers; a second one of a server has /2 behind it."""

    account = ACCOUNT
    secrets = (TOKEN,)
    many = 101  # each server is a list of its own

    def __init__(self, server: HTTPServer) -> None:
        self.double = Double(server)
        self.away = lambda: store_on("http://127.0.0.1:1")
        self.half_forbidden = self._half

    def store(self) -> BackupStore:
        return store_on(self.double.url)

    def _half(self) -> BackupStore:
        self.double.spoil = lambda path, found: Response("{}", 403) if path == "backup_nodes" else found
        self.double.servers = dict(list(self.double.servers.items())[::2])
        return self.store()

    def name_of(self, user: str) -> str:
        numbered = re.fullmatch(r"user(\d{5})", user, re.ASCII)
        return str(10_000 + int(numbered[1])) if numbered else {"vps": "100", "bob1": "1001"}.get(user, user)

    def as_user(self, user: str) -> AccountIdentity:
        return replace(ACCOUNT, proofs={"server_id": user})

    def more_of_account(self) -> tuple[str, ...]:
        return (f"100{AGAIN}",)

    def odd_names(self) -> tuple[str, ...]:
        return ("10", "1000", "200", "110")

    def make(self, names: Iterable[str]) -> set[str]:
        made = {name for name in names if re.fullmatch(r"[0-9]+(/2)?", name, re.ASCII)} - self.left()
        for name in sorted(made):
            self.double.lay(name)
        return made

    def left(self) -> set[str]:
        return {self.double.names[number] for number in self.double.backups}

    def replace(self, name: str) -> None:
        self.double.backups[self._number(name)]["size"] += 5000

    def remove(self, name: str) -> None:
        del self.double.backups[self._number(name)]

    def _number(self, name: str) -> int:
        return next((n for n, there in self.double.names.items() if there == name and n in self.double.backups), 0)

    def locator_of(self, name: str) -> str:
        return f"backups/{self._number(name)}"


@pytest.fixture
def place(httpserver: HTTPServer) -> SolusPlace:
    return SolusPlace(httpserver)


ACTING = re.compile("delet|quarant|alone|gone|put_back|way_back|putting|moves")
ASKED_FOR = {name: test for name, test in vars(Contract).items() if name.startswith("test_")}
READING = [
    name
    for name, test in ASKED_FOR.items()
    if not ACTING.search(name) and list(inspect.signature(test).parameters) == ["self", "place"]
]


@pytest.mark.parametrize("name", READING)
def test_it_reads_and_claims_as_the_contract_asks(place: SolusPlace, name: str) -> None:
    """What the contract asks of deletions it cannot keep: it has none."""
    getattr(Contract(), name)(place)


def test_most_of_the_contract_is_about_reading() -> None:
    assert len(READING) >= 15


def test_nothing_is_ever_deleted(place: SolusPlace) -> None:
    laid, store = lay_corpus(place), place.store()
    assert not store.caps.deletes
    for item in listing(store):
        assert store.delete(item).outcome is Outcome.REFUSED
        left_alone(store, item)
    assert place.left() == laid.mine | laid.others
    assert {method for method, _ in place.double.seen} == {"GET"}


# --- what a server had, and that it is gone ------------------------------------------------------------


def seen_while_it_lived(store: BackupStore, *, seen: str = "2026-06-10T03:00:00+00:00") -> AccountIdentity:
    """Return the account with what was kept of it, as the runs keep it."""
    found = store.capture(ACCOUNT)
    kept = {f"solus/{name}": value for name, value in {**found, SEEN: seen}.items()}
    return replace(ACCOUNT, proofs={**ACCOUNT.proofs, **kept})


def laid(place: SolusPlace) -> BackupStore:
    place.make(["100", f"100{AGAIN}", "1001"])
    return place.store()


def test_a_server_that_is_gone_with_all_that_it_had_is_proved_to_be(place: SolusPlace) -> None:
    store = laid(place)
    account = seen_while_it_lived(store)
    place.double.end(100)
    place.double.seen.clear()
    assert list(store.residue(account)) == []
    asked = {path for _, path in place.double.seen}
    assert {"servers/100", "backups/500", "backups/501", "account"} == asked
    assert mine_of(store, account) == []


def test_a_backup_that_outlived_its_server_is_told_as_the_account_s(place: SolusPlace) -> None:
    store = laid(place)
    account = seen_while_it_lived(store)
    left = place.double.backups[500]
    place.double.end(100)
    place.double.backups[500] = left
    found = list(store.residue(account))
    assert len(found) == 1
    item, claim = found[0], store.claim(found[0], account)
    assert (item.locator, claim.verdict, claim.proven) == ("backups/500", Verdict.MINE, True)
    place.double.backups[500] = {**left, "compute_resource_vm": None}
    [item] = store.residue(account)
    assert store.claim(item, account).proofs[0] == "listed while its server lived"
    assert store.claim(item, ACCOUNT).verdict is Verdict.NOT_MINE


def test_a_server_that_had_no_backups_then_is_proved_too(place: SolusPlace) -> None:
    place.double.servers[100] = "uuid-100"
    store = place.store()
    account = seen_while_it_lived(store)
    place.double.end(100)
    assert list(store.residue(account)) == []


def test_what_was_listed_of_a_number_that_was_wrong_is_nobody_s_here(place: SolusPlace) -> None:
    """The field held a neighbour's number for an hour: the neighbour's backups are not the account's."""
    store = laid(place)
    wrong = replace(ACCOUNT, proofs={"server_id": "1001"})
    kept = {f"solus/{name}": value for name, value in store.capture(wrong).items()}
    account = replace(ACCOUNT, proofs={"server_id": "100", "solus/seen": "2026-06-10T03:00:00+00:00", **kept})
    assert {item.account for item in mine_of(store, account)} == {"100"}


def without(account: AccountIdentity, *names: str) -> AccountIdentity:
    return replace(account, proofs={k: v for k, v in account.proofs.items() if k not in names})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda a: without(a, "server_id"), "no number of the server of vps was recorded"),
        (lambda a: replace(a, proofs={**a.proofs, "server_id": "100/../7"}), "no number of the server"),
        (lambda a: ACCOUNT, "nothing was listed of server 100 while it lived"),
        (lambda a: replace(a, proofs={**a.proofs, "solus/server": "#99"}), "nothing was listed of server 100 while it"),
        (lambda a: without(a, "solus/seen"), "nothing was listed of server 100 while it lived"),
        (lambda a: replace(a, until=date(2026, 6, 12)), "listed last on 2026-06-10, too long before its end"),
        (lambda a: replace(a, proofs={**a.proofs, "solus/listed as": "#2"}), "listed by another user"),
        (lambda a: without(a, "solus/listed as"), "listed by another user"),
        (lambda a: replace(a, proofs={**a.proofs, "server_id.1": "99"}), "it had another server before, 99"),
    ],
)
def test_what_was_not_seen_in_time_is_never_called_gone(
    place: SolusPlace, spoil: Callable[[AccountIdentity], AccountIdentity], why: str
) -> None:
    store = laid(place)
    account = seen_while_it_lived(store)
    place.double.end(100)
    with pytest.raises(ViewIncomplete, match=why):
        store.residue(spoil(account))


def test_the_last_list_may_be_as_old_as_the_settings_say(place: SolusPlace) -> None:
    store = laid(place)
    for hours, works in ((26, True), (27, False)):
        last = MADE.replace(day=10, month=6, hour=0, minute=0) - timedelta(hours=hours)
        place.double.servers[100] = "uuid-100"
        account = seen_while_it_lived(store, seen=last.isoformat())
        place.double.end(100)
        if works:
            assert list(store.residue(account)) == []
        else:
            with pytest.raises(ViewIncomplete, match="too long before"):
                store.residue(account)


def test_while_the_server_lives_its_backups_are_listed_and_nothing_is_called_gone(place: SolusPlace) -> None:
    store = laid(place)
    account = seen_while_it_lived(store)
    assert list(store.residue(account)) == []
    assert len(mine_of(store, account)) == 2
    place.double.backups.clear()
    with pytest.raises(ViewIncomplete, match="server 100 lives, and may be backed up at any time"):
        store.residue(account)
    assert list(store.residue(replace(account, until=None))) == []


def test_another_server_under_its_number_proves_nothing(place: SolusPlace) -> None:
    store = laid(place)
    account = seen_while_it_lived(store)
    place.double.servers[100] = "uuid-of-another"
    with pytest.raises(ViewIncomplete, match="another server has the number 100"):
        store.residue(account)
    assert {store.claim(item, account).verdict for item in listing(store)} == {Verdict.AMBIGUOUS, Verdict.NOT_MINE}


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>not found</html>", 404),
        Response("{}", 404),
        Response('{"data": null, "message": "?"}', 404),
        Response('{"message": "This action is unauthorized."}', 403),
        Response("", 500),
        {"data": []},
        {"data": {"id": "500"}},
        [],
    ],
)
@pytest.mark.parametrize("path", ["servers/100", "backups/500"])
def test_what_is_no_word_of_the_panel_s_own_is_no_absence(place: SolusPlace, path: str, answer: Any) -> None:
    store = laid(place)
    account = seen_while_it_lived(store)
    place.double.end(100)
    place.double.spoil = lambda asked, found: answer if asked == path else found
    with pytest.raises(StoreTrouble):
        store.residue(account)


def test_an_account_on_another_server_is_none_of_its_business(place: SolusPlace) -> None:
    store = laid(place)
    place.double.seen.clear()
    elsewhere = replace(ACCOUNT, server=2, proofs={})
    assert list(store.residue(elsewhere)) == []
    assert store.capture(replace(ACCOUNT, server=2)) == {}
    assert place.double.seen == []


def test_what_it_does_not_know_is_not_captured(place: SolusPlace) -> None:
    store = laid(place)
    assert store.capture(replace(ACCOUNT, proofs={})) == {}
    assert store.capture(replace(ACCOUNT, proofs={"server_id": "55"})) == {}
    assert store.capture(ACCOUNT) == {
        "server": "#100",
        "uuid": "uuid-100",
        "backups": "#500 #501",
        "listed as": "#1",
    }


# --- the whole list, or none ---------------------------------------------------------------------------


@pytest.mark.parametrize("paged", [True, False])
def test_every_page_is_asked_for_and_counted(place: SolusPlace, *, paged: bool) -> None:
    place.double.page, place.double.paged = 2, paged
    place.make([str(number) for number in range(100, 107)])
    assert len(listing(place.store())) == 7


@pytest.mark.parametrize(
    ("path", "change", "why"),
    [
        ("backup_nodes", lambda found: Response("{}", 403), "does not let us in"),
        ("servers", lambda found: {"data": []}, "no server at all"),
        ("servers", lambda found: {**found, "meta": {"total": 9}}, "of 9 rows"),
        ("servers", lambda found: {"data": [{"id": 1, "uuid": ""}]}, "servers in another shape"),
        ("servers", lambda found: {"data": [{"id": "1"}]}, "a list in another shape"),
        ("servers", lambda found: {"data": [{"id": 7, "uuid": "x"}] * 2}, "the same rows twice"),
        ("servers/100/backups", lambda found: {"data": {}}, "a list in another shape"),
        ("servers/100/backups", lambda found: {**found, "meta": {"total": 3}}, "2 of 3 rows"),
        (
            "servers/100/backups",
            lambda found: {"data": [{"id": 9, "compute_resource_vm": {"id": 1001}}]},
            "another server than the one",
        ),
    ],
)
def test_what_is_no_whole_list_is_no_list(place: SolusPlace, path: str, change: Callable[[Any], Any], why: str) -> None:
    store = laid(place)
    place.double.spoil = lambda asked, found: change(found) if asked == path else found
    with pytest.raises(StoreTrouble, match=why):
        listing(store)
    assert "backups" in path or why in store.probe().why


def test_a_wrong_token_is_no_empty_list(place: SolusPlace) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(store_on(place.double.url, token=Secret.given("another")))


def test_without_servers_the_settings_are_refused() -> None:
    named = '[[backup_store]]\nname = "s"\ndriver = "solusvm2"\n'
    given = f'{named}servers = [3]\nurl = "https://panel.example.com"\ntoken = "env:TOKEN"\n'
    assert problems_of(given) == []
    [line] = problems_of(given.replace("servers = [3]\n", ""))
    assert "servers: missing, expected WHMCS's ids of its servers: servers have numbers that other panels use" in line
