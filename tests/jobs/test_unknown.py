"""A lost answer: the outcome is unknown until it is read, and nothing is ever sent again blindly."""

from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House, client_id, done, results, the_result
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Client, Invoice, Service

VIP = {"group": "VIP", "min_tenure_months": 0}
LOST = [
    pytest.param(faults.Kind.TIMEOUT_AFTER, True, id="timeout-after-the-effect"),
    pytest.param(faults.Kind.RESET_AFTER_SEND, True, id="reset-after-the-effect"),
    pytest.param(faults.Kind.TRUNCATED, True, id="half-an-answer-after-the-effect"),
    pytest.param(faults.Kind.TIMEOUT_BEFORE, False, id="timeout-before-the-effect"),
    pytest.param(faults.Kind.RESET_BEFORE, False, id="reset-before-the-effect"),
    pytest.param(faults.Kind.HTTP_502, False, id="bad-gateway"),
]


class Case:
    """A house on the day on which one kind of step is due, and how often its effect shows."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        getattr(self, kind.value)()

    def _debtor(self, config: dict[str, object], days: int) -> None:
        self.house = House.of(config)
        self.client: Client
        self.service: Service
        self.invoice: Invoice
        self.client, self.service, self.invoice = self.house.a_debtor()
        if days:
            self.house.next_day(days)

    def suspend(self) -> None:
        self._debtor({"class": {"hosting": HOSTING}}, 2)
        self.action, self.effect = "ModuleSuspend", "module:suspend"

    def unsuspend(self) -> None:
        self._debtor({"class": {"hosting": HOSTING}}, 3)
        self.house.pay(self.invoice)
        self.action, self.effect = "ModuleUnsuspend", "module:unsuspend"

    def terminate(self) -> None:
        self._debtor({"class": {"hosting": HOSTING}}, 14)
        self.action, self.effect = "ModuleTerminate", "module:terminate"

    def notice(self) -> None:
        self._debtor({"class": {"hosting": WARNED}}, 1)
        self.action, self.effect = "SendEmail", "email"

    def vip_add(self) -> None:
        self._debtor({"class": {"hosting": HOSTING}, "vip": VIP}, 0)
        self.house.pay(self.invoice)
        self.action, self.effect = "UpdateClient", "group"

    def vip_remove(self) -> None:
        self._debtor({"class": {"hosting": HOSTING}, "vip": VIP}, 0)
        self.house.sync()
        assert self.client.group == 1
        self.house.world.log.clear()
        self.action, self.effect = "UpdateClient", "group"

    def cancel_invoice(self) -> None:
        self._debtor({"class": {"hosting": {**HOSTING, "cancel_invoices_of_ended": True}}}, 15)
        assert self.service.status == "Terminated"
        self.action, self.effect = "UpdateInvoice", "invoice:cancelled"

    def suspend_addon(self) -> None:
        rules = {**HOSTING, "overdue_addon_suspends": "addon"}
        self.house = House.of({"class": {"hosting": rules}})
        self.client = self.house.a_client()
        self.service = self.house.a_service(self.client)
        addon = self.house.an_addon(self.service)
        self.invoice = self.house.an_invoice(self.service, lines=[("Addon", addon.id, 300)])
        self.house.next_day(2)
        self.action, self.effect = "UpdateClientAddon", "addon"

    def unsuspend_addon(self) -> None:
        self.suspend_addon()
        self.house.next_day()
        self.house.world.switches.addon_payment_unsuspends_addon = False
        self.house.pay(self.invoice)

    def close_addon(self) -> None:
        self._debtor({"class": {"hosting": HOSTING}}, 14)
        self.house.an_addon(self.service)
        self.house.faults(Fault("UpdateClientAddon", faults.Kind.ERROR))
        self.house.next_day()
        assert self.service.status == "Terminated"
        self.action, self.effect = "UpdateClientAddon", "addon"

    def calls(self) -> int:
        return self.house.adapter.front.calls[self.action.lower()]


KINDS = [kind for kind in Kind if kind not in (Kind.DELETE_BACKUPS, Kind.HAND_BACK)]
"""What a sync carries out; handing back has tests of its own."""


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(("trouble", "took_effect"), LOST)
def test_a_lost_answer_is_settled_by_reading(kind: Kind, trouble: faults.Kind, took_effect: bool) -> None:
    """The effect shows exactly once, whether the first sending had it or not."""
    case = Case(kind)
    with case.house as house:
        house.pass_days()
        before = len(house.events(case.effect))
        sent = case.calls()
        house.faults(Fault(case.action, trouble, effect=took_effect))
        report = house.sync()
        assert the_result(report, kind).state is StepState.UNKNOWN
        assert report.exit_code == 1
        assert case.calls() == sent + 1
        assert len(house.bridge.journal.open_steps()) == 1
        house.sync()
        assert house.bridge.journal.open_steps() == []
        assert case.calls() == sent + (1 if took_effect else 2)
        if case.effect != "addon":
            assert len(house.events(case.effect)) - before == 1
        again = house.sync()
        assert [k for k, _ in results(again) if k == kind.value] == []
        house.next_day()
        assert case.calls() == sent + (1 if took_effect else 2)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_request_that_never_arrived_is_repeated_at_once(kind: Kind) -> None:
    case = Case(kind)
    with case.house as house:
        house.pass_days()
        house.faults(Fault(case.action, faults.Kind.CONNECTION_REFUSED, count=2))
        report = house.sync()
        assert the_result(report, kind).state is StepState.DONE


def test_an_unknown_step_counts_for_the_limit_until_it_is_known() -> None:
    """What may have happened is taken for done: five lost answers and one more are six of the day's suspensions."""
    config = {"class": {"hosting": HOSTING}, "limits": {"suspend": {"always_allowed": 0, "max": 2}}}
    with House.of(config) as house:
        for _ in range(2):
            house.a_debtor(overdue=3)
        house.faults(Fault("ModuleSuspend", faults.Kind.TIMEOUT_AFTER, count=2))
        report = house.sync()
        assert [state for _, state in results(report)] == ["unknown", "unknown"]
        house.a_debtor(overdue=3)
        report = house.sync()
        assert [s.kind for s in report.plan.refused] == [Kind.SUSPEND]
        assert len(house.events("module:suspend")) == 2


def test_an_outcome_that_cannot_be_read_stays_open_and_is_said() -> None:
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.faults(Fault("ModuleSuspend", faults.Kind.TIMEOUT_AFTER))
        house.sync()
        house.faults(Fault("GetClientsProducts", faults.Kind.HTTP_500, count=0))
        report = house.sync()
        assert any("suspend of service 1" in problem for problem in report.problems)
        assert len(house.bridge.journal.open_steps()) == 1
        assert results(report) == []
        house.faults()
        house.sync()
        assert house.bridge.journal.open_steps() == []
        assert len(house.events("module:suspend")) == 1
        assert house.case(service).suspended_on == house.today


def test_what_a_settled_suspension_owes_is_remembered_from_its_own_day() -> None:
    """The answer is lost on Thursday, read on Friday: the waiting time counts from Thursday."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.faults(Fault("ModuleSuspend", faults.Kind.TIMEOUT_AFTER))
        house.sync()
        thursday = house.today
        house.next_day()
        assert house.case(service).suspended_on == thursday


def test_a_release_that_got_lost_reaches_the_client_with_the_next_run() -> None:
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.pay(invoice)
        house.faults(Fault("ModuleUnsuspend", faults.Kind.TIMEOUT_BEFORE))
        house.next_day()
        assert service.status == "Suspended"
        assert done(house.sync()) == ["unsuspend"]
        assert service.status == "Active"


READ_BACK_BY = {
    Kind.SUSPEND_ADDON: "GetClientsAddons",
    Kind.UNSUSPEND_ADDON: "GetClientsAddons",
    Kind.CLOSE_ADDON: "GetClientsAddons",
    Kind.VIP_ADD: "GetClientsDetails",
    Kind.VIP_REMOVE: "GetClientsDetails",
    Kind.CANCEL_INVOICE: "GetInvoice",
}


def break_reading_after(house: House, action: str, reading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment on at which WHMCS has carried `action` out, `reading` gets a login page."""
    send = house.adapter.send

    def watched(request: Any, *args: Any, **more: Any) -> Any:
        answer = send(request, *args, **more)
        if f"action={action}&" in str(request.body):
            house.faults(Fault(reading, faults.Kind.HTML_200, count=0))
        return answer

    monkeypatch.setattr(house.adapter, "send", watched)


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not Kind.NOTICE], ids=str)
def test_what_was_done_and_cannot_be_read_back_is_unknown_and_no_failure(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step taken for failed is forgotten: an addon would stay down for ever, a VIP be taken for moved by hand."""
    case = Case(kind)
    with case.house as house:
        house.pass_days()
        with monkeypatch.context() as patch:
            break_reading_after(house, case.action, READ_BACK_BY.get(kind, "GetClientsProducts"), patch)
            report = house.sync()
        assert the_result(report, kind).state is StepState.UNKNOWN
        sent = case.calls()
        house.faults()
        house.sync()
        assert house.bridge.journal.open_steps() == []
        assert house.bridge.journal.steps(kind=kind)[0].state is StepState.DONE
        assert case.calls() == sent


def test_the_group_before_is_known_also_when_the_answer_to_the_move_was_lost() -> None:
    with House.of({"class": {"hosting": HOSTING}, "vip": {**VIP, "managed_groups": ["VIP", "Resellers", ""]}}) as house:
        client, service, invoice = house.a_debtor(group=3)
        house.pay(invoice)
        house.faults(Fault("UpdateClient", faults.Kind.TIMEOUT_AFTER))
        house.sync()
        house.faults()
        assert client.group == 1
        house.bridge.reevaluate(client_id(client), "a hook before the next run")
        house.sync()
        house.an_invoice(service, due=-1)
        house.next_day()
        assert client.group == 3
