"""A plan of 300 overdue services reads well at 100 columns."""

import re
from collections.abc import Iterator
from datetime import date

import pytest

from commands.show import console, show_plan
from tests.house import House

RULES = {"class": {"hosting": {"product_types": ["hostingaccount"], "suspend_after_days": 3}}}
LIMITED = {**RULES, "limits": {"suspend": {"always_allowed": 5, "max": 25}}}
DEBTORS = 300


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House.of(LIMITED) as made:
        for number in range(DEBTORS):
            name = f"A company with quite a long name, number {number}, and its successors"
            client = made.a_client(companyname=name)
            service = made.a_service(client, domain=f"{'a-rather-long-label.' * 2}site{number}.example.net")
            made.an_invoice(service, due=-10 - number)
        yield made


def shown(house: House, capsys: pytest.CaptureFixture[str], *, everything: bool = False) -> str:
    plan = house.bridge.plan()
    show_plan(console(), house.bridge, plan, everything=everything)
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_it_fits_and_says_who_why_how_much_and_how_to_go_on(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(house, capsys)
    lines = text.splitlines()
    assert max(len(line) for line in lines if "whmcs-bridge" not in line) <= 100
    assert len(lines) < 40
    assert re.search(r"Suspend +300 +300 +3,000\.00 USD", text)
    assert "... and 290 more (--all)" in text
    assert "300 suspend steps, 25 a day allowed" in text
    assert "whmcs-bridge sync --allow suspend=300" in text
    assert re.search(r"whmcs-bridge apply --fingerprint [0-9a-f]{12} --allow suspend=300\n", text)
    assert "\x1b" not in text


def test_the_oldest_debt_comes_first(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    days = [int(found) for found in re.findall(r"\d{4}-\d\d-\d\d +(\d+) +10\.00 USD", shown(house, capsys))]
    assert days == list(range(309, 299, -1))


def test_all_shows_every_service(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(house, capsys, everything=True)
    assert len(re.findall(r"10\.00 USD", text)) >= DEBTORS
    assert "more (--all)" not in text


def test_a_narrow_terminal_is_respected(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    lines = shown(house, capsys).splitlines()
    assert max(len(line) for line in lines if "whmcs-bridge" not in line) <= 72


def test_nothing_to_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with House.of(RULES) as empty:
        text = shown(empty, capsys)
    assert "Nothing to do." in text
    assert "apply --fingerprint" not in text


def test_what_is_withheld_is_grouped_counted_and_has_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    with House.of(RULES) as house:
        for days in (5, 9):
            client = house.a_client()
            service = house.a_service(client, override=True, override_until=date(2025, 3, 10 + days))
            house.an_invoice(service, due=-10)
        text = shown(house, capsys)
    assert "Withheld: 2" in text
    assert "override" in text
    assert re.search(r"suspend +2 +2025-03-14 to 2025-03-18", text)
