"""What bad luck and bad input get: nothing harmful, an exit code, and a line that says what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.town import SETTINGS, Town, error_of
from whmcs_bridge.simulator.faults import Fault, Kind


def always(action: str, kind: Kind, **more: object) -> Fault:
    return Fault(action, kind, count=0, **more)  # type: ignore[arg-type]


REFUSALS = [
    pytest.param(Kind.BAD_CREDENTIALS, "credential", id="wrong-credentials"),
    pytest.param(Kind.IP_DENIED, "IP", id="address-not-on-the-list"),
    pytest.param(Kind.ADMIN_DISABLED, "disabled", id="administrator-disabled"),
    pytest.param(Kind.ADMIN_REQUIRED, "address", id="address-with-its-path-doubled"),
    pytest.param(Kind.WAF, "firewall", id="edge-firewall"),
]


@pytest.mark.parametrize(("kind", "said"), REFUSALS)
@pytest.mark.parametrize("command", ["sync", "plan"])
def test_a_refusal_is_one_line_and_harms_nobody(town: Town, kind: Kind, said: str, command: str) -> None:
    """WHMCS does not let us in: nothing was read, so nothing follows."""
    town.settle(mode="enforce")
    town.house.a_debtor(overdue=30)
    town.faults(always("*", kind))
    result = town.run(command)
    assert result.exit_code == 1
    assert said.casefold() in error_of(result).casefold()
    assert town.harm() == []


AWAY = [
    pytest.param(Kind.CONNECTION_REFUSED, id="away"),
    pytest.param(Kind.HTML_200, id="html-page"),
    pytest.param(Kind.HTTP_500, id="out-of-order"),
    pytest.param(Kind.MAINTENANCE, id="maintenance-page"),
    pytest.param(Kind.TRUNCATED, id="half-a-body"),
    pytest.param(Kind.EMPTY_BODY, id="empty-body"),
]


@pytest.mark.parametrize("kind", AWAY)
def test_a_whmcs_that_cannot_be_read_ends_the_run_with_1_and_harms_nobody(town: Town, kind: Kind) -> None:
    """An unreadable, HTML or half body is never an empty list; what was read yesterday allows nothing today."""
    town.settle(mode="enforce")
    town.house.a_debtor(overdue=2)
    town.run("sync")
    town.house.a_debtor(overdue=30)
    town.faults(always("*", kind))
    result = town.run("sync")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert town.harm() == []


@pytest.mark.parametrize("action", ["GetClients", "GetClientsProducts", "GetInvoices", "GetInvoice"])
def test_an_incomplete_snapshot_says_what_could_not_be_read(town: Town, action: str) -> None:
    """Half of the book allows no suspension, however sure the other half looks."""
    town.settle(mode="enforce")
    town.house.a_debtor(overdue=30)
    town.faults(always(action, Kind.HTTP_500))
    result = town.run("sync")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert town.harm() == []
    planned = town.run("plan", "--json")
    assert planned.exit_code == 1
    assert town.harm() == []


def test_a_short_page_is_noticed(town: Town) -> None:
    town.settle(mode="enforce")
    for _ in range(3):
        town.house.a_debtor(overdue=30)
    town.faults(always("GetClientsProducts", Kind.SHORT_PAGE))
    result = town.run("plan")
    assert result.exit_code == 1
    assert "could not read" in result.stdout
    assert "suspend" not in result.stdout.split("Withheld")[0].replace("nothing is suspended", "")


def test_an_address_where_nobody_answers_is_named(town: Town) -> None:
    town.settle(SETTINGS.replace("{url}", "http://127.0.0.1:9"), mode="enforce")
    result = town.run("sync")
    assert result.exit_code == 1
    assert "127.0.0.1" in result.stderr


def test_a_secret_that_is_not_there_is_named_by_its_place_only(town: Town) -> None:
    town.settle()
    result = town.run("sync", env={"TOWN_SECRET": None})
    assert result.exit_code == 2
    assert "env:TOWN_SECRET is not set" in error_of(result)


def test_what_looks_into_the_databases_needs_no_credentials(town: Town) -> None:
    town.settle(mode="enforce")
    _, service, _ = town.house.a_debtor(overdue=10)
    town.run("sync")
    nobody: dict[str, str | None] = {"TOWN_SECRET": None, "TOWN_IDENTIFIER": None}
    town.server.close()
    for args in (("explain", f"service:{service.id}"), ("journal",), ("tasks",), ("approve",), ("plan", "--offline")):
        result = town.run(*args, env=nobody)
        assert result.exit_code == 0, (args, result.output)


def test_five_mistakes_in_the_settings_are_five_lines(town: Town) -> None:
    town.config.write_text(
        """\
mode = "sometimes"
[whmcs]
url = "billing.example.com"
identifier = "abc"
secret = "env:TOWN_SECRET"
[class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 0
terminate_after_dyas = 15
""",
        "utf-8",
    )
    for command in (("sync",), ("policy", "check"), ("plan", "--offline")):
        result = town.run(*command)
        assert result.exit_code == 2
        lines = result.stderr.splitlines()
        assert len(lines) == 5, lines
        assert all(str(town.config) in line for line in lines)
    found = town.run("policy", "check", "--json")
    assert found.exit_code == 2
    assert '"ok": false' in found.stdout


def test_settings_that_are_not_there_are_one_line(town: Town) -> None:
    missing = town.run("plan", "--config", str(town.folder / "nowhere.toml"))
    assert missing.exit_code == 2
    assert "whmcs-bridge init" in error_of(missing)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process is in the middle of a write."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.parametrize("name", ["journal.db", "mirror.db"])
def test_a_locked_database_is_one_line(town: Town, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whmcs_bridge.storage.BUSY_TIMEOUT_SECONDS", 0.05)
    town.settle(mode="enforce")
    town.run("sync")
    town.house.a_debtor(overdue=30)
    with held(town.folder / name):
        result = town.run("sync")
    assert result.exit_code == 1
    assert name in error_of(result)
    assert town.harm() == []
    assert town.run("sync").exit_code == 0
    assert town.harm() != []


def test_a_foreign_database_is_left_alone(town: Town) -> None:
    town.settle(mode="enforce")
    path = town.folder / "journal.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs(x)")
    other.commit()
    other.close()
    before = path.read_bytes()
    result = town.run("sync")
    assert result.exit_code == 1
    assert "belongs to another program" in error_of(result)
    assert path.read_bytes() == before
    assert town.run("doctor").exit_code == 1


def test_a_damaged_mirror_is_named_with_the_way_out(town: Town) -> None:
    town.settle()
    town.run("sync")
    (town.folder / "mirror.db").write_bytes(b"not a database" * 1000)
    result = town.run("plan")
    assert result.exit_code == 1
    assert "mirror.db" in error_of(result)
    checked = town.run("doctor")
    assert checked.exit_code == 1
    assert "the next sync makes it anew" in " ".join(checked.stdout.split())


def test_wrong_usage_is_one_line_with_the_way_to_the_help(town: Town) -> None:
    town.settle()
    for args, said in (
        (("plann",), "did you mean 'plan'"),
        (("plan", "--offlin"), "--offlin"),
        (("apply",), "--fingerprint"),
        (("sync", "--allow", "suspend"), "KIND=N"),
        (("explain", "invoice:3"), "client:12"),
        (("explain",), "client:12"),
        (("journal", "--kind", "delete"), "delete_backups"),
    ):
        result = town.run(*args)
        assert result.exit_code == 2, args
        assert said in error_of(result), args
