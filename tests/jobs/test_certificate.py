"""The certificate is fit to be sent: it says what is so, and nothing of anybody else."""

import json
import re
from datetime import date
from typing import Any

import pytest

from tests.house import House, service_id
from tests.jobs.shelves import Lie, Shelf
from tests.jobs.test_deletions import MADE, a_house, end, plan_of, set_status
from whmcs_bridge.domain.backups import Probe
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.jobs import backup_desk
from whmcs_bridge.jobs.backup_certificate import EVENT_SAYS, STORE_SAYS, certificate, certificate_lines
from whmcs_bridge.screens.page import fill
from whmcs_bridge.simulator.records import Service

NEIGHBOUR = "alice"
SECRET = "hunter2-of-the-store"


def shown(house: House, service: Service) -> tuple[dict[str, Any], str]:
    """The certificate, and all three forms of it in one text."""
    told = certificate(house.bridge.ports, service_id(service))
    forms = ("\n".join(certificate_lines(told)), json.dumps(told, default=str), fill("certificate.html", it=told))
    return told, "\n".join(forms)


def test_items_that_may_be_others_are_counted_and_not_named() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        shelf.put("site1", f"of-all/{NEIGHBOUR}-and-site1.tar", MADE, shared=True)
        end(house, service)
        house.next_day()
        told, text = shown(house, service)
        [left] = told["left"]
        assert (left["locator"], left["size"], left["at"], len(left["mark"])) == (None, None, None, 12)
        assert left["mark"] in text
        assert NEIGHBOUR not in text


def test_of_a_name_that_others_had_too_nothing_that_is_left_is_named() -> None:
    """What may have been made while another client had the name is that client's affair; and so is their number."""
    shelf = Shelf()
    with a_house(shelf) as house:
        first = house.a_service(username="bob", registered=date(2023, 1, 1))
        house.sync()
        set_status(house, first, ServiceStatus.TERMINATED)
        house.next_day(2)
        second = house.a_service(username="bob", registered=house.today)
        shelf.put("bob", f"{NEIGHBOUR}-2024", date(2024, 5, 1))
        house.sync()
        shelf.put("bob", "on-the-border", house.today)
        house.pass_days(20)
        shelf.put("bob", "mine", house.today)
        end(house, second)
        house.next_day()
        plan = plan_of(house, second)
        assert any(f"service {first.id}" in one.why for one in plan.untouched)
        told, text = shown(house, second)
        assert told["left"]
        assert {one["locator"] for one in told["left"]} == {None}
        assert "bob/on-the-border" not in text
        assert NEIGHBOUR not in text
        assert not re.search(rf"service {first.id}\b", text)


def test_an_item_that_can_be_nobody_elses_is_named_with_a_reason() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "ancient", date(2011, 1, 1))
        end(house, service)
        house.next_day()
        told, text = shown(house, service)
        assert [one["locator"] for one in told["left"]] == ["site1/ancient"]
        assert "nothing proves that it is this account&#39;s and nobody else&#39;s" in text


def test_a_halt_says_nothing_of_the_neighbour_that_vanished() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        shelf.put(NEIGHBOUR, "full", MADE)
        shelf.lie = Lie.NEIGHBOUR
        end(house, service)
        house.next_day()
        assert NEIGHBOUR in str(plan_of(house, service).stores)
        assert NEIGHBOUR not in shown(house, service)[1]


@pytest.mark.parametrize("how", ["away", "blind"])
def test_what_a_store_answers_is_said_in_our_words(how: str) -> None:
    """An error may name a neighbour's path, a machine, or worse."""
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        line = f"cannot read accounts/{NEIGHBOUR}: permission denied ({SECRET})"
        if how == "away":
            shelf.trouble = StoreUnreachable(line)
        else:
            shelf.state = Probe(complete=False, why=line)
        house.next_day()
        assert NEIGHBOUR in str(plan_of(house, service).stores)
        told, text = shown(house, service)
        assert NEIGHBOUR not in text
        assert SECRET not in text
        assert (told["outcome"], "could not be listed completely" in told["verdict"]) == ("open", True)


def test_a_frozen_deletion_does_not_say_who_has_the_name_now() -> None:
    shelf = Shelf()
    with a_house(shelf, layer={"delete_backups_after_days": 30}) as house:
        service = house.a_service(username="bob")
        shelf.put("bob", "full", MADE)
        end(house, service)
        other = house.a_service(username="bob")
        house.next_day()
        told, text = shown(house, service)
        assert told["outcome"] == "frozen"
        assert not re.search(rf"service {other.id}\b", text)


def test_every_outcome_has_a_word_and_a_sentence_of_its_own() -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"max_items": 1}) as house:
        service = house.a_service()
        for name in ("a", "b"):
            shelf.put("site1", name, MADE)
        end(house, service)
        house.next_day()
        assert shown(house, service)[0]["outcome"] == "waits"
        backup_desk.approve_plan(house.bridge.ports, plan_of(house, service).digest)
        house.next_day()
        told, text = shown(house, service)
        assert (told["outcome"], told["complete"], told["left"]) == ("complete", True, [])
        assert "Every store named here was listed completely" in text
        assert "Gone since" in text
        again = certificate(house.bridge.ports, service_id(service))
        house.next_day()
        later = certificate(house.bridge.ports, service_id(service))
        assert len(later["stores"][0]["verified_again"]) > len(again["stores"][0]["verified_again"])


def test_a_certificate_needs_nothing_from_elsewhere_and_escapes_what_it_shows() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "<script>alert(1)</script>", MADE)
        end(house, service)
        house.next_day()
        page = fill("certificate.html", it=certificate(house.bridge.ports, service_id(service)))
        assert "<script" not in page
        assert not re.search(r"""(?:src|href)=|url\(|@import|https?://""", page)
        assert page.startswith("<!doctype html>")


def test_every_state_of_a_store_and_every_kind_of_record_has_words_for_people() -> None:
    from whmcs_bridge.domain.deletions import ItemState

    assert set(STORE_SAYS) == set(ItemState)
    assert all(text and text[0].islower() for text in (*STORE_SAYS.values(), *EVENT_SAYS.values()))
