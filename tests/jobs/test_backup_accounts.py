"""Whose accounts there were, kept while services live: moves, renames, blanks, ends and second lives."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import a_service
from tests.house import HOSTING, House, service_id
from tests.jobs.shelves import Names, Shelf
from whmcs_bridge.domain.backups import AccountIdentity, LivingAccount
from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.ids import ServerId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.jobs import erase
from whmcs_bridge.jobs.backup_accounts import after_seeing, keep_accounts, keep_panel_ids, misnamed, twin_of
from whmcs_bridge.jobs.backup_sight import blind_panels
from whmcs_bridge.jobs.explain import facts_for
from whmcs_bridge.ports import AccountPanel
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.faults import Kind as FaultKind
from whmcs_bridge.simulator.records import Actor
from whmcs_bridge.simulator.records import Service as Sim

DAY, LATER = date(2025, 3, 1), date(2025, 4, 1)


def bobs(**more: object) -> Service:
    given = {"username": "bob", "server_id": ServerId(1), "registered": date(2024, 1, 1)} | more
    return replace(a_service(), **given)  # type: ignore[arg-type]


def seen(*states: tuple[Service, date]) -> list[AccountIdentity]:
    """What is known after WHMCS has shown these, one after the other."""
    known: dict[tuple[int, str], AccountIdentity] = {}
    for service, day in states:
        for account in after_seeing(service, list(known.values()), day):
            known[account.server, account.username] = account
    return list(known.values())


def test_a_service_is_an_account_from_its_registration_on() -> None:
    [account] = seen((bobs(), DAY))
    assert (account.server, account.username, account.since, account.until) == (1, "bob", date(2024, 1, 1), None)


def test_seeing_it_unchanged_changes_nothing() -> None:
    known = seen((bobs(), DAY))
    assert after_seeing(bobs(), known, LATER) == []


def test_a_move_ends_one_account_and_begins_another() -> None:
    old, new = seen((bobs(), DAY), (bobs(server_id=ServerId(2)), LATER))
    assert (old.server, old.until) == (1, LATER)
    assert (new.server, new.since, new.until) == (2, LATER, None)


def test_a_rename_does_so_too() -> None:
    old, new = seen((bobs(), DAY), (bobs(username="robert"), LATER))
    assert (old.until, new.username, new.since) == (LATER, "robert", LATER)


def test_a_module_that_blanks_the_name_at_the_end_erases_nothing() -> None:
    gone = bobs(username="", server_id=ServerId(0), dedicated_ip="", status=ServiceStatus.TERMINATED)
    [account] = seen((bobs(dedicated_ip="192.0.2.7"), DAY), (gone, LATER))
    assert (account.username, account.until) == ("bob", LATER)
    assert account.proofs == {"dedicated_ip": "192.0.2.7"}


def test_a_second_life_opens_the_same_account_again() -> None:
    ended = bobs(status=ServiceStatus.TERMINATED)
    [account] = seen((bobs(), DAY), (ended, LATER), (bobs(), date(2025, 5, 1)))
    assert (account.since, account.until) == (date(2024, 1, 1), None)


def test_every_sync_keeps_them_also_without_a_store() -> None:
    with House.of() as house:
        service = house.a_service(username="bob")
        house.sync()
        service.server = 2
        house.next_day()
        found = list(house.bridge.journal.deletions.accounts([service_id(service)]))
        assert [(a.server, a.username, a.until) for a in found] == [(1, "bob", house.today), (2, "bob", None)]


def test_what_did_not_change_is_not_written_again() -> None:
    with House.of() as house:
        house.a_service(username="bob")
        house.next_day(2)
        before = house.bridge.journal.version()
        assert keep_accounts(house.bridge.ports) == []
        assert house.bridge.journal.version() == before


# --- machines --------------------------------------------------------------------------------------


def vps(vmid: str = "104", **more: object) -> Service:
    """A machine of the many whose WHMCS user name is root."""
    given: dict[str, object] = {"username": "root", "server_id": ServerId(3), "ids": (("vmid", vmid),) if vmid else ()}
    return bobs(**given | more)


def test_a_machine_is_known_by_its_number_and_not_by_its_user_name() -> None:
    [account] = seen((vps(), DAY))
    assert (account.server, account.username, account.since, account.until) == (3, "104", date(2024, 1, 1), None)
    assert account.is_machine
    assert account.proofs == {"vmid": "104", "numbered_on": "2025-03-01"}


@pytest.mark.parametrize("status", [ServiceStatus.ACTIVE, ServiceStatus.TERMINATED])
def test_what_a_module_blanks_of_a_machine_stays_known(status: ServiceStatus) -> None:
    blank = vps("", status=status, dedicated_ip="")
    found = seen((vps(ids=(("uuid", "U-1"), ("vmid", "104"))), DAY), (blank, LATER))
    until = LATER if status.ended else None
    assert [(a.username, a.proofs.get("uuid"), a.until) for a in found] == [("104", "u-1", until)]
    found = seen((vps(), DAY), (replace(blank, username="", server_id=ServerId(0)), LATER))
    assert [(a.server, a.username) for a in found] == [(3, "104")]


def test_another_number_is_another_machine_from_that_day_on() -> None:
    old, new = seen((vps(), DAY), (vps("205"), LATER))
    assert (old.username, old.until, new.username, new.since) == ("104", LATER, "205", LATER)
    assert new.proofs["numbered_on"] == LATER.isoformat()


def test_another_uuid_under_the_same_number_is_kept_beside_the_first() -> None:
    first, second = (("uuid", "u-1"), ("vmid", "104")), (("uuid", "u-2"), ("vmid", "104"))
    [account] = seen((vps(ids=first), DAY), (vps(ids=second), LATER), (vps(), LATER))
    assert account.proofs["uuid"] == "u-2"
    assert account.recorded("uuid") == {"u-1", "u-2"}
    assert account.recorded("uu") == set()


def test_an_id_that_changes_after_the_end_is_somebody_else_s() -> None:
    ended = vps(ids=(("uuid", "u-2"), ("vmid", "104")), status=ServiceStatus.TERMINATED)
    [account] = seen((vps(ids=(("uuid", "u-1"), ("vmid", "104"))), DAY), (ended, LATER))
    assert account.recorded("uuid") == {"u-1"}


@pytest.mark.parametrize("number", ["99", "0", "pve1/104", "10x", "\u0661\u0660\u0664"])
def test_a_number_that_is_none_names_no_machine(number: str) -> None:
    [account] = seen((vps(number), DAY))
    assert (account.username, account.is_machine) == ("root", False)


def test_what_was_known_by_its_user_name_until_its_number_was_is_no_second_account() -> None:
    before = seen((vps(""), DAY))
    changed = after_seeing(vps(), before, LATER)
    assert [(a.username, a.since) for a in changed] == [("104", date(2024, 1, 1))]
    assert misnamed(vps(), before) == before
    assert misnamed(vps(""), before) == misnamed(vps(), changed) == []


def test_a_service_that_becomes_a_hosting_account_elsewhere_is_known_by_its_name_again() -> None:
    machine, account = seen((vps(), DAY), (bobs(), LATER))
    assert (machine.until, account.username, account.is_machine) == (LATER, "bob", False)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "104", "205"]),
            st.sampled_from(["", "u-1", "u-2"]),
            st.sampled_from(["", "root"]),
            st.sampled_from([0, 3]),
            st.booleans(),
        ),
        max_size=6,
    )
)
@settings(max_examples=60)
def test_whatever_is_shown_afterwards_no_number_and_no_uuid_is_ever_forgotten(shown: list[Any]) -> None:
    ids = [tuple((k, v) for k, v in (("uuid", uuid), ("vmid", number)) if v) for number, uuid, *_ in shown]
    status = [ServiceStatus.TERMINATED if ended else ServiceStatus.ACTIVE for *_, ended in shown]
    states = [
        (vps(ids=one, username=name, server_id=ServerId(server), status=state), LATER)
        for one, (_, _, name, server, _), state in zip(ids, shown, status, strict=True)
    ]
    known = seen((vps(ids=(("uuid", "u-0"), ("vmid", "104"))), DAY), *states)
    assert any(a.username == "104" and "u-0" in a.recorded("uuid") for a in known)
    for number, uuid, _, _, ended in shown:
        assert not number or any(a.username == number for a in known)
        assert not uuid or ended or any(uuid in a.recorded("uuid") for a in known)
    assert len({(a.server, a.username) for a in known}) == len(known)


# --- through the journal ---------------------------------------------------------------------------

ID_FIELDS: dict[str, dict[str, Any]] = {"class": {"hosting": HOSTING}, "backups": {"id_fields": {"vmid": ["VM ID"]}}}


@contextmanager
def a_cluster(*panels: AccountPanel) -> Iterator[tuple[House, Callable[..., Sim]]]:
    """A house whose VPS are machines on server 1, and how to add one: by the number in its custom field."""
    with House.of(ID_FIELDS, stores=[Shelf()]) as house:
        house.world.field_names[7] = "VM ID"
        house.bridge.ports.account_panels = list(panels)
        yield house, lambda number, **more: house.a_service(username="root", customfields={7: number}, **more)


def accounts(house: House, service: Sim) -> list[AccountIdentity]:
    return list(house.bridge.journal.deletions.accounts([service_id(service)]))


def test_every_sync_keeps_what_the_custom_fields_hold() -> None:
    with a_cluster() as (house, vm):
        service = vm("104")
        house.sync()
        service.customfields = {7: ""}
        house.next_day()
        [account] = accounts(house, service)
        assert (account.username, account.proofs["vmid"], account.until) == ("104", "104", None)


def test_a_number_learned_later_takes_the_place_of_the_user_name() -> None:
    with a_cluster() as (house, vm):
        service = vm("")
        house.sync()
        assert [a.username for a in accounts(house, service)] == ["root"]
        service.customfields = {7: "104"}
        house.next_day()
        assert [(a.username, a.until) for a in accounts(house, service)] == [("104", None)]


def test_machines_with_the_same_user_name_are_nobody_s_twins() -> None:
    with a_cluster() as (house, vm):
        one, _ = vm("104"), vm("105")
        house.sync()
        ports = house.bridge.ports
        [account] = accounts(house, one)
        assert twin_of(ports, account) == twin_of(ports, replace(account, username="root")) == ""
        unknown = vm("")
        house.next_day()
        assert f"service {unknown.id} lives" in twin_of(ports, replace(account, username="root"))
        twin = vm("104")
        house.next_day()
        assert f"service {twin.id} lives, and its machine has the same number 104" in twin_of(ports, account)
        [rival] = accounts(house, twin)
        deletions = ports.journal.deletions
        deletions.save_accounts([replace(rival, proofs={**rival.proofs, "uuid": "u-2"})])
        assert twin_of(ports, replace(account, proofs={**account.proofs, "uuid": "u-1"})) == ""
        assert twin_of(ports, replace(account, proofs={**account.proofs, "uuid": "u-2"})) != ""


def test_ids_that_a_hook_knows_are_kept_with_the_account() -> None:
    with House.of() as house:
        service = house.a_service(username="bob")
        house.sync()
        ports = house.bridge.ports
        erase.remember(ports, facts_for(ports, service_id(service)), {"vmid": "104"})
        house.next_day()
        [account] = ports.journal.deletions.accounts([service_id(service)])
        assert (account.username, account.proofs["vmid"]) == ("104", "104")


@pytest.mark.parametrize(("theirs", "twin"), [({"vpsid": "8"}, False), ({"vpsid": "7"}, True), ({}, True)])
def test_machines_known_by_their_user_name_are_no_twins_if_their_numbers_differ(
    theirs: dict[str, str], *, twin: bool
) -> None:
    with House.of() as house:
        one, other = house.a_service(username="root"), house.a_service(username="root")
        house.sync()
        [account], [rival] = accounts(house, one), accounts(house, other)
        ports = house.bridge.ports
        ports.journal.deletions.save_accounts([replace(rival, proofs=theirs)])
        mine = replace(account, proofs={"vpsid": "7"})
        assert bool(twin_of(ports, mine)) is twin
        assert twin_of(ports, account)


# --- ids that panels know ---------------------------------------------------------------------------


def machine(number: str = "104", uuid: str = "u-1") -> LivingAccount:
    return LivingAccount(number, uuid, ids={"uuid": uuid, "mac": "bc:24:11:00:00:01"})


def test_what_a_panel_shows_of_a_machine_is_recorded_once_whmcs_has_said_again_that_it_is_the_service_s() -> None:
    panel = Names(living_now={"104": machine()})
    with a_cluster(panel) as (house, vm):
        service = vm("104")
        house.sync()
        assert set(accounts(house, service)[0].proofs) == {"vmid", "numbered_on"}
        assert keep_panel_ids(house.bridge.ports) == []  # the same reading of WHMCS proves nothing more
        assert "uuid" not in accounts(house, service)[0].proofs
        house.sync()
        [account] = accounts(house, service)
        assert (account.proofs["uuid"], account.proofs["panel_id"]) == ("u-1", "u-1")
        assert account.proofs["mac"] == "bc:24:11:00:00:01"


def test_a_machine_made_while_whmcs_was_read_is_never_the_one_that_ended_then() -> None:
    """Service 1 ends and its number is given away after WHMCS was read and before the panel is asked."""
    panel = Names()
    with a_cluster(panel) as (house, vm):
        service = vm("104")
        panel.living_now["104"] = machine(uuid="u-2")
        house.sync()
        with house.world.acting(Actor.ADMIN):
            house.world.set_service_status(service, ServiceStatus.TERMINATED, recorded=True)
        heir = vm("104")
        house.sync()
        house.sync()
        [ended], [living] = accounts(house, service), accounts(house, heir)
        assert ended.recorded("uuid") == set()
        assert living.recorded("uuid") == {"u-2"}


def test_a_rebuilt_machine_has_two_uuids_and_a_glance_at_another_one_none() -> None:
    panel = Names(living_now={"104": machine()})
    with a_cluster(panel) as (house, vm):
        service = vm("104")
        house.next_day(2)
        panel.living_now["104"] = machine(uuid="u-9")
        house.sync()
        panel.living_now["104"] = machine(uuid="u-2")
        house.sync()
        assert accounts(house, service)[0].recorded("uuid") == {"u-1"}
        house.sync()
        [account] = accounts(house, service)
        assert account.recorded("uuid") == {"u-1", "u-2"}
        assert account.proofs["uuid"] == "u-2"


def test_half_a_reading_of_whmcs_confirms_nothing() -> None:
    panel = Names(living_now={"104": machine()})
    with a_cluster(panel) as (house, vm):
        service = vm("104")
        house.sync()
        house.faults(Fault("GetClientsProducts", FaultKind.WRONG_TOTAL, count=0))
        house.sync()
        house.faults()
        assert "uuid" not in accounts(house, service)[0].proofs
        house.sync()
        assert "uuid" in accounts(house, service)[0].proofs


def test_of_two_services_that_name_one_machine_neither_gets_its_ids() -> None:
    panel = Names(living_now={"104": machine()})
    with a_cluster(panel) as (house, vm):
        one, other = vm("104"), vm("104")
        house.sync()
        report = house.sync()
        assert "panel panel: several services name 104; none of its ids is recorded" in report.problems
        assert not any(a.recorded("uuid") for s in (one, other) for a in accounts(house, s))


def test_a_panel_that_is_away_leaves_what_it_has_shown_once() -> None:
    panel = Names(living_now={"104": machine()})
    with a_cluster(panel) as (house, vm):
        service = vm("104")
        house.sync()
        panel.trouble = StoreUnreachable("panel panel: no answer")
        assert "panel panel: no answer" in house.sync().problems
        panel.trouble = None
        house.sync()
        assert accounts(house, service)[0].recorded("uuid") == {"u-1"}


class OneByOne(Names):
    """A panel that answers for one account at a time."""

    looks = 0

    def living(self) -> Any:
        super().living()
        outer = self

        class Looking(Mapping[str, LivingAccount]):
            def __getitem__(self, name: str) -> LivingAccount:
                outer.looks += 1
                return outer.living_now[name]

            def __iter__(self) -> Iterator[str]:
                return iter(outer.living_now)

            def __len__(self) -> int:
                return len(outer.living_now)

        return Looking()


def test_where_each_look_costs_a_request_what_is_known_is_looked_at_once_a_day() -> None:
    panel = OneByOne(living_now={"104": machine(), "105": machine("105", "u-5")})
    with a_cluster(panel) as (house, vm):
        service = vm("104")
        for looks in (1, 2, 2, 2):
            house.sync()
            assert panel.looks == looks
        vm("105")
        house.sync()
        assert panel.looks == 3
        house.next_day()
        assert panel.looks == 5
        assert accounts(house, service)[0].recorded("uuid") == {"u-1"}


# --- a panel that does not see all ---------------------------------------------------------------------


def sees(house: House) -> list[str]:
    return [problem for problem in house.next_day().problems if "may not see all" in problem]


@pytest.mark.parametrize(
    ("accounts", "named", "blind"),
    [(40, 40, False), (40, 38, False), (40, 36, False), (40, 35, True), (5, 3, False), (5, 2, True), (1, 0, True)],
)
def test_a_panel_that_leaves_out_who_lives_by_whmcs_is_not_believed(accounts: int, named: int, blind: bool) -> None:
    panel = Names()
    with House.of(stores=[Shelf()]) as house:
        house.bridge.ports.account_panels = [panel]
        services = [house.a_service() for _ in range(accounts)]
        for service in services[:named]:
            panel.add(service.username)
        panel.add("not-in-whmcs")
        said = sees(house)
        assert bool(said) == blind == bool(blind_panels(house.bridge.ports))
        for service in services:
            panel.add(service.username)
        assert sees(house) == []
        assert blind_panels(house.bridge.ports) == {}
        if blind:
            assert said == [
                f"panel panel does not name {accounts - named} of {accounts} accounts that live by WHMCS: "
                "its token may not see all; nothing on its servers is deleted until it does"
            ]


def test_orders_that_wait_machines_and_ended_services_are_no_panel_s_accounts() -> None:
    panel = Names()
    with a_cluster(panel) as (house, vm):
        panel.add(house.a_service().username)
        for _ in range(3):
            house.a_service(status=ServiceStatus.PENDING)
            house.a_service(status=ServiceStatus.TERMINATED)
        vm("104"), vm("105"), vm("106")
        assert sees(house) == []


def test_a_cluster_that_leaves_out_machines_is_not_believed_either() -> None:
    panel = OneByOne(living_now={"104": machine()})
    with a_cluster(panel) as (house, vm):
        for number in range(104, 109):
            vm(str(number))
        assert ["4 of 5" in line for line in sees(house)] == [True]
        panel.trouble = StoreUnreachable("panel panel: no answer")
        house.next_day()
        assert blind_panels(house.bridge.ports).keys() == {"panel"}


# --- resellers ----------------------------------------------------------------------------------------


def below(house: House, service: Sim) -> dict[str, date | None]:
    return {a.username: a.until for a in accounts(house, service) if a.under}


def test_what_leaves_a_reseller_ends_there_on_that_day() -> None:
    panel = Names()
    for name, owner in (("agency", ""), ("one", "agency"), ("two", "agency"), ("three", "agency")):
        panel.add(name, owner=owner)
    with House.of(stores=[Shelf()]) as house:
        house.bridge.ports.account_panels = [panel]
        agency, other = house.a_service(username="agency"), house.a_service(username="other")
        panel.add("other")
        house.sync()
        assert below(house, agency) == {"one": None, "two": None, "three": None}
        panel.add("one", owner="other")
        del panel.living_now["two"]
        house.next_day()
        left = house.today
        assert below(house, agency) == {"one": left, "two": left, "three": None}
        [moved] = [a for a in accounts(house, other) if a.under]
        assert (moved.username, moved.since) == ("one", left)
        house.next_day()
        assert below(house, agency) == {"one": left, "two": left, "three": None}
        with house.world.acting(Actor.ADMIN):
            house.world.set_service_status(agency, ServiceStatus.TERMINATED, recorded=True)
        house.sync()
        ended = house.today
        assert below(house, agency) == {"one": left, "two": left, "three": ended}
        with house.world.acting(Actor.ADMIN):
            house.world.set_service_status(agency, ServiceStatus.ACTIVE, recorded=True)
        house.next_day()
        assert below(house, agency) == {"one": left, "two": left, "three": None}


def test_a_service_of_its_own_is_not_its_reseller_s() -> None:
    """WHMCS makes accounts under a reseller's login: WHM says then that they are the reseller's."""
    panel = Names()
    for name, owner in (("agency", ""), ("bob", "agency"), ("kid", "agency")):
        panel.add(name, owner=owner)
    with House.of(stores=[Shelf()]) as house:
        house.bridge.ports.account_panels = [panel]
        agency = house.a_service(username="agency")
        house.a_service(username="bob")
        house.sync()
        assert below(house, agency) == {"kid": None}
        house.a_service(username="kid")
        house.next_day()
        assert below(house, agency) == {"kid": house.today}
        for account in accounts(house, agency):
            assert twin_of(house.bridge.ports, account) == ""
