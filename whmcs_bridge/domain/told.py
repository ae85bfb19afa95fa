"""What WHMCS's side said about a client in the very request in which it asked us something."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from whmcs_bridge.domain.book import Invoice, Service
from whmcs_bridge.domain.ids import ClientId, GroupId, ServiceId


@dataclass(frozen=True, slots=True)
class Told:
    """One client, read where it lives, at the moment of the question; newer than any mirror."""

    client: ClientId
    services: tuple[Service, ...]
    """Every service of the client."""
    invoices: tuple[Invoice, ...]
    """Every open invoice of the client, with its lines."""
    group: GroupId
    credit: Decimal | None = None
    currency: str = ""
    fixed_terms: Mapping[ServiceId, int] = field(default_factory=dict)
    """Days after which WHMCS ends a service by itself (Auto Terminate/Fixed Term), for those that have such a term."""
