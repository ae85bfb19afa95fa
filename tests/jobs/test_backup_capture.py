"""What stores show of accounts only while they live: asked in time, kept, and enough to prove an end, or not."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.backups.cloud import Cloud, an_id
from tests.backups.test_openstack import store_on as cloud_store
from tests.backups.test_solusvm2 import Double, store_on
from tests.house import HOSTING, House, done, service_id
from tests.jobs.shelves import Shelf
from whmcs_bridge.domain.backups import ASKED, AccountIdentity, BackupItem, captured
from whmcs_bridge.domain.deletions import ItemState
from whmcs_bridge.errors import StoreUnreachable, ViewIncomplete
from whmcs_bridge.jobs import backup_capture
from whmcs_bridge.jobs.backup_capture import keep_captured
from whmcs_bridge.simulator.records import Service

AT_ONCE: dict[str, dict[str, Any]] = {
    "class": {"hosting": {**HOSTING, "delete_backups_after_days": 0}},
    "backups": {"max_percent_of_store": 100},
}


class Glass(Shelf):
    """A shelf through which an account is seen only while it lives."""

    kind = "solusvm2"

    def __init__(self) -> None:
        super().__init__("glass", deletes=False)
        self.shows: dict[str, str] = {}
        self.asked_about: list[str] = []
        self.breaks: dict[str, Exception] = {}

    def capture(self, account: AccountIdentity) -> Mapping[str, str]:
        self.asked_about.append(account.username)
        if account.username in self.breaks:
            raise self.breaks[account.username]
        return {"backups": self.shows[account.username]} if account.username in self.shows else {}

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        if not captured(account, self.name):
            raise ViewIncomplete("never seen")
        return ()


@pytest.fixture
def glass() -> Glass:
    return Glass()


def a_house(glass: Glass) -> House:
    return House.of(AT_ONCE, stores=[glass])


def kept(house: House, service: Service) -> dict[str, str]:
    [account] = house.bridge.journal.deletions.accounts([service_id(service)])
    return captured(account, "glass")


def test_what_a_store_shows_of_a_living_account_is_kept_and_asked_again_half_a_day_later(glass: Glass) -> None:
    with a_house(glass) as house:
        service = house.a_service()
        glass.shows[service.username] = "#1"
        house.sync()
        assert kept(house, service)["backups"] == "#1"
        glass.shows[service.username] = "#1 #2"
        house.sync()
        assert kept(house, service)["backups"] == "#1"
        house.next_day()
        assert kept(house, service)["backups"] == "#1 #2"
        assert len(glass.asked_about) == 2


def test_what_a_store_knows_no_more_stays_as_it_was_known(glass: Glass) -> None:
    with a_house(glass) as house:
        service = house.a_service()
        glass.shows[service.username] = "#1"
        house.sync()
        before = kept(house, service)
        glass.shows.clear()
        house.next_day()
        assert len(glass.asked_about) == 2
        assert {**kept(house, service), ASKED: ""} == {**before, ASKED: ""}


def test_a_store_that_is_away_is_told_once_and_asked_by_the_next_run(glass: Glass) -> None:
    with a_house(glass) as house:
        services = [house.a_service() for _ in range(3)]
        glass.breaks = {s.username: StoreUnreachable("store glass: away") for s in services}
        report = house.sync()
        assert [line for line in report.problems if "glass" in line] == [
            f"what glass has of service {service_id(services[0])}: store glass: away"
        ]
        assert len(glass.asked_about) == 1
        glass.breaks, glass.shows = {}, {s.username: "#1" for s in services}
        house.sync()
        assert all(kept(house, s) for s in services)


def test_one_account_that_cannot_be_seen_does_not_hide_the_others(glass: Glass) -> None:
    with a_house(glass) as house:
        odd, fine = house.a_service(), house.a_service()
        glass.breaks = {odd.username: ViewIncomplete("store glass: in another shape")}
        glass.shows[fine.username] = "#1"
        house.sync()
        assert kept(house, fine)
        assert not kept(house, odd)


def test_a_few_that_are_never_answered_do_not_keep_the_others_waiting(glass: Glass) -> None:
    with a_house(glass) as house:
        odd = [house.a_service() for _ in range(backup_capture.FAILURES + 1)]
        fine = house.a_service()
        glass.breaks = {s.username: ViewIncomplete("store glass: in another shape") for s in odd}
        glass.shows[fine.username] = "#1"
        house.sync()
        assert not kept(house, fine)
        house.sync()
        assert kept(house, fine)


def test_a_run_asks_about_a_few_those_asked_longest_ago_first(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_capture, "MOST_A_RUN", 2)
    with a_house(glass) as house:
        for _ in range(5):
            house.a_service()
        for _ in range(3):
            house.sync()
        assert len(glass.asked_about) == len(set(glass.asked_about)) == 5


def test_an_account_that_has_ended_is_not_asked_about(glass: Glass) -> None:
    with a_house(glass) as house:
        service = house.a_service()
        house.sync()
        deletions = house.bridge.journal.deletions
        deletions.save_accounts([replace(a, until=house.today) for a in deletions.accounts([service_id(service)])])
        glass.asked_about.clear()
        house.pass_days(3)
        with house.bridge.journal.writer():
            assert keep_captured(house.bridge.ports) == []
        assert glass.asked_about == []


def until_terminated(house: House, glass: Glass, service: Service) -> list[str]:
    """Let it be suspended and ended, with a new backup each hour that only the last question sees."""
    whmcs: Any = house.bridge.ports.panel
    real = whmcs.terminate

    def terminate(number: Any) -> None:
        assert kept(house, service)["backups"] == "the last one"
        glass.shows.clear()
        real(number)

    whmcs.terminate = terminate
    house.sync()
    for _ in range(20):
        glass.shows[service.username] = "#1"
        report = house.next_day()
        if "terminate" in done(report):
            return done(report)
    raise AssertionError("it was never terminated")


def test_right_before_we_end_a_service_its_stores_are_asked_once_more(
    glass: Glass, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = backup_capture.capture_before_end

    def with_news(ports: Any, number: Any) -> None:
        glass.shows = dict.fromkeys(glass.shows, "the last one")
        asked(ports, number)

    monkeypatch.setattr("whmcs_bridge.jobs.carry.capture_before_end", with_news)
    with a_house(glass) as house:
        _, service, _ = house.a_debtor(overdue=3)
        until_terminated(house, glass, service)
        assert kept(house, service)["backups"] == "the last one"


# --- with the real driver ---------------------------------------------------------------------------


class Panel:
    """A house whose one store is SolusVM 2, and a debtor whose server it has."""

    def __init__(self, server: HTTPServer) -> None:
        self.double = Double(server)
        self.house = House.of(AT_ONCE, stores=[store_on(self.double.url)])
        _, self.service, _ = self.house.a_debtor(overdue=3)
        self.double.lay("100")
        self.double.lay("1001")
        self.double.servers[7] = "uuid-7"
        self.house.sync()
        self.number_recorded()
        whmcs: Any = self.house.bridge.ports.panel
        real = whmcs.terminate

        def terminate(number: Any) -> None:
            real(number)
            self.ended()

        self.ended: Callable[[], None] = lambda: self.double.end(100)
        whmcs.terminate = terminate

    def number_recorded(self) -> None:
        deletions = self.house.bridge.journal.deletions
        known = deletions.accounts([service_id(self.service)])
        with self.house.bridge.journal.writer():
            deletions.save_accounts([replace(a, proofs={**a.proofs, "server_id": "100"}) for a in known])

    def until_terminated(self) -> list[str]:
        for _ in range(20):
            did = done(self.house.next_day())
            if "terminate" in did:
                return did
        raise AssertionError("it was never terminated")

    @property
    def verdict(self) -> tuple[ItemState, str]:
        plan = self.house.bridge.journal.deletions.plan_of(service_id(self.service))
        assert plan is not None
        [store] = plan.stores
        return store.state, store.why


@pytest.fixture
def panel(httpserver: HTTPServer) -> Panel:
    return Panel(httpserver)


def test_a_server_whose_backups_went_with_it_is_verified(panel: Panel) -> None:
    with panel.house:
        assert "delete_backups" in panel.until_terminated()
        assert panel.verdict == (ItemState.GONE_BEFORE, "")
        assert {method for method, _ in panel.double.seen} == {"GET"}
        assert "backups/500" in {path for _, path in panel.double.seen}


def test_a_backup_that_stayed_is_left_to_a_person_and_nothing_is_called_gone(panel: Panel) -> None:
    left = {**panel.double.backups[500], "created_at": "2025-03-01T04:00:00Z"}

    def ended() -> None:
        panel.double.end(100)
        panel.double.backups[500] = left

    panel.ended = ended
    with panel.house:
        assert "delete_backups" not in panel.until_terminated()
        state, why = panel.verdict
        assert (state, why) == (ItemState.REFUSED, "1 items to be deleted by a person")


def test_a_server_that_nobody_listed_in_time_is_never_called_gone(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_capture, "WHILE_LIVING", ())
    with panel.house:
        assert "delete_backups" not in panel.until_terminated()
        state, why = panel.verdict
        assert state is ItemState.UNVERIFIABLE
        assert "nothing was listed of server 100 while it lived" in why


def test_half_a_day_without_the_panel_is_made_up_for_by_the_next_question(panel: Panel) -> None:
    away = panel.double.spoil
    panel.double.spoil = lambda path, found: []
    with panel.house:
        panel.house.next_day()
        panel.double.spoil = away
        assert "delete_backups" in panel.until_terminated()
        assert panel.verdict[0] is ItemState.GONE_BEFORE


# --- from WHMCS's custom field to an empty cloud -----------------------------------------------------------


def chained(cloud: Cloud) -> None:
    """Cinder's own rule: what a newer backup of the volume rests on says so, and is refused."""

    def flags(path: str, words: Mapping[str, str], found: Any) -> Any:
        for row in cloud.backups.values():
            of_volume = [other for other in cloud.backups.values() if other["volume_id"] == row["volume_id"]]
            row["has_dependent_backups"] = any(other["created_at"] > row["created_at"] for other in of_volume)
        return found

    def refused(path: str) -> Response | None:
        row = cloud.backups.get(path.rpartition("/")[2])
        flags("", {}, None)
        return Response("dependent backups", 400) if row is not None and row["has_dependent_backups"] else None

    cloud.twist, cloud.on_delete = flags, refused


@pytest.fixture
def clouded(httpserver: HTTPServer) -> Iterator[tuple[House, Cloud, Service]]:
    cloud = Cloud(httpserver)
    chained(cloud)
    given = {**AT_ONCE, "backups": {**AT_ONCE["backups"], "id_fields": {"uuid": ["Instance ID"]}}}
    with House.of(given, stores=[cloud_store(cloud.url)]) as house:
        house.world.field_names[7] = "Instance ID"
        _, service, _ = house.a_debtor(overdue=3)
        service.username, service.customfields = "root", {7: an_id("server bob")}
        cloud.server("server bob", "volume bob")
        for day in range(1, 8):
            cloud.backup(f"bob {day}", "volume bob", created_at=f"2025-03-0{day}T04:00:00.000000")
            cloud.backup(f"other {day}", "volume of others", created_at=f"2025-03-0{day}T04:00:00.000000")
        cloud.snapshot("bob", "volume bob", created_at="2025-03-01T04:00:00.000000")
        cloud.image("bob", "server bob", created_at="2025-03-01T04:00:00Z")
        cloud.image("other", "server of others", created_at="2025-03-01T04:00:00Z")
        whmcs: Any = house.bridge.ports.panel
        real = whmcs.terminate

        def terminate(number: Any) -> None:
            real(number)
            cloud.end("server bob")
            service.customfields = {7: ""}

        whmcs.terminate = terminate
        yield house, cloud, service


def until_ended(house: House) -> list[str]:
    house.sync()
    for _ in range(20):
        did = done(house.next_day())
        if "terminate" in did:
            return did
    raise AssertionError("it was never terminated")


def names_left(cloud: Cloud) -> set[str]:
    every = (*cloud.backups.values(), *cloud.snapshots.values(), *cloud.images.values())
    return {row["name"].partition(" ")[0] for row in every}


def test_a_whole_chain_and_all_else_of_an_ended_server_goes_in_one_run(clouded: tuple[House, Cloud, Service]) -> None:
    house, cloud, service = clouded
    assert "delete_backups" in until_ended(house)
    assert names_left(cloud) == {"other"}
    assert len(cloud.backups) == 7
    plan = house.bridge.journal.deletions.plan_of(service_id(service))
    assert plan is not None
    assert (plan.complete, len(plan.items)) == (True, 9)
    sent = [path.rpartition("/")[2] for method, path, _ in cloud.seen if method == "DELETE" and "/backups/" in path]
    assert sent == [an_id(f"backup bob {day}") for day in range(7, 0, -1)]


def test_what_nobody_saw_while_it_lived_is_left_and_nothing_is_called_gone(
    clouded: tuple[House, Cloud, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, cloud, service = clouded
    monkeypatch.setattr(backup_capture, "WHILE_LIVING", ())
    assert "delete_backups" not in until_ended(house)
    assert names_left(cloud) == {"bob", "other"}
    plan = house.bridge.journal.deletions.plan_of(service_id(service))
    assert plan is not None
    assert plan.stores[0].state is ItemState.UNVERIFIABLE
    assert "were never seen while it lived" in plan.stores[0].why
