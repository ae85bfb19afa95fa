"""The first day: a few clients first, and a person's word on a doubtful suspension."""

import pytest

from hooks import HANDLERS
from tests.house import HOSTING, House, client_id, done, service_id
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import UnknownId, UsageProblem
from whmcs_bridge.hookpoints import Actor, Answer, Ask, HookEvent
from whmcs_bridge.jobs.scope import OUTSIDE
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.records import Service

# --- a few first ----------------------------------------------------------------------------------


def test_only_the_named_clients_and_groups_are_acted_for() -> None:
    with House.of() as house:
        _, named, _ = house.a_debtor(overdue=3)
        _, grouped, _ = house.a_debtor(overdue=3, group=3)
        _, other, _ = house.a_debtor(overdue=3)
        house.bridge.snapshot()
        house.bridge.enforce_only(["Resellers"], [ClientId(named.client)], "ana")
        report = house.sync()
        assert done(report) == ["suspend", "suspend"]
        assert (named.status, grouped.status, other.status) == ("Suspended", "Suspended", "Active")
        assert house.withheld(report, other) == {OUTSIDE: "suspend"}
        assert house.case(other) is None, "as in shadow mode, no stage moves"


def test_the_others_begin_at_their_first_stage_once_everyone_is_acted_for() -> None:
    """Days spent outside are not days of warning or waiting."""
    warned = {**HOSTING, "notices": [{"day": 2, "message": "suspension-warning"}]}
    with House.of({"class": {"hosting": warned}}) as house:
        first, _, _ = house.a_debtor()
        _, other, _ = house.a_debtor()
        house.bridge.snapshot()
        house.bridge.enforce_only([], [client_id(first)], "ana")
        house.next_day(20)
        assert (other.status, house.mails(house.world.clients[other.client])) == ("Active", [])
        house.bridge.enforce_everyone("ana")
        assert "suspension-warning" in done(house.next_day())
        assert other.status == "Active"
        assert done(house.next_day()) == ["suspend"]


def test_what_we_suspended_comes_back_when_paid_whoever_is_acted_for() -> None:
    """Narrowed while a client was down by us: the payment still brings the service back."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        someone = house.a_client()
        house.sync()
        assert service.status == "Suspended"
        house.bridge.enforce_only([], [client_id(someone)], "ana")
        house.pay(invoice)
        assert done(house.next_day()) == ["unsuspend"]
        assert service.status == "Active"


def test_a_payment_hook_releases_what_we_suspended_and_nothing_else_outside() -> None:
    with House.of() as house:
        _, ours, paid = house.a_debtor(overdue=3)
        someone = house.a_client()
        house.sync()
        theirs = house.a_service()
        debt = house.an_invoice(theirs, due=-5)
        theirs.status = "Suspended"
        house.bridge.enforce_only([], [client_id(someone)], "ana")
        house.pay(paid)
        house.pay(debt)
        for service in (ours, theirs):
            house.bridge.reevaluate(ClientId(service.client), "InvoicePaid")
        assert (ours.status, theirs.status) == ("Active", "Suspended")


def test_a_step_that_waits_for_the_others_turn_is_explained() -> None:
    with House.of() as house:
        first, _, _ = house.a_debtor()
        _, other, _ = house.a_debtor(overdue=3)
        house.bridge.snapshot()
        house.bridge.enforce_only([], [client_id(first)], "ana")
        found = house.bridge.explain_service(service_id(other)).to_json()
        assert (found["due"], found["next"]) == ([], None)
        assert [(w["kind"], w["code"]) for w in found["withheld"]] == [("suspend", OUTSIDE)]


def test_whmcs_is_refused_nothing_for_clients_outside() -> None:
    with House.of() as house:
        first, _, _ = house.a_debtor(overdue=1)
        _, other, _ = house.a_debtor(overdue=1)
        house.sync()
        house.bridge.enforce_only([], [client_id(first)], "ana")
        inside = _asked_to_suspend(house, next(s for s in house.world.services.values() if s.client == first.id))
        outside = _asked_to_suspend(house, other)
        assert inside.abort
        assert (outside.abort, "not enforced for this client yet" in outside.reason) == (False, True)


def _asked_to_suspend(house: House, service: Service) -> Answer:
    handler = HANDLERS["PreModuleSuspend"]
    assert isinstance(handler, Ask)
    event = HookEvent("PreModuleSuspend", {"params": {"serviceid": service.id}}, house.bridge.clock.now(), Actor.CRON)
    return handler.handle(event, house.bridge)


def test_nobody_unknown_can_be_named() -> None:
    with House.of() as house:
        house.sync()
        with pytest.raises(UnknownId, match="no client group 'Gold' in the mirror"):
            house.bridge.enforce_only(["Gold"], [], "ana")
        with pytest.raises(UnknownId, match="no client 77 in the mirror"):
            house.bridge.enforce_only([], [ClientId(77)], "ana")
        with pytest.raises(UsageProblem, match="name a client group or a client"):
            house.bridge.enforce_only([], [], "ana")
        assert house.bridge.scope.everyone


# --- doubtful suspensions -------------------------------------------------------------------------


def _down(house: House, reason: str = "") -> Service:
    return house.a_service(status="Suspended", suspend_reason=reason)


def test_a_blank_suspension_without_debt_stays_down_until_a_person_says_it_was_for_billing() -> None:
    with House.of() as house:
        service = _down(house)
        house.next_day(3)
        assert (service.status, house.task_codes()) == ("Suspended", {"blank-suspension"})
        house.bridge.confirm_suspension(service_id(service), Adoption.WHMCS, "ana")
        assert done(house.next_day()) == ["unsuspend"]
        assert (service.status, house.task_codes()) == ("Active", set())
        assert house.bridge.journal.evidence(service_id(service))[-1]["by"] == "ana"


def test_one_that_a_person_says_is_the_staffs_is_left_alone_and_asked_about_no_more() -> None:
    with House.of() as house:
        service = _down(house)
        house.sync()
        house.bridge.confirm_suspension(service_id(service), Adoption.STAFF, "ana")
        house.an_invoice(service, due=0)
        house.next_day(40)
        assert service.status == "Suspended"
        assert "blank-suspension" not in house.task_codes()


def test_no_payment_lifts_what_a_person_said_is_the_staffs() -> None:
    """WHMCS unsuspends a blank reason on the next payment, abuse or not: it is refused once somebody has said so."""
    with House.of() as house:
        service = _down(house)
        house.sync()
        assert house.bridge.may(Kind.UNSUSPEND, service_id(service)).allowed
        house.bridge.confirm_suspension(service_id(service), Adoption.STAFF, "ana")
        refused = house.bridge.may(Kind.UNSUSPEND, service_id(service))
        assert (refused.allowed, "ana said" in refused.why) == (False, True)


def test_a_persons_word_is_for_that_suspension_only() -> None:
    """Confirmed for billing in shadow mode, lifted and suspended anew by staff before the bridge acts."""
    with House.of() as house:
        house.enforcing(False)
        service = _down(house)
        house.sync()
        house.bridge.confirm_suspension(service_id(service), Adoption.WHMCS, "ana")
        service.status = "Active"
        house.next_day()
        service.status = "Suspended"
        house.enforcing(True)
        assert done(house.next_day()) == []
        assert service.status == "Suspended"
        assert "blank-suspension" in house.task_codes()


def test_a_debtor_confirmed_while_down_waits_from_that_day_and_is_warned() -> None:
    with House.of() as house:
        service = _down(house)
        house.sync()
        house.bridge.confirm_suspension(service_id(service), Adoption.WHMCS, "ana")
        invoice = house.an_invoice(service, due=0)
        first = house.today
        while service.status == "Suspended":
            house.next_day()
        assert service.status == "Terminated"
        # the later of its due date + 15 and the first overdue day (the 1st) + 12 waiting days
        assert (house.today - first).days == 15
        assert invoice.status == "Unpaid"
        assert len(house.mails(about="Final warning")) == 1


@pytest.mark.parametrize(
    ("reason", "status", "said"),
    [
        ("spam", "Suspended", "was suspended with the reason 'spam', which is nobody's but its author's"),
        ("Overdue: invoice 7 [whmcs-bridge]", "Suspended", "carries our own reason"),
        ("", "Active", "is Active: nothing to confirm"),
    ],
)
def test_only_a_blank_suspension_can_be_settled(reason: str, status: str, said: str) -> None:
    with House.of() as house:
        service = house.a_service(status=status, suspend_reason=reason)
        house.bridge.snapshot()
        with pytest.raises(UsageProblem, match=said):
            house.bridge.confirm_suspension(service_id(service), Adoption.WHMCS, "ana")
        assert house.case(service) is None


def test_nobody_can_confirm_what_whmcs_does_not_have() -> None:
    with House.of() as house:
        house.sync()
        with pytest.raises(UnknownId, match="no service 99"):
            house.bridge.confirm_suspension(ServiceId(99), Adoption.WHMCS, "ana")
