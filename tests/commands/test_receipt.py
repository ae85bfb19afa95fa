"""`receipt`: somebody says that it is paid. It lifts nothing; it can hold for some bank days."""

from tests.commands.people import People


def test_it_holds_harmful_steps_for_some_bank_days_and_lifts_nothing(people: People) -> None:
    _, service, invoice = people.a_debtor(overdue=1)
    _, down, other = people.a_debtor(overdue=3)
    said = people.type("receipt", "add", f"{invoice.id}", "--via", "client", "--reason", "mailed a photo")
    assert said == "receipt 1 (client) of invoice 1 until 2025-03-13, by ana: mailed a photo\n"
    people.type("receipt", "add", f"{other.id}", "--via", "bank")
    people.days(3)
    assert people.status(service) == "Active"
    assert people.status(down) == "Suspended"
    people.days(1)
    assert people.status(service) == "Suspended"


def test_a_verified_one_is_over(people: People) -> None:
    _, _, invoice = people.a_debtor(overdue=1)
    people.type("receipt", "add", f"invoice:{invoice.id}", "--via", "bank")
    assert "1 (bank) of invoice 1" in people.type("receipt", "verify", "1")
    assert people.type("receipt", "list") == "No receipt is open. 1 over (--all).\n"
    assert people.printed("receipt", "list", "--all")[0]["state"] == "verified"


def test_a_forged_one_bars_the_next_and_never_helps_again(people: People) -> None:
    _, service, invoice = people.a_debtor(overdue=1)
    people.type("receipt", "add", f"{invoice.id}", "--via", "client")
    people.type("receipt", "reject", "1", "--forged", "--reason", "the bank has no such transfer")
    said = people.refused("receipt", "add", f"{invoice.id}", "--via", "client")
    assert said.startswith("receipt 1 of this client was forged")
    people.days(2)
    assert people.status(service) == "Suspended"
    assert people.printed("receipt", "list", "--all")[0]["state"] == "forged"


def test_one_that_proves_nothing_bars_nothing(people: People) -> None:
    _, _, invoice = people.a_debtor(overdue=1)
    people.type("receipt", "add", f"{invoice.id}", "--via", "client")
    assert "already waits" in people.refused("receipt", "add", f"{invoice.id}", "--via", "client")
    people.type("receipt", "reject", "1", "--reason", "of another invoice")
    people.type("receipt", "add", f"{invoice.id}", "--via", "client")


def test_what_is_wrong_is_one_line(people: People) -> None:
    _, _, invoice = people.a_debtor(overdue=1)
    for args, line in (
        (["99", "--via", "client"], "invoice 99 is not in the mirror"),
        (["1", "--via", "post"], "'post' is not one of 'client', 'bank'"),
        (["1"], "Missing option '--via'"),
        (["1", "--via", "bank", "--until", people.day(-1)], "--until 2025-03-09 is past"),
        (["1", "--via", "bank", "--until", people.day(30)], "is beyond 3 bank days"),
    ):
        assert line in people.refused("receipt", "add", *args), args
    assert people.printed("receipt", "list", "--all") == []
    assert invoice.id == 1
    assert "no receipt 7" in people.refused("receipt", "verify", "7")
