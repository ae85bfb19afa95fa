"""What most drivers have in common: a name, a root, the servers whose accounts they keep, and plain answers."""

from collections.abc import Collection, Iterable

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Capabilities, Probe, Receipt
from whmcs_bridge.errors import StoreUnsupported


class SimpleStore:
    """Answers for a store that is always there, has no quarantine and finishes what it accepts.

    `servers` are WHMCS's numbers of the servers whose accounts are backed up here; empty is every server.
    """

    kind = "simple"
    caps = Capabilities()

    def __init__(self, name: str, root: str, servers: Collection[int] = ()) -> None:
        self._name = name
        self._root = root
        self._servers = frozenset(servers)

    @property
    def name(self) -> str:
        return self._name

    @property
    def root(self) -> str:
        return self._root

    def serves(self, server: int) -> bool:
        """Backups of accounts on this WHMCS server may lie here."""
        return not self._servers or server in self._servers

    def probe(self) -> Probe:
        """Its view is complete by construction."""
        return Probe(complete=True)

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Refuse: the grace period is this store's quarantine."""
        raise StoreUnsupported(f"store {self._name}: {self.kind} has no quarantine for {item.locator} of plan {plan}")

    def poll(self, receipt: Receipt) -> Receipt:
        """Nothing goes on behind an answer."""
        return receipt

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        """Nothing lies beside the backups."""
        return ()

    def close(self) -> None:
        """Nothing is held open."""
