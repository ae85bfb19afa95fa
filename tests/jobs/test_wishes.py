"""What clients ask for themselves: off until the house wants it, signed, one client's own, once, under the rules."""

from dataclasses import replace
from typing import Any

import pytest

from hooks import HANDLERS
from tests.house import HOSTING, House, client_id, service_id
from tests.screens.page import Page, on_panel, panel
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.records import RecordKind, RecordState
from whmcs_bridge.errors import RecordRefused
from whmcs_bridge.hookpoints import Actor, HookEvent, Tell
from whmcs_bridge.jobs.wishes import link_for
from whmcs_bridge.settings.secret import Secret
from whmcs_bridge.simulator.records import Client, Service, Ticket

PHRASES: dict[str, Any] = {"ticket_phrases": ["please unlock"]}


def a_house(*, on: bool = True, **requests: Any) -> House:
    config = {
        "class": {"hosting": HOSTING},
        "trust_release": {"on_request": on},
        "promises": {"on_request": on},
        "requests": {"link": True, **requests},
    }
    house = House.of(config)
    settings = house.bridge.settings
    house.bridge.ports.settings = replace(settings, hooks=replace(settings.hooks, secret=Secret.given("s3cret")))
    return house


def a_debtor(house: House, overdue: int = 3) -> tuple[Client, Service]:
    client, service, _ = house.a_debtor(overdue=overdue)
    client.created = house.day(-1100)
    house.sync()
    return client, service


def a_link(house: House, client: Client, service: Service, kind: RecordKind = RecordKind.RELEASE) -> str:
    return link_for(house.bridge.ports, kind, service_id(service), client_id(client))


# --- links ------------------------------------------------------------------------------------------


def test_a_link_releases_the_service_once_and_says_who_asked() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        link = a_link(house, client, service)
        kept = house.bridge.redeem_link(link, client_id(client))
        assert service.status == "Active"
        assert (kept.kind, kept.author, kept.until) == (RecordKind.RELEASE, "client", house.day(3))
        with pytest.raises(RecordRefused, match="it works once"):
            house.bridge.redeem_link(link, client_id(client))
        assert len(house.bridge.journal.records()) == 1


def test_the_same_page_offers_the_same_link_all_day() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        first = a_link(house, client, service)
        assert a_link(house, client, service) == first
        house.next_day()
        assert a_link(house, client, service) != first


def test_a_link_that_was_used_under_a_promise_does_not_work_again_when_that_is_over() -> None:
    with a_house() as house:
        client, service = a_debtor(house, overdue=1)
        link = a_link(house, client, service, RecordKind.PROMISE)
        kept = house.bridge.redeem_link(link, client_id(client))
        assert kept.until == house.day(5)
        house.bridge.end_record(kept.id, RecordKind.PROMISE, RecordState.CANCELLED, author="ana")
        with pytest.raises(RecordRefused, match="it works once"):
            house.bridge.redeem_link(link, client_id(client))


def test_a_link_is_one_clients_own() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        with pytest.raises(RecordRefused, match="another client's"):
            house.bridge.redeem_link(a_link(house, client, service), ClientId(99))
        assert service.status == "Suspended"


def test_a_link_that_was_changed_is_nobodys() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        link = a_link(house, client, service)
        body, _, signature = link.rpartition(".")
        for bad in ("", "x", "....", link[:-1], link + "0", f"{body}9.{signature}", link.replace("release", "promise")):
            with pytest.raises(RecordRefused, match="not one of ours"):
                house.bridge.redeem_link(bad, client_id(client))
        house.bridge.ports.settings = replace(
            house.bridge.settings, hooks=replace(house.bridge.settings.hooks, secret=Secret.given("another"))
        )
        with pytest.raises(RecordRefused, match="not one of ours"):
            house.bridge.redeem_link(link, client_id(client))


def test_a_link_grows_too_old() -> None:
    with a_house(link_hours=24) as house:
        client, service = a_debtor(house)
        link = a_link(house, client, service)
        house.pass_days(2)
        with pytest.raises(RecordRefused, match="too old"):
            house.bridge.redeem_link(link, client_id(client))


def test_the_rules_say_no_to_the_client_as_to_staff_and_the_link_is_not_used_up() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        link = a_link(house, client, service)
        client.created = house.day(-200)
        house.sync()
        with pytest.raises(RecordRefused, match="no tier"):
            house.bridge.redeem_link(link, client_id(client))
        client.created = house.day(-1100)
        house.sync()
        house.bridge.redeem_link(link, client_id(client))
        assert service.status == "Active"


def test_it_is_off_unless_the_house_switches_it_on() -> None:
    with a_house(on=False) as house:
        client, service = a_debtor(house)
        assert a_link(house, client, service) == ""
        assert panel(house, client.id)["children"] == []
    with a_house() as house:
        client, service = a_debtor(house)
        link = a_link(house, client, service)
        policy = house.bridge.settings.policy
        off = replace(policy, trust_release=replace(policy.trust_release, on_request=False))
        house.bridge.ports.settings = replace(house.bridge.settings, policy=off)
        with pytest.raises(RecordRefused, match="may not ask for a release themselves"):
            house.bridge.redeem_link(link, client_id(client))


# --- the client area --------------------------------------------------------------------------------


def test_the_client_area_offers_the_link_and_says_what_became_of_it() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        (child,) = panel(house, client.id)["children"]
        assert child["label"].startswith(f"Switch {service.domain} on again until March 13, 2025")
        address, _, token = child["uri"].partition("=")
        assert address == "clientarea.php?whmcs_bridge_ask"
        page = on_panel(house, client.id, ask=token, confirmed="yes")
        assert f"Your request is recorded: {service.domain}, until March 13, 2025." in page.text
        (kept,) = house.bridge.journal.records()
        assert (kept.kind, kept.author) == (RecordKind.RELEASE, "client")
        assert service.status == "Suspended", "WHMCS's page does not wait for the module"
        (event,) = house.bridge.journal.waiting_events(house.bridge.ports.now())
        assert (event.client, event.payload["actor"]) == (client_id(client), Actor.CLIENT)
        again = on_panel(house, client.id, ask=token, confirmed="yes")
        assert "Your request could not be granted" in again.text
        assert len(house.bridge.journal.records()) == 1


@pytest.mark.parametrize("confirmed", ["", "no", "1"])
def test_opening_the_link_asks_for_nothing_however_often_and_leaves_it_whole(confirmed: str) -> None:
    """Mail programs and browsers open links by themselves; the form that is shown does what the client wants."""
    with a_house() as house:
        client, service = a_debtor(house)
        link = a_link(house, client, service)
        for _ in range(3):
            shown = panel(house, client.id, ask=link, confirmed=confirmed)
            assert shown["confirm"]["ask"] == link
            assert shown["confirm"]["text"].startswith(f"Switch {service.domain} on again until March 13, 2025")
            assert (shown["confirm"]["button"], shown["confirm"]["back"]) == ("Yes, please", "No, go back")
            assert shown["children"] == []
            assert "request" not in Page.of(shown["html"]).text
        assert house.bridge.journal.records() == []
        assert house.bridge.journal.waiting_events(house.bridge.ports.now()) == []
        assert "is recorded" in on_panel(house, client.id, ask=link, confirmed="yes").text
        assert len(house.bridge.journal.records()) == 1


def test_the_form_is_shown_to_nobody_else_and_not_where_the_rules_say_no() -> None:
    with a_house(link_hours=24) as house:
        client, service = a_debtor(house)
        other, theirs = a_debtor(house)
        link = a_link(house, client, service)
        for who, token in (
            (other, link),
            (client, link[:-1]),
            (client, "release.1.2"),
            (client, a_link(house, client, theirs)),
        ):
            shown = panel(house, who.id, ask=token)
            assert "confirm" not in shown
            assert "Your request could not be granted" in Page.of(shown["html"]).text
        client.created = house.day(-200)
        house.sync()
        assert "confirm" not in panel(house, client.id, ask=link)
        assert house.bridge.journal.records() == []


def test_the_name_of_a_service_is_no_markup_in_the_form() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        service.domain = "<img src=x onerror=alert(1)>"
        house.sync()
        shown = panel(house, client.id, "dutch", ask=a_link(house, client, service))
        assert shown["confirm"]["text"].startswith("&lt;img src=x onerror=alert(1)&gt; weer inschakelen")
        assert shown["confirm"]["button"] == "Ja, graag"


def test_the_name_of_a_service_is_no_markup_in_the_link_that_the_client_area_prints() -> None:
    with a_house() as house:
        client, service = a_debtor(house)
        service.domain = "<img src=x onerror=alert(1)>"
        house.sync()
        (child,) = panel(house, client.id)["children"]
        assert child["label"].startswith("Switch &lt;img src=x onerror=alert(1)&gt; on again")


def test_what_is_up_is_offered_a_promise() -> None:
    with a_house() as house:
        client, service = a_debtor(house, overdue=1)
        (child,) = panel(house, client.id)["children"]
        assert child["label"] == f"I will pay for {service.domain} by March 15, 2025"


# --- tickets ----------------------------------------------------------------------------------------


def a_ticket(house: House, client: Client, subject: str) -> HookEvent:
    """A ticket as the shim tells of it: its number, and not a word of it."""
    world = house.world
    ticket = Ticket(0, f"T{len(world.tickets)}", "code", 1, client.id, subject, "text", world.clock, world.clock)
    world.add_ticket(ticket)
    told = {"ticketid": str(ticket.id), "userid": str(client.id), "deptid": "1"}
    return HookEvent("TicketOpen", told, house.bridge.ports.now(), Actor.CLIENT)


def tell(house: House, event: HookEvent) -> None:
    handler = HANDLERS[event.point]
    assert isinstance(handler, Tell)
    handler.handle(event, house.bridge)


def wishes(house: House) -> list[tuple[RecordKind, str]]:
    return [(r.kind, r.how) for r in house.bridge.journal.records() if r.kind is not RecordKind.CONTACT]


def test_a_ticket_with_the_phrase_in_its_subject_is_a_wish_and_a_repeat_of_it_is_none() -> None:
    with a_house(**PHRASES) as house:
        client, service = a_debtor(house)
        ticket = a_ticket(house, client, "Paid today,  PLEASE Unlock my site")
        for _ in range(2):
            tell(house, ticket)
        assert wishes(house) == [(RecordKind.RELEASE, f"ticket {ticket.number('ticketid')}")]
        assert service.status == "Active"


def test_other_tickets_are_signs_of_life_and_no_more() -> None:
    with a_house(**PHRASES) as house:
        client, service = a_debtor(house)
        tell(house, a_ticket(house, client, "How do I set up mail?"))
        assert wishes(house) == []
        assert len(house.bridge.journal.records(kind=RecordKind.CONTACT)) == 1
        assert service.status == "Suspended"


def test_a_ticket_that_could_mean_two_services_is_left_to_staff() -> None:
    with a_house(**PHRASES) as house:
        client, _ = a_debtor(house)
        other = house.a_service(client)
        house.an_invoice(other, due=-5)
        house.sync()
        tell(house, a_ticket(house, client, "please unlock"))
        assert wishes(house) == []


def test_a_ticket_for_what_is_up_is_a_promise() -> None:
    with a_house(**PHRASES) as house:
        client, _ = a_debtor(house, overdue=1)
        tell(house, a_ticket(house, client, "please unlock, I pay on Friday"))
        assert [kind for kind, _ in wishes(house)] == [RecordKind.PROMISE]


def test_no_ticket_is_read_where_the_house_has_no_phrases() -> None:
    with a_house() as house:
        client, _ = a_debtor(house)
        tell(house, a_ticket(house, client, "please unlock"))
        assert "GetTicket" not in house.bridge.panel.calls()
