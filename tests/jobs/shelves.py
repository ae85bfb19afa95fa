"""Backup stores and hosting panels in memory that can do everything real ones can, lies included."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.domain.backups import (
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    LivingAccount,
    Outcome,
    Probe,
    Receipt,
    Verdict,
)
from whmcs_bridge.domain.panel_lists import PanelInventory
from whmcs_bridge.errors import StoreTrouble, StoreUnreachable


class Lie(StrEnum):
    """What a store may do instead of the truth."""

    SUCCESS_WITHOUT_EFFECT = "says deleted, and keeps it"
    STALE_LIST = "lists what it had when first asked"
    EMPTY_LIST = "answers 403 as an empty list"
    NEIGHBOUR = "deletes somebody else's as well"
    ANSWER_LOST = "deletes, and the line breaks"
    NEVER_SENT = "the line breaks before anything was sent"


class Shelf(SimpleStore):
    """Items named `account/name`; whose they are is told by name and time, as on most real stores."""

    kind = "shelf"

    def __init__(self, name: str = "shelf", servers: Sequence[int] = (), **caps: bool) -> None:
        super().__init__(name, root=f"shelf:{name}", servers=servers)
        self.caps = Capabilities(**caps)
        self.held: dict[tuple[str, str], BackupItem] = {}
        self.lie: Lie | None = None
        self.trouble: StoreTrouble | None = None
        self.state = Probe(complete=True)
        self.tasks: dict[str, BackupItem] = {}
        self.deleted: list[str] = []
        self.asked: list[str] = []
        self.on_delete: Callable[[BackupItem], None] | None = None
        self._stale: list[BackupItem] | None = None

    def put(
        self, account: str, name: str, on: date | datetime, *, size: int = 1000, shared: bool = False, lock: str = ""
    ) -> BackupItem:
        """Keep a backup of an account that was made on a day (noon) or at an instant."""
        at = on if isinstance(on, datetime) else datetime.combine(on, time(12), UTC)
        etag = f"{account}-{name}-{size}"
        item = BackupItem(
            self.name, f"{account}/{name}", size, at, etag=etag, account=account, shared=shared, lock=lock
        )
        self.held[(item.locator, "")] = item
        return item

    def names(self) -> list[str]:
        """Locators of everything that is there, quarantine left out."""
        return sorted(locator for (locator, _), item in self.held.items() if not item.quarantine)

    # --- the interface

    def probe(self) -> Probe:
        self.asked.append("probe")
        if self.trouble is not None:
            raise self.trouble
        return self.state

    def items(self) -> Iterable[BackupItem]:
        self.asked.append("items")
        if self.trouble is not None:
            raise self.trouble
        if self.lie is Lie.EMPTY_LIST:
            return []
        if self.lie is Lie.STALE_LIST:
            self._stale = self._stale if self._stale is not None else list(self.held.values())
            return list(self._stale)
        return list(self.held.values())

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        if item.account != account.username or not account.username:
            return Claim(Verdict.NOT_MINE)
        return Claim(Verdict.SHARED if item.shared else Verdict.MINE, ("name",))

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        if self.held.get((item.locator, "")) != item:
            return Receipt(Outcome.REFUSED, "not what was listed")
        moved = replace(item, locator=f".quarantine/{plan}/{item.locator}", quarantine=plan)
        del self.held[(item.locator, "")]
        self.held[(moved.locator, "")] = moved
        return Receipt(Outcome.QUARANTINED, item=moved)

    def put_back(self, item: BackupItem) -> Receipt:
        self.asked.append(f"put back {item.locator}")
        if not item.quarantine:
            return Receipt(Outcome.REFUSED, "it does not lie in quarantine")
        back = replace(item, locator=item.locator.removeprefix(f".quarantine/{item.quarantine}/"), quarantine="")
        found, there = self.held.get((item.locator, "")), self.held.get((back.locator, ""))
        if found is None:
            return Receipt(Outcome.PUT_BACK, item=back) if there == back else Receipt(Outcome.GONE_BEFORE)
        if found != item or there is not None:
            return Receipt(Outcome.REFUSED, "not what was listed" if found != item else "its place is taken")
        del self.held[(item.locator, "")]
        self.held[(back.locator, "")] = back
        return Receipt(Outcome.PUT_BACK, item=back)

    def delete(self, item: BackupItem) -> Receipt:
        self.asked.append(f"delete {item.locator}")
        if self.lie is Lie.NEVER_SENT:
            raise StoreUnreachable("connection refused")
        found = self.held.get((item.locator, item.version or ""))
        if found is None:
            return Receipt(Outcome.GONE_BEFORE)
        if found != item:
            return Receipt(Outcome.REFUSED, "not what was listed")
        if found.lock:
            return Receipt(Outcome.LOCKED, found.lock, until=found.locked_until)
        if self.on_delete is not None:
            self.on_delete(item)
        if self.lie in (Lie.SUCCESS_WITHOUT_EFFECT, Lie.STALE_LIST):
            return Receipt(Outcome.DELETED)
        if self.caps.async_delete:
            task = f"task-{len(self.tasks) + 1}"
            self.tasks[task] = item
            return Receipt(Outcome.ACCEPTED, task=task)
        self._remove(item)
        if self.lie is Lie.NEIGHBOUR:
            neighbour = next((i for i in self.held.values() if i.account != item.account), None)
            if neighbour is not None:
                del self.held[(neighbour.locator, neighbour.version or "")]
        if self.lie is Lie.ANSWER_LOST:
            raise StoreUnreachable("connection reset")
        return Receipt(Outcome.DELETED)

    def poll(self, receipt: Receipt) -> Receipt:
        return Receipt(Outcome.ACCEPTED if receipt.task in self.tasks else Outcome.DELETED, task=receipt.task)

    def work_off(self) -> None:
        """Let the store finish what it had accepted."""
        for item in self.tasks.values():
            self._remove(item)
        self.tasks = {}

    def _remove(self, item: BackupItem) -> None:
        if self.held.pop((item.locator, item.version or ""), None) is not None:
            self.deleted.append(item.locator)


@dataclass
class Names:
    """A hosting panel: who lives there, or why it cannot say."""

    name: str = "panel"
    living_now: dict[str, LivingAccount] = field(default_factory=dict)
    servers: Sequence[int] = (1,)
    trouble: StoreTrouble | None = None
    lists: PanelInventory | None = None

    def add(self, username: str, identity: str = "", owner: str = "") -> None:
        self.living_now[username] = LivingAccount(username, identity, owner=owner)

    def serves(self, server: int) -> bool:
        return server in self.servers

    def living(self) -> dict[str, LivingAccount]:
        if self.trouble is not None:
            raise self.trouble
        return dict(self.living_now)

    def inventory(self) -> PanelInventory | None:
        return self.lists

    def close(self) -> None:
        """Nothing is held open."""


HOUR = timedelta(hours=1)
