"""What a settings file says, typed and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.settings.secret import Secret

SHADOW = "shadow"
ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class WhmcsSettings:
    """Where WHMCS is and how to reach it."""

    url: str
    """WHMCS's root, without a slash at its end and without includes/api.php."""
    identifier: Secret
    secret: Secret
    access_key: Secret | None = None
    page_size: int = 250
    connections: int = 4
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 60.0
    module_timeout_seconds: float = 180.0
    ca_bundle: Path | None = None
    """None: the system's certificates. They are always verified."""


@dataclass(frozen=True, slots=True)
class StaffSettings:
    """What the house's own people hear of."""

    morning_mail: str = "enforce"
    """always | enforce | never: in which mode WHMCS is asked to mail the administrators once a day."""
    log_records: bool = True
    """A line in WHMCS's activity log for what people record."""
    note_records: bool = True
    """A note at the client for it."""


@dataclass(frozen=True, slots=True)
class HookSettings:
    """How WHMCS's hooks reach us, and what a person's click there may do."""

    listen: str = "127.0.0.1:8765"
    secret: Secret | None = None
    """None: nothing can be signed, so `serve` does not start."""
    clock_tolerance_seconds: int = 300
    max_body_kib: int = 64
    threads: int = 8
    admin_clicks: str = "allow"
    """allow | refuse."""
    click_release_days: int = 3
    gate_file: Path | None = None
    """None: gate.json in the storage folder."""
    spool: Path | None = None
    """None: not on this machine, or not said."""


@dataclass(frozen=True, slots=True)
class BackupStoreSettings:
    """One [[backup_store]]; `options` are its driver's, typed, with defaults filled in and secrets wrapped."""

    name: str
    driver: str
    servers: tuple[int, ...] = ()
    """WHMCS's ids; () is every server."""
    options: Mapping[str, Any] = field(default_factory=dict)
    rotation_days: int | None = None
    """Its panel removes what is older; None: not by age."""
    rotation_count: int | None = None
    """Its panel keeps so many of each account's series; None: not by number."""
    delete_with: Mapping[str, Any] | None = None
    """Credentials that quarantine, delete and put back; None: those in `options` do all."""
    may_part: bool = False
    """It deletes, and its driver takes credentials: `delete_with` could keep reading and deleting apart."""

    @property
    def acting_options(self) -> Mapping[str, Any]:
        """The options with the credentials that delete. A secret of the other hand is not among them."""
        if self.delete_with is None:
            return self.options
        rest = {name: value for name, value in self.options.items() if not isinstance(value, Secret)}
        return {**rest, **self.delete_with}

    @property
    def one_hand(self) -> bool:
        """One credential lists and deletes, and it need not."""
        return self.may_part and self.delete_with is None


@dataclass(frozen=True, slots=True)
class PanelSettings:
    """One [[panel]]; `options` are its driver's, typed, with defaults filled in and secrets wrapped."""

    name: str
    driver: str
    servers: tuple[int, ...]
    """WHMCS's ids."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything bridge.toml says, with its defaults."""

    mode: str
    """shadow | enforce."""
    whmcs: WhmcsSettings
    policy: Policy
    folder: Path
    """Where the two databases lie."""
    source: Path
    """The settings file."""
    backup_stores: tuple[BackupStoreSettings, ...] = ()
    panels: tuple[PanelSettings, ...] = ()
    staff: StaffSettings = StaffSettings()
    hooks: HookSettings = HookSettings()
    warnings: tuple[str, ...] = ()
    """What is allowed but hardly meant, one line each."""
    evidence_key: Secret | None = None
    """Signs the daily head of the chain of evidence; None: it is not signed."""

    @property
    def enforcing(self) -> bool:
        """Steps are carried out, not only planned."""
        return self.mode == ENFORCE

    @property
    def journal(self) -> Path:
        """The record of what we did; kept and backed up."""
        return self.folder / "journal.db"

    @property
    def mirror(self) -> Path:
        """WHMCS's truth, dated and disposable."""
        return self.folder / "mirror.db"

    @property
    def gate(self) -> Path:
        """What WHMCS's hook file reads where the bridge does not answer."""
        return self.hooks.gate_file or self.folder / "gate.json"

    @property
    def mails_staff(self) -> bool:
        """The administrators get their morning mail in this mode."""
        return self.staff.morning_mail == "always" or (self.staff.morning_mail == "enforce" and self.enforcing)

    @property
    def pause_file(self) -> Path:
        """While this file exists no harmful step is taken."""
        return self.source.parent / "PAUSE"
