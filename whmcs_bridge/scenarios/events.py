"""What each event type does: to the simulated WHMCS, through the bridge's records, or to the lines between them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from whmcs_bridge.domain.ids import ClientId, InvoiceId, LineId, ServiceId
from whmcs_bridge.domain.records import Instalment, Record, RecordKind, RecordState
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs import backup_desk, records
from whmcs_bridge.scenarios.model import Event, LineSpec
from whmcs_bridge.scenarios.world import addon_for, cents, domain_for
from whmcs_bridge.simulator import automation, endings, invoicing, modules
from whmcs_bridge.simulator.records import Actor, InvoiceLine, InvoiceStatus, Service, ServiceStatus, Ticket

if TYPE_CHECKING:
    from whmcs_bridge.scenarios.stage import Stage

MODULE_ERROR = "Could not connect to the server"
ASKED = {
    RecordKind.PROMISE: "promise",
    RecordKind.RELEASE: "trust_release",
    RecordKind.ARRANGEMENT: "arrangement",
    RecordKind.RECEIPT: "receipt",
    RecordKind.DISPUTE: "dispute",
    RecordKind.HOLD: "hold",
    RecordKind.FREEZE: "freeze",
}
"""Names of the answers to people: `allow:promise`, `refuse:trust_release`, ..."""


class Impossible(Exception):
    """The event cannot happen as things stand: the scenario is wrong about its own timeline."""


# --- invoices -------------------------------------------------------------------------------------


def invoice_issued(stage: "Stage", event: Event) -> None:
    label = event.text("invoice")
    if label in stage.invoices:
        invoicing.publish_invoice(stage.world, stage.invoice(event), Actor.ADMIN, mail=False)
        return
    client = stage.world.clients[stage.number("client", event.text("client"))]
    due = event.day("due") or event.date
    invoice = invoicing.create_invoice(
        stage.world,
        client,
        [_line(stage, client.id, line, due) for line in event.values["lines"]],
        due,
        gateway=event.text("gateway"),
        status=InvoiceStatus.DRAFT if event.text("status") == "draft" else InvoiceStatus.UNPAID,
        mail=False,
        use_credit=stage.scenario.panel.auto_apply_credit,
    )
    stage.invoices[label] = invoice.id


def _line(stage: "Stage", client: int, line: LineSpec, due: date) -> InvoiceLine:
    kind, relid = "", 0
    match line.kind:
        case "service":
            kind, relid = "Hosting", stage.number("service", line.what)
        case "addon":
            kind, relid = "Addon", addon_for(stage.world, stage.scenario, client, line)
        case "domain":
            kind, relid = "Domain", domain_for(stage.world, client, line, due)
        case "invoice":
            kind, relid = "Invoice", stage.invoices[line.what]
    return InvoiceLine(0, line.type or kind, relid, line.what, cents(line.amount))


def invoice_adjusted(stage: "Stage", event: Event) -> None:
    invoice = stage.invoice(event)
    with stage.world.acting(Actor.ADMIN):
        off = InvoiceLine(0, "", 0, event.text("reason", "Adjustment"), -cents(event.values["amount"]))
        stage.world.add_line(invoice, off)
        stage.world.fire("UpdateInvoiceTotal", {"invoiceid": invoice.id})


def invoice_cancelled(stage: "Stage", event: Event) -> None:
    automation.cancel_invoice(stage.world, stage.invoice(event), _actor(event, Actor.ADMIN))


def invoice_deleted(stage: "Stage", event: Event) -> None:
    with stage.world.acting(Actor.ADMIN):
        stage.world.delete_invoice(stage.invoice(event))


def due_date_changed(stage: "Stage", event: Event) -> None:
    invoice = stage.invoice(event)
    with stage.world.acting(Actor.ADMIN):
        invoice.due = event.values["due"]
        stage.world.touch(invoice)


# --- money ----------------------------------------------------------------------------------------


def payment(stage: "Stage", event: Event) -> None:
    automation.record_payment(
        stage.world,
        stage.invoice(event),
        _cents(event),
        event.text("gateway"),
        f"T{event.number}",
        _actor(event, Actor.PAYMENT),
        mail=False,
    )


def payment_pending(stage: "Stage", event: Event) -> None:
    automation.payment_pending(stage.world, stage.invoice(event))


def payment_failed(stage: "Stage", event: Event) -> None:
    automation.payment_failed(stage.world, stage.invoice(event))


def payment_reversed(stage: "Stage", event: Event) -> None:
    automation.reverse_payment(stage.world, stage.invoice(event), _cents(event))


def chargeback(stage: "Stage", event: Event) -> None:
    automation.reverse_payment(stage.world, stage.invoice(event), _cents(event), description="Chargeback")


def refund(stage: "Stage", event: Event) -> None:
    automation.refund(stage.world, stage.invoice(event), _cents(event))


def credit_added(stage: "Stage", event: Event) -> None:
    client = stage.world.clients[stage.number("client", event.text("client"))]
    with stage.world.acting(Actor.ADMIN):
        stage.world.add_credit(client, cents(event.values["amount"]), event.text("reason", "Credit"))


# --- people ---------------------------------------------------------------------------------------


def promise_recorded(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.PROMISE)


def trust_release(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.RELEASE)


def trust_release_requested(stage: "Stage", event: Event) -> None:
    """The client's own wish, from the client area: judged like the staff's where the house has switched it on."""
    if stage.bridge.settings.policy.trust_release.on_request:
        _record(stage, event, RecordKind.RELEASE)
        return
    stage.note("refuse:trust_release", service=stage.number("service", event.text("service")))


def arrangement_recorded(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.ARRANGEMENT, parts=event.values["parts"])


def dispute_opened(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.DISPUTE, line_id=_disputed_line(stage, event))


def dispute_resolved(stage: "Stage", event: Event) -> None:
    outcome = event.text("outcome", "host")
    line = _disputed_line(stage, event)
    for record in _open_records(stage, event, RecordKind.DISPUTE):
        if line is None or record.line_id == line:
            stage.close_record(record, RecordState.UPHELD if outcome == "client" else RecordState.RESOLVED, outcome)


def receipt_submitted(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.RECEIPT, sort=event.text("via", "client"))


def receipt_verified(stage: "Stage", event: Event) -> None:
    for record in _open_records(stage, event, RecordKind.RECEIPT):
        stage.close_record(record, RecordState.VERIFIED, event.text("reason"))


def receipt_rejected(stage: "Stage", event: Event) -> None:
    """Staff says so of what waits; that it was false, also of one that ran out or was taken for true."""
    forged = event.text("forged", "yes").casefold() not in ("no", "false")
    wanted = _open_records(stage, event, RecordKind.RECEIPT)
    if forged and not wanted:
        told = _records(stage, event, RecordKind.RECEIPT)
        wanted = [r for r in told if r.state in records.LATER_FORGED][-1:]
    for record in wanted:
        stage.close_record(record, RecordState.FORGED if forged else RecordState.REJECTED, event.text("reason"))


def contact_recorded(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.CONTACT, sort=event.text("sign", "staff"))


def ticket_opened(stage: "Stage", event: Event) -> None:
    world, client = stage.world, stage.owner(event)
    service = stage.number("service", event.text("service")) if event.text("service") else 0
    ticket = Ticket(
        0,
        f"T{event.number:05}",
        f"code{event.number}",
        1,
        client,
        event.text("subject", "Question"),
        event.text("note", "Please help."),
        world.clock,
        world.clock,
        service=f"S{service}" if service else "",
    )
    with world.acting(Actor.CLIENT):
        world.add_ticket(ticket)
        variables = {"ticketid": ticket.id, "ticketmask": ticket.tid, "userid": client, "deptid": 1}
        world.fire("TicketOpen", {**variables, "deptname": "Support", "subject": ticket.subject, "priority": "Medium"})


def legal_hold_set(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.HOLD, sort="legal")


def legal_hold_lifted(stage: "Stage", event: Event) -> None:
    for record in _open_records(stage, event, RecordKind.HOLD):
        stage.close_record(record, RecordState.LIFTED, event.text("reason"))


def vip_pinned(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.PIN)


def vip_unpinned(stage: "Stage", event: Event) -> None:
    for record in _open_records(stage, event, RecordKind.PIN):
        stage.close_record(record, RecordState.LIFTED, event.text("reason"))


def freeze_set(stage: "Stage", event: Event) -> None:
    _record(stage, event, RecordKind.FREEZE, since=event.day("from"), gateway=event.text("gateway"))


def _record(
    stage: "Stage",
    event: Event,
    kind: RecordKind,
    *,
    sort: str = "",
    gateway: str = "",
    since: date | None = None,
    line_id: LineId | None = None,
    parts: tuple[Instalment, ...] = (),
) -> None:
    """Ask the bridge to admit a record; what it says is an action of the day."""
    today = stage.today
    until = event.day("until")
    if until is None and "days" in event.values:
        until = today + timedelta(days=int(event.values["days"]))
    wanted = Record(
        id=0,
        kind=kind,
        state=RecordState.OPEN,
        author=event.text("by", "client" if event.type == "trust_release_requested" else "staff"),
        reason=event.text("reason") or event.text("reason_text") or event.text("note") or event.type,
        made_on=today,
        since=since or today,
        until=until,
        line_id=line_id,
        amount=event.money("amount"),
        sort=sort,
        gateway=gateway,
        parts=parts,
        discount=event.money("discount"),
    )
    wanted = _about(stage, event, wanted)
    service, client = int(wanted.service_id or 0), int(wanted.client_id or 0)
    name = ASKED.get(kind, "")
    try:
        stage.record(wanted)
    except BridgeError as refusal:
        if not name:
            raise
        stage.note(f"refuse:{name}", service=service, client=client, detail=str(refusal))
    else:
        if name:
            stage.note(f"allow:{name}", service=service, client=client)


def _about(stage: "Stage", event: Event, record: Record) -> Record:
    """Fill in whom or what the record is about, as narrowly as the event says."""
    service = ServiceId(stage.number("service", event.text("service"))) if event.text("service") else None
    client = None if record.kind is RecordKind.FREEZE else ClientId(stage.owner(event))
    invoice = InvoiceId(stage.invoice(event).id) if event.text("invoice") else None
    return replace(record, service_id=service, client_id=client, invoice_id=invoice)


def _open_records(stage: "Stage", event: Event, kind: RecordKind) -> list[Record]:
    return [record for record in _records(stage, event, kind) if record.state is RecordState.OPEN]


def _records(stage: "Stage", event: Event, kind: RecordKind) -> list[Record]:
    """All of this kind that are about what the event names, oldest first."""
    wanted = _about(stage, event, Record(0, kind, RecordState.OPEN, "", "", stage.today, stage.today, None))
    return [
        record
        for record in stage.bridge.journal.records(client=wanted.client_id, kind=kind)
        if (wanted.service_id is None or record.service_id == wanted.service_id)
        and (wanted.invoice_id is None or record.invoice_id == wanted.invoice_id)
    ]


def _disputed_line(stage: "Stage", event: Event) -> LineId | None:
    """The line of a dispute: its place from 1, or what it bills."""
    wanted = event.values.get("line")
    if wanted is None:
        return None
    lines = stage.invoice(event).lines
    if isinstance(wanted, int) or str(wanted).isdecimal():
        place = int(wanted)
        if 1 <= place <= len(lines):
            return LineId(lines[place - 1].id)
    for line in lines:
        if line.description == wanted:
            return LineId(line.id)
    raise Impossible(f"invoice {event.text('invoice')} has no line {wanted!r}")


# --- staff in WHMCS -------------------------------------------------------------------------------


def override_set(stage: "Stage", event: Event) -> None:
    service = stage.service(event)
    service.override = True
    service.override_until = event.day("until")
    _edited(stage, service)


def group_set(stage: "Stage", event: Event) -> None:
    world = stage.world
    client = world.clients[stage.number("client", event.text("client"))]
    name = event.text("group")
    before = client.group
    with world.acting(Actor.ADMIN):
        world.set_group(client, stage.number("group", name) if name else 0)
        world.fire("ClientEdit", {"userid": client.id, "groupid": client.group, "olddata": {"groupid": before}})


def manual_suspend(stage: "Stage", event: Event) -> None:
    service = stage.service(event)
    reason = event.text("reason_text") or event.text("reason")
    if service.status == ServiceStatus.SUSPENDED:
        service.suspend_reason = reason
        _edited(stage, service)
    elif _by_hand(stage, service, modules.SUSPEND, reason):
        service.suspend_reason = reason


def manual_unsuspend(stage: "Stage", event: Event) -> None:
    _by_hand(stage, stage.service(event), modules.UNSUSPEND)


def manual_terminate(stage: "Stage", event: Event) -> None:
    _by_hand(stage, stage.service(event), modules.TERMINATE)


def _by_hand(stage: "Stage", service: Service, command: modules.Command, reason: str = "") -> bool:
    """A click in the admin area; a product without a module has its status set. Returns whether it worked."""
    world = stage.world
    with world.acting(Actor.ADMIN):
        if modules.module_of(world, service):
            return not modules.run_module(world, service, command, reason=reason)
        world.set_service_status(service, command.status, recorded=True)
    _edited(stage, service)
    return True


def manual_status_set(stage: "Stage", event: Event) -> None:
    service = stage.service(event)
    with stage.world.acting(Actor.ADMIN):
        stage.world.set_service_status(service, event.text("status"), recorded=True)
    _edited(stage, service)


def _edited(stage: "Stage", service: Service) -> None:
    with stage.world.acting(Actor.ADMIN):
        variables = {"userid": service.client, "serviceid": service.id}
        stage.world.fire("AdminServiceEdit", variables)
        stage.world.fire("ServiceEdit", variables)


def service_moved(stage: "Stage", event: Event) -> None:
    with stage.world.acting(Actor.ADMIN):
        stage.world.move_service(stage.service(event), stage.number("client", event.text("to")))


def clients_merged(stage: "Stage", event: Event) -> None:
    """Everything of `client` is given to `to`; WHMCS knows `client` no more."""
    world = stage.world
    source, target = (stage.number("client", event.text(key)) for key in ("client", "to"))
    endings.merge_clients(world, world.clients[source], world.clients[target])


def service_deleted(stage: "Stage", event: Event) -> None:
    endings.delete_service(stage.world, stage.service(event))


def cancellation_requested(stage: "Stage", event: Event) -> None:
    kind = endings.END_OF_PERIOD if event.text("when") == "end_of_period" else endings.IMMEDIATE
    endings.request_cancellation(stage.world, stage.service(event), kind, event.text("reason"), Actor.CLIENT)


# --- usage and backups ----------------------------------------------------------------------------


def usage_reported(stage: "Stage", event: Event) -> None:
    service = stage.service(event)
    service.bw_usage = int(event.values["bandwidth_mb"])
    service.bw_limit = int(event.values.get("limit_mb", service.bw_limit))
    service.last_update = stage.world.clock


def backup_made(stage: "Stage", event: Event) -> None:
    store = stage.store(event.text("store"))
    service = ServiceId(stage.number("service", event.text("service")))
    name = event.text("name") or f"backup-{event.number}"
    store.put(service, name, size=event.values.get("size"), at=stage.now())


def backup_requested(stage: "Stage", event: Event) -> None:
    """The client wants their data before it goes; whether the house takes the wish is an action of the day."""
    service = ServiceId(stage.number("service", event.text("service")))
    try:
        with stage.bridge.journal.writer():
            backup_desk.request(stage.bridge.ports, service, event.text("note"))
    except BridgeError as refusal:
        stage.note("refuse:backup", service=service, detail=str(refusal))
    else:
        stage.note("allow:backup", service=service)


def backup_handed_over(stage: "Stage", event: Event) -> None:
    service = ServiceId(stage.number("service", event.text("service")))
    with stage.bridge.journal.writer():
        backup_desk.end_request(stage.bridge.ports, service, "handed-over")


def store_outage(stage: "Stage", event: Event) -> None:
    store = stage.store(event.text("store"))
    store.away = True
    stage.troubles.append((stage.until(event), lambda: setattr(store, "away", False)))


# --- trouble --------------------------------------------------------------------------------------


def module_failure(stage: "Stage", event: Event) -> None:
    label = event.text("service")
    services = [stage.number("service", label)] if label else list(stage.world.services)
    for service in services:
        stage.world.failing_services[service] = MODULE_ERROR
        stage.troubles.append((stage.until(event), lambda number=service: _mend(stage, number)))  # type: ignore[misc]


def _mend(stage: "Stage", service: int) -> None:
    stage.world.failing_services.pop(service, None)


def mail_failure(stage: "Stage", event: Event) -> None:
    stage.world.switches.mail_fails = True
    stage.troubles.append((stage.until(event), lambda: setattr(stage.world.switches, "mail_fails", False)))


def whmcs_outage(stage: "Stage", event: Event) -> None:
    stage.line.away = True
    stage.troubles.append((stage.until(event), lambda: setattr(stage.line, "away", False)))


def bridge_outage(stage: "Stage", event: Event) -> None:
    stage.bridge_away = True
    stage.troubles.append((stage.until(event), lambda: setattr(stage, "bridge_away", False)))


def extra_run(stage: "Stage", event: Event) -> None:
    stage.run_sync()


def policy_changed(stage: "Stage", event: Event) -> None:
    assert event.settings is not None
    stage.bridge.ports.settings = event.settings


def _cents(event: Event) -> int | None:
    amount = event.money("amount")
    return cents(amount) if amount is not None else None


def _actor(event: Event, usual: Actor) -> str:
    """Who did it, where the event says so in WHMCS's words."""
    said = event.text("by").lower()
    return Actor(said) if said in set(Actor) else usual


def happen(stage: "Stage", event: Event) -> None:
    """Let the event happen; raises Impossible where it cannot."""
    try:
        EVENTS[event.type](stage, event)
    except ValueError as refusal:
        raise Impossible(str(refusal)) from refusal


EVENTS: Mapping[str, Callable[["Stage", Event], None]] = {
    "invoice_issued": invoice_issued,
    "invoice_adjusted": invoice_adjusted,
    "invoice_cancelled": invoice_cancelled,
    "invoice_voided": invoice_cancelled,
    "invoice_deleted": invoice_deleted,
    "invoice_written_off": invoice_cancelled,
    "due_date_changed": due_date_changed,
    "payment": payment,
    "payment_pending": payment_pending,
    "payment_settled": payment,
    "payment_failed": payment_failed,
    "payment_reversed": payment_reversed,
    "refund": refund,
    "chargeback": chargeback,
    "chargeback_reversed": payment,
    "credit_added": credit_added,
    "promise_recorded": promise_recorded,
    "trust_release": trust_release,
    "trust_release_requested": trust_release_requested,
    "arrangement_recorded": arrangement_recorded,
    "dispute_opened": dispute_opened,
    "dispute_resolved": dispute_resolved,
    "receipt_submitted": receipt_submitted,
    "receipt_verified": receipt_verified,
    "receipt_rejected": receipt_rejected,
    "contact_recorded": contact_recorded,
    "ticket_opened": ticket_opened,
    "legal_hold_set": legal_hold_set,
    "legal_hold_lifted": legal_hold_lifted,
    "freeze_set": freeze_set,
    "override_set": override_set,
    "vip_pinned": vip_pinned,
    "vip_unpinned": vip_unpinned,
    "group_set": group_set,
    "manual_suspend": manual_suspend,
    "manual_unsuspend": manual_unsuspend,
    "manual_terminate": manual_terminate,
    "manual_status_set": manual_status_set,
    "service_moved": service_moved,
    "clients_merged": clients_merged,
    "service_deleted": service_deleted,
    "cancellation_requested": cancellation_requested,
    "usage_reported": usage_reported,
    "backup_made": backup_made,
    "backup_requested": backup_requested,
    "backup_handed_over": backup_handed_over,
    "store_outage": store_outage,
    "module_failure": module_failure,
    "mail_failure": mail_failure,
    "whmcs_outage": whmcs_outage,
    "bridge_outage": bridge_outage,
    "extra_run": extra_run,
    "policy_changed": policy_changed,
}
"""Event type -> what it does; a test compares the names with `vocabulary.EVENTS`."""
