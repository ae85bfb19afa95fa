"""What holds still: outside the few first, under a pause, a clock in doubt, a hand-back, shadow mode."""

from datetime import UTC, datetime, timedelta

from tests.house import HOSTING, WARNED, House, client_id, done, service_id
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.jobs.scope import WHY_OUTSIDE
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.endings import request_cancellation

VIP = {"class": {"hosting": HOSTING}, "vip": {"group": "VIP", "min_tenure_months": 0}}


def test_a_client_that_left_the_first_few_between_plan_and_act_is_not_suspended() -> None:
    with House.of() as house:
        client, service, _ = house.a_debtor(group=3)
        house.sync()
        house.bridge.enforce_only(["Resellers"], [], "ana")
        house.next_day(2)
        house.pass_days()

        def leaves(_plan: Plan) -> None:
            client.group = 0

        report = house.sync(on_planned=leaves)
        assert (done(report), service.status) == ([], "Active")
        assert [result.note for result in report.results] == [WHY_OUTSIDE]


def test_an_addon_that_we_set_down_comes_back_outside_the_first_few_as_well() -> None:
    rules = {**HOSTING, "overdue_addon_suspends": "addon"}
    with House.of({"class": {"hosting": rules}}) as house:
        house.world.switches.addon_payment_unsuspends_addon = False
        other, service = house.a_client(), house.a_service()
        addon = house.an_addon(service)
        invoice = house.an_invoice(service, due=0, lines=[("Addon", addon.id, 300)])
        house.next_day(4)
        assert addon.status == "Suspended"
        house.bridge.enforce_only([], [client_id(other)], "ana")
        house.pay(invoice)
        assert done(house.next_day()) == ["unsuspend_addon"]
        assert addon.status == "Active"


def test_a_pause_and_a_restored_whmcs_cancel_no_invoice_and_close_no_addon() -> None:
    rules = {"class": {"hosting": HOSTING}, "policy": {"cancel_invoices_of_ended": True}}
    with House.of(rules) as house:
        service = house.a_service()
        invoice = house.an_invoice(service, due=0)
        house.sync()
        service.status = "Terminated"
        house.bridge.pause(reason="inventory")
        for _ in range(3):
            assert done(house.next_day()) == []
        assert invoice.status == "Unpaid"
        house.bridge.end_pause()
        assert "cancel_invoice" in done(house.next_day())


def test_a_pause_stops_a_deletion_between_two_items_and_the_rest_goes_when_it_ends() -> None:
    houses: list[House] = []
    gone: list[str] = []

    def erased(item: BackupItem, _owner: ServiceId) -> None:
        gone.append(item.locator)
        if len(gone) == 1:
            houses[0].bridge.pause(reason="wrong one?")

    stores = [MemoryStore("here", erased), MemoryStore("there", erased)]
    with House.of(stores=stores) as house:
        houses.append(house)
        _, service, _ = house.a_debtor()
        for number, store in enumerate(stores * 2):
            store.put(service_id(service), f"{number}.tar")
        while service.status != "Terminated":
            report = house.next_day()
        assert len(gone) == 1
        assert "delete_backups" not in done(report)
        house.next_day(2)
        assert len(gone) == 1
        house.bridge.end_pause()
        assert done(house.next_day()) == ["delete_backups"]
        assert len(gone) == 4
        links = house.bridge.journal.deletions.links(service_id(service))
        assert len({link.body for link in links if link.kind == "deleted"}) == 4


class Ahead:
    """A clock that jumped ahead of WHMCS's."""

    def __init__(self, house: House) -> None:
        self._world = house.world

    def now(self) -> datetime:
        return self._world.clock.replace(tzinfo=UTC) + timedelta(days=30)


def test_a_hook_moves_and_remembers_nothing_by_a_clock_in_doubt_and_still_gives_back() -> None:
    with House.of({**VIP, "sanity": {"max_days_since_run": 7}}) as house:
        member = house.a_client(group=1)
        service = house.a_service(member)
        house.an_invoice(service, due=5)
        _, down, debt = house.a_debtor(overdue=3)
        house.sync()
        assert down.status == "Suspended"
        house.bridge.ports.clock = Ahead(house)
        assert done(house.sync()) == []
        assert house.bridge.members_to_remove() == []
        report = house.bridge.reevaluate(client_id(member), "InvoiceCreated")
        assert report is not None
        assert (done(report), member.group, house.case(service)) == ([], 1, None)
        house.pay(debt)
        house.bridge.reevaluate(client_id(house.world.clients[down.client]), "InvoicePaid")
        assert down.status == "Active"


def test_a_timer_that_was_forgotten_after_a_hand_back_does_and_tells_nobody_anything() -> None:
    with House.of({**VIP, "class": {"hosting": WARNED}}) as house:
        member = house.a_client(group=1)
        house.an_invoice(house.a_service(member), due=6)
        _, service, _ = house.a_debtor()
        house.next_day(4)
        assert service.status == "Suspended"
        house.bridge.hand_back(by="ana")
        mails = house.mails()
        for _ in range(20):
            assert done(house.next_day()) == []
        house.bridge.reevaluate(client_id(member), "PreCronJob")
        assert (service.status, service.suspend_reason, member.group) == ("Suspended", "", 1)
        assert house.mails() == mails
        assert house.case(service).adopted_on is None


def test_after_a_hand_back_that_was_taken_back_every_debtor_waits_anew() -> None:
    """The suspension is sorted on the first day after it, and its waiting time and final warning begin there."""
    with House.of({"class": {"hosting": WARNED}}) as house:
        client, service, _ = house.a_debtor()
        house.next_day(4)
        house.bridge.hand_back(by="ana")
        house.next_day(16)
        house.bridge.end_pause()
        first = house.today
        house.next_day()
        assert (service.status, house.case(service).adopted_on) == ("Suspended", house.today)
        while service.status == "Suspended":
            house.next_day()
        assert (house.today - first).days == 13
        assert len(house.mails(client, "Final warning")) == 1


def test_who_is_down_by_us_and_has_paid_in_shadow_mode_is_somebodys_task() -> None:
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.enforcing(False)
        house.pay(invoice)
        house.next_day()
        assert service.status == "Suspended"
        assert "down-in-shadow" in house.task_codes()
        house.enforcing(True)
        assert done(house.next_day()) == ["unsuspend"]
        assert "down-in-shadow" not in house.task_codes()


def test_a_jump_in_new_debts_stops_the_run_however_many_old_ones_there_are() -> None:
    """Switching continuous invoicing on made invoices for paid-up services; the old debts hid them in the total."""
    rules = {"class": {"hosting": {**HOSTING, "suspend_after_days": 10, "terminate_after_days": "never"}}}
    with House.of({**rules, "sanity": {"new_overdue_factor": 5, "same_age_percent": 100}}) as house:
        for _ in range(60):
            house.a_debtor(overdue=100, group=2)  # exempt: they stay as they are
        prepaid = [house.a_service() for _ in range(60)]
        house.sync()
        for day in range(14):
            house.an_invoice(prepaid[day], due=0)
            house.next_day()
        for service in prepaid[20:50]:
            house.an_invoice(service, due=-5, made=-20)
        report = house.next_day()
        (stop,) = [stop for stop in report.plan.stops if stop.code == "sanity:new-overdue"]
        assert "30 invoices became overdue since the last run" in stop.why
        assert "sanity:new-overdue" not in [s.code for s in house.sync(accept_sanity=["new-overdue"]).plan.stops]
        assert [s.code for s in house.next_day().plan.stops] == []


def test_nothing_harmful_is_allowed_by_an_old_reading_of_a_client() -> None:
    """Paid since the last sync of nine days ago, and nobody told us: the cron is refused, a release is not."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=2)
        house.sync()
        house.world.hook_listener = None
        house.pay(invoice)
        house.pass_days(9)
        for kind in (Kind.SUSPEND, Kind.TERMINATE):
            refused = house.bridge.may(kind, service_id(service))
            assert (refused.allowed, refused.why) == (False, "the client was last read 216 hours ago")
        assert house.bridge.may(Kind.UNSUSPEND, service_id(service)).allowed


def test_a_request_to_end_with_the_period_is_no_leave_to_end_before_it() -> None:
    """WHMCS's own overdue termination would otherwise skip every stage for whoever has asked to leave some day."""
    with House.of() as house:
        _, service, _ = house.a_debtor()
        request_cancellation(house.world, service, "End of Billing Period", "moving")
        house.next_day(2)
        assert not house.bridge.may(Kind.TERMINATE, service_id(service)).allowed
        service.next_due = house.today
        house.next_day()
        assert house.bridge.may(Kind.TERMINATE, service_id(service)).allowed
