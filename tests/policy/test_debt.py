"""What counts as debt, what of it concerns a service, what holds a release back (design sections 3 and 4)."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from tests.builders import (
    DUE,
    a_line,
    a_policy,
    a_record,
    a_service,
    an_addon,
    an_invoice,
    client_facts,
    day,
    due_kinds,
    facts,
    first_day,
    judged,
    suspended,
    view,
)
from whmcs_bridge.domain.book import Invoice, Service
from whmcs_bridge.domain.ids import InvoiceId, LineId
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.debt import Counted, Ledger, Part, billed_by, count, ledger, outstanding
from whmcs_bridge.policy.decision import Kind, Standing
from whmcs_bridge.policy.rules import Category, MinDebt, Release, Rules, Scope

SITE, OTHER = a_service(10), a_service(11)
ADDONS = (an_addon(30, service=10),)
ORDER = Rules().payment_order


def parts_of(invoice: Invoice, *services: Service) -> list[tuple[str, int | None, str]]:
    found = outstanding(invoice, {s.id: s for s in services or (SITE, OTHER)}, {a.id: a for a in ADDONS}, ORDER)
    return [(p.category.value, p.service, str(p.owed)) for p in found]


def book(*invoices: Invoice, today: date = day(5), rules: Rules | None = None, **more: Any) -> Ledger:
    calendar = more.pop("calendar", None) or Calendar()
    found = client_facts(services=(SITE, OTHER), addons=ADDONS, invoices=invoices, **more)
    return ledger(found, rules or Rules(), calendar, today)


def counted(*invoices: Invoice, rules: Rules | None = None, today: date = day(5), service: Service = SITE) -> Counted:
    found = client_facts(services=(service, OTHER), addons=ADDONS, invoices=invoices)
    rules = rules or Rules()
    return count(ledger(found, rules, Calendar(), today), found, service, rules)


# --- which invoices are debt at all -------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "is_debt"),
    [
        (InvoiceStatus.UNPAID, True),
        (InvoiceStatus.COLLECTIONS, True),
        (InvoiceStatus.DRAFT, False),
        (InvoiceStatus.PAID, False),
        (InvoiceStatus.CANCELLED, False),
        (InvoiceStatus.REFUNDED, False),
        (None, False),
    ],
)
def test_unpaid_and_collections_are_debt_and_nothing_else_is(status: InvoiceStatus | None, is_debt: bool) -> None:
    """ "balance of an Unpaid or Collections invoice"; Draft, Paid, Cancelled, Refunded are no debt; an unknown word
    is nothing we may act on."""
    assert bool(book(an_invoice(status=status)).entries) is is_debt


@pytest.mark.parametrize("what", ["funds", "upgrade", "mass"])
def test_add_funds_upgrades_and_mass_payments_are_no_debt(what: str) -> None:
    """ "a mass-payment invoice counts through its children, never twice; ... add-funds invoices are no debt"; an
    upgrade order is a special invoice."""
    found = book(an_invoice(100, DUE, a_line(what, "40.00", 7)))
    assert found.entries == ()
    assert found.left_out
    assert found.standing is Standing.PAID_UP


def test_an_invoice_without_a_due_date_is_no_debt_and_is_named() -> None:
    """ "invoices without a due date ... never suspend and hold no release; they are reported"."""
    found = book(an_invoice(100, None))
    assert found.entries == ()
    assert found.left_out == ((100, "has no due date"),)


def test_a_mass_payment_is_not_counted_beside_its_children() -> None:
    found = book(an_invoice(100), an_invoice(101), an_invoice(102, DUE, a_line("mass", "40.00", 100)))
    assert found.debt == Decimal("80.00")


def test_lines_that_bill_nothing_we_know_are_standing_but_concern_no_service() -> None:
    """ "lines that bill nothing we know never suspend and hold no release": consulting, whatever the scope."""
    for scope in Scope:
        rules = Rules(scope=scope)
        found = counted(an_invoice(100, DUE, a_line("text", "400.00", 0)), rules=rules)
        assert found.concerning == found.holding == ()


def test_a_line_of_a_service_that_this_client_does_not_have_concerns_nobody() -> None:
    """A deleted or moved service: nobody here answers for it."""
    found = counted(an_invoice(100, DUE, a_line("service", "40.00", 999)), rules=Rules(scope=Scope.CLIENT))
    assert found.concerning == found.holding == ()


def test_another_clients_invoice_is_not_this_clients_debt() -> None:
    assert book(an_invoice(100, client=2)).entries == ()


# --- when -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("today", "standing"), [(0, Standing.DUE), (1, Standing.OVERDUE), (-3, Standing.DUE)])
def test_due_today_is_not_overdue(today: int, standing: Standing) -> None:
    """Standing: due is "unpaid, not yet past due"."""
    found = book(an_invoice(), today=day(today))
    assert found.standing is standing
    assert found.entries[0].overdue is (standing is Standing.OVERDUE)
    assert found.debt == (Decimal("40.00") if standing is Standing.OVERDUE else ZERO)


@pytest.mark.parametrize(("created", "clock"), [(day(-10), DUE), (DUE, DUE), (day(1), day(1)), (day(200), day(200))])
def test_the_clock_starts_at_the_later_of_due_date_and_creation(created: date, clock: date) -> None:
    """ "starts at the later of its due date and its creation; a backdated or imported invoice makes nobody instantly
    overdue"."""
    found = book(an_invoice(), today=created, created_on={100: created})
    assert found.entries[0].clock == clock
    assert found.standing is not Standing.OVERDUE or created < DUE


def test_an_old_invoice_first_seen_years_ago_keeps_its_due_date() -> None:
    """After a chargeback "the old due date counts": creation was long before."""
    found = book(an_invoice(), today=day(60), created_on={100: day(-20)})
    assert found.entries[0].clock == DUE


def test_entries_are_oldest_clock_first() -> None:
    found = book(an_invoice(101, day(2)), an_invoice(102, day(-5)), an_invoice(103, day(2)), today=day(10))
    assert [e.invoice.id for e in found.entries] == [102, 101, 103]


# --- min_debt -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("balance", "counts"), [("5.00", False), ("5.01", True), ("4.99", False)])
def test_a_balance_has_to_be_above_min_debt(balance: str, counts: bool) -> None:
    """ "per invoice, balance above `min_debt` counts"."""
    rules = Rules(min_debt=MinDebt(Decimal("5.00")))
    assert bool(book(an_invoice(amount=balance), rules=rules).entries) is counts


def test_two_small_invoices_do_not_add_up() -> None:
    rules = Rules(min_debt=MinDebt(Decimal("5.00")))
    found = book(an_invoice(100, amount="5.00"), an_invoice(101, amount="5.00"), rules=rules)
    assert found.standing is Standing.PAID_UP
    assert len(found.left_out) == 2


def test_min_debt_looks_at_the_whole_invoice_not_at_one_service() -> None:
    rules = Rules(min_debt=MinDebt(Decimal("5.00")))
    shared = an_invoice(100, DUE, a_line("service", "3.00"), a_line("service", "3.00", 11))
    assert [d.amount.amount for d in counted(shared, rules=rules).concerning] == [Decimal("3.00")]


def test_a_currency_that_is_not_named_has_min_debt_zero() -> None:
    """ "per currency `{ BRL = "5.00" }`; a currency not named: 0"."""
    rules = Rules(min_debt=MinDebt(by_currency={"BRL": Decimal("5.00")}))
    assert not book(an_invoice(amount="5.00"), rules=rules, currency="BRL").entries
    assert book(an_invoice(amount="0.01"), rules=rules, currency="USD").entries
    assert book(an_invoice(amount="5.01"), rules=rules, currency="BRL").entries


def test_zero_balance_is_nothing() -> None:
    assert not book(an_invoice(amount="40.00", paid="40.00")).entries
    assert not book(an_invoice(amount="40.00", paid="50.00")).entries


# --- allocation of part payments --------------------------------------------------------------------

MIXED = (
    a_line("domain", "20.00", 7),
    a_line("service", "50.00"),
    a_line("addon", "10.00", 30),
    a_line("fee", "5.00", 0),
)


@pytest.mark.parametrize(
    ("paid", "left"),
    [
        ("0.00", {"service": "50.00", "addon": "10.00", "domain": "20.00", "fee": "5.00"}),
        ("30.00", {"service": "20.00", "addon": "10.00", "domain": "20.00", "fee": "5.00"}),
        ("50.00", {"addon": "10.00", "domain": "20.00", "fee": "5.00"}),
        ("55.00", {"addon": "5.00", "domain": "20.00", "fee": "5.00"}),
        ("60.00", {"domain": "20.00", "fee": "5.00"}),
        ("84.99", {"fee": "0.01"}),
        ("85.00", {}),
    ],
)
def test_a_part_payment_covers_lines_in_payment_order(paid: str, left: dict[str, str]) -> None:
    """ "it is taken to cover lines in payment_order = service, addon, domain, overage, fee", whatever the order of
    the lines."""
    for lines in permutations(MIXED):
        found = parts_of(an_invoice(100, DUE, *lines, paid=paid))
        assert {category: owed for category, _, owed in found} == left


def test_the_house_may_order_payments_differently() -> None:
    order = (Category.DOMAIN, Category.SERVICE, Category.ADDON, Category.OVERAGE, Category.FEE)
    invoice = an_invoice(100, DUE, a_line("service", "50.00"), a_line("domain", "20.00", 7), paid="50.00")
    found = outstanding(invoice, {SITE.id: SITE}, {}, order)
    assert found == (Part(Category.SERVICE, SITE.id, None, Decimal("20.00")),)


def test_lines_of_no_known_kind_are_paid_last() -> None:
    """They suspend nothing, so a payment that could cover a service is not taken for them."""
    invoice = an_invoice(100, DUE, a_line("text", "400.00", 0), a_line("service", "40.00"), paid="40.00")
    assert parts_of(invoice) == [("nothing-known", None, "400.00")]


def test_two_services_on_one_invoice_each_owe_their_line() -> None:
    """ "shared invoice: every service on its lines is concerned"."""
    shared = an_invoice(100, DUE, a_line("service", "50.00"), a_line("service", "30.00", 11))
    assert parts_of(shared) == [("service", 10, "50.00"), ("service", 11, "30.00")]


def test_tax_is_spread_over_the_lines() -> None:
    shared = an_invoice(100, DUE, a_line("service", "50.00"), a_line("domain", "50.00", 7), tax="19.00")
    assert parts_of(shared) == [("service", 10, "59.50"), ("domain", None, "59.50")]


def test_a_payment_that_covers_a_taxed_line_covers_its_tax_too() -> None:
    shared = an_invoice(100, DUE, a_line("service", "50.00"), a_line("domain", "50.00", 7), tax="20.00", paid="60.00")
    assert parts_of(shared) == [("domain", None, "60.00")]


def test_a_promotion_is_taken_off_its_own_service() -> None:
    invoice = an_invoice(
        100, DUE, a_line("service", "50.00"), a_line("promo", "-20.00"), a_line("service", "30.00", 11)
    )
    assert parts_of(invoice) == [("service", 10, "30.00"), ("service", 11, "30.00")]


def test_a_promotion_of_the_whole_price_leaves_nothing_to_owe() -> None:
    invoice = an_invoice(
        100, DUE, a_line("service", "50.00"), a_line("promo", "-50.00"), a_line("service", "30.00", 11)
    )
    assert parts_of(invoice) == [("service", 11, "30.00")]


def test_a_group_discount_is_spread() -> None:
    invoice = an_invoice(
        100, DUE, a_line("service", "50.00"), a_line("service", "50.00", 11), a_line("discount", "-10.00", 0)
    )
    assert parts_of(invoice) == [("service", 10, "45.00"), ("service", 11, "45.00")]


def test_cents_that_do_not_divide_are_not_lost() -> None:
    invoice = an_invoice(100, DUE, *(a_line("service", "10.00", n) for n in (10, 11, 12)), tax="0.01")
    found = outstanding(invoice, {a_service(n).id: a_service(n) for n in (10, 11, 12)}, {}, ORDER)
    assert sum(p.owed for p in found) == Decimal("30.01")


def test_an_invoice_of_discounts_only_concerns_nobody() -> None:
    invoice = an_invoice(100, DUE, a_line("discount", "-5.00", 0), a_line("promo", "-1.00"), paid="-46.00")
    assert parts_of(invoice) == [("nothing-known", None, "40.00")]


def test_overage_names_its_service_in_the_text() -> None:
    invoice = an_invoice(100, DUE, a_line("overage", "9.00", 11), a_line("service", "40.00"), paid="40.00")
    assert parts_of(invoice) == [("overage", 11, "9.00")]


def test_overage_concerns_its_service() -> None:
    """Failure story 54: "overage refused 30 days later, hosting line paid"."""
    found = counted(an_invoice(100, DUE, a_line("service", "40.00"), a_line("overage", "9.00"), paid="40.00"))
    assert [d.amount.amount for d in found.concerning] == [Decimal("9.00")]
    assert found.ending


def test_who_is_billed_includes_what_is_paid_already() -> None:
    found = client_facts(services=(SITE, OTHER))
    invoice = an_invoice(100, DUE, a_line("service", "40.00"), a_line("service", "40.00", 11), paid="40.00")
    assert billed_by(invoice, found) == {10, 11}
    assert billed_by(an_invoice(100, DUE, a_line("service", "1.00"), a_line("text", "1.00", 0)), found) == {10, None}


# --- disputes -------------------------------------------------------------------------------------


def dispute(**more: Any) -> Record:
    return a_record(RecordKind.DISPUTE, invoice=100, **more)


def test_a_disputed_invoice_is_no_debt() -> None:
    """Debt is "not disputed"."""
    found = book(an_invoice(), records=[dispute()])
    assert found.entries == ()
    assert found.standing is Standing.PAID_UP


@pytest.mark.parametrize(("today", "is_debt"), [(0, True), (1, False), (5, False), (6, True)])
def test_a_dispute_counts_from_its_first_through_its_last_day(today: int, is_debt: bool) -> None:
    found = book(an_invoice(100, day(-3)), today=day(today), records=[dispute(since=day(1), until=day(5))])
    assert bool(found.entries) is is_debt


def test_a_resolved_dispute_does_not_count_any_more() -> None:
    closed = dispute(state=RecordState.RESOLVED, closed_on=day(4))
    assert not book(an_invoice(), today=day(3), records=[closed]).entries
    assert book(an_invoice(), today=day(4), records=[closed]).entries


def test_a_disputed_line_leaves_the_rest() -> None:
    """ "on an invoice or on single lines; the rest of the invoice still counts"."""
    shared = an_invoice(100, DUE, a_line("service", "50.00"), a_line("service", "40.00", 11))
    found = book(shared, records=[dispute(line=1000)])
    assert [(p.service, p.owed) for p in found.entries[0].parts] == [(11, Decimal("40.00"))]
    assert found.entries[0].disputed


def test_a_disputed_line_takes_its_tax_with_it() -> None:
    """Nobody is suspended for the tax on what is disputed."""
    assert not book(an_invoice(100, DUE, a_line("service", "40.00"), tax="8.00"), records=[dispute(line=1000)]).entries


def test_who_pays_all_but_the_disputed_line_owes_nothing() -> None:
    """The payment covers what is not disputed, though the disputed line comes first in payment_order."""
    shared = an_invoice(100, DUE, a_line("service", "50.00"), a_line("service", "40.00", 11), paid="40.00")
    assert not book(shared, records=[dispute(line=1000)]).entries


def test_what_was_paid_beyond_the_undisputed_goes_to_the_disputed_line() -> None:
    shared = an_invoice(100, DUE, a_line("service", "50.00"), a_line("service", "40.00", 11), paid="60.00")
    assert not book(shared, records=[dispute(line=1000)]).entries
    assert not book(shared, records=[dispute(line=1001)]).entries, "the fifty that are not disputed are paid"


def test_a_disputed_part_of_a_line_leaves_the_rest_of_the_line() -> None:
    found = book(an_invoice(), records=[dispute(line=1000, amount="15.00")])
    assert found.debt == Decimal("25.00")


def test_two_lines_of_one_service_and_one_of_them_disputed() -> None:
    invoice = an_invoice(100, DUE, a_line("service", "50.00"), a_line("service", "30.00"))
    assert book(invoice, records=[dispute(line=1001)]).debt == Decimal("50.00")


def test_a_disputed_amount_of_the_invoice_is_taken_off_as_a_payment_would_be() -> None:
    invoice = an_invoice(100, DUE, a_line("service", "50.00"), a_line("domain", "20.00", 7))
    found = book(invoice, records=[dispute(amount="50.00")])
    assert [(p.category, p.owed) for p in found.entries[0].parts] == [(Category.DOMAIN, Decimal("20.00"))]


def settled(asked: str, **more: Any) -> Record:
    """A dispute decided for the client about an invoice that asked for so much when it was opened."""
    closed = dispute(state=RecordState.UPHELD, closed_on=day(1), **more)
    return replace(closed, owed=((InvoiceId(100), Decimal(asked)),))


@pytest.mark.parametrize("open_still", [False, True])
def test_what_staff_takes_off_for_a_disputed_amount_counts_once(open_still: bool) -> None:
    lowered = an_invoice(100, DUE, a_line("service", "100.00"), a_line("text", "-50.00"))
    found = settled("100.00", amount="50.00")
    if open_still:
        found = replace(found, state=RecordState.OPEN, closed_on=None)
    assert book(lowered, records=[found]).debt == Decimal("50.00")


def test_what_staff_takes_off_for_a_disputed_line_leaves_the_other_services_line_as_it_was() -> None:
    lines = (a_line("service", "50.00"), a_line("service", "50.00", 11), a_line("text", "-50.00"))
    found = book(an_invoice(100, DUE, *lines), records=[settled("100.00", line=1000)])
    assert [(p.service, p.owed) for e in found.entries for p in e.parts] == [(11, Decimal("50.00"))]


def test_a_payment_beside_what_was_decided_for_the_client_is_no_booking() -> None:
    """Who pays all but what he was right about owes nothing, however late the books follow."""
    assert not book(an_invoice(amount="100.00", paid="50.00"), records=[settled("100.00", amount="50.00")]).entries


def test_a_dispute_about_a_line_that_is_gone_takes_nothing_off() -> None:
    assert book(an_invoice(), records=[dispute(line=4711)]).debt == Decimal("40.00")


def test_min_debt_is_compared_with_what_is_not_disputed() -> None:
    rules = Rules(min_debt=MinDebt(Decimal("5.00")))
    assert not book(an_invoice(), records=[dispute(line=1000, amount="35.00")], rules=rules).entries


def test_a_disputed_invoice_holds_no_release() -> None:
    down = facts(suspended(), records=[dispute()])
    assert due_kinds(down, today=day(5)) == ["unsuspend"]


# --- clearing days --------------------------------------------------------------------------------

FRIDAY, SATURDAY, MONDAY = date(2026, 3, 13), date(2026, 3, 14), date(2026, 3, 16)


@pytest.mark.parametrize(
    ("due", "gateway", "first_overdue"),
    [
        (FRIDAY, "boleto", SATURDAY),
        (FRIDAY, "stripe", SATURDAY),
        (SATURDAY, "boleto", MONDAY + timedelta(days=1)),
        (SATURDAY, "stripe", SATURDAY + timedelta(days=1)),
    ],
)
def test_a_due_date_on_a_weekend_moves_to_the_next_bank_day_for_that_gateway(
    due: date, gateway: str, first_overdue: date
) -> None:
    """ "a due date on a bank holiday or weekend moves to the next bank day for that gateway"."""
    calendar = Calendar(clearing_bank_days={"boleto": 2})
    invoice = an_invoice(100, due, gateway=gateway)
    before = book(invoice, today=first_overdue - timedelta(days=1), calendar=calendar)
    assert before.standing is Standing.DUE
    assert book(invoice, today=first_overdue, calendar=calendar).standing is Standing.OVERDUE


def test_a_due_date_on_a_bank_holiday_moves_as_well() -> None:
    holiday = date(2026, 4, 21)
    calendar = Calendar(holidays=frozenset({holiday}), clearing_bank_days={"boleto": 2})
    invoice = an_invoice(100, holiday, gateway="boleto")
    entry = book(invoice, today=holiday + timedelta(days=1), calendar=calendar).entries[0]
    assert (entry.clock, entry.due, entry.overdue) == (holiday, holiday + timedelta(days=1), False)


# --- payment pending --------------------------------------------------------------------------------


@pytest.mark.parametrize(("today", "holds"), [(MONDAY, True), (date(2026, 3, 18), True), (date(2026, 3, 19), False)])
def test_payment_pending_holds_for_the_bank_days_of_its_gateway(today: date, holds: bool) -> None:
    """ "holds for N bank days of its gateway from the day it was first seen pending, then counts again": seen on
    Monday with three bank days, it counts on the third bank day after."""
    pending = an_invoice(100, DUE, status=InvoiceStatus.PAYMENT_PENDING, gateway="boleto")
    calendar = Calendar(clearing_bank_days={"boleto": 3})
    entry = book(pending, today=today, pending_since={100: MONDAY}, calendar=calendar).entries[0]
    assert entry.pending is holds


def test_payment_pending_skips_weekends_and_holidays() -> None:
    calendar = Calendar(holidays=frozenset({MONDAY}), clearing_bank_days={"boleto": 2})
    pending = an_invoice(100, DUE, status=InvoiceStatus.PAYMENT_PENDING, gateway="boleto")

    def holds(today: date) -> bool:
        return book(pending, today=today, pending_since={100: FRIDAY}, calendar=calendar).entries[0].pending

    assert holds(MONDAY + timedelta(days=1))
    assert not holds(MONDAY + timedelta(days=2))


def test_a_pending_payment_suspends_nothing_and_releases_nothing() -> None:
    pending = an_invoice(100, DUE, status=InvoiceStatus.PAYMENT_PENDING)
    found = counted(pending, today=day(2))
    assert found.concerning == ()
    assert found.pending
    assert found.holding
    assert due_kinds(facts(suspended(), invoices=[pending]), today=day(2)) == []


def test_a_pending_invoice_does_not_make_a_client_overdue_until_its_days_are_over() -> None:
    pending = an_invoice(100, DUE, status=InvoiceStatus.PAYMENT_PENDING)
    assert book(pending, today=day(1), pending_since={100: day(1)}).standing is Standing.DUE
    assert book(pending, today=day(30), pending_since={100: day(1)}).standing is Standing.OVERDUE


# --- freezes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gateway", "suspended_on"), [("", 6), ("banktransfer", 6), ("stripe", 3)])
def test_the_clock_stands_still_on_frozen_days(gateway: str, suspended_on: int) -> None:
    """ "outage freeze (clients cannot pay: the clock stands still for those days)"; one of a single gateway stops the
    clock of that gateway's invoices only."""
    frozen = a_record(RecordKind.FREEZE, day(1), day(3), client=None, gateway=gateway)
    assert first_day(facts(records=[frozen]), Kind.SUSPEND) == day(suspended_on)


def test_a_freeze_before_the_due_date_changes_nothing() -> None:
    frozen = a_record(RecordKind.FREEZE, day(-5), day(-1), client=None)
    assert first_day(facts(records=[frozen]), Kind.SUSPEND, start=day(-6)) == day(3)


def test_a_freeze_over_the_due_date_gives_the_days_back() -> None:
    """Due in the middle of three frozen days: day 1 is the first day after them."""
    frozen = a_record(RecordKind.FREEZE, day(-1), day(1), client=None)
    assert first_day(facts(records=[frozen]), Kind.SUSPEND, start=day(-6)) == day(4)


def test_a_freeze_over_a_quiet_weekend_counts_each_day_once() -> None:
    """Due on Tuesday the 10th, suspended on day 3 (Friday the 13th); frozen on Thursday and Friday: day 3 is Sunday
    the 15th, which is quiet, so Monday."""
    frozen = a_record(RecordKind.FREEZE, day(2), day(3), client=None)
    policy = a_policy(quiet=["saturday", "sunday"])
    assert first_day(facts(records=[frozen]), Kind.SUSPEND, policy) == MONDAY


def test_a_lifted_freeze_stops_the_clock_only_until_it_was_lifted() -> None:
    frozen = a_record(RecordKind.FREEZE, day(1), day(30), client=None, state=RecordState.LIFTED, closed_on=day(3))
    assert first_day(facts(records=[frozen]), Kind.SUSPEND) == day(5)


# --- scope, release ---------------------------------------------------------------------------------

HERS = an_invoice(100, DUE, a_line("service", "40.00", 11))


def test_scope_service_looks_at_lines_that_bill_the_service_or_its_addons() -> None:
    assert counted(HERS).concerning == ()
    assert counted(an_invoice(100, DUE, a_line("addon", "5.00", 30))).concerning
    assert counted(an_invoice(100, DUE, a_line("service", "5.00"))).concerning


def test_scope_client_looks_at_any_service_of_the_client() -> None:
    """Failure story 6: scope "service" and scope "client" both tested."""
    assert counted(HERS, rules=Rules(scope=Scope.CLIENT)).concerning


def test_scope_client_is_not_moved_by_what_holds_no_release() -> None:
    """A domain renewal nobody wants and the debt of ended services: what holds nothing back takes nothing down."""
    rules = Rules(scope=Scope.CLIENT)
    assert counted(an_invoice(100, DUE, a_line("domain", "12.00", 7)), rules=rules).concerning == ()
    found = client_facts(services=(SITE, a_service(11, ServiceStatus.TERMINATED)), invoices=(HERS,))
    assert count(ledger(found, rules, Calendar(), day(5)), found, SITE, rules).concerning == ()


@pytest.mark.parametrize(
    ("what", "relid", "holds"),
    [("service", 10, True), ("service", 11, True), ("addon", 30, True), ("overage", 11, True), ("domain", 7, False),
     ("fee", 0, False), ("text", 0, False), ("upgrade", 10, False)],
)  # fmt: skip
def test_release_all_paid_waits_for_every_debt_that_counts(what: str, relid: int, holds: bool) -> None:
    """ "every debt of the client that counts: service, addon, overage; a domain renewal nobody wants, a leftover late
    fee or a special invoice holds nothing back unless listed"."""
    assert bool(counted(an_invoice(100, DUE, a_line(what, "9.00", relid))).holding) is holds


@pytest.mark.parametrize("what", ["domain", "fee"])
def test_what_is_listed_holds_a_release(what: str) -> None:
    rules = Rules(release_counts=(Category.SERVICE, Category.DOMAIN, Category.FEE))
    assert counted(an_invoice(100, DUE, a_line(what, "9.00", 7)), rules=rules).holding


def test_release_service_paid_waits_for_the_service_alone() -> None:
    rules = Rules(release=Release.SERVICE_PAID)
    assert counted(HERS, rules=rules).holding == ()
    assert counted(an_invoice(), rules=rules).holding


@pytest.mark.parametrize(("old_debt", "holds"), [("report", False), ("hold", True)])
def test_debt_of_ended_services_is_reported_or_holds(old_debt: str, holds: bool) -> None:
    rules = Rules(old_debt=old_debt)
    found = client_facts(services=(SITE, a_service(11, ServiceStatus.TERMINATED)), invoices=(HERS,))
    result = count(ledger(found, rules, Calendar(), day(5)), found, SITE, rules)
    assert bool(result.holding) is holds
    assert result.old


def test_not_yet_due_invoices_never_hold_back_a_release() -> None:
    """ "not yet due invoices never hold back a release", the one due today included."""
    down = facts(suspended(), invoices=[an_invoice(101, day(5)), an_invoice(102, day(30))])
    assert due_kinds(down, today=day(5)) == ["unsuspend"]
    assert due_kinds(down, today=day(6)) == []


def test_paying_the_oldest_of_several_never_lifts_it_in_any_order() -> None:
    """Failure stories 25-27: three invoices, every order of payment, and only the last payment releases."""
    three = [an_invoice(100, day(-60)), an_invoice(101, day(-30)), an_invoice(102, DUE)]
    for order in permutations(three):
        left = list(three)
        for paid in order:
            left.remove(paid)
            expected = [] if left else ["unsuspend"]
            found = due_kinds(facts(suspended(), invoices=left), a_policy(3, None), day(5))
            assert found == expected


# --- addons ---------------------------------------------------------------------------------------

CERTIFICATE = an_invoice(100, DUE, a_line("addon", "15.00", 30))


@pytest.mark.parametrize(("setting", "due"), [("parent", ["suspend"]), ("addon", ["suspend_addon"]), ("none", [])])
def test_an_overdue_addon_suspends_what_the_setting_says(setting: str, due: list[str]) -> None:
    """ "`overdue_addon_suspends` = parent (default), addon (its status) or none"."""
    found = facts(addons=ADDONS, invoices=[CERTIFICATE])
    assert due_kinds(found, a_policy(layer={"overdue_addon_suspends": setting}), day(3)) == due


def test_an_addon_never_ends_its_parent() -> None:
    found = counted(CERTIFICATE)
    assert found.concerning
    assert found.ending == ()
    both = counted(an_invoice(100, DUE, a_line("addon", "15.00", 30), a_line("service", "40.00"), paid="40.00"))
    assert both.ending == ()


def test_the_service_line_beside_an_addon_may_end_it() -> None:
    both = counted(an_invoice(100, DUE, a_line("addon", "15.00", 30), a_line("service", "40.00")))
    assert [d.amount.amount for d in both.ending] == [Decimal("40.00")]
    assert [d.amount.amount for d in both.concerning] == [Decimal("55.00")]


def test_an_addon_that_answers_for_itself_keeps_its_parent_out_of_it() -> None:
    rules = Rules(overdue_addon_suspends="addon")
    found = counted(CERTIFICATE, rules=rules)
    assert found.concerning == found.holding == ()
    assert found.addons[ADDONS[0].id].amount.amount == Decimal("15.00")


def test_an_addon_of_an_unknown_number_concerns_nobody() -> None:
    assert counted(an_invoice(100, DUE, a_line("addon", "15.00", 77))).concerning == ()


# --- two ways to the same answer ----------------------------------------------------------------------


def test_a_decision_names_the_debts_oldest_first() -> None:
    found = facts(invoices=[an_invoice(100, day(2)), an_invoice(101, DUE)])
    assert [d.invoice for d in judged(found, today=day(5)).debts] == [101, 100]


def test_the_view_weighs_the_same_book() -> None:
    look = view(facts(), today=day(5))
    assert look.counted.concerning[0].amount.amount == look.ledger.debt == Decimal("40.00")
    assert look.ledger.entries[0].invoice.lines[0].id == LineId(1000)
