"""Whose accounts there were, kept while services live: moves, renames, blanks, ends and second lives."""

from dataclasses import replace
from datetime import date

from tests.builders import a_service
from tests.house import House, service_id
from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.ids import ServerId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs import erase
from whmcs_bridge.jobs.backup_accounts import after_seeing, keep_accounts
from whmcs_bridge.jobs.explain import facts_for

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


def test_ids_that_a_hook_knows_are_kept_with_the_account() -> None:
    with House.of() as house:
        service = house.a_service(username="bob")
        house.sync()
        ports = house.bridge.ports
        erase.remember(ports, facts_for(ports, service_id(service)), {"vmid": "104"})
        house.next_day()
        [account] = ports.journal.deletions.accounts([service_id(service)])
        assert account.proofs["vmid"] == "104"
