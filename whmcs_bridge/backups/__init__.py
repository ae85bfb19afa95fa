"""Backup stores: the drivers that list and delete what an ended service leaves behind."""

from whmcs_bridge.backups.memory import MemoryStore

__all__ = ["MemoryStore"]
