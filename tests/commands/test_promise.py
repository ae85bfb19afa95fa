"""`promise`: what a client says on the phone, kept as a record with an end."""

from tests.commands.people import People


def test_a_promise_holds_the_suspension_through_its_day(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=1)
    said = people.type(
        "promise", "add", f"service:{service.id}", "--until", people.day(4), "--reason", "salary on Friday"
    )
    assert said == "promise 1 of service 1 until 2025-03-14, by ana: salary on Friday\n"
    people.days(4)
    assert people.status(service) == "Active"
    people.days(1)
    assert people.status(service) == "Suspended"
    assert people.printed("promise", "list", "--all")[0]["state"] == "broken"


def test_a_promise_is_listed_while_it_runs_and_afterwards_with_all(people: People) -> None:
    client, _, invoice = people.a_debtor(overdue=1)
    assert people.type("promise", "list") == "No promise is open.\n"
    people.type(
        "promise", "add", f"client:{client.id}", "--until", people.day(4), "--amount", "5", "--reason", "phoned"
    )
    shown = people.type("promise", "list", "--client", str(client.id))
    assert "client 1" in shown
    assert "5.00" in shown
    assert "2025-03-14" in shown
    assert "ana" in shown
    people.house.pay(invoice)
    people.days(1)
    assert people.type("promise", "list") == "No promise is open. 1 over (--all).\n"
    assert "kept" in people.type("promise", "list", "--all")


def test_json_has_the_record_as_the_export_has_it(people: People) -> None:
    client, _, _ = people.a_debtor(overdue=1)
    found = people.printed(
        "promise", "add", f"client:{client.id}", "--until", people.day(4), "--reason", "phoned", "--by", "Bea",
        "--how", "phone",
    )  # fmt: skip
    assert found["record"] == {
        "number": 1,
        "kind": "promise",
        "state": "open",
        "author": "Bea",
        "reason": "phoned",
        "made_on": "2025-03-10",
        "since": "2025-03-10",
        "until": "2025-03-14",
        "closed_on": None,
        "client": 1,
        "service": None,
        "invoice": None,
        "line": None,
        "amount": None,
        "sort": "",
        "gateway": "",
        "parts": [],
        "discount": None,
        "how": "phone",
        "against": "",
        "closed_by": "",
        "closed_why": "",
    }
    assert found["did"] == []


def test_a_promise_that_was_taken_back_holds_nothing_any_more(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=1)
    people.type("promise", "add", f"service:{service.id}", "--until", people.day(9), "--reason", "phoned")
    said = people.type("promise", "cancel", "1", "--reason", "the wrong client")
    assert "cancelled on 2025-03-10" in said
    people.days(2)
    assert people.status(service) == "Suspended"


BAD = [
    (
        ["12", "--until", "{tomorrow}", "--reason", "x"],
        "12 could be a client or a service: write client:12 or service:12",
    ),
    (["clint:12", "--until", "{tomorrow}", "--reason", "x"], "write client:12 or service:34"),
    (["client:1", "--until", "{yesterday}", "--reason", "x"], "--until 2025-03-09 is past; today is 2025-03-10"),
    (["client:1", "--until", "Friday", "--reason", "x"], "'Friday' is no day: write it as 2026-03-31"),
    (["client:1", "--until", "{tomorrow}", "--reason", "  "], "say why"),
    (["client:1", "--until", "{tomorrow}", "--reason", "x" * 301], "is 301 characters long, 300 are kept"),
    (["client:1", "--until", "{tomorrow}"], "Missing option '--reason'"),
    (["client:1", "--until", "{tomorrow}", "--amount", "0", "--reason", "x"], "'0' is no amount"),
    (["client:1", "--until", "{tomorrow}", "--amount", "1.999", "--reason", "x"], "'1.999' is no amount"),
    (["client:1", "--until", "{tomorrow}", "--amount", "10.01", "--reason", "x"], "10.01 is more than"),
    (["client:99", "--until", "{tomorrow}", "--reason", "x"], "client 99"),
    (["service:99", "--until", "{tomorrow}", "--reason", "x"], "service 99"),
    (["client:1", "--until", "{late}", "--reason", "x"], "beyond the 10 days"),
]


def test_whatever_is_wrong_is_one_line_and_nothing_is_recorded(people: People) -> None:
    people.a_debtor(overdue=1)
    days = {"tomorrow": people.day(1), "yesterday": people.day(-1), "late": people.day(11)}
    for args, line in BAD:
        said = people.refused("promise", "add", *(arg.format(**days) for arg in args))
        assert line in said, args
        assert said.count("\n") == 0
    assert people.printed("promise", "list", "--all") == []


def test_a_second_promise_while_one_runs_is_refused(people: People) -> None:
    people.a_debtor(overdue=1)
    people.type("promise", "add", "client:1", "--until", people.day(2), "--reason", "phoned")
    assert "promise" in people.refused("promise", "add", "service:1", "--until", people.day(3), "--reason", "phoned")
    assert len(people.printed("promise", "list", "--all")) == 1


def test_what_is_not_there_cannot_be_taken_back(people: People) -> None:
    people.a_debtor(overdue=1)
    people.type("hold", "set", "client:1", "--kind", "other", "--reason", "heirs")
    assert "no promise 7" in people.refused("promise", "cancel", "7")
    assert "1 is a hold" in people.refused("promise", "cancel", "1")
    people.type("promise", "add", "client:1", "--until", people.day(2), "--reason", "phoned")
    people.type("promise", "cancel", "2")
    assert "2 is cancelled since 2025-03-10" in people.refused("promise", "cancel", "2")


def test_a_list_of_nobody_is_refused(people: People) -> None:
    people.a_debtor(overdue=1)
    assert "no client 9 in the mirror" in people.refused("promise", "list", "--client", "9")
    assert "no service 9 in the mirror" in people.refused("promise", "list", "--service", "service:9")
