"""`hold` and `freeze`: nothing harmful to one client, and a clock that stands still for all."""

from tests.commands.people import People


def test_a_hold_withholds_everything_harmful_until_it_is_lifted(people: People) -> None:
    client, service, _ = people.a_debtor(overdue=1)
    said = people.type("hold", "set", f"client:{client.id}", "--kind", "legal", "--reason", "court order 55/26")
    assert said == "hold 1 (legal) of client 1, by ana: court order 55/26\n"
    people.days(20)
    assert people.status(service) == "Active"
    assert "legal" in people.type("hold", "list")
    people.type("hold", "lift", "1", "--reason", "closed by the court")
    people.days(1)
    assert people.status(service) == "Suspended"


def test_a_hold_with_an_end_ends_by_itself(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=1)
    people.type("hold", "set", "service:1", "--kind", "other", "--until", people.day(5), "--reason", "heirs")
    people.days(5)
    assert people.status(service) == "Active"
    people.days(1)
    assert people.status(service) == "Suspended"


def test_a_hold_that_is_wrong_is_one_line(people: People) -> None:
    people.a_debtor(overdue=1)
    for args, line in (
        (["1", "--kind", "legal", "--reason", "x"], "1 could be a client or a service"),
        (["client:1", "--kind", "moral", "--reason", "x"], "'moral' is not one of 'legal', 'other'"),
        (["client:1", "--reason", "x"], "Missing option '--kind'"),
        (["client:1", "--kind", "other", "--until", people.day(-1), "--reason", "x"], "--until 2025-03-09 is past"),
        (["service:9", "--kind", "other", "--reason", "x"], "service 9 is not in the mirror"),
    ):
        assert line in people.refused("hold", "set", *args), args
    assert people.printed("hold", "list", "--all") == []


def test_a_freeze_lets_the_clock_stand_still_for_its_days(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=1)
    said = people.type(
        "freeze", "add", "--from", people.day(0), "--until", people.day(2), "--reason", "the bank was down"
    )
    assert said == "freeze 1 of every client until 2025-03-12, by ana: the bank was down\n"
    people.days(4)
    assert people.status(service) == "Active"
    people.days(1)
    assert people.status(service) == "Suspended"


def test_a_freeze_of_one_gateway_can_be_ended(people: People) -> None:
    people.type(
        "freeze",
        "add",
        "--from",
        people.day(0),
        "--until",
        people.day(9),
        "--gateway",
        "boleto",
        "--reason",
        "no boletos",
    )
    assert "clients who pay by boleto" in people.type("freeze", "list")
    people.type("freeze", "end", "1", "--reason", "the gateway is back")
    assert people.printed("freeze", "list", "--all")[0]["state"] == "lifted"


def test_a_freeze_that_is_wrong_is_one_line(people: People) -> None:
    for args, line in (
        (["--from", people.day(2), "--until", people.day(1), "--reason", "x"], "lies before --from 2025-03-12"),
        (["--from", people.day(0), "--reason", "x"], "Missing option '--until'"),
        (["--from", people.day(-90), "--until", people.day(-80), "--reason", "x"], "what followed is done"),
        (["--from", "Monday", "--until", people.day(1), "--reason", "x"], "'Monday' is no day"),
    ):
        assert line in people.refused("freeze", "add", *args), args
    assert people.printed("freeze", "list", "--all") == []


def test_a_day_that_is_years_away_is_one_line_whatever_is_recorded(people: People) -> None:
    people.a_debtor(overdue=1)
    why = ("--reason", "x")
    for args in (
        ("freeze", "add", "--from", people.day(0), "--until", "9999-12-31", *why),
        ("freeze", "add", "--from", "0001-01-01", "--until", people.day(0), *why),
        ("hold", "set", "client:1", "--kind", "legal", "--until", "9999-12-31", *why),
        ("dispute", "open", "1", "--until", "9999-12-31", *why),
        ("promise", "add", "client:1", "--until", "9999-12-31", *why, "--override"),
        ("receipt", "add", "1", "--via", "bank", "--until", "9999-12-31", "--override", *why),
        ("arrangement", "add", "client:1", "--part", "5@9999-12-31", "--part", "5@9999-12-31", *why, "--override"),
        ("vip", "pin", "1", "--until", "9999-12-31", *why),
    ):
        line = people.refused(*args)
        assert "is more than 10 years from today, 2025-03-10: write the day that is meant" in line, args
    assert people.printed("hold", "list", "--all") == people.printed("freeze", "list", "--all") == []
    assert people.type("hold", "set", "client:1", "--kind", "legal", "--until", people.day(3650), *why)
