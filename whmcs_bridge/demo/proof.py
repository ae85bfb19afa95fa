"""Whether anybody was wronged, by WHMCS's own tables and log: the demonstration's second opinion on the bridge."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from whmcs_bridge.simulator.records import NO_DAY, Actor, Invoice, InvoiceStatus, Service, ServiceStatus
from whmcs_bridge.simulator.state import SimEvent, World

OWED = frozenset({InvoiceStatus.UNPAID, InvoiceStatus.COLLECTIONS, InvoiceStatus.PAYMENT_PENDING})
ONE_DAY = dt.timedelta(days=1)
_BY_STATUS = {"Suspended": "suspend", "Active": "release", "Terminated": "end", "Cancelled": "end"}
_BY_MODULE = {"module:suspend": "suspend", "module:unsuspend": "release", "module:terminate": "end"}

CLAIMS: tuple[tuple[str, str], ...] = (
    # key, what must not have happened
    ("suspended_without_debt", "suspended without an overdue invoice"),
    ("suspended_unwarned", "suspended without a warning on an earlier day"),
    ("suspended_protected", "suspended in an exempt group or under an override"),
    ("ended_without_debt", "ended without an overdue invoice"),
    ("ended_unwarned", "ended without a final warning on an earlier day"),
    ("ended_too_early", "ended that had not been down for the waiting time since the bridge came"),
    ("released_owing", "given back while something was overdue for it"),
    ("staffs_touched", "suspended by staff, for abuse or otherwise, and lifted or ended by the bridge"),
)
SHORTEST_WAIT_DAYS = 6
"""The shortest time between suspension and end in the demo's rules."""


@dataclass(slots=True)
class Proof:
    """Watches what the bridge does to services; each claim keeps the services for which it fails."""

    world: World
    staffs: frozenset[int]
    """Services that staff had taken down before the rules were enforced."""
    began: dt.date
    """First enforced day."""
    failed: dict[str, list[int]] = field(default_factory=lambda: {key: [] for key, _ in CLAIMS})
    acts: dict[str, int] = field(default_factory=lambda: {"suspend": 0, "release": 0, "end": 0})
    first_day: dict[str, int] = field(default_factory=lambda: {"suspend": 0, "release": 0, "end": 0})
    _down: dict[int, dt.date] = field(default_factory=dict)
    _ours: set[int] = field(default_factory=set)
    """Services that the bridge has suspended at some time."""
    _warned: dict[int, list[tuple[dt.date, bool]]] = field(default_factory=dict)
    """Client -> days of warnings, and whether each was a final one."""

    def see(self, events: Iterable[SimEvent], today: dt.date) -> None:
        """Look at the events of a morning or an afternoon, right after it."""
        for event in events:
            if event.kind == "email" and event.detail.startswith(("Please pay before", "Final warning")):
                final = event.detail.startswith("Final")
                self._warned.setdefault(event.client, []).append((event.at.date(), final))
            act = what(event)
            if not act or event.service not in self.world.services:
                continue
            service = self.world.services[event.service]
            if event.actor == Actor.API:
                self._judge(act, service, today)
            if act == "suspend":
                self._down[service.id] = today
            elif act == "release":
                self._down.pop(service.id, None)

    def _judge(self, act: str, service: Service, today: dt.date) -> None:
        self.acts[act] += 1
        if today == self.began:
            self.first_day[act] += 1
        owed = overdue(self.world, service, today)
        if act == "suspend":
            self._ours.add(service.id)
            self._claim("suspended_without_debt", service, bool(owed))
            self._claim("suspended_unwarned", service, self._was_warned(service, today, final=False))
            self._claim("suspended_protected", service, not is_protected(self.world, service, today))
            return
        self._claim("staffs_touched", service, service.id not in self.staffs or service.id in self._ours)
        if act == "release":
            # on its way is not paid: the bridge waits for the money, and so do we
            self._claim("released_owing", service, not [each for each in owed if self.world.balance(each) > 100])
            return
        down = max(self._down.get(service.id, self.began), self.began)
        self._claim("ended_without_debt", service, bool(owed))
        self._claim("ended_unwarned", service, self._was_warned(service, today, final=True))
        self._claim("ended_too_early", service, (today - down).days >= SHORTEST_WAIT_DAYS)

    def _claim(self, key: str, service: Service, holds: bool) -> None:
        if not holds:
            self.failed[key].append(service.id)

    def _was_warned(self, service: Service, today: dt.date, *, final: bool) -> bool:
        return any(day < today and was_final == final for day, was_final in self._warned.get(service.client, ()))

    @property
    def wronged(self) -> int:
        """Services for which any claim fails."""
        return len({number for services in self.failed.values() for number in services})

    def to_json(self) -> dict[str, Any]:
        """Return acts, acts of the first enforced day, and for every claim the services for which it fails."""
        failed = {key: sorted(set(services)) for key, services in self.failed.items()}
        return {"acts": dict(self.acts), "first_enforced_day": dict(self.first_day), "failed": failed}


def what(event: SimEvent) -> str:
    """Return an event of the log as an act on a service: suspend, release, end; "" for everything else."""
    if event.kind == "service:status":
        return _BY_STATUS.get(event.detail.rpartition("->")[2], "")
    return _BY_MODULE.get(event.kind, "")


def overdue(world: World, service: Service, today: dt.date) -> list[Invoice]:
    """Return the open invoices past due that bill the service or an addon of it, by WHMCS's own tables.

    One that was made after its due date (imported, or for a period long past) is due on the day it was made.
    """
    addons = set(world.addons_by_service.get(service.id, ()))
    return [
        invoice
        for invoice in (world.invoices[number] for number in world.invoices_by_client.get(service.client, ()))
        if invoice.status in OWED
        and invoice.due != NO_DAY
        and max(invoice.due, invoice.created) < today
        and world.balance(invoice) > 0
        and any(
            line.relid == service.id if line.type == "Hosting" else line.type == "Addon" and line.relid in addons
            for line in invoice.lines
        )
    ]


def is_protected(world: World, service: Service, today: dt.date) -> bool:
    """By WHMCS's own means: an exempt group, one that no list names, an override whose day has not come."""
    group = world.clients[service.client].group
    if group and (group not in world.groups or world.groups[group].exempt):
        return True
    return service.override and (service.override_until is None or today < service.override_until)


def taken_down_by_staff(world: World, *known: int) -> frozenset[int]:
    """Return the services that are down with a reason of somebody's, and of those known to be staff's the ones down."""
    down = (world.services[number] for number in world.services_by_status.get(ServiceStatus.SUSPENDED, ()))
    return frozenset(service.id for service in down if service.suspend_reason or service.id in known)
