"""A house with something in every table, and the files of earlier versions that were written by playing it.

`fixtures/journal-1.sql` is a journal as version 1 of its shape left it, and so on: dumps, because they can be read and
compared. Nobody edits them. Before a migration is added, the code that has the present version writes its files:

    python -m tests.migrations.past
"""

import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.house import House
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.journal.schema import JOURNAL
from whmcs_bridge.mirror.schema import MIRROR
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import Actor, Approval, ForeignAct, ShadowCase, ShadowStep
from whmcs_bridge.simulator.faults import Fault, Kind
from whmcs_bridge.simulator.records import CancelRequest
from whmcs_bridge.storage import FileKind

FIXTURES = Path(__file__).parent / "fixtures"
KINDS: Mapping[str, FileKind] = {"journal": JOURNAL, "mirror": MIRROR}
OTHERS = frozenset({"_sqlite_migrations", "sqlite_sequence"})
"""Tables that are not ours."""
DAYS = 18
TABLES: Mapping[str, Any] = {
    "policy": {"on_suspend_message": "service-suspended", "on_release_message": "service-released"},
    "class": {
        "hosting": {
            "product_types": ["hostingaccount"],
            "notices": [{"day": -4, "message": "payment-reminder"}, {"day": 2, "message": "suspension-warning"}],
            "suspend_after_days": 3,
            "terminate_after_days": 15,
            "delete_backups_after_days": 3,
        }
    },
    "vip": {"group": "VIP", "min_tenure_months": 12, "exempt_max_days": 1},
}

# What the runs of this house leave empty gets a row by hand, written as the methods of that version write it.
BY_HAND: Mapping[str, tuple[tuple[str, tuple[object, ...]], ...]] = {
    "journal": (
        (
            "INSERT INTO inbox VALUES(?,?,?,?,?,?,?,?,?,?,?)",
            (1, "e-1", "InvoicePaid", 1, '{"invoiceid":1}', "2025-03-28T09:00:00+00:00", "waiting", 0, None, None, ""),
        ),
        ("INSERT INTO tells VALUES(?,?,?,?,?)", (1, "made", "log", "told", "2025-03-20T09:00:00+00:00")),
        ("INSERT INTO membership_moves VALUES(?,?,?,?,?)", (101, 5, "2025-03-12", 0, 1)),
        (
            "INSERT INTO handovers VALUES(?,?,?)",
            (99, 0, '{"service":99,"client":9,"asked_on":"2025-03-20","until":"2025-04-20","state":"ended"}'),
        ),
        (
            "INSERT INTO gone_records VALUES(?,?,?)",
            (98, 0, '{"service":98,"client":9,"told_on":"2025-03-20","empty_on":["2025-03-21"],"done":true}'),
        ),
    ),
    "mirror": (),
}


def played(folder: Path) -> House:
    """A house after eighteen days of everything, its databases in `folder`; the caller closes it."""
    store = MemoryStore("vault")
    house = House.of(TABLES, folder=folder, stores=[store])
    _settle_in(house, store)
    for day in range(1, DAYS + 1):
        house.pass_days()
        _happen(house, day)
        house.sync()
    _speak(house)
    return house


def _settle_in(house: House, store: MemoryStore) -> None:
    """Eight clients: one ends, one pays late, one asks to leave, one promises, one is VIP, three are overdue later."""
    for due in (0, 9, 5, 6, 13, 12, 15, 20):
        client = house.a_client(created=house.day(-500 if due == 13 else -100))
        service = house.a_service(client)
        store.put(ServiceId(service.id), "full")
        invoice = house.an_invoice(service, due=due)
        if due == 0:
            house.an_addon(service)
        if due == 20:
            house.world.add_credit(client, 250, "goodwill")
            house.pay(house.an_invoice(service, due=-30))
            assert invoice.status == "Unpaid"
    house.sync()


def _happen(house: House, day: int) -> None:
    """What clients and a bad line do on the day, before the bridge runs."""
    world = house.world
    if day == 4:
        _promise(house, ClientId(3), until=8)
    if day == 12:
        house.pay(world.invoices[2])
    if day == 14:
        world.add_cancel_request(CancelRequest(0, 4, world.clock, type="End of Billing Period"))
    if day == DAYS:
        house.faults(Fault("ModuleSuspend", Kind.TIMEOUT_AFTER))


def _promise(house: House, client: ClientId, until: int) -> None:
    house.bridge.record(
        Record(
            0,
            RecordKind.PROMISE,
            RecordState.OPEN,
            "staff",
            "paid on the fifth of the month",
            house.today,
            house.today,
            house.today + timedelta(days=until),
            client_id=client,
            amount=Decimal("10.00"),
        )
    )


def _speak(house: House) -> None:
    """What staff said, and the rows that no run writes yet."""
    house.faults()
    journal = house.bridge.journal
    journal.add_task(Note("moved", "service 7 has moved", "look at it", ClientId(7), ServiceId(7)), house.today)
    journal.add_task(Note("odd", "an odd reply", "look at it"), house.today)
    journal.set_task(journal.tasks()[-1].number, "done", house.today, "seen")
    journal.note_policy(house.bridge.settings.policy.version, "[policy]", house.today)
    journal.approve(Approval("terminate", ServiceId(6), "owner", house.today))
    journal.comment_task(journal.tasks()[0].number, house.bridge.clock.now(), "owner", "I have called them")
    journal.add_adoption(house.today, house.bridge.clock.now(), "owner", "p", {"findings": [{"service": 7}]})
    journal.save_foreign_acts(
        1, [ForeignAct(ServiceId(7), ClientId(7), "suspend", Actor.STAFF, house.today, "Active", "Suspended")]
    )
    step, case = journal.steps(limit=1)[0].step, journal.cases()[ServiceId(1)]
    journal.save_shadow(1, [ShadowStep(step, "limit")], [ShadowCase(case, "Suspended", "Overdue")])
    for name, port in (("journal", journal), ("mirror", house.bridge.mirror)):
        with port._store.writing as conn:  # type: ignore[union-attr]
            for statement, row in BY_HAND[name]:
                conn.execute(statement, row)


# --- the files --------------------------------------------------------------------------------


def dump(path: Path) -> str:
    """Return the file as SQL, with the numbers in its header, which a plain dump leaves out."""
    with closing(sqlite3.connect(path)) as conn:
        numbers = [
            f"PRAGMA {name}={conn.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*conn.iterdump(), *numbers]) + "\n"


def restore(name: str, version: int, path: Path) -> None:
    """Write the database file of an earlier version anew, in the write-ahead mode that every version leaves it in."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA synchronous=OFF")
        conn.execute("PRAGMA journal_mode=WAL")
        conn.executescript(fixture(name, version).read_text("utf-8"))


def fixture(name: str, version: int) -> Path:
    """Where the dump is kept."""
    return FIXTURES / f"{name}-{version}.sql"


def empty_tables(path: Path) -> list[str]:
    """Tables of ours without a row."""
    with closing(sqlite3.connect(path)) as conn:
        names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")]
        return [n for n in names if n not in OTHERS and not conn.execute(f'SELECT 1 FROM "{n}" LIMIT 1').fetchone()]


def write_fixtures() -> None:
    """Write the files of the present version that are not there yet."""
    FIXTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        played(folder).bridge.close()
        for name, kind in KINDS.items():
            file = folder / f"{name}.db"
            without = empty_tables(file)
            if without:
                sys.exit(f"{name}: nothing in {', '.join(without)}; give them a row in BY_HAND")
            if not fixture(name, kind.version).exists():
                fixture(name, kind.version).write_text(dump(file), "utf-8")


if __name__ == "__main__":
    write_fixtures()
