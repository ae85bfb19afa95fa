"""Random services, debts, histories and houses for the properties of `decide`."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from tests.builders import (
    BLANK,
    DUE,
    OUR_REASON,
    a_case,
    a_final_warning,
    a_group,
    a_line,
    a_notice,
    a_policy,
    a_record,
    a_request,
    a_service,
    an_addon,
    an_invoice,
    facts,
)
from whmcs_bridge.domain.book import Invoice, InvoiceLine, Service
from whmcs_bridge.domain.case import Adoption, Case
from whmcs_bridge.domain.facts import Membership, ServiceFacts
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.policy.rules import PAYMENT_REMINDER, Policy, PromiseRules, Release, Scope, VipRules

TODAY = DUE + timedelta(days=20)
ADDON = an_addon(30)
OTHER = a_service(11)


def days(low: int, high: int) -> st.SearchStrategy[date]:
    """Days around DUE."""
    return st.integers(low, high).map(lambda n: DUE + timedelta(days=n))


seldom = st.sampled_from([False] * 9 + [True])
cents = st.integers(1, 20_000).map(lambda n: f"{Decimal(n) / 100:.2f}")


@st.composite
def lines(draw: st.DrawFn) -> InvoiceLine:
    """A line of any sort, for this service, another, an addon, or nobody."""
    others = ["addon", "domain", "fee", "text", "overage", "funds", "upgrade"]
    what = draw(st.sampled_from(["service"] * 7 + others))
    relid = {"addon": 30, "domain": 7}.get(what) or draw(st.sampled_from([10, 10, 10, 10, 11, 999]))
    return a_line(what, draw(cents), relid)


@st.composite
def invoices(draw: st.DrawFn, number: int = 100) -> Invoice:
    """An open invoice with some lines, taxed, discounted and partly paid now and then."""
    found = draw(st.lists(lines(), min_size=1, max_size=4))
    gross = sum((x.amount for x in found), Decimal(0))
    if draw(seldom):
        found.append(a_line("discount", f"-{gross * draw(st.integers(1, 50)) / 100:.2f}", 0))
    total = sum((x.amount for x in found), Decimal(0))
    paid = total * draw(st.one_of(st.just(0), st.integers(0, 100))) / 100
    return an_invoice(
        number,
        None if draw(seldom) else draw(days(-40, 25)),
        *found,
        paid=f"{paid:.2f}",
        tax=draw(st.sampled_from(["0.00", "0.00", "3.17"])),
        status=draw(st.sampled_from([InvoiceStatus.UNPAID] * 20 + list(InvoiceStatus))),
        gateway=draw(st.sampled_from(["banktransfer", "boleto", "stripe"])),
    )


@st.composite
def books(draw: st.DrawFn) -> tuple[Invoice, ...]:
    return tuple(draw(invoices(100 + n)) for n in range(draw(st.sampled_from([1, 1, 2, 2, 3, 0]))))


reasons = st.sampled_from([OUR_REASON] * 6 + [BLANK, BLANK, "Abuse", OUR_REASON + " and spam"])


@st.composite
def services(draw: st.DrawFn) -> Service:
    usual = [ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED] * 6
    status = draw(st.sampled_from([*usual, *ServiceStatus, None]))
    return a_service(
        10,
        status,
        reason=draw(reasons) if status is ServiceStatus.SUSPENDED else "",
        override=draw(seldom),
        override_until=draw(st.one_of(st.none(), days(-30, 60))),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A memory of any sort, also one that no run would leave behind."""
    arrived = st.sampled_from([True] * 6 + [None, False])
    opened = draw(days(-40, 20))
    warned = [a_notice(on=opened + timedelta(days=draw(st.integers(-9, 9))), delivered=draw(arrived))]
    final = [a_final_warning(opened + timedelta(days=draw(st.integers(-9, 40))), delivered=draw(arrived))]
    kept = {"suspend_after_days": draw(st.integers(1, 20))} if draw(seldom) else {}
    return a_case(
        opened_on=None if draw(seldom) else opened,
        suspended_on=None if draw(seldom) else opened + timedelta(days=draw(st.integers(0, 20))),
        adopted_on=draw(days(-40, 20)) if draw(seldom) else None,
        adoption=draw(st.sampled_from([None] * 6 + list(Adoption))),
        exempt_on=draw(days(-40, 20)) if draw(seldom) else None,
        restarted_on=draw(days(-40, 20)) if draw(seldom) else None,
        notices=tuple(draw(st.permutations([*warned, *final]))) if not draw(seldom) else (),
        kept_days=kept,
    )


@st.composite
def records(draw: st.DrawFn) -> Record:
    since = draw(days(-30, 25))
    state = draw(st.sampled_from([RecordState.OPEN] * 2 + [RecordState.BROKEN, RecordState.CANCELLED]))
    return a_record(
        draw(st.sampled_from(list(RecordKind))),
        since,
        None if draw(seldom) else since + timedelta(days=draw(st.integers(0, 20))),
        number=draw(st.integers(1, 99)),
        state=state,
        closed_on=None if state is RecordState.OPEN else since + timedelta(days=draw(st.integers(0, 20))),
        service=draw(st.sampled_from([None, 10, 11])),
        invoice=draw(st.sampled_from([None, 100, 101])),
        sort=draw(st.sampled_from(["", "ticket", "legal"])),
        gateway=draw(st.sampled_from(["", "boleto"])),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A house of any sort that `policy check` would let pass."""
    suspend = None if draw(seldom) else draw(st.integers(1, 12))
    waiting = None if draw(seldom) else draw(st.integers(1, 15))
    terminate = None if suspend is None or waiting is None else suspend + waiting
    warn = draw(st.integers(1, suspend - 1)) if suspend and suspend > 1 and draw(st.booleans()) else None
    final = None if waiting is None else draw(st.one_of(st.none(), st.integers(1, waiting)))
    quiet = draw(st.sampled_from([(), ("saturday", "sunday"), ("friday", "saturday", "sunday")]))
    return a_policy(
        suspend,
        terminate,
        warn=warn,
        notices=[(1, PAYMENT_REMINDER)] if draw(st.booleans()) else [],
        quiet=quiet,
        clearing=draw(st.sampled_from([{}, {"boleto": 2}])),
        min_debt=draw(st.sampled_from(["0.00", "5.00"])),
        approval=draw(st.sampled_from([{}, {}, {"terminate": "required"}])),
        layer={
            "final_warning_days": final,
            "delete_backups_after_days": draw(st.sampled_from([None, 0, 5])),
            "overdue_addon_suspends": draw(st.sampled_from(["parent", "addon", "none"])),
            "scope": draw(st.sampled_from(list(Scope))),
            "release": draw(st.sampled_from(list(Release))),
            "recent_contact_days": draw(st.sampled_from([0, 0, 5])),
        },
        promises=PromiseRules(on_broken=draw(st.sampled_from(["suspend", "terminate"]))),
        vip=draw(st.sampled_from([None, VipRules("VIP", exempt_max_days=10)])),
    )


@st.composite
def any_facts(draw: st.DrawFn) -> ServiceFacts:
    """Facts of any sort: consistent or not, `decide` may not do harm on them without its reasons."""
    member = draw(days(-40, 20)) if draw(seldom) else None
    return facts(
        draw(services()),
        case=draw(cases()),
        others=[OTHER],
        addons=[ADDON],
        group=draw(st.sampled_from([None] * 9 + [a_group(), a_group(exempt=True)])),
        invoices=draw(books()),
        records=draw(st.lists(records(), max_size=2)) if draw(st.booleans()) else [],
        membership=Membership(member, draw(days(-40, 20)) if draw(seldom) else None),
        credit=Decimal("10.00") if draw(seldom) else None,
        cancel_request=a_request() if draw(seldom) else None,
        complete=not draw(seldom),
        missing=draw(seldom),
        acted_today=draw(seldom),
        ended_seen=draw(days(-40, 20)) if draw(seldom) else None,
    )


@st.composite
def ripe_facts(draw: st.DrawFn) -> ServiceFacts:
    """Facts of any sort on which a harmful step is likely: ours or up, old enough, little that protects."""
    found = draw(any_facts())
    status = draw(st.sampled_from([ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED]))
    service = a_service(10, status, reason=OUR_REASON if status is ServiceStatus.SUSPENDED else "")
    debt = an_invoice(109, draw(days(-40, 10)), gateway=draw(st.sampled_from(["banktransfer", "boleto"])))
    client = replace(
        found.client,
        group=None,
        records=found.client.records[:1],
        credit=None,
        invoices=(*found.client.invoices, debt),
        services={**found.client.services, service.id: service},
    )
    return replace(
        found, service=service, client=client, complete=True, missing=False, acted_today=False, cancel_request=None
    )
