"""A backup store in memory: for scenarios, the demo and tests. Each item records whose it is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Capabilities, Claim, Outcome, Receipt, Verdict
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import StoreUnreachable

Deleted = Callable[[BackupItem, ServiceId], None]


class MemoryStore(SimpleStore):
    """Items by locator, with their owner; `on_delete` hears of every deletion. With `aside` it moves items aside."""

    kind = "memory"

    def __init__(self, name: str, on_delete: Deleted | None = None, *, aside: bool = False) -> None:
        super().__init__(name, root=f"memory:{name}")
        self.caps = Capabilities(quarantine=aside)
        self._items: dict[str, tuple[BackupItem, ServiceId]] = {}
        self._on_delete = on_delete
        self._made = 0
        self.away = False
        """It cannot be reached."""

    def _must_be_there(self) -> None:
        if self.away:
            raise StoreUnreachable(f"store {self.name}: cannot be reached")

    def put(self, service: ServiceId, name: str, *, size: int | None = None, at: datetime | None = None) -> BackupItem:
        """Store an item of a service; one of the same name is replaced."""
        self._made += 1
        item = BackupItem(self.name, f"{service}/{name}", size, at, owner_hint=str(service), etag=str(self._made))
        self._items[item.locator] = (item, service)
        return item

    def items(self) -> Sequence[BackupItem]:
        """Everything, in the order in which it came."""
        self._must_be_there()
        return [item for item, _ in self._items.values()]

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """The owner was recorded when the item was stored: nothing has to be guessed from a name."""
        found = self._items.get(item.locator)
        if found is not None and found[0] == item and found[1] == account.service:
            return Claim(Verdict.MINE, ("recorded owner", "recorded when it was stored"), proven=True)
        return Claim(Verdict.NOT_MINE)

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Move one item aside; one that lies there already is found there."""
        return self._move(
            item, replace(item, locator=f"aside/{plan}/{item.locator}", quarantine=plan), Outcome.QUARANTINED
        )

    def put_back(self, item: BackupItem) -> Receipt:
        """Move it to where it lay; nothing is overwritten."""
        if not item.quarantine:
            return Receipt(Outcome.REFUSED, "it does not lie in quarantine")
        back = replace(item, locator=item.locator.removeprefix(f"aside/{item.quarantine}/"), quarantine="")
        return self._move(item, back, Outcome.PUT_BACK)

    def _move(self, item: BackupItem, to: BackupItem, done: Outcome) -> Receipt:
        self._must_be_there()
        found, there = self._items.get(item.locator), self._items.get(to.locator)
        if found is None:
            return Receipt(done, item=to) if there is not None and there[0] == to else Receipt(Outcome.GONE_BEFORE)
        if there is not None or found[0] != item:
            return Receipt(Outcome.REFUSED, "its place is taken" if there is not None else "not what was listed")
        del self._items[item.locator]
        self._items[to.locator] = (to, found[1])
        return Receipt(done, item=to)

    def delete(self, item: BackupItem) -> Receipt:
        """Remove one item; one that is gone already is no error."""
        self._must_be_there()
        found = self._items.pop(item.locator, None)
        if found is None:
            return Receipt(Outcome.GONE_BEFORE)
        if self._on_delete is not None:
            self._on_delete(*found)
        return Receipt(Outcome.DELETED)

    def count(self, service: ServiceId) -> int:
        """How many items of a service are left in their places: neither gone nor moved aside."""
        return sum(1 for item, owner in self._items.values() if owner == service and not item.quarantine)
