"""What a hosting panel itself says of backups: hints where to look, never evidence that something is there or gone."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class PanelBackup:
    """A backup that a panel lists."""

    account: str
    """"" where its name holds none."""
    name: str
    """The panel's own name of it: a restore point or a file."""
    day: date | None = None
    kept_at: tuple[str, ...] = ()
    """Kinds of places the panel says it is kept in; empty where it does not say."""


@dataclass(frozen=True, slots=True)
class PanelDestination:
    """A place that a panel sends backups to."""

    name: str
    kind: str
    """The panel's own word: Local, SFTP, AmazonS3, ftp, local."""
    host: str = ""
    """Host name or bucket; "" for a folder of the panel's own machine, or where the panel does not say."""
    path: str = ""
    used: bool = True
    """False: it is switched off; what was sent there before is still there."""


@dataclass(frozen=True, slots=True)
class PanelInventory:
    """All that a panel lists."""

    backups: tuple[PanelBackup, ...] = ()
    destinations: tuple[PanelDestination, ...] = ()
    notes: tuple[str, ...] = ()
    """What its list is known to leave out."""
