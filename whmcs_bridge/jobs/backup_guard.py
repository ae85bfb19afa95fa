"""Whether a store still holds what it should: nothing may vanish that was in no plan, and its view may not shrink.

Before anything is sent to a store, everything in it that is in no plan is written down; a whole listing afterwards is
compared with it, also after a kill or while the store was away in between. What is missing halts every plan on the
store until a person lifts it, or until a listing shows every missing item again.
"""

import base64
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.deletions import DeletionPlan, ItemState, PlannedItem, key_of
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.jobs.backup_look import ItemKey, Look
from whmcs_bridge.jobs.backup_waits import HALTS, halted
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.policy.ownership import SHARE_COUNTS_FROM, STILL_LISTED, collateral
from whmcs_bridge.policy.rotation import Rotation, unexplained

BATCH = "backup-batch:"
"""Remembered, a store's name after it: what lay there in no plan before anything was sent, until it is compared."""
VIEWS = "backup-views"
"""Remembered: store -> where it begins, and how many items its last whole listing had."""
LOST = "backup-lost"
"""Remembered: store -> the items whose vanishing has halted it."""
LISTED_AGAIN = 2
"""So often a store is listed again before something is taken for vanished: some listings lag behind."""
TOLD = 100
UNIT, RECORD = "\x1f", "\x1e"
"""Between the fields of an item that is written down, and between items: no store's name has them."""
NO_SERVICE = ServiceId(0)
"""Evidence that is about a store, and no single service."""
SENT = (
    ItemState.QUARANTINED,
    ItemState.DELETING,
    ItemState.ACCEPTED,
    ItemState.GONE_VERIFIED,
    ItemState.GONE_BEFORE,
    ItemState.RESIDUAL_UNTIL,
    ItemState.FAILED,
)
"""States of items of which a plan has sent, or seen, that they went."""
EXPLAINED = (ItemState.DELETING, ItemState.ACCEPTED, ItemState.RESIDUAL_UNTIL, ItemState.ATTESTED)
"""States of items that are not listed any more for a reason: a deletion was sent, or a person says that they went."""


# --- before anything is sent ----------------------------------------------------------------------


def begin_batch(ports: Ports, plan: DeletionPlan, look: Look, planned: Collection[BackupItem], count: int) -> None:
    """Write down what may not vanish from a store; `planned` may, and `count` of them are now to be sent."""
    name = look.store.name
    others = [item for item in collateral(look.items, (), planned) if key_of(item) not in look.beside]
    body = {
        "plan": plan.digest,
        "service": int(plan.service),
        "root": look.store.root,
        "items": _packed(others),
    }
    ports.journal.put(BATCH + name, body)
    _remember_view(ports, look, _seen(look) - count)


def _packed(items: Iterable[BackupItem]) -> str:
    lines = RECORD.join(UNIT.join(_fields(item)) for item in items)
    return base64.b85encode(zlib.compress(lines.encode("utf-8", "surrogateescape"), 1)).decode()


def _fields(item: BackupItem) -> tuple[str, ...]:
    return (
        item.locator,
        item.version or "",
        item.account,
        item.made_on.isoformat() if item.made_on else "",
        item.at.isoformat() if item.at else "",
        "" if item.size is None else str(item.size),
        item.quarantine,
        "shared" if item.shared else item.lock,
    )


def _missing(look: Look, text: str) -> Iterator[BackupItem]:
    """Yield what was written down and is not listed; only these are made items again, of a hundred thousand lines."""
    there = {(item.locator, item.version or "") for item in look.items}
    lines = zlib.decompress(base64.b85decode(text)).decode("utf-8", "surrogateescape")
    for line in lines.split(RECORD) if lines else ():
        locator, version, rest = line.split(UNIT, 2)
        if (locator, version) in there:
            continue
        account, made_on, at, size, quarantine, kept = rest.split(UNIT)
        yield BackupItem(
            look.store.name,
            locator,
            int(size) if size else None,
            datetime.fromisoformat(at) if at else None,
            version=version or None,
            account=account,
            made_on=date.fromisoformat(made_on) if made_on else None,
            shared=kept == "shared",
            lock="" if kept == "shared" else kept,
            quarantine=quarantine,
        )


# --- what a whole listing shows -------------------------------------------------------------------


def compare(ports: Ports, look: Look) -> bool:
    """Compare a whole listing with what lay in the store before anything was sent; False where it halts the store."""
    name = look.store.name
    kept = ports.journal.get(BATCH + name)
    if not kept or look.trouble or kept.get("root", look.store.root) != look.store.root:
        return True  # a store that points elsewhere now says nothing of where it was; that is compared when it is back
    lost = _lost(ports, look, list(_missing(look, kept["items"])))
    if lost:  # the halt comes first: a run that dies in between finds it out once more
        text = f"store {name}: {len(lost)} items vanished that were in no plan, such as {lost[0].locator}"
        halt(ports, (ServiceId(kept["service"]), kept["plan"]), name, text, lost)
    ports.journal.put(BATCH + name, None)
    _remember_view(ports, look, _seen(look))
    return not lost


def _lost(ports: Ports, look: Look, missing: list[BackupItem]) -> list[BackupItem]:
    """Return what of the missing nothing explains: no plan, no rotation, and no listing that lags behind."""
    if not missing:
        return []
    left = {(i.size, i.at) for i in look.items if not i.quarantine}
    found = [i for i in missing if not (i.quarantine and (i.size, i.at) in left)]  # moved back to its place
    found = _not_by_plans(ports, found)
    explained = len(found)
    found = unexplained(found, look.items, rotation_of(ports, look.store.name), ports.today())
    if explained > len(found):
        body = {"store": look.store.name, "items": explained - len(found)}
        ports.journal.deletions.add_links([(NO_SERVICE, "", ports.now(), "rotated", body)])
    for _ in range(LISTED_AGAIN if found else 0):
        try:
            there = {key_of(item) for item in look.store.items()}
        except StoreTrouble:
            break
        found = [item for item in found if key_of(item) not in there]
        if not found:
            break
    return found


def _not_by_plans(ports: Ports, items: list[BackupItem]) -> list[BackupItem]:
    """Leave out what another plan has deleted: a listing that lags behind had shown it once more."""
    if not items:
        return []
    gone: dict[ItemKey, PlannedItem] = {}
    for plan in ports.journal.deletions.plans():
        for row in plan.items:
            if row.state in SENT:
                gone.setdefault(row.key, row)
                if row.aside is not None:
                    gone.setdefault(key_of(row.aside), row)
    return [item for item in items if not _is(gone.get(key_of(item)), item)]


def _is(row: PlannedItem | None, item: BackupItem) -> bool:
    return row is not None and (row.item.size, row.item.at) == (item.size, item.at)


def rotation_of(ports: Ports, store: str) -> Rotation:
    """What the settings say of how a store's panel removes old backups from it."""
    found = next((s for s in ports.settings.backup_stores if s.name == store), None)
    return Rotation() if found is None else Rotation(found.rotation_days, found.rotation_count)


# --- a view that shrinks --------------------------------------------------------------------------


def see(ports: Ports, look: Look, rows: Collection[PlannedItem], about: tuple[ServiceId, str]) -> bool:
    """Note how much a whole listing shows; False where so much less than the last time that the store halts.

    `rows` are the plan's own that were not gone by then. Rights that were taken away, a disk that is not there and a
    prefix that was changed all look like an empty store.
    """
    name = look.store.name
    if look.trouble:
        return True
    views: Mapping[str, Any] = ports.journal.get(VIEWS, {})
    kept = views.get(name)
    shrunk = kept is not None and kept["root"] == look.store.root and _has_shrunk(look, rows, kept["items"])
    if kept is not None and shrunk:  # the halt comes first: a run that dies in between finds it out once more
        text = f"store {name}: its listing has {_seen(look):,} items and had {kept['items']:,}"
        halt(ports, about, name, text, [])
    _remember_view(ports, look, _seen(look))
    return not shrunk


def _has_shrunk(look: Look, rows: Collection[PlannedItem], had: int) -> bool:
    """`had`: items of the last listing that every look at the store showed."""
    own = {row.key for row in rows} | {key_of(row.aside) for row in rows if row.aside is not None} | look.beside
    before = had - sum(map(is_counted, rows))
    now = sum(1 for item in look.items if key_of(item) not in own)
    missing = [
        row for row in rows if row.key not in look.keys and (row.aside is None or key_of(row.aside) not in look.keys)
    ]
    emptied = had > 0 and not look.by_hand and any(map(never_sent, missing))
    return _shrunk(before, now, _seen(look), missing=bool(missing), emptied=emptied)


def never_sent(row: PlannedItem) -> bool:
    """No deletion of it was sent that may have worked: where it is not listed any more, it is not by us."""
    return row.state not in EXPLAINED and not row.note.startswith(STILL_LISTED)


def in_doubt(row: PlannedItem) -> bool:
    """It has vanished with all the account had in the store, and a later listing has to say so again."""
    return row.state is ItemState.UNVERIFIABLE


def is_counted(row: PlannedItem) -> bool:
    """It is among the items that every look at the store had shown the last time: no residue, and not in doubt."""
    return not in_doubt(row) and (not row.beside or row.aside is not None)


def _seen(look: Look) -> int:
    """Items that every look at the store shows."""
    return len(look.items) - len(look.beside)


def _shrunk(before: int, now: int, listed: int, *, missing: bool, emptied: bool) -> bool:
    """`before` and `now` count what is in no plan; `missing`: something that was planned is not there either.

    `emptied`: what was planned was listed the last time, and nobody was asked to delete it.
    """
    if listed == 0:
        return before > 0 or emptied
    if before < 1:
        return False
    return now * 2 < before and (before >= SHARE_COUNTS_FROM or (missing and before > 1))


def _remember_view(ports: Ports, look: Look, items: int) -> None:
    views = dict(ports.journal.get(VIEWS, {}))
    fresh = {"root": look.store.root, "items": items}
    if views.get(look.store.name) != fresh:
        views[look.store.name] = fresh
        ports.journal.put(VIEWS, views)


# --- halts ----------------------------------------------------------------------------------------


def halt(ports: Ports, about: tuple[ServiceId, str], store: str, why: str, lost: list[BackupItem]) -> None:
    """Stop every plan on a store until a person lifts it, and tell staff. `about`: the service and plan it comes of.

    The halt itself is written last: nobody looks at a halted store again, so that all else has to be there by then.
    """
    service, digest = about
    journal = ports.journal
    known = [[i.locator, i.version or ""] for i in lost]
    journal.put(LOST, {**journal.get(LOST, {}), store: known})
    body = {"store": store, "why": why, "vanished": [i.locator for i in lost[:TOLD]], "count": len(lost)}
    journal.deletions.add_links([(service, digest, ports.now(), "halt", body)])
    todo = f"look at the store, then: whmcs-bridge backups plans lift {store}"
    journal.add_task(Note("store-collateral", why, todo), ports.today())
    journal.put(HALTS, halted(journal) | {store: why})


def heal(ports: Ports, look: Look) -> None:
    """Lift a halt by itself where a whole listing shows every item again that had vanished: it had lagged behind."""
    name = look.store.name
    if look.trouble or name not in halted(ports.journal):
        return
    lost = ports.journal.get(LOST, {}).get(name)
    if lost and all((name, locator, version) in look.keys for locator, version in lost):
        lift_halt(ports, name, "a listing shows every item again that had vanished", by="bridge")


def lift_halt(ports: Ports, store: str, because: str, by: str = "") -> bool:
    """Let plans on a store go on, as a person says; False where none stood."""
    halts = halted(ports.journal)
    if store not in halts:
        return False
    body = {"store": store, "was": halts.pop(store), "because": because, "by": by or ports.actor}
    ports.journal.put(HALTS, halts)
    ports.journal.put(LOST, {name: lost for name, lost in ports.journal.get(LOST, {}).items() if name != store})
    ports.journal.deletions.add_links([(NO_SERVICE, "", ports.now(), "lifted", body)])
    return True
