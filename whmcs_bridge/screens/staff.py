"""What staff sees in WHMCS's admin area: a client's standing, a service's state and what may be offered, the house."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.ask import held_for_all
from whmcs_bridge.jobs.explain import Explanation, explain_client
from whmcs_bridge.jobs.letter import APPROVAL, WORDS
from whmcs_bridge.jobs.pause import pause_stop
from whmcs_bridge.jobs.scope import scope_of
from whmcs_bridge.jobs.status import LIMIT, readable
from whmcs_bridge.plan.limits import SANITY
from whmcs_bridge.plan.render import TITLES
from whmcs_bridge.policy import view_of
from whmcs_bridge.policy.decision import Debt, Kind, Withheld
from whmcs_bridge.ports import StepState, Task
from whmcs_bridge.screens.offers import Offer, offers
from whmcs_bridge.screens.page import fill
from whmcs_bridge.screens.spoken import sentences

ANCHOR: Final = "whmcs-bridge"
ROWS: Final = 25
"""Services, or tasks, that one block shows."""
RECORDED: Final = (RecordKind.PROMISE, RecordKind.RELEASE, RecordKind.RECEIPT, RecordKind.HOLD, RecordKind.DISPUTE)
ALSO_STANDING: Final = ("arrangement", "freeze", "override")
"""What is said of a service beside single records: how far it has come, which days did not count, WHMCS's own."""
OFFERED: Final = {
    RecordKind.PROMISE: "Promise to pay",
    RecordKind.RELEASE: "Trust release",
    RecordKind.RECEIPT: "Receipt (says it is paid)",
}
AS_FORESEEN: Final = "nothing, if nothing changes"


# --- a client ---------------------------------------------------------------------------------------


def summary(bridge: Bridge, event: HookEvent) -> dict[str, Any]:
    """The block on the client summary page: standing, a row for each service, tasks, approvals that wait."""
    client = ClientId(event.number("userid"))
    if bridge.mirror.book(client) is None:
        return {}
    found = explain_client(bridge.ports, client, at_most=ROWS)
    tasks = [task for task in bridge.journal.tasks(today=bridge.today()) if task.is_about(client=client)]
    return {
        "html": fill(
            "summary.html",
            anchor=ANCHOR,
            client=client,
            standing=found.standing,
            mode=_mode(bridge, client),
            rows=[_row(bridge, service) for service in found.services],
            more=len(found.book.services) - len(found.services),
            tasks=[t for t in tasks if t.code != APPROVAL][:ROWS],
            approvals=[t for t in tasks if t.code == APPROVAL][:ROWS],
            command=f"whmcs-bridge explain client:{client}",
            read=_read(found.services),
        )
    }


def links(bridge: Bridge, event: HookEvent) -> dict[str, Any]:
    """Links among the page's actions: they lead to the block, and do nothing."""
    client = ClientId(event.number("userid"))
    if bridge.mirror.book(client) is None:
        return {}
    tasks = [task for task in bridge.journal.tasks(today=bridge.today()) if task.is_about(client=client)]
    waiting = sum(task.code == APPROVAL for task in tasks)
    shown = [("", "What comes next, and why")]
    if len(tasks) > waiting:
        shown.append(("-tasks", f"Tasks ({len(tasks) - waiting})"))
    if waiting:
        shown.append(("-approvals", f"Approvals waiting ({waiting})"))
    return {"links": [fill("link.html", anchor=ANCHOR + part, text=text) for part, text in shown]}


def _row(bridge: Bridge, found: Explanation) -> dict[str, Any]:
    service = found.facts.service
    return {
        "id": service.id,
        "name": service.domain or service.name,
        "status": service.status.value if service.status is not None else "?",
        "stage": stage_said(found),
        "next": next_said(found),
        "why": why_said(found),
        "protections": [*_withheld(found.decision.withheld), *_in_force(found, bridge.today())],
    }


def _read(services: Sequence[Explanation]) -> str:
    read = [s.facts.as_of for s in services if s.facts.as_of is not None]
    return f"{min(read):%Y-%m-%d %H:%M}" if read else ""


def _mode(bridge: Bridge, client: ClientId) -> str:
    """Why the bridge does not act for this client now; "" if it does."""
    if not bridge.settings.enforcing:
        return "Shadow mode: nothing is done; this is what would be. What you record is kept."
    if not bridge.acts_for(client):
        return "The bridge acts for a few clients first, and this one is not among them. What you record is kept."
    held = held_for_all(bridge.ports)
    return f"Nothing harmful happens now: {held}." if held else ""


# --- a service --------------------------------------------------------------------------------------


def tab(bridge: Bridge, event: HookEvent) -> dict[str, Any]:
    """Fields on the client's services tab: how it stands, why, what may be offered, what to say, and a form."""
    number = ServiceId(event.number("id", "serviceid"))
    book = bridge.mirror.book_of_service(number)
    if book is None:
        return {}
    found = bridge.explain_service(number)
    policy, today = bridge.settings.policy, bridge.today()
    judged = offers(found.facts, policy, today)
    view, _ = view_of(found.facts, policy, today)
    choices = [
        (entry.invoice.id, entry.invoice.number or str(entry.invoice.id), f"{entry.owed:,.2f} {book.currency}")
        for entry in view.ledger.entries
    ]
    held = [*_withheld(found.decision.withheld), *_in_force(found, today)]
    tasks = [t for t in bridge.journal.tasks(today=today) if t.service == number][:ROWS]
    return {
        "fields": {
            "whmcs-bridge": fill(
                "state.html",
                stage=stage_said(found),
                next=next_said(found),
                mode=_mode(bridge, book.client.id),
                tasks=tasks,
                command=f"whmcs-bridge explain service:{number}",
            ),
            "Why": fill("why.html", why=why_said(found), protections=held, changes=found.would_change),
            "May be offered today": fill("offers.html", offers=[(OFFERED[o.kind], _offer_said(o)) for o in judged]),
            "To read to the client": fill("sentences.html", sentences=sentences(found, judged, policy, today)),
            "Record": fill(
                "form.html",
                offers={o.kind.value: o for o in judged},
                invoices=choices,
                today=today,
            ),
        }
    }


def _offer_said(offer: Offer) -> str:
    if not offer.why_not:
        until = f", through {offer.until} at the latest" if offer.until is not None else ""
        about = f" for invoice {', '.join(map(str, offer.invoices))}" if offer.invoices else ""
        return f"yes{about}{until}"
    return f"no: {offer.why_not}" + (f"; from {offer.opens} on" if offer.opens is not None else "")


def stage_said(found: Explanation) -> str:
    """The stage and since when, and whose a suspension is."""
    case, stage = found.facts.case, found.decision.stage
    since = {
        Stage.NOTICED: case.opened_on,
        Stage.SUSPENDED: case.suspended_on or case.adopted_on,
        Stage.TERMINATED: case.ended_on,
        Stage.ERASED: case.erased_on,
    }.get(stage)
    said = stage.value + (f" since {since}" if since is not None else "")
    if stage is Stage.CLEAR and found.decision.debts:
        said = "overdue, nothing done yet"
    if found.facts.service.status is ServiceStatus.SUSPENDED and not found.ours:
        said += "; its suspension is not ours and is never touched"
    return said


def next_said(found: Explanation) -> str:
    """The next step and its day."""
    if found.next is None:
        return AS_FORESEEN
    due, day = found.next
    return f"{TITLES[due.kind]} {due.message.replace('-', ' ')}".strip() + f" on {day}"


def why_said(found: Explanation) -> list[str]:
    """What the decision rests on: each debt, and the class whose rules apply."""
    if not found.decision.class_name:
        return ["no class takes this product: no step is ever taken"]
    holding = found.decision.holding if found.decision.stage is Stage.SUSPENDED else ()
    debts = {debt.invoice: debt for debt in (*found.decision.debts, *holding)}
    said = [_debt_said(debt) for debt in debts.values()]
    if not found.facts.complete:
        said.append("the last reading was not complete: nothing harmful follows from it")
    return said or ["nothing that counts is overdue"]


def _debt_said(debt: Debt) -> str:
    return f"{debt.amount} for invoice {debt.number or debt.invoice}, due {debt.due}"


def _withheld(withheld: Sequence[Withheld]) -> Iterator[str]:
    for held in withheld:
        until = f" (until {held.until})" if held.until is not None else ""
        yield f"{TITLES[held.kind]} waits: {held.why}{until}"


def _in_force(found: Explanation, today: date) -> Iterator[str]:
    """What people recorded about the service and is in force; said once, not again where it withholds a step."""
    for record in found.facts.client.records:
        about = record.service_id in (None, found.facts.service.id)
        if about and record.kind in RECORDED and record.protects_on(today):
            yield record_said(record)
    for one in found.stands:
        if one.kind in ALSO_STANDING:
            yield f"{one.kind}: {one.said}"


def record_said(record: Record) -> str:
    """One record in a line: what, until when, by whom, why."""
    until = f" until {record.until}" if record.until is not None else ""
    amount = f" of {record.amount:,.2f}" if record.amount is not None else ""
    invoice = f" for invoice {record.invoice_id}" if record.invoice_id is not None else ""
    reason = f": {record.reason}" if record.reason else ""
    return f"{record.kind.value}{amount}{invoice}{until}, recorded by {record.author} on {record.made_on}{reason}"


# --- the house --------------------------------------------------------------------------------------


def widget(bridge: Bridge, event: HookEvent) -> dict[str, Any]:
    """The tile on the admin home: today's steps, tasks, approvals waiting, what holds the house, the last sync."""
    journal, today, now = bridge.journal, bridge.today(), bridge.ports.now()
    tasks = journal.tasks(today=today)
    syncs = journal.runs(1, "sync")
    stop = pause_stop(bridge.ports)
    scope = scope_of(journal)
    enforcing = bridge.settings.enforcing
    rows = _done(bridge, today) if enforcing else _imagined(bridge, today)
    return {
        "title": "House rules (whmcs-bridge)",
        "html": fill(
            "widget.html",
            enforcing=enforcing,
            scope="" if scope.everyone else scope.said(),
            paused=stop.why if stop is not None else "",
            way_past=stop.way_past if stop is not None else "",
            stops=[t for t in tasks if t.code.startswith((LIMIT, SANITY))],
            rows=rows,
            tasks=_newest([t for t in tasks if t.code != APPROVAL]),
            open_tasks=sum(t.code != APPROVAL for t in tasks),
            approvals=sum(t.size for t in tasks if t.code == APPROVAL),
            last=f"{syncs[0].started_at:%Y-%m-%d %H:%M}" if syncs else "",
            ago=readable(now - syncs[0].started_at) if syncs else "",
            outcome=syncs[0].outcome if syncs else "",
            inbox=journal.inbox_depth(),
        ),
    }


def _newest(tasks: Sequence[Task]) -> list[Task]:
    return sorted(tasks, key=lambda t: t.number, reverse=True)[:5]


def _done(bridge: Bridge, today: date) -> list[tuple[str, str]]:
    """What became of today's steps, in words: ("suspended", "3 done, 1 failed")."""
    states: dict[str, Counter[str]] = {}
    for (kind, message, state), count in bridge.journal.tally(today, today).items():
        states.setdefault(_named(kind, message), Counter())[_STATES.get(state, state.value)] += count
    return [(name, ", ".join(f"{n} {state}" for state, n in found.items())) for name, found in states.items()]


def _imagined(bridge: Bridge, today: date) -> list[tuple[str, str]]:
    counts: Counter[str] = Counter()
    for (kind, _), count in bridge.journal.shadow_counts(today).items():
        counts[_named(kind, "")] += count
    return [(name, f"{count} due") for name, count in counts.items()]


def _named(kind: str, message: str) -> str:
    return f"{WORDS[Kind(kind)]} {message}".strip()


_STATES: Final = {
    StepState.DONE: "done",
    StepState.FAILED: "failed",
    StepState.SKIPPED: "not due any more",
    StepState.BEGUN: "under way",
    StepState.UNKNOWN: "outcome not known",
}
