"""`dispute`: what a client denies is no debt until it is resolved; the rest still counts."""

from tests.commands.people import People
from whmcs_bridge.simulator.records import Client, Invoice, Service


def two_lines(people: People, overdue: int = 3) -> tuple[Client, Service, Invoice]:
    """A client with a service and an addon on one invoice."""
    client = people.house.a_client()
    service = people.house.a_service(client)
    addon = people.house.an_addon(service)
    invoice = people.house.an_invoice(
        service, due=-overdue, lines=[("Hosting", service.id, 1000), ("Addon", addon.id, 300)]
    )
    people.sync()
    return client, service, invoice


def test_a_service_that_was_down_only_for_what_is_disputed_comes_back_and_goes_down_if_the_house_is_right(
    people: People,
) -> None:
    _, service, invoice = people.a_debtor(overdue=3)
    said = people.type("dispute", "open", f"{invoice.id}", "--until", people.day(10), "--reason", "never ordered it")
    assert said.splitlines() == [
        "dispute 1 of invoice 1 until 2025-03-20, by ana: never ordered it",
        "  unsuspend of service 1: done",
    ]
    people.days(2)
    assert people.status(service) == "Active"
    over = people.type("dispute", "resolve", "1", "--outcome", "host", "--reason", "signed for")
    assert "[resolved on 2025-03-12 by ana: signed for]" in over
    people.days(1)
    assert people.status(service) == "Suspended"


def test_resolved_for_the_client_it_is_no_debt_any_more(people: People) -> None:
    _, service, invoice = people.a_debtor(overdue=3)
    people.type("dispute", "open", f"invoice:{invoice.id}", "--until", people.day(2), "--reason", "billed twice")
    people.type("dispute", "resolve", "1", "--outcome", "client")
    people.days(5)
    assert people.status(service) == "Active"
    assert people.printed("dispute", "list", "--all")[0]["state"] == "upheld"


def test_of_a_disputed_line_the_rest_still_counts(people: People) -> None:
    _, service, invoice = two_lines(people)
    said = people.type(
        "dispute", "open", f"{invoice.id}", "--line", "2", "--until", people.day(10), "--reason", "cancelled long ago"
    )
    assert said.startswith("dispute 1 of line 2 of invoice 1 until 2025-03-20")
    assert people.status(service) == "Suspended"
    people.house.pay(invoice, 1000)
    people.days(1)
    assert people.status(service) == "Active"


def test_what_cannot_be_disputed_is_one_line(people: People) -> None:
    _, _, invoice = two_lines(people)
    day = people.day(5)
    for args, line in (
        (["99", "--until", day, "--reason", "x"], "invoice 99 is not in the mirror"),
        (["client:1", "--until", day, "--reason", "x"], "'client:1' is no invoice"),
        (
            [f"{invoice.id}", "--line", "3", "--until", day, "--reason", "x"],
            "invoice 1 has no line 3; its lines are: 1 ",
        ),
        ([f"{invoice.id}", "--until", people.day(-1), "--reason", "x"], "--until 2025-03-09 is past"),
        ([f"{invoice.id}", "--amount", "13.01", "--until", day, "--reason", "x"], "13.01 is more than"),
    ):
        said = people.refused("dispute", "open", *args)
        assert line in said, (args, said)
    assert people.printed("dispute", "list", "--all") == []


def test_it_is_disputed_once(people: People) -> None:
    _, _, invoice = two_lines(people)
    people.type("dispute", "open", f"{invoice.id}", "--until", people.day(5), "--reason", "x")
    assert "dispute 1 about it is open; resolve that one first" in people.refused(
        "dispute", "open", f"{invoice.id}", "--until", people.day(5), "--reason", "x"
    )
    people.type("dispute", "resolve", "1", "--outcome", "host")
    assert "1 is resolved since 2025-03-10" in people.refused("dispute", "resolve", "1", "--outcome", "client")


def test_what_was_decided_for_the_house_is_not_disputed_again_but_by_override(people: People) -> None:
    _, service, invoice = people.a_debtor(overdue=3)
    again = ("dispute", "open", f"{invoice.id}", "--until", people.day(10), "--reason", "still says so")
    people.type(*again)
    people.type("dispute", "resolve", "1", "--outcome", "host", "--reason", "signed for")
    people.days(1)
    said = people.refused(*again)
    assert "dispute 1 about it was decided for the house on 2025-03-10" in said
    assert "--override" in said
    assert people.status(service) == "Suspended"
    people.type(*again, "--override")
    assert people.status(service) == "Active"
