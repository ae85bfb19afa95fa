"""mirror.db: WHMCS's truth as last read, dated and disposable."""

from whmcs_bridge.mirror.store import SqliteMirror

__all__ = ["SqliteMirror"]
