"""journal.db: what we did and what people told us; kept and backed up."""

from whmcs_bridge.journal.store import SqliteJournal

__all__ = ["SqliteJournal"]
