"""What ended or erased for others what should have stayed. Numbers are those of docs/reference/failure-stories.md."""

from tests.house import HOSTING, WARNED, House, client_id, done, service_id, the_result
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState


def test_days_count_from_the_due_date_but_never_less_than_the_waiting_time_from_the_suspension() -> None:
    """Story 38: 15 days are 15 days from the due date, and 12 at least from the actual suspension."""
    with House.of() as house:
        _, in_time, first = house.a_debtor()
        _, late, second = house.a_debtor()
        late.override = True
        house.next_day(6)
        late.override = False
        ended: dict[int, int] = {}
        down: dict[int, int] = {}
        for _ in range(40):
            house.next_day()
            for service, invoice in ((in_time, first), (late, second)):
                age = (house.today - invoice.due).days
                if service.status == "Suspended":
                    down.setdefault(service.id, age)
                elif service.status == "Terminated":
                    ended.setdefault(service.id, age)
        assert down == {in_time.id: 7, late.id: 7}  # seen from day 7 on; the first was down since day 3
        assert ended == {in_time.id: 15, late.id: 19}


def test_nothing_is_erased_without_a_delivered_warning() -> None:
    """Story 39: no mail gets out for months; the service stays suspended and keeps its backups."""
    store = MemoryStore("vault")
    with House.of({"class": {"hosting": {**HOSTING, "notices": []}}}, stores=[store]) as house:
        _, service, _ = house.a_debtor()
        store.put(ServiceId(service.id), "full.tar")
        house.next_day(5)
        house.world.switches.mail_fails = True
        house.next_day(60)
        assert (service.status, store.count(ServiceId(service.id))) == ("Suspended", 1)
        house.world.switches.mail_fails = False
        house.next_day(4)
        assert (service.status, store.count(ServiceId(service.id))) == ("Terminated", 0)


def test_a_hold_set_after_the_deletion_was_planned_stops_it() -> None:
    """Story 45: the court order comes while the run is under way."""
    store = MemoryStore("vault")
    with House.of({"class": {"hosting": {**HOSTING, "delete_backups_after_days": 2}}}, stores=[store]) as house:
        client, service, _ = house.a_debtor()
        store.put(ServiceId(service.id), "full.tar")
        house.next_day(16)
        assert service.status == "Terminated"
        house.pass_days()

        def order(plan: Plan) -> None:
            assert [s.kind for s in plan.steps] == [Kind.DELETE_BACKUPS]
            hold = Record(
                0,
                RecordKind.HOLD,
                RecordState.OPEN,
                "Ann",
                "court order 4711",
                house.today,
                house.today,
                None,
                client_id=client_id(client),
                service_id=service_id(service),
                sort="legal",
            )
            house.bridge.record(hold)

        result = the_result(house.sync(on_planned=order), Kind.DELETE_BACKUPS)
        assert (result.state, store.count(ServiceId(service.id))) == (StepState.SKIPPED, 1)
        assert "court order 4711" in result.note
        house.next_day(30)
        assert store.count(ServiceId(service.id)) == 1


def test_a_promise_made_after_the_plan_was_reviewed_is_kept() -> None:
    """Story 45: reviewed in the morning, promised at noon, applied in the afternoon."""
    with House.of({"class": {"hosting": WARNED}}) as house:
        client, service, _ = house.a_debtor()
        house.next_day(2)
        house.pass_days()
        plan = house.bridge.plan()
        assert [s.kind for s in plan.steps] == [Kind.SUSPEND]
        promise = Record(
            0,
            RecordKind.PROMISE,
            RecordState.OPEN,
            "Ann",
            "pays on Friday",
            house.today,
            house.today,
            house.day(4),
            client_id=client_id(client),
        )
        house.bridge.record(promise)
        report = house.bridge.apply(plan.fingerprint)
        assert service.status == "Active"
        assert "promised by Ann" in str(report.gone)
        house.next_day(4)
        assert service.status == "Active"
        assert done(house.next_day()) == ["suspend"]
