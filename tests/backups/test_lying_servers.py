"""Every driver before a server that lies, under the runs that plan, delete and verify: what is said of it, and after.

Whatever a server plays, nobody's backups but the account's go, nothing is called complete while a whole listing could
show otherwise, and once the server tells the truth again the deletion comes to its end.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

import paramiko
import pytest
from moto.s3.models import S3Backend
from pytest_httpserver import HTTPServer
from werkzeug import Response
from wsgidav.fs_dav_provider import FileResource

from tests.backups import test_borg, test_jetbackup, test_pbs, test_proxmox, test_restic
from tests.backups.contract import BOB, Place
from tests.backups.ftpd import Ftpd
from tests.backups.sshd import Sshd
from tests.backups.test_ftp import FtpPlace
from tests.backups.test_ftp import ftpd as ftpd
from tests.backups.test_local import LocalPlace
from tests.backups.test_s3 import S3Place
from tests.backups.test_s3 import server as server
from tests.backups.test_sftp import SftpPlace
from tests.backups.test_webdav import DavPlace
from tests.backups.test_webdav import dav as dav
from tests.house import settings_of
from tests.jobs.shelves import Names
from whmcs_bridge.backups import line, s3, webdav
from whmcs_bridge.backups.programs import ProgramTimedOut
from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.deletions import DeletionPlan, PlanState
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.jobs.backup_carry import carry, lift_halt, recheck
from whmcs_bridge.jobs.backup_waits import halted
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import subject_for_accounts
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.ports import BackupStore

SETTINGS = settings_of({"class": {"hosting": {"product_types": ["hostingaccount"], "suspend_after_days": 3}}})
MIRROR = SqliteMirror()
"""Of nobody: whose the accounts are is told here."""


class Lie(StrEnum):
    WITHOUT_EFFECT = "says deleted, and keeps it"
    STALE = "lists what there was when it was first asked"
    EMPTY = "lists nothing, and no error"
    PARTIAL = "lists all but one of the account's"
    ECHO = "says of everything that it is whose was asked for"
    NEIGHBOUR = "deletes another's as well"
    CUT = "deletes, and the line breaks"
    UNSENT = "the line breaks before anything was done"
    SLOW = "deletes, and goes on listing it for a while"


@dataclass
class Clock:
    at: datetime = datetime(2026, 6, 12, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass
class Bench:
    """An account that has ended, a store of a real driver, and runs of the bridge over it."""

    place: Place
    store: Callable[[], BackupStore]
    journal: SqliteJournal = field(default_factory=SqliteJournal)
    clock: Clock = field(default_factory=Clock)

    def run(self, account: AccountIdentity | None = None, store: BackupStore | None = None) -> DeletionPlan:
        """Delete what may go of an account, as a run does on a day."""
        self.clock.at += timedelta(days=1)
        store = store or self.store()
        with closing(store):
            ports, account = self._ports(store), account or self.place.account
            subject = subject_for_accounts(ports, account.service, account.client, [account])
            return carry(ports, subject, date(2026, 6, 11), lambda: True)

    def runs(self, days: int) -> None:
        """Run on so many days, or until all is gone."""
        for _ in range(days):
            if self.run().complete:
                return

    def look_again(self) -> DeletionPlan:
        """List once more, an hour later, and delete nothing."""
        self.clock.at += timedelta(hours=1)
        account = self.place.account
        plan = self.journal.deletions.plan_of(account.service)
        assert plan is not None
        with closing(self.store()) as store:
            ports = self._ports(store)
            subject = subject_for_accounts(ports, account.service, account.client, [account])
            return recheck(ports, subject, plan, plan.stores)

    def _ports(self, store: BackupStore) -> Ports:
        return Ports(
            settings=SETTINGS,
            panel=cast(Any, None),
            mirror=MIRROR,
            journal=self.journal,
            clock=self.clock,
            stores=(store,),
            account_panels=(Names(),),
        )

    @property
    def state(self) -> str:
        plan = self.journal.deletions.plan_of(self.place.account.service)
        assert plan is not None
        [store] = plan.stores
        return store.state.value

    def comes_to_its_end(self, mine: set[str], others: set[str]) -> None:
        """The server tells the truth from now on: all of the account's goes, the rest stays, the evidence is whole."""
        self.runs(5)
        plan = self.look_again()
        assert (plan.complete, plan.state) == (True, PlanState.DONE)
        assert self.place.left() & mine == set()
        assert self.place.left() == others
        assert self.journal.deletions.broken_at() == ""
        assert BOB.service in self.journal.deletions.tombstones()
        self.tells_no_secret()

    def tells_no_secret(self) -> None:
        with self.journal._store.writing as conn:
            kept = "\n".join(conn.iterdump())
        assert "evidence_chain" in kept
        for secret in self.place.secrets:
            assert secret not in kept


# --- servers of our own, that can play every lie ------------------------------------------------------


@dataclass
class Liar:
    """Stands before a double: what it holds is in one of its dicts, which a listing is made from."""

    double: Any
    held: str
    name_of: Callable[[str, Any], str]
    cut: Callable[[], Any]
    """What the other side gets to see of a line that breaks."""
    echo: Callable[[Any], None] | None = None
    lie: Lie | None = None
    mine: set[str] = field(default_factory=set)
    stale: dict[str, Any] | None = None
    ghosts: dict[str, Any] = field(default_factory=dict)

    def before(self, method: str, deletes: Callable[..., bool]) -> None:
        """Put itself before a method of the double."""
        real = getattr(self.double, method)
        setattr(self.double, method, lambda *args: (self._delete if deletes(*args) else self._list)(real, args))

    def play(self, lie: Lie | None) -> None:
        self.lie, self.stale, self.ghosts = lie, None, {}
        if lie is Lie.ECHO and self.echo is not None:
            self.echo(self.double)
        if lie is None and hasattr(self.double, "spoil"):
            self.double.spoil = lambda _what, found: found

    def _held(self) -> dict[str, Any]:
        return dict(getattr(self.double, self.held))

    def _delete(self, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if self.lie is Lie.UNSENT:
            return self.cut()
        before = self._held()
        answer = real(*args)
        after = self._held()
        if self.lie is Lie.WITHOUT_EFFECT:
            setattr(self.double, self.held, before)
        if self.lie is Lie.NEIGHBOUR:
            lost = next((key for key, row in after.items() if self.name_of(key, row) not in self.mine), None)
            setattr(self.double, self.held, {key: row for key, row in after.items() if key != lost})
        if self.lie is Lie.SLOW:
            self.ghosts |= {key: row for key, row in before.items() if key not in after}
        return self.cut() if self.lie is Lie.CUT else answer

    def _list(self, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        truth = self._held()
        setattr(self.double, self.held, self._shown(truth))
        try:
            return real(*args)
        finally:
            setattr(self.double, self.held, truth)

    def _shown(self, truth: dict[str, Any]) -> dict[str, Any]:
        if self.lie is Lie.EMPTY:
            return {}
        if self.lie is Lie.STALE:
            self.stale = self.stale if self.stale is not None else truth
            return self.stale
        if self.lie is Lie.PARTIAL:
            hidden = max(key for key, row in truth.items() if self.name_of(key, row) in self.mine)
            return {key: row for key, row in truth.items() if key != hidden}
        if self.lie is Lie.SLOW:
            return {**truth, **self.ghosts}
        return truth


def cut_program() -> str:
    raise ProgramTimedOut("store repo: the program: ended after 5 seconds")


def cut_http() -> Response:
    return Response("", 504)


def a_restic(_: HTTPServer) -> tuple[Place, Liar]:
    place = test_restic.DoublePlace()
    liar = Liar(place.double, "rows", lambda _key, row: str(row[0]), cut_program)
    liar.before("run", lambda *arguments: arguments[0] == "forget")
    return place, liar


def a_borg(_: HTTPServer) -> tuple[Place, Liar]:
    place = test_borg.DoublePlace()
    liar = Liar(place.double, "names", lambda _key, name: str(name), cut_program)
    liar.before("run", lambda *arguments: arguments[0] == "delete")
    return place, liar


def a_proxmox(httpserver: HTTPServer) -> tuple[Place, Liar]:
    place = test_proxmox.ProxmoxPlace(httpserver)
    lay = place.double.lay

    def with_own_machine(name: str, **more: Any) -> None:
        own = test_proxmox.UUID if "-100-" in name or "/100/" in name else test_proxmox.OTHER
        lay(name, uuid=own, **more)

    place.double.lay = with_own_machine  # type: ignore[method-assign]
    liar = Liar(place.double, "volumes", lambda key, _: key.removeprefix("backups:backup/"), cut_http, echo_vmid)
    liar.before("_get", lambda *_: False)
    liar.before("_delete", lambda *_: True)
    return place, liar


def echo_vmid(double: test_proxmox.Double) -> None:
    double.volumes = {volid: {**row, "vmid": 100} for volid, row in double.volumes.items()}


def a_pbs(httpserver: HTTPServer) -> tuple[Place, Liar]:
    place = test_pbs.PbsPlace(httpserver)
    liar = Liar(place.double, "rows", lambda key, _: key, cut_http, echo_group)
    liar.before("_get", lambda *_: False)
    liar.before("_delete", lambda *_: True)
    return place, liar


def echo_group(double: test_pbs.Double) -> None:
    double.spoil = lambda what, found: [{**r, "backup-id": "bob"} for r in found] if what == "snapshots" else found


def a_jetbackup(httpserver: HTTPServer) -> tuple[Place, Liar]:
    place = test_jetbackup.JetPlace(httpserver)
    liar = Liar(place.double, "backups", lambda key, _: place.double.names[key], cut_http, echo_account)
    liar.before("_call", lambda words: words["function"] == "deleteSnapshot")
    return place, liar


def echo_account(double: test_jetbackup.Double) -> None:
    own = double.accounts["bob"]["_id"]

    def echoed(function: str, found: Any) -> Any:
        if function != "listBackups":
            return found
        rows = [{**row, "account_id": own} for row in found["data"]["backups"]]
        return {**found, "data": {**found["data"], "backups": rows}}

    double.spoil = echoed


DOUBLES: dict[str, Callable[[HTTPServer], tuple[Place, Liar]]] = {
    "restic": a_restic,
    "borg": a_borg,
    "proxmox": a_proxmox,
    "pbs": a_pbs,
    "jetbackup": a_jetbackup,
}
OTHERS = ("bob1", "bobby", "xbob", "bob2", "1001", "200", "300", "400")
"""Neighbours, where users have names and where they are numbers."""


def played(driver: str, httpserver: HTTPServer) -> tuple[Bench, Liar, set[str], set[str]]:
    """A bench with the account's backups and some neighbours'."""
    place, liar = DOUBLES[driver](httpserver)
    mine = place.make([place.name_of(place.account.username), *place.more_of_account()])
    others = place.make(place.name_of(user) for user in OTHERS if user.isdigit() is (driver == "proxmox"))
    liar.mine = mine
    return Bench(place, place.store), liar, mine, others


@pytest.mark.parametrize("driver", DOUBLES)
def test_without_a_lie_it_comes_to_its_end(driver: str, httpserver: HTTPServer) -> None:
    bench, _, mine, others = played(driver, httpserver)
    bench.comes_to_its_end(mine, others)


@pytest.mark.parametrize("lie", [Lie.WITHOUT_EFFECT, Lie.STALE])
@pytest.mark.parametrize("driver", DOUBLES)
def test_what_is_still_listed_is_not_gone_whatever_was_said(driver: str, lie: Lie, httpserver: HTTPServer) -> None:
    bench, liar, mine, others = played(driver, httpserver)
    liar.play(lie)
    for _ in range(2):
        assert not bench.run().complete
        assert bench.state in ("failed", "accepted")
    assert others <= bench.place.left()
    liar.play(None)
    bench.comes_to_its_end(mine, others)


@pytest.mark.parametrize("lie", [Lie.EMPTY, Lie.PARTIAL])
@pytest.mark.parametrize("driver", DOUBLES)
def test_what_was_hidden_is_found_by_the_next_look_and_planned_anew(
    driver: str, lie: Lie, httpserver: HTTPServer
) -> None:
    bench, liar, mine, others = played(driver, httpserver)
    if lie is Lie.PARTIAL and len(mine) < 2:
        mine |= bench.place.make(["bob"])  # restic: a second snapshot of the same name
    liar.play(lie)
    bench.runs(3)
    liar.play(None)
    hidden = bench.place.left() & mine
    assert hidden
    after = bench.look_again()
    assert not after.complete
    assert BOB.service not in bench.journal.deletions.tombstones()
    bench.comes_to_its_end(mine, others)


@pytest.mark.parametrize("driver", [driver for driver in DOUBLES if driver not in ("restic", "borg")])
def test_a_list_that_echoes_what_was_asked_for_gives_nobody_else_s_away(driver: str, httpserver: HTTPServer) -> None:
    """restic and borg are asked for everything, with nothing to echo."""
    bench, liar, mine, others = played(driver, httpserver)
    liar.play(Lie.ECHO)
    bench.runs(3)
    assert bench.state == ("gone_verified" if driver == "proxmox" else "unverifiable")
    assert others <= bench.place.left()
    liar.play(None)
    bench.comes_to_its_end(mine, others)


@pytest.mark.parametrize("driver", DOUBLES)
def test_a_neighbour_that_vanishes_halts_the_store_for_everybody(driver: str, httpserver: HTTPServer) -> None:
    bench, liar, _, others = played(driver, httpserver)
    liar.play(Lie.NEIGHBOUR)
    bench.runs(3)
    assert list(halted(bench.journal)) == [bench.store().name]
    assert bench.state == "refused"
    lost = others - bench.place.left()
    assert lost
    liar.play(None)
    kept = bench.place.left()
    second = another(bench.place, min(others - lost))
    assert not bench.run(second).complete
    assert not bench.run().complete
    assert bench.place.left() == kept
    with closing(bench.store()) as store:
        assert lift_halt(bench._ports(store), store.name, "found out")
    assert bench.run().complete
    assert others - lost <= bench.place.left()


def another(place: Place, name: str) -> AccountIdentity:
    """The account of a neighbour."""
    [user] = [user for user in OTHERS if place.name_of(user) == name]
    return replace(place.account, service=ServiceId(9), client=ClientId(9), username=user, proofs={})


@pytest.mark.parametrize("lie", [Lie.CUT, Lie.UNSENT, Lie.SLOW])
@pytest.mark.parametrize("driver", DOUBLES)
def test_what_became_of_a_deletion_is_told_by_listings_alone(driver: str, lie: Lie, httpserver: HTTPServer) -> None:
    bench, liar, mine, others = played(driver, httpserver)
    liar.play(lie)
    bench.run()
    shown = bench.place.left() & mine
    if lie is Lie.CUT:
        assert shown < mine
    elif lie is Lie.UNSENT:
        assert (shown, bench.state) == (mine, "failed")
    else:
        assert bench.state in ("failed", "accepted")
    assert others <= bench.place.left()
    liar.play(None)
    bench.comes_to_its_end(mine, others)


def off_by(hours: int) -> type[datetime]:
    """A clock of ours that is so far behind (or ahead of) theirs."""

    class Off(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(hours=hours)

    return Off


@pytest.mark.parametrize("hours", [2, -2])
@pytest.mark.parametrize("driver", ["proxmox", "pbs", "jetbackup"])
def test_a_server_whose_clock_is_off_is_left_until_it_is_right(
    driver: str, hours: int, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, _, mine, others = played(driver, httpserver)
    with monkeypatch.context() as patch:
        patch.setattr(line, "datetime", off_by(hours))
        plan = bench.run()
    assert (bench.state, bench.place.left()) == ("planned", mine | others)
    assert "off ours" in plan.stores[0].why
    bench.comes_to_its_end(mine, others)


# --- real servers, whose deletions are made to lie ------------------------------------------------------


@dataclass
class Hands:
    """What is put before a real server's own deletion of one thing."""

    place: Place
    patch: pytest.MonkeyPatch
    target: Any
    name: str
    success: Callable[..., Any]
    """Answers as if it had been done."""

    def lie(self, lie: Lie, neighbour: str) -> None:
        real = getattr(self.target, self.name)

        def act(*args: Any, **words: Any) -> Any:
            if lie is Lie.WITHOUT_EFFECT:
                return self.success(*args, **words)
            if neighbour in self.place.left():
                self.patch.undo()  # the hand that takes it is the same
                self.place.remove(neighbour)
            return real(*args, **words)

        self.patch.setattr(self.target, self.name, act)


FOLDERS = ("local", "sftp", "ftp", "webdav", "s3")


@pytest.fixture(params=FOLDERS)
def hands(
    request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> Iterator[tuple[Hands, Place]]:
    driver = request.param
    place: Any
    with pytest.MonkeyPatch.context() as patch:
        match driver:
            case "local":
                place = LocalPlace(tmp_path, monkeypatch)
                hands = Hands(place, patch, os, "unlink", lambda *_a, **_w: None)
            case "sftp":
                sshd: Sshd = request.getfixturevalue("sshd")
                place = SftpPlace(tmp_path, monkeypatch, sshd)
                hands = Hands(place, patch, paramiko.SFTPClient, "remove", lambda *_a: None)
            case "ftp":
                running: Ftpd = request.getfixturevalue("ftpd")
                place = FtpPlace(monkeypatch, running)
                hands = Hands(place, patch, running.handler, "ftp_DELE", lambda line, _: line.respond("250 Deleted."))
            case "webdav":
                place = DavPlace(monkeypatch, request.getfixturevalue("dav"))
                hands = Hands(place, patch, FileResource, "delete", lambda *_a: None)
            case _:
                place = S3Place(request.getfixturevalue("server"))
                hands = Hands(place, patch, S3Backend, "delete_object", lambda *_a, **_w: (True, {}))
        yield hands, place
    if hasattr(place, "close"):
        place.close()


def laid(place: Place) -> tuple[Bench, set[str], set[str]]:
    mine = place.make([place.name_of("bob")])
    others = place.make([place.name_of("bob1"), place.name_of("bobby")])
    return Bench(place, place.store), mine, others


def test_a_real_server_that_deletes_nothing_is_found_out(hands: tuple[Hands, Place]) -> None:
    liar, place = hands
    bench, mine, others = laid(place)
    liar.lie(Lie.WITHOUT_EFFECT, "")
    assert not bench.run().complete
    assert bench.state == "failed"
    assert others <= place.left()
    assert BOB.service not in bench.journal.deletions.tombstones()
    liar.patch.undo()
    bench.comes_to_its_end(mine, others)


def test_a_real_server_that_deletes_another_s_halts_the_store(hands: tuple[Hands, Place]) -> None:
    liar, place = hands
    bench, _, _ = laid(place)
    liar.lie(Lie.NEIGHBOUR, place.name_of("bob1"))
    bench.run()
    assert bench.state == "refused"
    assert len(halted(bench.journal)) == 1
    liar.patch.undo()
    kept = place.left()
    assert not bench.run(replace(BOB, service=ServiceId(9), username="bobby")).complete
    assert place.left() == kept


@pytest.mark.parametrize("hours", [2, -2])
@pytest.mark.parametrize("hands", ["webdav", "s3"], indirect=True)
def test_a_real_server_whose_clock_is_off_is_left_until_it_is_right(hands: tuple[Hands, Place], hours: int) -> None:
    _, place = hands
    bench, mine, others = laid(place)
    told = {"webdav": webdav, "s3": s3}[bench.store().kind]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(told, "datetime", off_by(hours))
        bench.run()
    assert (bench.state, place.left()) == ("planned", mine | others)
    bench.comes_to_its_end(mine, others)


# --- what every place can play -------------------------------------------------------------------------


def test_a_real_server_that_hides_a_half_or_is_away_proves_nothing(hands: tuple[Hands, Place]) -> None:
    _, place = hands
    bench, mine, others = laid(place)
    mine |= place.make(place.more_of_account())  # in the half that is hidden
    for play in (place.away, place.half_forbidden):
        if play is None:
            continue
        assert not bench.run(store=play()).complete
        assert bench.state == "unverifiable"
        assert place.left() == mine | others


def test_a_credential_that_may_not_delete_is_told_and_nothing_is_called_gone(hands: tuple[Hands, Place]) -> None:
    _, place = hands
    bench, mine, others = laid(place)
    assert place.read_only is not None
    assert not bench.run(store=place.read_only()).complete
    assert bench.state in ("failed", "refused")
    assert place.left() == mine | others


@pytest.mark.parametrize("hands", ["sftp", "ftp", "webdav", "s3"], indirect=True)
def test_a_real_line_that_breaks_after_a_deletion_was_sent_is_settled_by_listing(hands: tuple[Hands, Place]) -> None:
    _, place = hands
    bench, mine, others = laid(place)
    assert place.cut_after_send is not None
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(place, "patch"):
            place.patch = patch
        bench.run(store=place.cut_after_send())
    assert others <= place.left()
    bench.comes_to_its_end(mine, others)
