"""The manual driver: backups in a product that no driver may list, which a person deletes and answers for.

What VMware's products, R1Soft, Bacula, Acronis or a tape hold cannot be read here to its end (facts sheet on backup
stores, section 8), and a list that is not there is never an empty one: the store's part of a plan stays unverifiable,
staff is told what to do, and only a named person can close it, by attesting. It never counts as verified gone.
"""

from collections.abc import Collection, Iterable

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NOT_MINE
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Capabilities, Claim, Outcome, Probe, Receipt
from whmcs_bridge.errors import ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings


def open_store(given: BackupStoreSettings) -> "ManualStore":
    """Return the store of these settings."""
    return ManualStore(given.name, given.options["product"], given.options["todo"], given.servers)


class ManualStore(SimpleStore):
    """A product that people look after by hand; nothing is read and nothing is sent."""

    kind = "manual"
    caps = Capabilities(deletes=False)

    def __init__(self, name: str, product: str, todo: str, servers: Collection[int] = ()) -> None:
        super().__init__(name, product, servers)
        self._why = (
            f"only a person can look into {product}: {todo}; "
            f"then whmcs-bridge backups plans attest PLAN --store {name} --because WHAT-WAS-DONE"
        )

    def probe(self) -> Probe:
        """Its view is never complete: there is none."""
        return Probe(complete=False, why=self._why)

    def items(self) -> Iterable[BackupItem]:
        """Raises ViewIncomplete, always: nobody may take it for empty."""
        raise ViewIncomplete(f"store {self.name}: {self._why}")

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Nothing in it is known to be anybody's."""
        return NOT_MINE

    def delete(self, item: BackupItem) -> Receipt:
        """Refuse: a person deletes."""
        return Receipt(Outcome.REFUSED, self._why)
