"""`arrangement`: what is owed is paid in parts; services return with the first."""

from tests.commands.people import People


def test_the_service_returns_with_the_first_part_and_goes_down_with_a_missed_one(people: People) -> None:
    _, service, invoice = people.a_debtor(overdue=3)
    said = people.type(
        "arrangement",
        "add",
        "1",
        "--part",
        f"4@{people.day(2)}",
        "--part",
        f"6@{people.day(20)}",
        "--reason",
        "ticket 9",
    )
    assert said == "arrangement 1 of client 1, 4.00 by 2025-03-12, 6.00 by 2025-03-30, by ana: ticket 9\n"
    people.days(1)
    assert people.status(service) == "Suspended"
    people.house.pay(invoice, 400)
    people.days(1)
    assert people.status(service) == "Active"
    assert "4.00 by 2025-03-12" in people.type("arrangement", "list")
    people.days(18)
    assert people.status(service) == "Active"
    people.days(1)
    assert people.status(service) == "Suspended"
    assert people.printed("arrangement", "list", "--all")[0]["state"] == "broken"


def test_a_discount_is_kept_for_staff_to_book(people: People) -> None:
    people.a_debtor(overdue=1)
    found = people.printed(
        "arrangement", "add", "client:1", "--part", f"8@{people.day(2)}", "--discount", "2", "--reason", "the owner"
    )
    assert found["record"]["parts"] == [{"amount": "8", "on": "2025-03-12"}]
    assert found["record"]["discount"] == "2"


def test_one_that_is_cancelled_protects_nothing(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=1)
    people.type("arrangement", "add", "1", "--part", f"10@{people.day(5)}", "--reason", "ticket 9")
    assert "[cancelled on 2025-03-10 by ana" in people.type("arrangement", "cancel", "1", "--reason", "all at once")
    people.days(2)
    assert people.status(service) == "Suspended"


def test_what_is_wrong_is_one_line(people: People) -> None:
    people.a_debtor(overdue=1)
    day, later = people.day(2), people.day(12)
    for args, line in (
        (["1", "--part", "10", "--reason", "x"], "'10' is no part: write it as 50.00@2026-03-20"),
        (["1", "--part", "ten@2025-04-01", "--reason", "x"], "'ten' is no amount"),
        (["1", "--part", "10@May", "--reason", "x"], "'May' is no day"),
        (["1", "--part", f"10@{people.day(-1)}", "--reason", "x"], "which is past"),
        (["1", "--part", f"11@{day}", "--reason", "x"], "the debt of 10"),
        (["1", "--part", f"5@{later}", "--part", f"5@{day}", "--reason", "x"], "in the order of their days"),
        (["1", "--reason", "x"], "Missing option '--part'"),
        (["9", "--part", f"10@{day}", "--reason", "x"], "client 9 is not in the mirror"),
        (["1", "--part", f"1@{day}", "--part", f"9@{later}", "--reason", "x"], "it has to be 3.00 or more"),
    ):
        said = people.refused("arrangement", "add", *args)
        assert line in said, (args, said)
    assert people.printed("arrangement", "list", "--all") == []
