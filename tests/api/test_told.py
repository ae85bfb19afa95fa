"""What the file in WHMCS read is taken whole or not at all: half of it would look like no debt."""

import copy
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whmcs_bridge.api.told import services_told, told_of
from whmcs_bridge.domain.ids import ClientId, GroupId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus, LineType, ServiceStatus

FACTS: dict[str, Any] = {
    "client": "3",
    "group": {"id": "2"},
    "credit": "1.50",
    "currency": "BRL",
    "fixed_terms": {"34": 30},
    "services": [
        {
            "id": "34",
            "clientid": "3",
            "pid": "7",
            "name": "Starter",
            "domain": "site.example.net",
            "username": "site",
            "serverid": "1",
            "recurringamount": "10.00",
            "nextduedate": "2026-03-01",
            "status": "Suspended",
            "suspensionreason": "Overdue: invoice 9 [whmcs-bridge]",
            "overideautosuspend": "0",
            "overidesuspenduntil": "0000-00-00",
        }
    ],
    "invoices": [
        {
            "invoiceid": "9",
            "userid": "3",
            "date": "2026-02-20",
            "duedate": "2026-03-01",
            "subtotal": "10.00",
            "credit": "0.00",
            "tax": "0.00",
            "tax2": "0.00",
            "total": "10.00",
            "balance": "10.00",
            "status": "Unpaid",
            "paymentmethod": "boleto",
            "items": {"item": [{"id": "1", "type": "Hosting", "relid": "34", "amount": "10.00", "taxed": "0"}]},
        }
    ],
}


def test_a_whole_position_is_taken_as_if_it_had_come_through_the_api() -> None:
    told = told_of(FACTS)
    assert told is not None
    assert (told.client, told.group, told.credit, told.currency) == (ClientId(3), GroupId(2), Decimal("1.50"), "BRL")
    (service,), (invoice,) = told.services, told.invoices
    assert (service.id, service.status) == (ServiceId(34), ServiceStatus.SUSPENDED)
    assert (invoice.due, invoice.status, invoice.balance) == (date(2026, 3, 1), InvoiceStatus.UNPAID, Decimal(10))
    assert [(line.type, line.relid) for line in invoice.lines] == [(LineType.HOSTING, 34)]
    assert told.fixed_terms == {ServiceId(34): 30}


@pytest.mark.parametrize("missing", ["services", "invoices", "group", "client"])
def test_a_part_that_is_missing_leaves_the_rest_untaken(missing: str) -> None:
    assert told_of({key: value for key, value in FACTS.items() if key != missing}) is None


def test_no_open_invoice_is_an_answer() -> None:
    told = told_of(FACTS | {"invoices": [], "fixed_terms": []})
    assert told is not None
    assert (told.invoices, told.fixed_terms) == ((), {})


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("services", 0, "clientid"), "4"),
        (("invoices", 0, "userid"), "4"),
        (("invoices", 0, "balance"), "ten"),
        (("invoices", 0, "duedate"), "soon"),
        (("invoices", 0, "items"), {}),
        (("services", 0, "overidesuspenduntil"), "2026-13-41"),
        (("services", 0), "34"),
        (("client",), "0"),
        (("credit",), "much"),
    ],
)
def test_what_cannot_be_read_leaves_the_rest_untaken(where: tuple[Any, ...], value: object) -> None:
    facts = copy.deepcopy(FACTS)
    inner: Any = facts
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    assert told_of(facts) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(list(FACTS)), st.sampled_from(["invoices", "services"]), st.data())
def test_nothing_that_it_is_given_makes_it_raise(key: str, rows: str, data: st.DataObject) -> None:
    facts = copy.deepcopy(FACTS)
    facts[key] = data.draw(ANYTHING)
    if facts[rows] == FACTS[rows]:
        field = data.draw(st.sampled_from(list(FACTS[rows][0])))
        facts[rows][0][field] = data.draw(ANYTHING)
    told = told_of(facts)
    assert told is None or told.client > 0


def test_ids_in_custom_fields_are_told_where_they_are_wanted() -> None:
    services = [
        {**row, "customfields": {"customfield": [{"name": "vmid", "value": "104"}]}} for row in FACTS["services"]
    ]
    facts = {**FACTS, "services": services}
    told, without = told_of(facts, {"vmid": ("vmid",)}), told_of(facts)
    assert told is not None
    assert without is not None
    assert [service.ids for service in told.services] == [(("vmid", "104"),)]
    assert [service.ids for service in without.services] == [()]
    assert services_told(facts, {"vmid": ("vmid",)}) == told.services
