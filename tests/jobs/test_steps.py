"""Steps with something special about them: no module, addons, approval, credit, backups, accounts shared by two."""

import json
from datetime import date

import pytest

from tests.house import HOSTING, House, done, results, service_id, the_result
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.domain.backups import BackupItem, Outcome, Receipt
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import UnknownId, UsageProblem
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor, ServiceStatus


def until_suspended(house: House, days: int = 3) -> None:
    house.next_day(days)


# --- products without a module --------------------------------------------------------------------


def test_a_product_without_a_module_goes_through_its_stages_by_status_and_staff_is_told() -> None:
    with House.of() as house:
        service = house.a_service(product=4)
        house.an_invoice(service)
        until_suspended(house)
        assert (service.status, service.suspend_reason) == ("Suspended", "Overdue: invoice 1 [whmcs-bridge]")
        (task,) = [t for t in house.bridge.journal.tasks() if t.code == "no-module"]
        assert "only its status was set to Suspended" in task.text
        house.next_day(12)
        assert service.status == "Terminated"
        assert house.events("module:") == []


def test_a_product_without_a_module_comes_back_by_status_with_its_reason_blanked() -> None:
    with House.of() as house:
        service = house.a_service(product=4)
        invoice = house.an_invoice(service)
        until_suspended(house)
        house.pay(invoice)
        assert done(house.next_day()) == ["unsuspend"]
        assert (service.status, service.suspend_reason) == ("Active", "")


def test_a_module_that_whmcs_does_not_find_is_taken_for_none() -> None:
    """The product names a module; WHMCS says the service has none: the status is set, staff is told."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=2)
        house.sync()
        house.pass_days()
        house.world.failing_services[service.id] = modules.NO_MODULE
        assert done(house.sync()) == ["suspend"]
        assert service.status == "Suspended"
        assert "no-module" in house.task_codes()


def test_a_product_of_no_class_is_reported_and_left_alone() -> None:
    with House.of() as house:
        service = house.a_service(product=2)
        house.an_invoice(service, due=-30)
        report = house.sync()
        assert results(report) == []
        assert any(code.startswith("no-class") for code in house.task_codes())


# --- addons ---------------------------------------------------------------------------------------


def test_addons_are_closed_with_their_service() -> None:
    """WHMCS leaves them as they are when a module ends the service."""
    with House.of() as house:
        _, service, _ = house.a_debtor()
        addon, gone = house.an_addon(service), house.an_addon(service, status="Cancelled")
        other = house.an_addon(house.a_service())
        house.next_day(15)
        assert [a.status for a in (addon, gone, other)] == ["Terminated", "Cancelled", "Active"]


def test_an_overdue_addon_takes_its_service_down_and_never_ends_it() -> None:
    with House.of() as house:
        service = house.a_service()
        addon = house.an_addon(service)
        house.an_invoice(service, lines=[("Addon", addon.id, 300)])
        house.next_day(40)
        assert service.status == "Suspended"
        assert house.events("module:terminate") == []


def test_an_addon_that_answers_for_itself_leaves_its_service_up() -> None:
    rules = {**HOSTING, "overdue_addon_suspends": "addon"}
    with House.of({"class": {"hosting": rules}}) as house:
        service = house.a_service()
        addon = house.an_addon(service)
        house.world.switches.addon_payment_unsuspends_addon = False
        invoice = house.an_invoice(service, lines=[("Addon", addon.id, 300)])
        house.next_day(3)
        assert (service.status, addon.status) == ("Active", "Suspended")
        house.pay(invoice)
        house.next_day()
        assert addon.status == "Active"


def test_an_addon_that_staff_put_down_stays_down() -> None:
    rules = {**HOSTING, "overdue_addon_suspends": "addon"}
    with House.of({"class": {"hosting": rules}}) as house:
        service = house.a_service()
        addon = house.an_addon(service, status="Suspended")
        house.next_day(3)
        assert addon.status == "Suspended"


# --- invoices of ended services -------------------------------------------------------------------


def test_invoices_that_bill_only_ended_services_are_cancelled_if_the_policy_says_so() -> None:
    with House.of({"class": {"hosting": {**HOSTING, "cancel_invoices_of_ended": True}}}) as house:
        client, service, own = house.a_debtor()
        living = house.a_service(client)
        shared = house.an_invoice(living, due=40, lines=[("Hosting", service.id, 1000), ("Hosting", living.id, 500)])
        other = house.an_invoice(living, due=40)
        house.next_day(17)
        assert service.status == "Terminated"
        assert [i.status for i in (own, shared, other)] == ["Cancelled", "Unpaid", "Unpaid"]


# --- approval -------------------------------------------------------------------------------------


def with_approval() -> dict[str, object]:
    return {"class": {"hosting": HOSTING}, "approval": {"terminate": "required"}}


def test_a_termination_waits_for_approval_and_follows_it() -> None:
    with House.of(with_approval()) as house:
        _, service, _ = house.a_debtor()
        house.next_day(20)
        report = house.sync()
        assert house.withheld(report, service) == {"approval": "terminate"}
        assert "approval" in house.task_codes()
        house.bridge.approve(service_id(service), "terminate", "Ann")
        assert done(house.sync()) == ["terminate"]
        assert "approval" not in house.task_codes()


def test_an_approval_is_for_the_case_it_was_given_in() -> None:
    """Approved, then paid: a year later another debt needs an approval of its own."""
    with House.of(with_approval()) as house:
        _, service, invoice = house.a_debtor()
        house.next_day(16)
        house.bridge.approve(service_id(service), "terminate", "Ann")
        house.pay(invoice)
        house.next_day()
        assert service.status == "Active"
        house.next_day(3)
        house.an_invoice(service)
        house.next_day(25)
        assert service.status == "Suspended"
        assert house.events("module:terminate") == []


def test_an_approval_of_something_else_or_of_nothing_is_refused() -> None:
    with House.of(with_approval()) as house:
        _, service, _ = house.a_debtor()
        house.sync()
        with pytest.raises(UsageProblem, match="unsuspend"):
            house.bridge.approve(service_id(service), "unsuspend", "Ann")
        with pytest.raises(UnknownId, match="no service 77"):
            house.bridge.approve(ServiceId(77), "terminate", "Ann")


def test_a_suspension_that_needs_approval_can_be_approved() -> None:
    config = {"class": {"hosting": HOSTING}, "approval": {"suspend": "required"}}
    with House.of(config) as house:
        _, service, _ = house.a_debtor(overdue=3)
        report = house.sync()
        assert house.withheld(report, service) == {"approval": "suspend"}
        house.bridge.approve(service_id(service), "suspend", "Ann")
        assert done(house.sync()) == ["suspend"]


# --- credit ---------------------------------------------------------------------------------------


def test_credit_that_covers_the_debt_holds_the_step_and_goes_to_staff() -> None:
    with House.of() as house:
        client, service, _ = house.a_debtor(overdue=3)
        house.world.add_credit(client, 1000, "deposit")
        report = house.sync()
        assert house.withheld(report, service) == {"credit": "suspend"}
        assert "credit" in house.task_codes()
        assert service.status == "Active"


def test_credit_that_does_not_cover_it_holds_nothing() -> None:
    with House.of() as house:
        client, service, _ = house.a_debtor(overdue=3)
        house.world.add_credit(client, 999, "deposit")
        house.sync()
        assert service.status == "Suspended"


def test_credit_that_covers_the_debt_keeps_the_backups_and_goes_to_staff() -> None:
    """The plan must know it: a deletion that is skipped at the last look, day after day, is in no task."""
    store = MemoryStore("vault")
    with House.of(stores=[store]) as house:
        client, service, _ = house.a_debtor(overdue=2)
        store.put(ServiceId(service.id), "full.tar")
        house.world.add_credit(client, 1000, "deposit")
        house.sync()
        house.world.set_service_status(service, ServiceStatus.CANCELLED, recorded=True)
        house.next_day()
        report = house.next_day()
        assert house.withheld(report, service) == {"credit": "delete_backups"}
        assert "credit" in house.task_codes()
        assert store.count(ServiceId(service.id)) == 1


def test_credit_is_read_only_for_clients_with_a_harmful_step_due() -> None:
    with House.of() as house:
        for _ in range(5):
            house.a_debtor(overdue=1)
        house.sync()
        assert "getclientsdetails" not in house.adapter.front.calls
        house.a_debtor(overdue=3)
        house.bridge.plan()
        assert house.adapter.front.calls["getclientsdetails"] == 1


# --- backups --------------------------------------------------------------------------------------


def a_store(house_services: int = 0) -> MemoryStore:
    return MemoryStore("vault")


def test_backups_go_with_the_end_of_their_service_and_no_others() -> None:
    store = MemoryStore("vault")
    with House.of(stores=[store]) as house:
        _, service, _ = house.a_debtor()
        other = house.a_service()
        for each in (service, other):
            for name in ("full.tar", "daily.tar"):
                store.put(ServiceId(each.id), name)
        house.next_day(14)
        assert store.count(ServiceId(service.id)) == 2
        report = house.next_day()
        assert done(report) == ["terminate", "delete_backups"]
        assert [store.count(ServiceId(s.id)) for s in (service, other)] == [0, 2]
        links = list(house.bridge.journal.deletions.links(service_id(service)))
        assert [link.kind for link in links] == ["plan", "deleted", "deleted", "store", "verdict"]
        deleted = [json.loads(link.body)["locator"] for link in links if link.kind == "deleted"]
        assert deleted == [f"{service.id}/daily.tar", f"{service.id}/full.tar"]
        assert house.bridge.journal.deletions.broken_at() == ""
        assert house.case(service).erased_on == house.today


def test_backups_wait_for_their_own_clock() -> None:
    store = MemoryStore("vault")
    with House.of({"class": {"hosting": {**HOSTING, "delete_backups_after_days": 5}}}, stores=[store]) as house:
        _, service, _ = house.a_debtor()
        store.put(ServiceId(service.id), "full.tar")
        house.next_day(19)
        assert (service.status, store.count(ServiceId(service.id))) == ("Terminated", 1)
        house.next_day()
        assert store.count(ServiceId(service.id)) == 0


def test_a_status_edited_by_hand_waits_a_day_before_its_backups_go() -> None:
    store = MemoryStore("vault")
    with House.of(stores=[store]) as house:
        service = house.a_service()
        store.put(ServiceId(service.id), "full.tar")
        house.sync()
        house.pass_days()
        with house.world.acting(Actor.ADMIN):
            house.world.set_service_status(service, ServiceStatus.TERMINATED, recorded=True)
        house.sync()
        assert store.count(ServiceId(service.id)) == 1
        with house.world.acting(Actor.ADMIN):
            house.world.set_service_status(service, ServiceStatus.ACTIVE, recorded=True)
        house.next_day(3)
        assert store.count(ServiceId(service.id)) == 1


def test_backups_of_a_service_whose_account_lives_on_elsewhere_stay() -> None:
    """A record was doubled or the account handed over: a living service uses the same account name on the server."""
    store = MemoryStore("vault")
    with House.of(stores=[store]) as house:
        _, service, _ = house.a_debtor()
        house.a_service(username=service.username, server=service.server, domain=service.domain)
        store.put(ServiceId(service.id), "full.tar")
        house.next_day(14)
        report = house.next_day()
        assert the_result(report, Kind.DELETE_BACKUPS).state is StepState.SKIPPED
        assert "lives on the same server" in the_result(report, Kind.DELETE_BACKUPS).note
        assert store.count(ServiceId(service.id)) == 1


class Sticky(MemoryStore):
    """A store that says it deleted, and did not."""

    def delete(self, item: BackupItem) -> Receipt:
        return Receipt(Outcome.DELETED)


def test_a_deletion_that_left_something_is_not_done() -> None:
    store = Sticky("vault")
    with House.of(stores=[store]) as house:
        _, service, _ = house.a_debtor()
        store.put(ServiceId(service.id), "full.tar")
        house.next_day(14)
        report = house.next_day()
        result = the_result(report, Kind.DELETE_BACKUPS)
        assert (result.state, result.note) == (
            StepState.FAILED,
            "store vault: 1 of 1 items are still there: still listed after the deletion",
        )
        assert house.case(service).erased_on is None
        assert results(house.next_day(), Kind.DELETE_BACKUPS) == [("delete_backups", "failed")]


def test_a_service_that_ended_before_we_came_keeps_its_backups() -> None:
    """Nobody saw it end: its clock never began."""
    store = MemoryStore("vault")
    with House.of(stores=[store]) as house:
        service = house.a_service(status="Terminated", terminated=date(2024, 1, 1))
        store.put(ServiceId(service.id), "full.tar")
        house.next_day(10)
        assert store.count(ServiceId(service.id)) == 1
