"""WHMCS's own vocabularies, in its own spelling (facts sheet section 6)."""

from enum import StrEnum
from typing import Self


class _Word(StrEnum):
    """A status word. Case and surrounding blanks differ between actions and versions; `parse` forgives both."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the member that `text` spells, or None for a word WHMCS is not known to use."""
        member = cls._value2member_map_.get(text)
        if member is None:
            folded = text.strip().casefold()
            member = next((m for m in cls if m.value.casefold() == folded), None)
        return member  # type: ignore[return-value]


class ClientStatus(_Word):
    ACTIVE = "Active"
    INACTIVE = "Inactive"
    CLOSED = "Closed"


class ServiceStatus(_Word):
    """Status of a service or of an addon."""

    PENDING = "Pending"
    ACTIVE = "Active"
    COMPLETED = "Completed"
    SUSPENDED = "Suspended"
    TERMINATED = "Terminated"
    CANCELLED = "Cancelled"
    FRAUD = "Fraud"

    @property
    def ended(self) -> bool:
        """The service is over: Terminated (usually debt), Cancelled (by request) or Fraud."""
        return self in _ENDED

    @property
    def living(self) -> bool:
        """The service exists on a server: Active or Suspended."""
        return self in _LIVING


_ENDED = frozenset({ServiceStatus.TERMINATED, ServiceStatus.CANCELLED, ServiceStatus.FRAUD})
_LIVING = frozenset({ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED})


class InvoiceStatus(_Word):
    DRAFT = "Draft"
    UNPAID = "Unpaid"
    PAID = "Paid"
    CANCELLED = "Cancelled"
    REFUNDED = "Refunded"
    COLLECTIONS = "Collections"
    PAYMENT_PENDING = "Payment Pending"

    @property
    def open(self) -> bool:
        """Money is still expected for it: Unpaid, Collections or Payment Pending."""
        return self in _OPEN


_OPEN = frozenset({InvoiceStatus.UNPAID, InvoiceStatus.COLLECTIONS, InvoiceStatus.PAYMENT_PENDING})


class LineType(_Word):
    """What an invoice line bills. `relid` is the id of the thing billed."""

    HOSTING = "Hosting"
    ADDON = "Addon"
    DOMAIN_REGISTER = "DomainRegister"
    DOMAIN_TRANSFER = "DomainTransfer"
    DOMAIN = "Domain"
    UPGRADE = "Upgrade"
    PROMO_HOSTING = "PromoHosting"
    PROMO_ADDON = "PromoAddon"
    GROUP_DISCOUNT = "GroupDiscount"
    LATE_FEE = "LateFee"
    ADD_FUNDS = "AddFunds"
    ITEM = "Item"
    INVOICE = "Invoice"
    HAND_MADE = ""
    OTHER = "?"
    """A type we do not know: it bills nothing that we may act on."""


class CancelType(_Word):
    IMMEDIATE = "Immediate"
    END_OF_PERIOD = "End of Billing Period"
