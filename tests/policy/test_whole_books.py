"""What whole books are spared: clients whose invoices are too far off, and dates that nobody asks for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.builders import DUE, a_case, a_policy, day, facts, suspended
from tests.mirror.values import AT, TODAY, a_head
from tests.mirror.values import a_client as a_known_client
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.policy import decide
from whmcs_bridge.policy.decision import Clocks
from whmcs_bridge.policy.rules import PAYMENT_REMINDER, SUSPENSION_WARNING, Notice, reminder_days

WARNED = (Notice(2, SUSPENSION_WARNING),)
REMINDED = (Notice(-4, PAYMENT_REMINDER), *WARNED)


def test_a_house_without_reminders_looks_no_day_ahead() -> None:
    assert reminder_days(a_policy()) == 0
    assert reminder_days(replace(a_policy(), defaults={"notices": WARNED})) == 0


@pytest.mark.parametrize("layer", ["defaults", "class", "groups", "clients", "services"])
def test_the_earliest_reminder_of_any_layer_says_how_far_ahead_to_look(layer: str) -> None:
    policy, own = a_policy(), {"notices": REMINDED}
    policies = {
        "defaults": replace(policy, defaults=own),
        "class": replace(policy, classes=(replace(policy.classes[0], layer=own),)),
        "groups": replace(policy, groups={"Resellers": own}),
        "clients": replace(policy, clients={7: own}),
        "services": replace(policy, services={7: own}),
    }
    assert reminder_days(policies[layer]) == 4


@pytest.fixture
def mirror() -> Iterator[SqliteMirror]:
    """One client with an invoice due in four days."""
    opened = SqliteMirror()
    number = opened.begin(AT)
    opened.save_clients([a_known_client(1)], number)
    opened.save_heads([a_head(5, due=TODAY + timedelta(days=4))], number, TODAY)
    yield opened
    opened.close()


@pytest.mark.parametrize(("days_ahead", "read"), [(0, []), (3, []), (4, [1]), (35, [1])])
def test_an_invoice_comes_into_view_on_the_day_of_its_reminder(
    mirror: SqliteMirror, days_ahead: int, read: list[int]
) -> None:
    assert [book.client.id for book in mirror.books(TODAY, (), days_ahead=days_ahead)] == read


@pytest.mark.parametrize(
    "about",
    [facts(), facts(invoices=()), facts(suspended(), case=a_case(suspended_on=day(3)))],
    ids=["active in debt", "paid up", "suspended"],
)
@pytest.mark.parametrize("number", [-1, 0, 2, 3, 15, 40])
def test_a_judgement_without_dates_is_the_same_judgement(about: ServiceFacts, number: int) -> None:
    today = DUE + timedelta(days=number)
    whole = decide(about, a_policy(), today)
    assert decide(about, a_policy(), today, timed=False) == replace(whole, clocks=Clocks())
