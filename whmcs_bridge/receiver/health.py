"""How the receiver's house is: numbers without names, for monitoring."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.errors import BridgeError

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Health:
    """A moment's look into mirror and journal."""

    live: bool
    """Both databases can be read, and the inbox is being worked off."""
    ready: bool
    """And there is a mirror to answer from."""
    mirror_age_seconds: int | None = None
    mirror_complete: bool | None = None
    waiting: int = 0
    set_aside: int = 0
    oldest_seconds: int | None = None
    last_sync_age_seconds: int | None = None
    last_sync_outcome: str = ""

    def to_json(self) -> dict[str, Any]:
        """The shape of `GET /healthz`; fields are added, never renamed."""
        return {
            "live": self.live,
            "ready": self.ready,
            "mirror_age_seconds": self.mirror_age_seconds,
            "mirror_complete": self.mirror_complete,
            "inbox": {
                "waiting": self.waiting,
                "set_aside": self.set_aside,
                "oldest_seconds": self.oldest_seconds,
            },
            "last_sync": {"age_seconds": self.last_sync_age_seconds, "outcome": self.last_sync_outcome},
        }


def health(bridge: Bridge, *, working: bool = True) -> Health:
    """Look; a database that cannot be read makes the receiver neither live nor ready. `working`: somebody handles."""
    now = bridge.clock.now()
    try:
        info, depth, run = bridge.mirror.last(), bridge.journal.inbox_depth(), bridge.journal.last_run("sync")
    except BridgeError:
        return Health(False, False)
    return Health(
        live=working,
        ready=working and info is not None,
        mirror_age_seconds=(now - info.at) // SECOND if info is not None else None,
        mirror_complete=info.complete if info is not None else None,
        waiting=depth.waiting,
        set_aside=depth.set_aside,
        oldest_seconds=(now - depth.oldest) // SECOND if depth.oldest is not None else None,
        last_sync_age_seconds=(now - run.started_at) // SECOND if run is not None else None,
        last_sync_outcome=run.outcome if run is not None else "",
    )
