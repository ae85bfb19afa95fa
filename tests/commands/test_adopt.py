"""`adopt` at the keyboard: what it prints at 100 columns, its options, its exit codes."""

import pytest

from tests.house import House
from tests.journeys.town import Town, error_of
from whmcs_bridge.simulator.faults import Fault, Kind

RULES = """
[class.vps]
product_types = ["server"]
suspend_after_days = 1
terminate_after_days = 3
"""


@pytest.fixture
def town(town: Town) -> Town:
    """A debtor, one that WHMCS suspended, one suspended for abuse, one without a reason; WHMCS acts by itself."""
    town.settle(more=RULES)
    house = town.house
    house.world.settings |= {"AutoSuspension": "on", "AutoSuspensionDays": "5", "AutoUnsuspend": "on"}
    house.a_debtor(overdue=5)
    _, by_whmcs, _ = house.a_debtor(overdue=60)
    by_whmcs.status = "Suspended"
    _down(house, "spam")
    _down(house, "")
    return town


def _down(house: House, reason: str) -> int:
    service = house.a_service()
    service.status, service.suspend_reason = "Suspended", reason
    return service.id


def test_the_report_fits_into_100_columns_and_says_what_to_do(town: Town) -> None:
    result = town.run("adopt")
    assert result.exit_code == 0
    commands = ("whmcs-bridge ", "--config")
    wide = [x for x in result.stdout.splitlines() if len(x) > 100 and not any(word in x for word in commands)]
    assert not wide
    for said in (
        "Suspended services: 3",
        "staff's      2",
        "WHMCS's      1",
        "To settle: 1 service, no reason given, nothing owed",
        "whmcs-bridge adopt --confirm 4",
        "A first enforced run today suspends at most 1 and ends nobody",
        "AutoSuspension is on, 5 days -> off",
        "whmcs-bridge shadow report",
    ):
        assert said in result.stdout, said


def test_all_names_every_suspended_service_and_every_day(town: Town) -> None:
    short, long = town.run("adopt").stdout, town.run("adopt", "--all").stdout
    assert "spam" in long
    assert "spam" not in short
    assert len(long.splitlines()) > len(short.splitlines())


def test_json_is_what_the_journal_keeps(town: Town) -> None:
    found = town.json("adopt")
    assert {row["service"]: row["whose"] for row in found["suspended"]} == {2: "whmcs", 3: "staff", 4: "staff"}
    assert found["first_run"]["steps"] == {"suspend": 1}
    with_journal = town.run("journal", "--runs").stdout
    assert "adopt" in with_journal


def test_offline_asks_whmcs_nothing_and_says_so(town: Town) -> None:
    town.run("adopt")
    calls = town.server.front.calls.total()
    result = town.run("adopt", "--offline")
    assert result.exit_code == 0
    assert "Not asked (--offline)" in result.stdout
    assert town.server.front.calls.total() == calls


def test_what_could_not_be_read_is_said_and_exits_1(town: Town) -> None:
    town.faults(Fault("GetClientsProducts", Kind.HTTP_500, count=0))
    result = town.run("adopt")
    assert result.exit_code == 1
    assert "could not read" in result.stderr


def test_an_empty_mirror_offline_exits_1_without_tables_of_nothing(town: Town) -> None:
    for words in ((), ("--json",)):
        result = town.run("adopt", "--offline", *words)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "the mirror is empty" in error_of(result)


NOTHING_READ = [Kind.CONNECTION_REFUSED, Kind.BAD_CREDENTIALS, Kind.MAINTENANCE]


@pytest.mark.parametrize("kind", NOTHING_READ)
def test_where_nothing_can_be_read_one_line_says_so_and_no_table_of_zeros(town: Town, kind: Kind) -> None:
    town.faults(Fault("*", kind, count=0))
    result = town.run("adopt")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert error_of(result)
    runs = town.json("journal", "--runs")
    assert [(run["job"], run["outcome"]) for run in runs] == [("adopt", "failed")]


@pytest.mark.parametrize("kind", NOTHING_READ)
def test_a_look_that_read_nothing_leaves_the_last_good_reading_as_good_as_it_was(town: Town, kind: Kind) -> None:
    town.run("adopt")
    before = town.json("adopt", "--offline")
    town.faults(Fault("*", kind, count=0))
    said = error_of(town.run("adopt"))
    assert kind is Kind.BAD_CREDENTIALS or "--offline" in said
    after = town.json("adopt", "--offline")
    assert after == before
    assert after["complete"]


def test_a_look_that_broke_off_in_the_middle_is_not_passed_off_as_whole(town: Town) -> None:
    town.run("adopt")
    town.faults(Fault("GetClientsProducts", Kind.CONNECTION_REFUSED, count=0))
    town.run("adopt")
    assert not town.json("adopt", "--offline")["complete"]


def test_a_confirmed_suspension_is_released_by_the_next_sync(town: Town) -> None:
    town.run("adopt")
    said = town.run("adopt", "--confirm", "4", "--by", "ana")
    assert said.exit_code == 0
    assert "released by the next sync, since nothing that counts is owed" in said.stdout
    assert "mode is shadow" in said.stdout
    assert "To settle" not in town.run("adopt", "--offline").stdout
    town.settle(mode="enforce", more=RULES)
    town.run("sync")
    assert town.house.world.services[4].status == "Active"
    assert town.house.world.services[3].status == "Suspended"


def test_a_suspension_confirmed_as_staffs_is_never_asked_about_again(town: Town) -> None:
    town.run("adopt")
    assert "never touches it" in town.run("adopt", "--confirm", "4", "--as", "staff").stdout
    assert "To settle" not in town.run("adopt", "--offline").stdout


@pytest.mark.parametrize(
    ("whose", "said"),
    [("whmcs", "blank reason, for billing: confirmed by ana"), ("staff", "blank reason, not for billing")],
)
def test_explain_says_who_confirmed_whose_a_suspension_is(town: Town, whose: str, said: str) -> None:
    town.run("adopt")
    town.run("adopt", "--confirm", "4", "--as", whose, "--by", "ana")
    shown = " ".join(town.run("explain", "service:4").stdout.split())
    assert said in shown
    assert "confirmed by ana" in shown
    assert "no reason: ours" not in shown


def test_a_suspension_that_cannot_be_confirmed_is_named_and_the_others_are_settled(town: Town) -> None:
    town.run("adopt")
    result = town.run("adopt", "--confirm", "3", "4")
    assert result.exit_code == 2
    assert "service 4: for billing" in result.stdout
    assert "'spam'" in error_of(result)


def test_only_a_few_are_enforced_until_everyone_is_again(town: Town) -> None:
    town.run("adopt")
    said = town.run("adopt", "--only", "Resellers", "1")
    assert "acts for client 1 and group Resellers only" in said.stdout
    assert 'nothing is enforced until mode = "enforce" is set in' in said.stdout
    assert "acts for client 1 and group Resellers only" in town.run("adopt", "--offline").stdout
    town.settle(mode="enforce", more=RULES)
    assert "From the next sync on" in town.run("adopt", "--everyone").stdout
    assert town.json("adopt", "--offline")["acts_for"] == "everyone"


def test_who_said_for_whom_it_acts_stands_in_the_list_of_runs_and_in_the_export(town: Town) -> None:
    town.run("adopt")
    town.run("adopt", "--only", "Resellers", "1", "--by", "ana")
    town.run("adopt", "--everyone", "--by", "ben")
    lines = [run["summary"] for run in town.json("journal", "--runs") if run["job"] == "scope"]
    assert lines == [
        "ben: acts for everyone; before for client 1 and group Resellers",
        "ana: acts for client 1 and group Resellers; before for everyone",
    ]
    exported = town.run("journal", "export").stdout
    assert all(line in exported for line in lines)
    assert "run 2: scope" in town.run("journal", "--date", str(town.house.today)).stdout


def test_a_group_or_client_that_is_not_there_is_refused(town: Town) -> None:
    town.run("adopt")
    assert "no client group 'Freinds'" in error_of(town.run("adopt", "--only", "Freinds"))
    assert "no client 999" in error_of(town.run("adopt", "--only", "client:999"))
    assert "no client group '12'" in error_of(town.run("adopt", "--only", "group:12"))


@pytest.mark.parametrize(
    "words",
    [
        ("12",),
        ("--only",),
        ("--confirm",),
        ("--confirm", "twelve"),
        ("--only", "--everyone", "1"),
        ("--as", "staff"),
        ("--by", "ana"),
        ("--days", "0"),
    ],
)
def test_options_that_make_no_sense_are_usage(town: Town, words: tuple[str, ...]) -> None:
    result = town.run("adopt", *words)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_nothing_suspended_and_nothing_owed_reads_well(town: Town) -> None:
    """The smallest book: every section still says something."""
    for service in list(town.house.world.services.values()):
        service.status, service.suspend_reason = "Active", ""
    for invoice in list(town.house.world.invoices.values()):
        town.house.pay(invoice)
    said = town.run("adopt", "--days", "7").stdout
    assert "Suspended services: 0" in said
    assert "Nothing." in said
