"""The Proxmox Backup Server driver against a double of its API that can lie; no real server."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.backups.contract import BOB, DAY, MADE, Contract, Place, listing, one_of
from whmcs_bridge.backups.pbs import PbsStore, open_store
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Outcome, Verdict
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import StoreAuthFailed, ViewIncomplete
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.settings.drivers import same_place
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

TOKEN = "22222222-pbs-token-for-tests"
UUID = "6f1f2a4e-8f5c-4f0e-9a44-000000000100"
OTHER = "6f1f2a4e-8f5c-4f0e-9a44-000000000200"
SPACE = "cluster1"
MACHINE = replace(BOB, username="100")
AGAIN = "/2"


class Double:
    """Answers as a datastore does, from a list of snapshots, or as it must not be believed."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/").rstrip("/")
        server.expect_request(re.compile(".*")).respond_with_handler(self.answer)
        self.rows: dict[str, dict[str, Any]] = {}
        self.spaces = ["", SPACE, "cluster2"]
        self.lacks: set[str] = set()
        self.seen: list[tuple[str, str, Mapping[str, str]]] = []
        self.number = 0
        self.on_delete: Callable[[], Response | None] = lambda: None
        self.effect = True
        self.spoil: Callable[[str, Any], Any] = lambda what, found: found

    def lay(self, name: str, *, space: str = SPACE, kind: str = "host", **more: Any) -> None:
        self.number += 1
        moment = MADE + timedelta(hours=name.endswith(AGAIN))
        self.rows[name] = {
            "ns": space,
            "backup-type": kind,
            "backup-id": name.removesuffix(AGAIN),
            "backup-time": int(moment.timestamp()),
            "size": self.number,
            "owner": "root@pam",
            **more,
        }

    def answer(self, request: Request) -> Response:
        path, words = request.path.removeprefix("/api2/json"), dict(request.args)
        self.seen.append((request.method, path, words))
        if request.headers.get("Authorization") != f"PBSAPIToken=bridge@pbs!backups:{TOKEN}":
            return Response("", 401)
        if request.method == "DELETE":
            return self._delete(path, words)
        what = path.rpartition("/")[2]
        found = self.spoil(what, self._get(what, words))
        return Response(json.dumps({"data": found}), content_type="application/json")

    def _get(self, what: str, words: Mapping[str, str]) -> Any:
        if what == "permissions":
            return {} if words["path"] in self.lacks else {words["path"]: {"Datastore.Audit": True}}
        if what == "namespace":
            return [{"ns": space} for space in self.spaces]
        here = [row for row in self.rows.values() if row["ns"] == words["ns"]]
        if what == "groups":
            groups: dict[tuple[str, str], int] = {}
            for row in here:
                key = (row["backup-type"], row["backup-id"])
                groups[key] = groups.get(key, 0) + 1
            return [{"backup-type": k, "backup-id": n, "backup-count": count} for (k, n), count in groups.items()]
        wanted = {name: words[name] for name in ("backup-type", "backup-id")}
        return [row for row in here if all(row[name] == value for name, value in wanted.items())]

    def _delete(self, path: str, words: Mapping[str, str]) -> Response:
        assert path == "/admin/datastore/backups/snapshots"
        assert set(words) == {"ns", "backup-type", "backup-id", "backup-time"}
        answer = self.on_delete()
        if answer is not None:
            return answer
        if self.effect:
            self.rows = {n: row for n, row in self.rows.items() if any(str(row[w]) != words[w] for w in words)}
        return Response('{"data": null}')


def store_on(url: str, servers: Collection[int] = (), **more: Any) -> PbsStore:
    options = {
        "url": url,
        "token_id": "bridge@pbs!backups",
        "token": Secret.given(TOKEN),
        "timeout_seconds": 5,
        "datastore": "backups",
        "namespaces": (SPACE,),
        "exclusive_namespace": True,
        "garbage_collected_days": 1,
        **more,
    }
    return open_store(BackupStoreSettings("pbs", "pbs", tuple(servers), options))


class PbsPlace(Place):
    """Snapshots of hosts by their users' names; a second one of a user has /2 behind it."""

    secrets = (TOKEN,)
    many = 101  # each group is a list of its own

    def __init__(self, server: HTTPServer) -> None:
        self.double = Double(server)
        self.away = lambda: store_on("http://127.0.0.1:1")
        self.half_forbidden = self._half
        self.cut_after_send = lambda: self._deleting(Response("", 504))
        self.read_only = lambda: self._deleting(Response("", 403))

    def store(self) -> BackupStore:
        return store_on(self.double.url)

    def _half(self) -> BackupStore:
        self.double.lacks.add(f"/datastore/backups/{SPACE}")
        return self.store()

    def _deleting(self, answer: Response) -> BackupStore:
        self.double.on_delete = lambda: answer
        return self.store()

    def name_of(self, user: str) -> str:
        return user

    def more_of_account(self) -> tuple[str, ...]:
        return (f"bob{AGAIN}",)

    def odd_names(self) -> tuple[str, ...]:
        return ("bob/../bob1", "bob//x", "/bob", "./bob", "cluster1:host/bob", "host/bob")

    def make(self, names: Iterable[str]) -> set[str]:
        made = set(names) - self.left()
        for name in sorted(made):
            self.double.lay(name)
        return made

    def left(self) -> set[str]:
        return set(self.double.rows)

    def replace(self, name: str) -> None:
        self.double.rows[name]["size"] += 1000

    def remove(self, name: str) -> None:
        del self.double.rows[name]

    def locator_of(self, name: str) -> str:
        row = self.double.rows.get(name, {"backup-time": 0})
        return f"{SPACE}:host/{name.removesuffix(AGAIN)}/{row['backup-time']}"


@pytest.fixture
def place(httpserver: HTTPServer) -> PbsPlace:
    return PbsPlace(httpserver)


class TestPbs(Contract):
    @pytest.fixture
    def place(self, httpserver: HTTPServer) -> Place:
        return PbsPlace(httpserver)


def one(place: PbsPlace, name: str = "bob", **row: Any) -> tuple[BackupStore, BackupItem]:
    place.double.lay(name, **row)
    store = place.store()
    [item] = listing(store)
    return store, item


# --- whose -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exclusive", "proofs", "comment", "verdict"),
    [
        (True, {}, "", Verdict.MINE),
        (True, {"uuid": UUID}, "", Verdict.MINE),
        (True, {"uuid": OTHER}, UUID, Verdict.AMBIGUOUS),
        (True, {"uuid": OTHER}, f"see ticket {UUID}", Verdict.AMBIGUOUS),
        (False, {"uuid": OTHER}, UUID, Verdict.NOT_MINE),
        (False, {}, "", Verdict.AMBIGUOUS),
        (False, {"uuid": UUID}, "", Verdict.AMBIGUOUS),
        (False, {}, UUID, Verdict.AMBIGUOUS),
        (False, {"uuid": UUID}, f"web, {UUID.upper()}", Verdict.MINE),
        (False, {"panel_id": UUID}, UUID, Verdict.AMBIGUOUS),
        (False, {"uuid": UUID}, f"{UUID} {OTHER}", Verdict.AMBIGUOUS),
    ],
)
def test_a_vmid_counts_only_in_a_namespace_of_its_own_or_with_a_uuid(
    place: PbsPlace, *, exclusive: bool, proofs: dict[str, str], comment: str, verdict: Verdict
) -> None:
    _, item = one(place, "100", kind="vm", comment=comment)
    store = store_on(place.double.url, exclusive_namespace=exclusive)
    assert store.claim(item, replace(MACHINE, proofs=proofs)).verdict is verdict


def test_a_recorded_vmid_under_another_name_needs_the_uuid(place: PbsPlace) -> None:
    store, item = one(place, "100", kind="vm", comment=UUID)
    account = replace(BOB, proofs={"vmid": "100"})
    assert store.claim(item, account).verdict is Verdict.AMBIGUOUS
    claim = store.claim(item, replace(account, proofs={"vmid": "100", "uuid": UUID}))
    assert (claim.verdict, claim.proven) == (Verdict.MINE, True)


NUMBERED = AccountIdentity(
    service=ServiceId(1),
    client=ClientId(1),
    server=1,
    username="100",
    domain="",
    since=DAY - timedelta(days=400),
    until=DAY + timedelta(days=1),
    proofs={"vmid": "100", "numbered_on": (DAY - timedelta(days=1)).isoformat()},
)


@pytest.mark.parametrize(
    ("account", "verdict", "why"),
    [
        (NUMBERED, Verdict.MINE, ""),
        (replace(NUMBERED, until=None), Verdict.MINE, ""),
        (replace(NUMBERED, until=DAY), Verdict.MINE, ""),
        (replace(NUMBERED, until=DAY - timedelta(days=1)), Verdict.AMBIGUOUS, "after the machine's end"),
        (replace(NUMBERED, proofs={**NUMBERED.proofs, "numbered_on": f"{DAY}"}), Verdict.MINE, ""),
        (
            replace(NUMBERED, proofs={**NUMBERED.proofs, "numbered_on": f"{DAY + timedelta(days=1)}"}),
            Verdict.AMBIGUOUS,
            "before the machine was first seen",
        ),
        (replace(NUMBERED, proofs={"vmid": "100"}), Verdict.AMBIGUOUS, "before the machine was first seen"),
        (replace(NUMBERED, proofs={"vmid": "100", "numbered_on": "once"}), Verdict.AMBIGUOUS, "first seen"),
        (replace(NUMBERED, username="101", proofs={"vmid": "101"}), Verdict.NOT_MINE, ""),
    ],
)
def test_a_number_proves_nothing_of_days_before_it_was_seen_or_after_the_end(
    place: PbsPlace, account: AccountIdentity, verdict: Verdict, why: str
) -> None:
    store, item = one(place, "100", kind="ct")
    claim = store.claim(item, account)
    assert (claim.verdict, why in claim.why) == (verdict, True)
    assert not claim.proven


def test_a_machine_is_no_host_of_its_number(place: PbsPlace) -> None:
    store, item = one(place, "100")
    assert store.claim(item, NUMBERED).verdict is Verdict.NOT_MINE


def test_a_host_called_like_a_vmid_is_not_the_machine(place: PbsPlace) -> None:
    store, item = one(place, "100")
    assert store.claim(item, replace(BOB, proofs={"vmid": "100"})).verdict is Verdict.NOT_MINE


# --- the whole list, or none ---------------------------------------------------------------------------


def fewer(what: str) -> Callable[[Double], None]:
    return lambda double: setattr(double, "spoil", lambda asked, found: found[1:] if asked == what else found)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda double: double.lacks.add(f"/datastore/backups/{SPACE}"), "lacks Datastore.Audit"),
        (lambda double: double.spaces.remove(SPACE), "no namespace cluster1"),
        (fewer("snapshots"), "0 of 1 snapshots"),
        (lambda double: setattr(double, "spoil", lambda asked, found: [{"x": 1}]), "another shape"),
        (lambda double: setattr(double, "spoil", lambda asked, found: None), "another shape"),
        (
            lambda double: setattr(
                double,
                "spoil",
                lambda asked, found: [{**row, "backup-id": "bob1"} for row in found] if asked == "snapshots" else found,
            ),
            "another group",
        ),
    ],
)
def test_what_may_hide_something_is_no_list(place: PbsPlace, spoil: Callable[[Double], object], why: str) -> None:
    store, item = one(place)
    spoil(place.double)
    with pytest.raises(ViewIncomplete, match=why):
        listing(store)
    assert why in store.probe().why
    assert store.delete(item).outcome is Outcome.FAILED
    assert place.left() == {"bob"}


def test_only_its_own_namespaces_are_looked_at(place: PbsPlace) -> None:
    place.double.lay("bob")
    place.double.lay("bob1", space="cluster2")
    place.double.lay("bobby", space="")
    spaces = {item.locator.partition(":")[0] for item in listing(store_on(place.double.url, namespaces=("", SPACE)))}
    assert spaces == {"", SPACE}


def test_a_wrong_token_is_no_empty_list(place: PbsPlace) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(store_on(place.double.url, token=Secret.given("another")))


def test_namespaces_apart_are_stores_apart() -> None:
    options = {"url": "https://pbs.example.com:8007", "datastore": "backups", "namespaces": ("a", "b")}
    assert same_place(("pbs", options), ("pbs", {**options, "namespaces": ("b",)}))
    assert not same_place(("pbs", options), ("pbs", {**options, "namespaces": ("c",)}))
    assert not same_place(("pbs", options), ("pbs", {**options, "datastore": "other"}))


# --- deleting --------------------------------------------------------------------------------------------


def test_what_was_deleted_keeps_its_chunks_for_a_while(place: PbsPlace) -> None:
    store, item = one(place)
    assert store.delete(item).outcome is Outcome.DELETED
    assert store.probe().keeps_for == timedelta(days=2, minutes=5)
    assert ("DELETE", "/admin/datastore/backups/snapshots") in {(m, p) for m, p, _ in place.double.seen}


def test_a_deletion_without_effect_leaves_the_item_in_the_listing(place: PbsPlace) -> None:
    store, item = one(place)
    place.double.effect = False
    assert store.delete(item).outcome is Outcome.DELETED
    assert listing(store) == [item]


def test_what_is_protected_stays(place: PbsPlace) -> None:
    store, item = one(place, protected=True)
    assert (item.lock, store.delete(item).outcome) == ("protected", Outcome.LOCKED)
    assert {method for method, _, _ in place.double.seen} == {"GET"}


def test_what_was_protected_meanwhile_is_locked(place: PbsPlace) -> None:
    store, item = one(place)
    place.double.on_delete = lambda: Response("cannot remove protected snapshot", 400)
    assert store.delete(item).outcome is Outcome.LOCKED


def test_what_is_being_written_is_at_work_and_stays(place: PbsPlace) -> None:
    place.double.lay("bob", size=None)
    store = place.store()
    assert store.probe().busy == ("bob",)
    assert store.delete(one_of(place, store, "bob")).outcome is Outcome.FAILED
    assert place.left() == {"bob"}
