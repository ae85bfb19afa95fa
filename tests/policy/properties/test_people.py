"""What holds for everything that people tell: it ends, it does not add up to for ever, and a forgery never pays."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import DUE, a_case, a_policy, a_record, a_service, an_invoice, day, facts, suspended, view
from tests.effort import examples
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.records import Instalment, Record, RecordKind, RecordState
from whmcs_bridge.policy.admission import (
    Refusal,
    promise_refusals,
    receipt_refusal,
    release_refusals,
    verdict_on_promise,
)
from whmcs_bridge.policy.decision import Due, Kind
from whmcs_bridge.policy.protections import arrangement, freeze, hold, promise, receipt, trust_release
from whmcs_bridge.policy.rules import Policy, PromiseRules, ReceiptRules, ReleaseTier, TrustRules

MODEST = settings(max_examples=examples(75), deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OF_RECORDS = (hold, promise, trust_release, arrangement, receipt, freeze)
HARM = (Kind.SUSPEND, Kind.TERMINATE, Kind.DELETE_BACKUPS)
PROTECTING = (
    RecordKind.PROMISE,
    RecordKind.RELEASE,
    RecordKind.ARRANGEMENT,
    RecordKind.RECEIPT,
    RecordKind.HOLD,
    RecordKind.FREEZE,
    RecordKind.DISPUTE,
)
offsets = st.integers(-5, 40)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Any record with a last day, open or closed, of the service, its client or everyone."""
    kind = draw(st.sampled_from(PROTECTING))
    since = draw(offsets)
    until = since + draw(st.integers(0, 20))
    state = draw(st.sampled_from(RecordState))
    closed = None if state is RecordState.OPEN else day(draw(st.integers(since, until)))
    invoice = 100 if kind in (RecordKind.RECEIPT, RecordKind.DISPUTE) else None
    made = a_record(
        kind,
        day(since),
        day(until),
        number=draw(st.integers(1, 9)),
        state=state,
        closed_on=closed,
        client=None if kind is RecordKind.FREEZE else 1,
        service=draw(st.sampled_from((None, 10))) if kind not in (RecordKind.FREEZE, RecordKind.DISPUTE) else None,
        invoice=invoice,
        gateway=draw(st.sampled_from(("", "boleto"))) if kind is RecordKind.FREEZE else "",
    )
    if kind is RecordKind.ARRANGEMENT:
        parts = (Instalment(Decimal(10), day(since)), Instalment(Decimal(30), day(until)))
        # its invoice of 40.00 owed more when it was made: the first part has come, or both
        then = draw(st.sampled_from((Decimal(60), Decimal(80))))
        made = replace(made, parts=parts, owed=((an_invoice().id, then),))
    return made


@MODEST
@given(st.lists(records(), max_size=6), st.integers(0, 70), st.sampled_from(HARM))
def test_no_protection_outlives_its_end(told: list[Record], today: int, kind: Kind) -> None:
    """Whatever was recorded: after its last day, and from the day it was closed on, it withholds nothing."""
    now = day(today)
    running = [r for r in told if r.until is not None and now <= r.until]
    over = [r for r in told if r not in running]
    look = view(facts(records=over), today=now)
    assert [found for protect in OF_RECORDS if (found := protect(look, Due(kind, ""))) is not None] == []
    whole = view(facts(records=told), today=now)
    for protect in OF_RECORDS:
        found = protect(whole, Due(kind, ""))
        assert found is None or found.until is None or found.until >= now
        assert found is None or running


@MODEST
@given(st.lists(records(), max_size=6), st.integers(0, 70), st.sampled_from(HARM))
def test_a_closed_record_protects_nobody(told: list[Record], today: int, kind: Kind) -> None:
    """A receipt found true waits for its money; everything else that a person or a run has closed is over."""
    now = day(today)
    closed = [
        r
        for r in told
        if r.closed_on is not None and r.closed_on <= now and r.state not in (RecordState.VERIFIED, RecordState.UPHELD)
    ]
    look = view(facts(records=closed), today=now)
    assert all(protect(look, Due(kind, "")) is None for protect in OF_RECORDS)


# --- chains -----------------------------------------------------------------------------------------

HORIZON_DAYS = 80
wishes = st.lists(
    st.tuples(st.sampled_from(("promise", "service promise", "release", "receipt", "cancel")), st.integers(0, 15)),
    max_size=HORIZON_DAYS,
)


class Chain:
    """A client who never pays and asks for something every day; the rules alone stand against it."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.told, self.held = policy, list[Record](), 0

    def facts(self, *, up: bool) -> ServiceFacts:
        case = a_case(opened_on=day(1), suspended_on=None if up else day(3))
        return facts(a_service() if up else suspended(), case=case, records=self.told)

    def protected(self, today: date) -> bool:
        look = view(self.facts(up=True), self.policy, today)
        words = (promise, trust_release, receipt)
        return any(protect(look, Due(Kind.SUSPEND, "")) is not None for protect in words)

    def live(self, today: date, wish: tuple[str, int]) -> None:
        """A day: what has run out is settled, it counts if it is protected, then the client asks."""
        self._settle(today)
        self.held += self.protected(today)
        self.ask(today, *wish)

    def _settle(self, today: date) -> None:
        for place, record in enumerate(self.told):
            if record.state is RecordState.OPEN and record.until is not None and record.until < today:
                state = verdict_on_promise(record, True, today) if record.kind is RecordKind.PROMISE else None
                self.told[place] = replace(record, state=state or RecordState.RESOLVED, closed_on=today)

    def ask(self, today: date, what: str, days: int) -> None:
        if what == "cancel":
            for place, record in enumerate(self.told):
                if record.state is RecordState.OPEN:
                    self.told[place] = replace(record, state=RecordState.CANCELLED, closed_on=today)
        if what in ("cancel", "nothing"):
            return
        kind = RecordKind(what.rpartition(" ")[2])
        service = None if what in ("promise", "receipt") else 10
        wanted = a_record(kind, today, today + timedelta(days=days), number=len(self.told) + 1, service=service)
        look = view(self.facts(up=self.protected(today)), self.policy, today)
        refusals: list[Refusal] | str
        if kind is RecordKind.PROMISE:
            opened = {look.service.id: DUE}
            found = promise_refusals(wanted, look.facts.client, look.ledger, self.policy, today, opened=opened)
            refusals = list(found)
        elif kind is RecordKind.RELEASE:
            refusals = list(release_refusals(wanted, look, today))
        else:
            wanted = replace(wanted, invoice_id=an_invoice().id)
            refusals = receipt_refusal(wanted, look.facts.client, self.policy, today)
        if not refusals:
            self.told.append(wanted)


@FEW
@given(wishes, st.integers(0, 12), st.integers(1, 6), st.integers(1, 5))
def test_no_chain_protects_for_more_than_the_configured_total(
    asked: list[tuple[str, int]], promised: int, released: int, bank_days: int
) -> None:
    """Promises share their days in a case, a release comes once in its cool-down, receipts share the first one's days;
    even where broken words cost nothing. Every record protects on the day it is made too."""
    policy = a_policy(
        promises=PromiseRules(max_days=promised, cooldown_days=0),
        trust_release=TrustRules(
            tiers=(ReleaseTier(days=released),), max_broken_promises=1000, cooldown_days=HORIZON_DAYS
        ),
        receipts=ReceiptRules(hold_bank_days=bank_days),
    )
    chain = Chain(policy)
    for offset, wish in enumerate(asked, 3):
        chain.live(day(offset), wish)
    for offset in range(3 + len(asked), 3 + len(asked) + 30):
        chain._settle(day(offset))
        chain.held += chain.protected(day(offset))
    said = [r.made_on for r in chain.told if r.kind is RecordKind.RECEIPT]
    by_receipts = (policy.calendar.add_bank_days(min(said), bank_days) - min(said)).days if said else 0
    assert chain.held <= promised + released + by_receipts


@FEW
@given(
    st.permutations(("promise", "service promise", "release", "receipt")),
    st.integers(0, 12),
    st.integers(1, 6),
    st.integers(1, 5),
)
def test_who_asks_for_all_there_is_gets_exactly_that(
    order: list[str], promised: int, released: int, bank_days: int
) -> None:
    """One thing after the other, each for as long as it goes: the total, not a day more; and no day less."""
    policy = a_policy(
        promises=PromiseRules(max_days=promised, cooldown_days=0),
        trust_release=TrustRules((ReleaseTier(days=released),), max_broken_promises=1000, cooldown_days=HORIZON_DAYS),
        receipts=ReceiptRules(hold_bank_days=bank_days),
    )
    chain = Chain(policy)
    by_receipts = 0
    for today in (day(offset) for offset in range(3, 3 + HORIZON_DAYS)):
        chain.live(today, ("nothing", 0))
        if chain.protected(today):
            continue
        known = len(chain.told)
        for what, days in ((what, days) for what in order for days in range(15, 0, -1)):
            chain.ask(today, what, days)
            if len(chain.told) > known:
                if what == "receipt":
                    by_receipts = (policy.calendar.add_bank_days(today, bank_days) - today).days
                break
        else:
            break  # nothing is left to ask for
    assert chain.held == promised + released + by_receipts


@FEW
@given(st.lists(st.integers(0, 15), min_size=1, max_size=30), st.integers(0, 400), st.booleans())
def test_a_forged_receipt_never_helps_twice(asked: list[int], later: int, other: bool) -> None:
    """From the day it is found forged it holds nothing, and no receipt is taken again: for no invoice, ever."""
    policy = a_policy()
    forged = replace(
        a_record(RecordKind.RECEIPT, DUE, day(3), number=7, invoice=100), state=RecordState.FORGED, closed_on=day(1)
    )
    invoices: list[Any] = [an_invoice(), an_invoice(101)]
    for offset in asked:
        today = day(1 + later + offset)
        found = facts(records=[forged], invoices=invoices)
        wanted = a_record(RecordKind.RECEIPT, today, None, invoice=101 if other else 100)
        assert "forged" in receipt_refusal(wanted, found.client, policy, today)
        assert receipt(view(found, policy, today), Due(Kind.SUSPEND, "")) is None
