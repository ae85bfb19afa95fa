"""The proxmox panel: which machines and containers live in a cluster now, and by which ids each is known.

PVE leaves out of its lists what a token may not see (facts sheet on backup stores, finding 4): the right to see every
guest is asked for first, and a number that is not listed is taken for free only if the cluster says so itself. What
proves a guest stands in its configuration, a request each: it is asked for when somebody wants to know.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from whmcs_bridge.backups.line import HttpLine, short
from whmcs_bridge.backups.machines import NUMBER, ids_in
from whmcs_bridge.backups.proxmox import ProxmoxApi
from whmcs_bridge.domain.backups import MAC, UUID, VMID, LivingAccount
from whmcs_bridge.errors import StoreTrouble, ViewIncomplete
from whmcs_bridge.settings.model import PanelSettings

KINDS: Final = ("qemu", "lxc")


def open_panel(given: PanelSettings) -> "ProxmoxPanel":
    """Return the panel of these settings; nothing is asked yet."""
    options = given.options
    line = HttpLine(
        f"panel {given.name}", options["url"], timeout=options["timeout_seconds"], ca_file=options.get("ca_file")
    )
    login = f"PVEAPIToken={options['token_id']}={options['token'].word()}"
    return ProxmoxPanel(given, ProxmoxApi(line, f"panel {given.name}", login))


class ProxmoxPanel:
    """Every guest of one cluster by its number, on whatever node it is."""

    def __init__(self, given: PanelSettings, api: ProxmoxApi) -> None:
        self._given, self._api = given, api

    @property
    def name(self) -> str:
        return self._given.name

    def serves(self, server: int) -> bool:
        """WHMCS knows the cluster, or one of its nodes, as this server."""
        return server in self._given.servers

    def living(self) -> "Guests":
        """Every guest by its number. Raises StoreTrouble where the list may not be whole, and where nobody is in it."""
        self._api.must("/", "Sys.Audit", "whether the cluster is whole stays hidden")
        self._api.must("/vms", "VM.Audit", "machines would be left out of its lists")
        self._quorate()
        rows = self._api.rows("/cluster/resources", "vmid", "node", "type", type="vm")
        guests = {str(row["vmid"]): row for row in rows}
        if len(guests) != len(rows) or not all(_is_guest(number, row) for number, row in guests.items()):
            raise self._api.line.gap("guests in another shape")
        if not guests:
            raise self._api.line.gap("no guest at all: the right to list them may be missing")
        return Guests(self._api, guests)

    def _quorate(self) -> None:
        """A node without a quorum tells what it knew when it lost the others; one without a cluster needs none."""
        rows = self._api.rows("/cluster/status", "type")
        if not rows or any(row["type"] == "cluster" and row.get("quorate") != 1 for row in rows):
            raise self._api.line.gap("no quorum: its list of guests may be an old one")

    def inventory(self) -> None:
        """It lists no backups: the store of the same cluster does."""

    def close(self) -> None:
        self._api.line.close()


class Guests(Mapping[str, LivingAccount]):
    """The guests of one look; what proves one is asked for once, when it is looked up.

    Looking up a number that is not listed raises ViewIncomplete where the cluster says that it is taken.
    """

    def __init__(self, api: ProxmoxApi, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self._api, self._rows = api, rows
        self._known: dict[str, LivingAccount] = {}
        self._free: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """Whether another look has shown the same, as far as anybody has looked: it asks for nothing more."""
        if not isinstance(other, Guests):
            return NotImplemented
        return (self._rows.keys(), self._known, self._free) == (other._rows.keys(), other._known, other._free)

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, number: str) -> LivingAccount:
        if number not in self._rows:
            self._must_be_free(number)
            raise KeyError(number)
        if number not in self._known:
            self._known[number] = self._look(number, self._rows[number])
        return self._known[number]

    def _must_be_free(self, number: str) -> None:
        if number in self._free or not NUMBER.fullmatch(number):
            return
        if not self._api.is_free(number):
            why = f"its list leaves out {number}, and the cluster says it is taken; see the token's rights"
            raise ViewIncomplete(f"{self._api.what}: {why}")
        self._free.add(number)

    def _look(self, number: str, row: Mapping[str, Any]) -> LivingAccount:
        """A guest whose configuration cannot be read lives all the same: nobody can say which one it is."""
        domain = short(row.get("name") or "")
        try:
            config = self._api.get(f"/nodes/{row['node']}/{row['type']}/{number}/config")
        except StoreTrouble:
            return LivingAccount(number, domain=domain)
        ids = ids_in(config.items()) if isinstance(config, dict) else {}
        cards = f"mac {ids[MAC]}" if ids.get(MAC) else ""
        return LivingAccount(number, ids.get(UUID) or cards, domain, ids={**ids, VMID: number} if ids else {})


def _is_guest(number: str, row: Mapping[str, Any]) -> bool:
    return NUMBER.fullmatch(number) is not None and row["type"] in KINDS and isinstance(row["node"], str)
