"""The client against the simulator: a whole book, and every kind of trouble it can make."""

from collections.abc import Iterator
from datetime import date

import pytest

from tests.api.servers import Naps
from whmcs_bridge.api.actions import ACTIONS
from whmcs_bridge.api.client import OVERDUE, WhmcsApi
from whmcs_bridge.api.paging import Listing, SweepResult
from whmcs_bridge.domain.book import Client, Invoice, InvoiceHead, Service
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import (
    AccessRefused,
    ActionRefused,
    AddressRefused,
    BlockedByFirewall,
    CredentialsRefused,
    NotDelivered,
    NotFound,
    OutcomeUnknown,
    UnreadableReply,
    WhmcsError,
    WrongAddress,
)
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.faults import Fault, Faults, Kind
from whmcs_bridge.simulator.seed import generate
from whmcs_bridge.simulator.state import World

TODAY = date(2025, 3, 5)


@pytest.fixture(scope="module")
def book() -> World:
    """A book that no test changes."""
    return generate(60, seed=3, today=TODAY)


@pytest.fixture
def world() -> World:
    return generate(12, seed=3, today=TODAY)


def an_api(world: World, *faults: Fault, page_size: int = 10, connections: int = 2) -> WhmcsApi:
    return WhmcsApi(
        "https://whmcs.example.com",
        world.credentials.identifier,
        world.credentials.secret,
        adapter=SimulatorAdapter(world, Faults(faults)),
        page_size=page_size,
        connections=connections,
        sleep=Naps(),
    )


def active(api: WhmcsApi) -> Service:
    return next(row for page in api.services() for row in page if row.status is ServiceStatus.ACTIVE)


def everything(api: WhmcsApi) -> Iterator[object]:
    """All that a snapshot reads."""
    yield from api.groups()
    yield from api.products()
    yield from api.addons()
    for listing in (api.clients(), api.services(), api.cancel_requests(), api.invoices(), api.domains()):
        for page in listing:
            yield from page
        assert listing.end.complete, listing.end.problems


def test_a_whole_book_is_read(book: World) -> None:
    with an_api(book) as api:
        assert len(api.clients().everything()) == len(book.clients) == 60
        assert len(api.services().everything()) == len(book.services)
        heads = api.invoices().everything()
        assert len(heads) == len(book.invoices)
        unpaid = [head.id for head in heads if head.status is not None and head.status.open]
        read = dict(api.invoices_many(unpaid))
        assert sorted(read) == unpaid
        assert all(isinstance(invoice, Invoice) and invoice.lines for invoice in read.values())


def test_page_sizes_change_the_calls_and_not_the_rows(book: World) -> None:
    """Story 14: page sizes 1, 25, 250."""
    readings = []
    for page_size in (1, 25, 250):
        with an_api(book, page_size=page_size) as api:
            readings.append(list(everything(api)))
    assert readings[0] == readings[1] == readings[2]


def test_a_snapshot_needs_no_call_more_than_its_pages(book: World) -> None:
    with an_api(book, page_size=25) as api:
        list(api.clients())
        list(api.services())
        list(api.invoices())
    sizes = {
        "GetClients": len(book.clients),
        "GetClientsProducts": len(book.services),
        "GetInvoices": len(book.invoices),
    }
    assert api.calls == {action: -(-rows // 25) for action, rows in sizes.items()}


def test_overdue_invoices_are_unpaid_and_past_due(book: World) -> None:
    with an_api(book) as api:
        overdue = api.invoices(status=OVERDUE).everything()
    assert overdue
    assert all(head.due is not None and head.due < TODAY for head in overdue)


def test_a_service_goes_down_and_comes_back(world: World) -> None:
    with an_api(world) as api:
        service = active(api)
        api.suspend(service.id, "Overdue: invoice 12 [whmcs-bridge]")
        down = api.service(service.id)
        assert down is not None
        assert (down.status, down.suspension_reason) == (
            ServiceStatus.SUSPENDED,
            "Overdue: invoice 12 [whmcs-bridge]",
        )
        api.clear_suspension_reason(service.id)
        blank = api.service(service.id)
        assert blank is not None
        assert blank.suspension_reason == ""
        api.unsuspend(service.id)
        assert active(api).id == service.id


def test_what_is_not_there_is_not_found(book: World) -> None:
    with an_api(book) as api:
        assert api.service(ServiceId(999999)) is None
        with pytest.raises(NotFound):
            api.invoice(InvoiceId(999999))
        with pytest.raises(NotFound):
            api.client_details(ClientId(999999))
        with pytest.raises(NotFound):
            api.suspend(ServiceId(999999), "x")


def test_permissions_are_probed_without_a_trace(world: World) -> None:
    with an_api(world) as api:
        before = list(everything(api))
        probed = {action.name: api.probe_permission(action.name) for action in ACTIONS.values() if action.probe}
        assert list(everything(api)) == before
    assert set(probed.values()) == {True}
    with an_api(world, Fault("modulesuspend", Kind.DENIED, count=0)) as api:
        assert api.probe_permission("ModuleSuspend") is False


# --- trouble ------------------------------------------------------------------------------------

MENDED = [
    Kind.CONNECTION_REFUSED,
    Kind.CONNECT_TIMEOUT,
    Kind.TIMEOUT_BEFORE,
    Kind.TIMEOUT_AFTER,
    Kind.RESET_AFTER_SEND,
    Kind.RESET_BEFORE,
    Kind.INCOMPLETE_READ,
    Kind.HTTP_403,
    Kind.HTTP_429,
    Kind.HTTP_500,
    Kind.HTTP_502,
    Kind.HTTP_503,
    Kind.WAF,
    Kind.MAINTENANCE,
    Kind.JUNK_BEFORE_JSON,
    Kind.BOM,
    Kind.TRUNCATED,
    Kind.EMPTY_BODY,
    Kind.SHORT_PAGE,
    Kind.WRONG_TOTAL,
    Kind.SINGLE_OBJECT,
    Kind.NUMERIC_KEYS,
    Kind.STATUS_KEY,
]


@pytest.mark.parametrize("kind", MENDED)
@pytest.mark.parametrize("nth", [1, 2, 4])
def test_trouble_with_one_page_is_mended(book: World, kind: Kind, nth: int) -> None:
    with an_api(book, Fault("GetClients", kind, nth=nth, seconds=999)) as api:
        assert [client.id for client in api.clients().everything()] == sorted(book.clients)


@pytest.mark.parametrize("form", ["string", "list", "object", "wrapper", "absent", "null"])
@pytest.mark.parametrize("nth", [2, 4])
def test_an_empty_page_is_read_again(book: World, form: str, nth: int) -> None:
    """Story 15: every list may come back empty inside HTTP 200."""
    with an_api(book, Fault("GetClients", Kind.EMPTY_LIST, nth=nth, text=form)) as api:
        assert len(api.clients().everything()) == 60


@pytest.mark.parametrize("kind", [Kind.ROW_INSERTED, Kind.ROW_REMOVED, Kind.ROW_MOVED])
@pytest.mark.parametrize("nth", [2, 3, 5])
@pytest.mark.parametrize("list_", ["GetClients", "GetClientsProducts", "GetInvoices"])
def test_rows_that_shift_while_reading_lose_no_other(book: World, kind: Kind, nth: int, list_: str) -> None:
    known: dict[str, list[int]] = {
        "GetClients": sorted(book.clients),
        "GetClientsProducts": sorted(book.services),
        "GetInvoices": sorted(book.invoices),
    }
    with an_api(book, Fault(list_, kind, nth=nth), connections=1) as api:
        ids, end = {
            "GetClients": lambda: ids_of(api.clients()),
            "GetClientsProducts": lambda: ids_of(api.services()),
            "GetInvoices": lambda: ids_of(api.invoices()),
        }[list_]()
    assert end.complete, end.problems
    assert set(ids) >= set(known[list_][1:])


def ids_of(listing: Listing[Client] | Listing[Service] | Listing[InvoiceHead]) -> tuple[list[int], SweepResult]:
    return [int(row.id) for page in listing for row in page], listing.end


REFUSED = [
    (Kind.DENIED, ActionRefused),
    (Kind.IP_DENIED, AddressRefused),
    (Kind.BAD_CREDENTIALS, CredentialsRefused),
    (Kind.ADMIN_DISABLED, CredentialsRefused),
    (Kind.ADMIN_REQUIRED, WrongAddress),
    (Kind.NVP, AccessRefused),
    (Kind.HTML_200, WrongAddress),
    (Kind.WAF, BlockedByFirewall),
    (Kind.TRUNCATED, UnreadableReply),
    (Kind.EMPTY_BODY, UnreadableReply),
]


@pytest.mark.parametrize(("kind", "error"), REFUSED)
def test_lasting_trouble_says_what_it_is(book: World, kind: Kind, error: type[WhmcsError]) -> None:
    with an_api(book, Fault("*", kind, count=0)) as api, pytest.raises(error):
        api.clients().everything()


LOST_AFTER = [Kind.TIMEOUT_AFTER, Kind.RESET_AFTER_SEND, Kind.INCOMPLETE_READ, Kind.TRUNCATED, Kind.EMPTY_BODY]
LOST_BEFORE = [Kind.TIMEOUT_BEFORE, Kind.RESET_BEFORE, Kind.HTTP_500, Kind.HTTP_502, Kind.MAINTENANCE, Kind.WARNING]


@pytest.mark.parametrize("kind", LOST_AFTER + LOST_BEFORE)
def test_a_write_without_a_clear_answer_is_unknown_and_settled_by_reading(world: World, kind: Kind) -> None:
    with an_api(world, Fault("ModuleSuspend", kind, seconds=999)) as api:
        service = active(api)
        with pytest.raises(OutcomeUnknown):
            api.suspend(service.id, "Overdue")
        assert api.calls["ModuleSuspend"] == 1
        now = api.service(service.id)
        assert now is not None
        assert now.status is (ServiceStatus.SUSPENDED if kind in LOST_AFTER else ServiceStatus.ACTIVE)


@pytest.mark.parametrize("kind", [Kind.CONNECTION_REFUSED, Kind.CONNECT_TIMEOUT])
def test_a_write_that_never_arrived_is_sent_again(world: World, kind: Kind) -> None:
    with an_api(world, Fault("ModuleSuspend", kind, count=2)) as api:
        service = active(api)
        api.suspend(service.id, "Overdue")
        assert api.calls["ModuleSuspend"] == 3
    with an_api(world, Fault("ModuleUnsuspend", kind, count=0)) as api, pytest.raises(NotDelivered):
        api.unsuspend(service.id)
