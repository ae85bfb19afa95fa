"""What a decision tells staff though nothing is due: debt that moves nothing, and suspensions that nobody claims."""

import pytest

from tests.builders import (
    BLANK,
    DUE,
    a_line,
    a_service,
    an_invoice,
    day,
    facts,
    judged,
    suspended,
)
from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.status import ServiceStatus


@pytest.mark.parametrize(
    ("invoice", "reported"),
    [
        (an_invoice(100, None), True),
        (an_invoice(100, DUE, a_line("funds", "40.00", 0)), True),
        (an_invoice(100, DUE, a_line("upgrade", "40.00")), True),
        (an_invoice(100, DUE, a_line("text", "400.00", 0)), True),
        (an_invoice(100, day(20), a_line("text", "400.00", 0)), False),
        (an_invoice(100, DUE, a_line("text", "400.00", 0), a_line("service", "40.00")), False),
        (an_invoice(100, DUE, a_line("mass", "40.00", 99)), False),
        (an_invoice(100), False),
    ],
)
def test_special_invoices_are_reported_once_for_the_client(invoice: Invoice, reported: bool) -> None:
    """ "special invoices ... never suspend and hold no release; they are reported"."""
    first = judged(facts(invoices=[invoice], others=[a_service(11)]), today=day(5))
    assert [n.code for n in first.notes] == (["special-invoices"] if reported else [])
    second = judged(facts(a_service(11), invoices=[invoice], others=[a_service()]), today=day(5))
    assert second.notes == ()


def test_debt_of_services_that_have_ended_is_reported() -> None:
    """ "debt of services that have ended is reported (`old_debt = "report"`)"."""
    gone = a_service(11, ServiceStatus.TERMINATED)
    invoice = an_invoice(100, DUE, a_line("service", "40.00", 11))
    decision = judged(facts(invoices=[invoice], others=[gone]), today=day(5))
    assert [n.code for n in decision.notes] == ["old-debt"]
    assert decision.due == ()


def test_a_status_that_nobody_knows_is_reported() -> None:
    assert [n.code for n in judged(facts(a_service(status=None), invoices=[])).notes] == ["unknown-status"]


def test_a_blank_suspension_without_debt_is_reported() -> None:
    """ "a blank reason without debt is staff's until confirmed"; failure story 30: listed for staff."""
    assert [n.code for n in judged(facts(suspended(BLANK), invoices=[])).notes] == ["blank-suspension"]


def test_an_ordinary_debtor_needs_no_staff() -> None:
    assert judged(facts(), today=day(3)).notes == ()
