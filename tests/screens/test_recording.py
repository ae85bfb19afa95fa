"""What staff writes into the services tab: recorded under the rules and with a name, or refused in one line."""

import json
from pathlib import Path

from hooks import HANDLERS
from tests.house import HOSTING, House, client_id
from tests.screens.page import house, on_tab, saved
from tests.storage.test_lock import another_process
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.hookpoints import Actor
from whmcs_bridge.receiver.desk import Desk
from whmcs_bridge.screens import SAVE, SERVED


def records(h: House) -> list[Record]:
    return h.bridge.journal.records()


def test_a_promise_is_recorded_with_the_admins_name_and_holds() -> None:
    with house() as h:
        client, service, invoice = h.a_debtor(overdue=1)
        h.sync()
        said = saved(h, service.id, record="promise", until=str(h.day(4)), amount="10.00", reason="called, pays Friday")
        assert said.startswith(f"recorded: promise of 10.00 until {h.day(4)}, recorded by admin 7")
        (kept,) = records(h)
        assert (kept.kind, kept.author, kept.reason) == (RecordKind.PROMISE, "admin 7", "called, pays Friday")
        assert kept.client_id == client.id
        assert [number for number, _ in kept.owed] == [invoice.id]
        assert "called, pays Friday" in on_tab(h, service.id)["Why"].text
        h.next_day(3)
        assert service.status == "Active"


def test_a_promise_that_the_rules_do_not_admit_is_refused_with_the_reason() -> None:
    with house(promises={"max_days": 5}) as h:
        _, service, _ = h.a_debtor(overdue=1)
        h.sync()
        said = saved(h, service.id, record="promise", until=str(h.day(6)), reason="x")
        said_whole = f"{h.day(6)} is beyond the 5 days that promises of one case may defer; the last day is {h.day(5)}"
        assert said == f"not recorded: {said_whole}"
        assert saved(h, service.id, record="promise", until=str(h.day(5)), amount="99.00", reason="x") == (
            "not recorded: 99.00 is more than the debt of 10.00; name at most that"
        )
        assert not records(h)


def test_a_release_waits_in_the_inbox_for_the_service_to_come_back() -> None:
    with house() as h:
        client, service, _ = h.a_debtor(overdue=3)
        h.world.clients[client.id].created = h.day(-900)
        h.sync()
        assert service.status == "Suspended"
        said = saved(h, service.id, record="release", reason="pays tomorrow")
        assert "The service comes back shortly, with the next sync at the latest" in said
        assert service.status == "Suspended", "WHMCS's page does not wait for the module"
        (event,) = h.bridge.journal.waiting_events(h.bridge.ports.now())
        assert (event.point, event.client) == ("ServiceEdit", client.id)
        assert event.payload["actor"] == "admin"
        h.bridge.reevaluate(client_id(client), event.point)
        assert service.status == "Active"
        again = saved(h, service.id, record="release", reason="once more")
        assert again.startswith("not recorded: ")
        assert len(records(h)) == 1


def test_what_is_saved_while_a_sync_runs_is_recorded_and_done_after_it(tmp_path: Path) -> None:
    with House.of({"class": {"hosting": HOSTING}}, folder=tmp_path) as h:
        client, service, _ = h.a_debtor(overdue=3)
        h.world.clients[client.id].created = h.day(-900)
        h.sync()
        h.bridge.deliver = Desk(h.bridge, HANDLERS).handle
        with another_process(tmp_path / "journal.db", "sync"):
            assert saved(h, service.id, record="release", reason="pays tomorrow").startswith("recorded: release")
            assert service.status == "Suspended"
        h.bridge.work_off()
        assert service.status == "Active"


def test_a_receipt_is_for_the_only_open_invoice_or_for_one_that_is_chosen() -> None:
    with house() as h:
        _, service, first = h.a_debtor(overdue=1)
        h.sync()
        assert saved(h, service.id, record="receipt", reason="sent a slip").startswith("recorded: receipt for invoice")
        assert records(h)[0].invoice_id == first.id
        second = h.an_invoice(service, due=-1)
        foreign = h.an_invoice(h.a_service(), due=-1)
        h.sync()
        assert saved(h, service.id, record="receipt", reason="x") == (
            "not recorded: choose the invoice that is said to be paid"
        )
        assert saved(h, service.id, record="receipt", invoice=str(foreign.id), reason="x") == (
            "not recorded: that invoice is not open"
        )
        assert saved(h, service.id, record="receipt", invoice=str(second.id), reason="x").startswith("recorded: ")


def test_a_hold_needs_its_last_day_and_holds_until_then() -> None:
    with house() as h:
        _, service, _ = h.a_debtor(overdue=1)
        h.sync()
        assert saved(h, service.id, record="hold", reason="lawyer") == "not recorded: a hold needs its last day"
        assert saved(h, service.id, record="hold", until=str(h.day(6)), reason="lawyer").startswith("recorded: hold")
        h.next_day(4)
        assert service.status == "Active"


def test_what_cannot_be_read_is_refused_in_one_line() -> None:
    with house() as h:
        _, service, _ = h.a_debtor(overdue=1)
        h.sync()
        until = str(h.day(2))
        wrong = {
            "choose what to record": {"record": "suspend", "reason": "x", "until": until},
            "say why": {"record": "promise", "until": until},
            "needs its last day": {"record": "promise", "reason": "x"},
            "is no day": {"record": "promise", "reason": "x", "until": "tomorrow"},
            "is past": {"record": "hold", "reason": "x", "until": str(h.day(-1))},
            "is no amount": {"record": "promise", "reason": "x", "until": until, "amount": "1e99999"},
            "has no amount": {"record": "hold", "reason": "x", "until": until, "amount": "1"},
        }
        for line, fields in wrong.items():
            said = saved(h, service.id, **fields)
            assert said.startswith("not recorded: "), said
            assert line in said, said
            assert "\n" not in said
        for amount in ("NaN", "-1", "0", "Infinity", "1.001", "1,50"):
            assert "is no amount" in saved(h, service.id, record="promise", reason="x", until=until, amount=amount)
        assert not records(h)


def test_an_empty_form_says_and_does_nothing() -> None:
    with house() as h:
        _, service, _ = h.a_debtor(overdue=1)
        h.sync()
        assert saved(h, service.id) == ""
        assert saved(h, service.id, record=" ", reason="") == ""


def test_only_an_administrator_records() -> None:
    with house() as h:
        _, service, _ = h.a_debtor(overdue=1)
        h.sync()
        for actor in (Actor.CLIENT, Actor.API, Actor.CRON, Actor.PAYMENT):
            said = saved(h, service.id, actor, "1", record="hold", until=str(h.day(2)), reason="x")
            assert said == "not recorded: only an administrator may record something here"
        assert not records(h)


def test_in_shadow_mode_and_outside_the_first_clients_it_is_kept_and_said() -> None:
    with house() as h:
        _, service, _ = h.a_debtor(overdue=1)
        other, _, _ = h.a_debtor(overdue=1)
        h.sync()
        h.bridge.enforce_only((), (client_id(other),), "eva")
        assert "does not act for this client yet" in saved(
            h, service.id, record="hold", until=str(h.day(2)), reason="a"
        )
        h.enforcing(False)
        assert "Shadow mode" in saved(h, service.id, record="hold", until=str(h.day(2)), reason="b")
        assert len(records(h)) == 2


def test_a_service_that_is_new_is_told_to_be_so() -> None:
    with house() as h:
        h.sync()
        said = saved(h, 999, record="hold", until=str(h.day(2)), reason="x")
        assert said == "not recorded: the bridge does not know service 999 yet; it will after the next sync"


def test_a_release_recorded_through_the_receiver_brings_the_service_back() -> None:
    with house() as h:
        client, service, _ = h.a_debtor(overdue=3)
        h.world.clients[client.id].created = h.day(-900)
        h.sync()
        desk = Desk(h.bridge, HANDLERS, screens=SERVED)
        h.bridge.deliver = desk.handle
        body = {
            "v": 1,
            "id": "0" * 32,
            "point": SAVE,
            "at": h.bridge.ports.now().isoformat(),
            "actor": "admin",
            "who": "7",
            "vars": {"id": str(service.id)},
            "fields": {"whmcs_bridge_record": "release", "whmcs_bridge_reason": "pays tomorrow"},
        }
        reply = desk.show(SAVE, json.dumps(body).encode())
        assert (reply.status, reply.outcome) == (200, "shown")
        assert str(reply.body["message"]).startswith(f"recorded: release until {h.day(3)}, recorded by admin 7")
        h.bridge.work_off()
        assert service.status == "Active"
        assert h.bridge.journal.inbox_depth().set_aside == 0
