"""A backup store in memory: for scenarios, the demo and tests. Each item records whose it is."""

from collections.abc import Callable, Sequence
from datetime import datetime

from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.ports import AccountIdentity, BackupItem

Deleted = Callable[[BackupItem, ServiceId], None]


class MemoryStore:
    """Items by locator, with their owner; `on_delete` hears of every deletion."""

    def __init__(self, name: str, on_delete: Deleted | None = None) -> None:
        self._name = name
        self._items: dict[str, tuple[BackupItem, ServiceId]] = {}
        self._on_delete = on_delete

    @property
    def name(self) -> str:
        return self._name

    def put(self, service: ServiceId, name: str, *, size: int | None = None, at: datetime | None = None) -> BackupItem:
        """Store an item of a service; one of the same name is replaced."""
        item = BackupItem(self._name, f"{service}/{name}", size, at, owner_hint=str(service))
        self._items[item.locator] = (item, service)
        return item

    def items(self) -> Sequence[BackupItem]:
        """Everything, in the order in which it came."""
        return [item for item, _ in self._items.values()]

    def is_mine(self, item: BackupItem, account: AccountIdentity) -> bool:
        """The owner was recorded when the item was stored: nothing has to be guessed from a name."""
        found = self._items.get(item.locator)
        return found is not None and found[0] == item and found[1] == account.service

    def delete(self, item: BackupItem) -> None:
        """Remove one item; one that is gone already is no error."""
        found = self._items.pop(item.locator, None)
        if found is not None and self._on_delete is not None:
            self._on_delete(*found)

    def count(self, service: ServiceId) -> int:
        """How many items of a service are left."""
        return sum(1 for _, owner in self._items.values() if owner == service)
