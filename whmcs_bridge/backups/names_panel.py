"""The names panel: a file of this machine that lists who lives."""

import time
from collections.abc import Collection, Mapping
from pathlib import Path

from whmcs_bridge.domain.backups import LivingAccount
from whmcs_bridge.errors import StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import PanelSettings

MAX_BYTES = 64 * 2**20


def open_panel(given: PanelSettings) -> "NamesPanel":
    """Return the panel of these settings."""
    options = given.options
    return NamesPanel(given.name, options["path"], given.servers, options.get("max_age_hours"))


class NamesPanel:
    """Reads `user` or `domain: user` from each line, as cPanel's /etc/trueuserdomains has it."""

    def __init__(self, name: str, path: Path, servers: Collection[int], max_age_hours: int | None = None) -> None:
        self._name, self._path, self._servers = name, path, frozenset(servers)
        self._max_age_seconds = None if max_age_hours is None else max_age_hours * 3600

    @property
    def name(self) -> str:
        return self._name

    def serves(self, server: int) -> bool:
        return server in self._servers

    def living(self) -> Mapping[str, LivingAccount]:
        """Every account of the file. One that is missing, empty, too old or odd is no answer at all."""
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
            age_seconds = time.time() - self._path.stat().st_mtime
        except OSError as error:
            raise StoreUnreachable(f"panel {self._name}: {self._path} cannot be read: {error.strerror}") from error
        if self._max_age_seconds is not None and age_seconds > self._max_age_seconds:
            raise ViewIncomplete(
                f"panel {self._name}: {self._path} is {age_seconds / 3600:.0f} hours old; see why nothing writes it"
            )
        found = dict(self._account(line) for line in self._lines(text) if line)
        if not found:
            raise ViewIncomplete(f"panel {self._name}: {self._path} names nobody, which is hardly true")
        return found

    def _lines(self, text: bytes) -> list[str]:
        if len(text) > MAX_BYTES or (text and not text.endswith(b"\n")):
            raise ViewIncomplete(f"panel {self._name}: {self._path} is being written: its last line has no end")
        try:
            return [line.strip() for line in text.decode("ascii").splitlines()]
        except UnicodeDecodeError:
            raise ViewIncomplete(f"panel {self._name}: {self._path} holds more than ASCII") from None

    def _account(self, line: str) -> tuple[str, LivingAccount]:
        domain, colon, user = line.rpartition(":")
        user = user.strip()
        if not user or any(c.isspace() for c in user):
            raise ViewIncomplete(f"panel {self._name}: {self._path} has a line that names no account: {line[:60]!r}")
        return user, LivingAccount(user, domain=domain.strip() if colon else "")

    def inventory(self) -> None:
        """A file of names lists no backups."""

    def close(self) -> None:
        """Nothing is held open."""
