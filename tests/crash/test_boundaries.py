"""Where a child can die is complete: nothing is written to journal or mirror outside a boundary."""

import re

import pytest

from tests.crash.place import DELETED, JOURNALED, MIRRORED, Watched
from tests.house import WARNED, House
from whmcs_bridge import ports
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor

_WRITES = re.compile(
    r"\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b(?:\s+OR\s+\w+)?(?:\s+INTO|\s+FROM)?\s+(\w+)", re.IGNORECASE
)
_TEMPORARY = frozenset({"wanted"})
"""Tables of a connection's own, which no file ever holds."""


class Inside:
    """How deep in watched methods the bridge is, and what it wrote outside of them."""

    def __init__(self) -> None:
        self.depth = 0
        self.outside: list[str] = []
        self.met: set[str] = set()

    def crossed(self, boundary: str) -> None:
        self.depth += 1 if boundary.startswith("before:") else -1
        self.met.add(boundary.partition(":")[2])

    def traced(self, statement: str) -> None:
        found = _WRITES.match(statement)
        if found is not None and found[1] not in _TEMPORARY and not self.depth:
            self.outside.append(statement)


@pytest.mark.parametrize("enforcing", [True, False])
def test_nothing_is_written_outside_a_boundary(enforcing: bool) -> None:
    rules = {"class": {"hosting": WARNED}, "staff": {"morning_mail": "always"}}
    with House.of(rules) as house:
        house.enforcing(enforcing)
        inside = Inside()
        bridge = house.bridge
        for port in (bridge.journal, bridge.mirror):
            port._store.conn.set_trace_callback(inside.traced)  # type: ignore[union-attr]
        bridge.ports.journal = Watched(bridge.journal, "journal", JOURNALED, inside.crossed)
        bridge.ports.mirror = Watched(bridge.mirror, "mirror", MIRRORED, inside.crossed)
        house.a_debtor(overdue=-4)
        _, paid, invoice = house.a_debtor(overdue=2)
        other = house.a_service()
        house.sync()
        bridge.adopt()
        with house.world.acting(Actor.ADMIN):
            modules.run_module(house.world, other, modules.SUSPEND, reason="spam")
        house.next_day(4)
        house.pay(invoice)
        house.sync()
    assert inside.outside == []
    assert inside.depth == 0
    wanted = {"begin_run", "end_run", "note_policy", "reconcile_tasks", "begin_morning_mail", "end_morning_mail"}
    wanted |= {"put", "save_plan", "add_adoption", "save_foreign_acts"}
    wanted |= {"begin", "end", "save_cases"} if enforcing else {"save_shadow"}
    assert {f"journal.{name}" for name in wanted} <= inside.met
    assert paid.status == "Active"


def test_only_methods_of_the_ports_are_boundaries_and_none_that_reads() -> None:
    for methods, port in ((JOURNALED, ports.Journal), (MIRRORED, ports.Mirror), (DELETED, ports.Deletions)):
        assert methods <= set(vars(port))
    reading = {"get", "runs", "last_run", "steps", "counts", "cases", "tasks", "plan", "announced", "morning_mail"}
    assert not JOURNALED & reading
    assert not DELETED & {"accounts", "plan_of", "plans", "plan_heads", "links", "head", "handovers"}
    assert not MIRRORED & {"last", "book", "books", "members", "stale_invoices"}
