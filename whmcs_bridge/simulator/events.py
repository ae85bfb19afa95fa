"""What happened in the simulated world, and whom it lets in."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SimEvent:
    """One effect on the simulated world.

    `kind` is `module:suspend`, `module:unsuspend`, `module:terminate`, `module:create`, ...,
    `service:status`, `group`, `email`, `invoice:created`, `invoice:<status>` (lower case), `payment`,
    `credit`, `ticket`, ...; `detail` says what exactly.
    """

    at: datetime
    kind: str
    actor: str
    client: int = 0
    service: int = 0
    invoice: int = 0
    detail: str = ""


@dataclass(slots=True)
class Credentials:
    """What the simulated WHMCS lets in."""

    identifier: str = "simulator-identifier"
    secret: str = "simulator-secret"
    access_key: str = ""
