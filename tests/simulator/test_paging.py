"""Pages, filters and orders of the lists."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.calls import a_front, reply_of
from tests.simulator.worlds import a_client, a_service, a_world, an_invoice, hosting
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.simulator.records import Group, InvoiceStatus


def a_full_front(clients: int = 7) -> Front:
    world = a_world()
    world.add_group(Group(0, "VIP"))
    for number in range(clients):
        client = a_client(
            world,
            firstname="Zoe" if number % 2 else "Ann",
            lastname=f"L{clients - number}",
            status="Inactive" if number == 3 else "Active",
            group=number % 2,
        )
        service = a_service(world, client, domain=f"d{number}.example", username=f"u{number}", product=1 + number % 2)
        an_invoice(
            world, client, hosting(service, 100 * (number + 1)), due=date(2025, 3, 1) + timedelta(days=2 * number)
        )
    return a_front(world)


def rows(reply: Any) -> list[Any]:
    outer = next(value for value in reply.values() if isinstance(value, dict))
    inner: list[Any] = next(iter(outer.values()))
    return inner


def ids(front: Front, action: str, **params: Any) -> list[int]:
    return [int(row["id"]) for row in rows(reply_of(front, action, **params))]


PAGED = ["GetClients", "GetClientsProducts", "GetInvoices"]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(PAGED), st.integers(1, 9), st.integers(0, 9))
def test_pages_put_together_are_the_list(action: str, size: int, clients: int) -> None:
    """Advancing by the rows received, until a page is short, sees every row once."""
    front = a_full_front(clients)
    seen: list[int] = []
    while page := ids(front, action, orderby="id", limitstart=len(seen), limitnum=size):
        seen += page
    assert seen == list(range(1, clients + 1))


@pytest.mark.parametrize("action", PAGED)
def test_a_page_tells_where_it_starts_and_how_much_there_is(action: str) -> None:
    reply = reply_of(a_full_front(), action, limitstart=5, limitnum=4)
    assert (int(reply["totalresults"]), reply["startnumber"], reply["numreturned"]) == (7, 5, 2)


def test_a_page_holds_25_rows_unless_more_are_asked_for() -> None:
    front = a_full_front(30)
    assert len(ids(front, "GetClients")) == 25
    assert len(ids(front, "GetClients", limitnum=0)) == 25
    assert len(ids(front, "GetClients", limitnum=1000)) == 30


def test_clients_come_by_name_unless_ordered() -> None:
    """As the reference's example shows them."""
    front = a_full_front(4)
    assert ids(front, "GetClients") == [3, 1, 4, 2]
    assert ids(front, "GetClients", orderby="id", sorting="DESC") == [4, 3, 2, 1]
    assert ids(front, "GetClients", orderby="lastname") == [4, 3, 2, 1]


def test_clients_are_found_by_status_and_by_prefix() -> None:
    front = a_full_front()
    assert ids(front, "GetClients", status="Inactive") == [4]
    assert ids(front, "GetClients", search="c2@") == [3]
    assert set(ids(front, "GetClients", search="zoe")) == {2, 4, 6}
    assert ids(front, "GetClients", search="example.com") == []


def test_a_changed_group_shows_on_the_next_page() -> None:
    front = a_full_front(2)
    assert ids(front, "GetClients", orderby="groupid") == [1, 2]
    reply_of(front, "UpdateClient", clientid=1, groupid=1)
    reply_of(front, "UpdateClient", clientid=2, groupid=0)
    assert ids(front, "GetClients", orderby="groupid") == [2, 1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"clientid": 3}, [3]),
        ({"serviceid": 5}, [5]),
        ({"serviceid": 5, "clientid": 3}, []),
        ({"pid": 2}, [2, 4, 6]),
        ({"domain": "D1.example"}, [2]),
        ({"username2": "u6"}, [7]),
        ({"serviceid": 99}, []),
    ],
)
def test_services_are_found_by_each_filter(filters: dict[str, object], expected: list[int]) -> None:
    """An unknown id is success with no rows."""
    assert ids(a_full_front(), "GetClientsProducts", **filters) == expected


def test_filters_are_echoed() -> None:
    reply = reply_of(a_full_front(), "GetClientsProducts", clientid=3)
    assert (reply["clientid"], reply["serviceid"]) == ("3", None)


def test_overdue_is_unpaid_and_past_due() -> None:
    """It is 10 March; due dates run 1, 3, 5, 7, 9, 11, 13 March."""
    front = a_full_front()
    world = front.world
    world.set_invoice_status(world.invoices[2], InvoiceStatus.COLLECTIONS)
    world.set_invoice_status(world.invoices[3], InvoiceStatus.PAID)
    assert ids(front, "GetInvoices", status="Overdue") == [1, 4, 5]
    assert ids(front, "GetInvoices", status="unpaid") == [1, 4, 5, 6, 7]
    assert ids(front, "GetInvoices", status="Collections") == [2]
    assert ids(front, "GetInvoices", status="Paid") == [3]
    assert ids(front, "GetInvoices", status="Nonsense") == []
    assert ids(front, "GetInvoices", status="Overdue", userid=4) == [4]


def test_a_day_makes_invoices_overdue_without_any_change_to_them() -> None:
    front = a_full_front()
    assert 6 not in ids(front, "GetInvoices", status="Overdue")
    front.world.advance(days=2)
    assert 6 in ids(front, "GetInvoices", status="Overdue")


@pytest.mark.parametrize("order", ["id", "invoicenumber", "date", "duedate", "total", "status"])
def test_invoices_come_in_each_order_and_backwards(order: str) -> None:
    front = a_full_front(4)
    assert ids(front, "GetInvoices", orderby=order) == [1, 2, 3, 4]
    assert ids(front, "GetInvoices", orderby=order, order="desc") == [4, 3, 2, 1]


def test_mail_comes_newest_first_and_by_subject() -> None:
    front = a_full_front(1)
    reply_of(front, "SendEmail", id=1, customtype="general", customsubject="Hello", custommessage="x")
    assert rows(reply_of(front, "GetEmails", clientid=1))[0]["subject"] == "Hello"
    assert len(rows(reply_of(front, "GetEmails", clientid=1, subject="ell"))) == 1
    assert rows(reply_of(front, "GetEmails", clientid=1, date="2020-01-01")) == []


def test_clients_without_domains_get_an_empty_text() -> None:
    assert reply_of(a_full_front(), "GetClientsDomains", clientid=1)["domains"] == ""
