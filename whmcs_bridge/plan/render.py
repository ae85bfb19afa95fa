"""A plan for readers: JSON for machines, and a view (grouped, counted, totalled, shortened) that commands print."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.plan.build import ORDER
from whmcs_bridge.plan.model import Held, Plan, Step, Stop
from whmcs_bridge.policy.decision import Kind

ROWS = 10
SUBJECTS = 3
"""Lines of a section before "... and N more"."""

TITLES: Mapping[Kind, str] = {
    Kind.VIP_REMOVE: "Take out of VIP",
    Kind.UNSUSPEND: "Unsuspend",
    Kind.UNSUSPEND_ADDON: "Unsuspend addons",
    Kind.HAND_BACK: "Hand back to WHMCS",
    Kind.VIP_ADD: "Put into VIP",
    Kind.NOTICE: "Send",
    Kind.CLOSE_ADDON: "Close addons of ended services",
    Kind.CANCEL_INVOICE: "Cancel invoices of ended services",
    Kind.SUSPEND: "Suspend",
    Kind.SUSPEND_ADDON: "Suspend addons",
    Kind.TERMINATE: "Terminate",
    Kind.DELETE_BACKUPS: "Delete backups",
}

Names = Callable[[ClientId, ServiceId | None], tuple[str, str]]
"""(client's name, service's domain or product) for people; "" where not known."""


def no_names(client: ClientId, service: ServiceId | None) -> tuple[str, str]:
    """Names where there is nothing to look them up in."""
    return "", ""


# --- for machines -------------------------------------------------------------------------------------


def to_json(plan: Plan) -> dict[str, Any]:
    """Return the shape of `plan --json` (design: fields are added, never renamed)."""
    return {
        "fingerprint": plan.fingerprint,
        "date": plan.today.isoformat(),
        "policy": plan.policy_version,
        "complete": plan.complete,
        "problems": list(plan.problems),
        "services_seen": plan.services_seen,
        "limits": {"passed": not plan.stops, "stops": [_stop_json(stop) for stop in plan.stops]},
        "steps": [step_json(step) for step in plan.steps],
        "refused": [step_json(step) for step in plan.refused],
        "withheld": [_held_json(held) for held in plan.withheld],
    }


def step_json(step: Step) -> dict[str, Any]:
    """Return one step as `plan --json` has it; `amount` is a decimal number as text, in `currency`."""
    return {
        "id": step.id,
        "kind": step.kind.value,
        "client": step.client,
        "service": step.service,
        "date": step.date.isoformat(),
        "reason": step.reason,
        "invoices": list(step.invoices),
        "amount": str(step.amount.amount) if step.amount is not None else None,
        "currency": step.amount.currency if step.amount is not None else None,
        "since": step.since.isoformat() if step.since is not None else None,
        "message": step.message,
        "announced": step.announced,
        "by_hand": {"by": step.by_hand.by, "reason": step.by_hand.reason, "undoes": step.by_hand.undoes or None}
        if step.by_hand is not None
        else None,
    }


def _held_json(held: Held) -> dict[str, Any]:
    until = held.withheld.until
    return {
        "service": held.service,
        "client": held.client,
        "kind": held.withheld.kind.value,
        "code": held.withheld.code,
        "why": held.withheld.why,
        "until": until.isoformat() if until is not None else None,
    }


def _stop_json(stop: Stop) -> dict[str, Any]:
    return {"code": stop.code, "kinds": [k.value for k in stop.kinds], "why": stop.why, "way_past": stop.way_past}


# --- for people ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One step in a few words. With `since` it rests on invoices; without, `why` says it all."""

    client: str
    service: str
    why: str
    invoices: str
    since: date | None
    days: int
    """Days overdue; negative is not due yet."""
    owes: str


@dataclass(frozen=True, slots=True)
class Section:
    """All steps of one kind (and one message, for notices); `rows` are the first of `count`."""

    kind: Kind
    title: str
    count: int
    clients: int
    rows: tuple[Row, ...]
    totals: tuple[Money, ...]
    """What is owed behind the steps, per currency."""
    refused: bool = False

    @property
    def more(self) -> int:
        """Steps not among the rows."""
        return self.count - len(self.rows)


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Withheld steps of one kind with one reason."""

    kind: Kind
    code: str
    count: int
    why: str
    """The reason as the first of them has it."""
    first_end: date | None
    last_end: date | None
    open_ended: int
    """How many of them have no end that is known."""
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A plan, ready to be laid out."""

    plan: Plan
    sections: tuple[Section, ...]
    refused: tuple[Section, ...]
    held: tuple[HeldGroup, ...]

    @property
    def empty(self) -> bool:
        """Nothing to do and nothing refused."""
        return not self.sections and not self.refused


def view(plan: Plan, names: Names = no_names, rows: int | None = ROWS) -> View:
    """Group, count, total and shorten; `rows` None shows everything."""
    return View(
        plan,
        tuple(_sections(plan.steps, names, rows, plan.today, refused=False)),
        tuple(_sections(plan.refused, names, rows, plan.today, refused=True)),
        tuple(_held_groups(plan.withheld, rows)),
    )


def _sections(
    steps: Iterable[Step], names: Names, limit: int | None, today: date, *, refused: bool
) -> Iterable[Section]:
    groups: dict[tuple[Kind, str], list[Step]] = defaultdict(list)
    for step in steps:
        groups[step.kind, step.message if step.kind is Kind.NOTICE else ""].append(step)
    for kind, message in sorted(groups, key=lambda group: (ORDER[group[0]], group[1])):
        mine = groups[kind, message]
        shown = sorted(mine, key=_oldest_first)[: len(mine) if limit is None else limit]
        yield Section(
            kind,
            f"{TITLES[kind]} {message}".strip(),
            len(mine),
            len({step.client for step in mine}),
            tuple(_row(step, names, today) for step in shown),
            totals(mine),
            refused,
        )


def _oldest_first(step: Step) -> tuple[date, int, int]:
    return step.since or date.max, step.client, step.service or 0


def _row(step: Step, names: Names, today: date) -> Row:
    client, service = names(step.client, step.service)
    return Row(
        f"{step.client} {client}".strip(),
        f"{step.service} {service}".strip() if step.service is not None else "",
        step.reason,
        _numbers(step.invoices),
        step.since,
        (today - step.since).days if step.since is not None else 0,
        str(step.amount) if step.amount is not None else "",
    )


def _numbers(invoices: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in invoices[:2])
    more = len(invoices) - 2
    return shown + (f" +{more}" if more > 0 else "")


def days(count: int) -> str:
    """Return `1 day`, `2 days`."""
    return "1 day" if count == 1 else f"{count} days"


def totals(steps: Iterable[Step]) -> tuple[Money, ...]:
    """Return what is owed behind the steps, one sum a currency.

    A step's amount is its service's own part of the invoices (with scope = "client", the client's whole debt).
    """
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for step in steps:
        if step.amount is not None:
            sums[step.amount.currency] += step.amount.amount
    return tuple(Money(amount, currency) for currency, amount in sorted(sums.items()))


def _held_groups(withheld: Iterable[Held], limit: int | None) -> Iterable[HeldGroup]:
    groups: dict[tuple[Kind, str], list[Held]] = defaultdict(list)
    for held in withheld:
        groups[held.withheld.kind, held.withheld.code].append(held)
    for (kind, code), mine in sorted(groups.items(), key=lambda item: (ORDER[item[0][0]], item[0][1])):
        ends = sorted(h.withheld.until for h in mine if h.withheld.until is not None)
        subjects = [f"service {h.service}" if h.service is not None else f"client {h.client}" for h in mine]
        yield HeldGroup(
            kind,
            code,
            len(mine),
            mine[0].withheld.why,
            ends[0] if ends else None,
            ends[-1] if ends else None,
            len(mine) - len(ends),
            tuple(subjects if limit is None else subjects[:SUBJECTS]),
        )
