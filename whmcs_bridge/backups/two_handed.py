"""A store with two credentials: one lists and looks, the other moves aside, deletes and puts back.

Whoever holds the first can audit and plan, and harm nothing. The second is taken up at the first act: where only audits
and plans are made, its secrets need not be readable.
"""

from collections.abc import Callable, Iterable, Mapping

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Capabilities, Claim, LivingAccount, Probe, Receipt
from whmcs_bridge.errors import SettingsProblem, StoreAuthFailed
from whmcs_bridge.ports import BackupStore


class TwoHanded:
    """Delegates to two stores over the same place; `acting` is not asked for anything before it has to act."""

    def __init__(self, reading: BackupStore, acting: BackupStore) -> None:
        self._reading, self._acting = reading, acting

    # --- with the credential that reads

    @property
    def name(self) -> str:
        return self._reading.name

    @property
    def kind(self) -> str:
        return self._reading.kind

    @property
    def root(self) -> str:
        return self._reading.root

    @property
    def caps(self) -> Capabilities:
        return self._reading.caps

    def serves(self, server: int) -> bool:
        return self._reading.serves(server)

    def probe(self) -> Probe:
        return self._reading.probe()

    def items(self) -> Iterable[BackupItem]:
        return self._reading.items()

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        return self._reading.claim(item, account)

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        return self._reading.residue(account)

    def capture(self, account: AccountIdentity) -> Mapping[str, str]:
        return self._reading.capture(account)

    def living(self) -> Mapping[str, LivingAccount]:
        return self._reading.living()

    # --- with the credential that acts

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        return self._act(lambda: self._acting.quarantine(item, plan))

    def put_back(self, item: BackupItem) -> Receipt:
        return self._act(lambda: self._acting.put_back(item))

    def delete(self, item: BackupItem) -> Receipt:
        return self._act(lambda: self._acting.delete(item))

    def poll(self, receipt: Receipt) -> Receipt:
        return self._act(lambda: self._acting.poll(receipt))

    def _act(self, act: Callable[[], Receipt]) -> Receipt:
        """A secret that is not readable here is this store's trouble, and nothing was sent."""
        try:
            return act()
        except SettingsProblem as problem:
            raise StoreAuthFailed(f"store {self.name}: {problem}") from None

    def close(self) -> None:
        """Close both, also where the first one cannot be closed."""
        try:
            self._reading.close()
        finally:
            self._acting.close()
