"""The words of a scenario file: every event type with its keys, every expectation, every action."""

from dataclasses import dataclass
from enum import StrEnum

from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus


class Kind(StrEnum):
    """How the value of a key is read."""

    DAY = "a date such as 2026-03-10"
    LAST_DAY = 'a date such as 2026-03-10, or "0000-00-00" for no end'
    MONEY = 'an amount such as "40.00"'
    DAYS = "a whole number of days"
    WHOLE = "a whole number"
    MEGABYTES = "a whole number of megabytes"
    TEXT = "a text"
    CLIENT = "the id of one of `clients`"
    SERVICE = "the id of one of `services`"
    INVOICE = "an invoice of an `invoice_issued` event before this one"
    NEW_INVOICE = "a name for the invoice"
    LINES = "a list of { service or addon or domain or text, amount }"
    PARTS = "a list of { amount, date }, in the order of their days"
    LINE = "a line: its place from 1, or what it bills"
    GROUP = "the name of a client group"
    CONFIG = "tables of bridge.toml"
    ISSUE_STATUS = '"draft" or "published"'
    SERVICE_STATUS = "a service status of WHMCS"
    CANCEL_WHEN = '"immediate" or "end_of_period"'
    OUTCOME = '"client" or "host"'


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one event type. `one_of` names alternatives of which at least one is needed."""

    needed: dict[str, Kind]
    free: dict[str, Kind]
    one_of: tuple[str, ...] = ()

    @property
    def all(self) -> dict[str, Kind]:
        """Every key that has a meaning here."""
        return {**self.needed, **self.free}


def _keys(needed: dict[str, Kind] | None = None, free: dict[str, Kind] | None = None, *one_of: str) -> Keys:
    return Keys(needed or {}, free or {}, one_of)


INVOICE = {"invoice": Kind.INVOICE}
SERVICE = {"service": Kind.SERVICE}
CLIENT = {"client": Kind.CLIENT}
PAID = {"amount": Kind.MONEY, "gateway": Kind.TEXT}
WHO = {**CLIENT, **SERVICE}

COMMON: dict[str, Kind] = {
    "ref": Kind.TEXT,
    "by": Kind.TEXT,
    "reason": Kind.TEXT,
    "reason_text": Kind.TEXT,
    "note": Kind.TEXT,
    "title": Kind.TEXT,
}
"""Keys that every event may have, beside date, type and at."""

EVENTS: dict[str, Keys] = {
    "invoice_issued": _keys(
        {"invoice": Kind.NEW_INVOICE},
        {
            **CLIENT,
            "due": Kind.DAY,
            "amount": Kind.MONEY,
            "lines": Kind.LINES,
            "status": Kind.ISSUE_STATUS,
            "gateway": Kind.TEXT,
        },
    ),
    "invoice_adjusted": _keys({**INVOICE, "amount": Kind.MONEY}),
    "invoice_cancelled": _keys(INVOICE),
    "invoice_voided": _keys(INVOICE),
    "invoice_deleted": _keys(INVOICE),
    "invoice_written_off": _keys(INVOICE),
    "due_date_changed": _keys({**INVOICE, "due": Kind.DAY}),
    "payment": _keys(INVOICE, PAID),
    "payment_pending": _keys(INVOICE, PAID),
    "payment_settled": _keys(INVOICE, PAID),
    "payment_failed": _keys(INVOICE, PAID),
    "payment_reversed": _keys(INVOICE, PAID),
    "refund": _keys(INVOICE, PAID),
    "chargeback": _keys(INVOICE, PAID),
    "chargeback_reversed": _keys(INVOICE, PAID),
    "credit_added": _keys({**CLIENT, "amount": Kind.MONEY}),
    "promise_recorded": _keys({"until": Kind.DAY}, {**WHO, **INVOICE, "amount": Kind.MONEY}, "client", "service"),
    "trust_release": _keys(SERVICE, {**CLIENT, "until": Kind.DAY, "days": Kind.DAYS}),
    "trust_release_requested": _keys(SERVICE, {**CLIENT, "until": Kind.DAY, "days": Kind.DAYS}),
    "arrangement_recorded": _keys({"parts": Kind.PARTS}, {**WHO, "discount": Kind.MONEY}, "client", "service"),
    "dispute_opened": _keys(INVOICE, {**WHO, "line": Kind.LINE, "amount": Kind.MONEY, "until": Kind.DAY}),
    "dispute_resolved": _keys(INVOICE, {**WHO, "line": Kind.LINE, "outcome": Kind.OUTCOME}),
    "receipt_submitted": _keys(INVOICE, {**CLIENT, "until": Kind.DAY, "via": Kind.TEXT, "amount": Kind.MONEY}),
    "receipt_verified": _keys(INVOICE, CLIENT),
    "receipt_rejected": _keys(INVOICE, {**CLIENT, "forged": Kind.TEXT}),
    "contact_recorded": _keys({}, {**WHO, "sign": Kind.TEXT}, "client", "service"),
    "ticket_opened": _keys({}, {**WHO, "subject": Kind.TEXT}, "client", "service"),
    "legal_hold_set": _keys({}, {**WHO, "until": Kind.DAY}, "client", "service"),
    "legal_hold_lifted": _keys({}, WHO, "client", "service"),
    "freeze_set": _keys({"from": Kind.DAY, "until": Kind.DAY}, {"gateway": Kind.TEXT}),
    "vip_pinned": _keys(CLIENT, {"until": Kind.DAY}),
    "vip_unpinned": _keys(CLIENT),
    "override_set": _keys(SERVICE, {"until": Kind.LAST_DAY}),
    "group_set": _keys({**CLIENT, "group": Kind.GROUP}),
    "manual_suspend": _keys(SERVICE),
    "manual_unsuspend": _keys(SERVICE),
    "manual_terminate": _keys(SERVICE),
    "manual_status_set": _keys({**SERVICE, "status": Kind.SERVICE_STATUS}),
    "service_moved": _keys({**SERVICE, "to": Kind.CLIENT}),
    "service_deleted": _keys(SERVICE),
    "clients_merged": _keys({**CLIENT, "to": Kind.CLIENT}),
    "cancellation_requested": _keys(SERVICE, {"when": Kind.CANCEL_WHEN}),
    "usage_reported": _keys({**SERVICE, "bandwidth_mb": Kind.MEGABYTES}, {"limit_mb": Kind.MEGABYTES}),
    "backup_made": _keys(SERVICE, {"store": Kind.TEXT, "name": Kind.TEXT, "size": Kind.WHOLE}),
    "backup_requested": _keys(SERVICE),
    "backup_handed_over": _keys(SERVICE),
    "store_outage": _keys({}, {"store": Kind.TEXT, "until": Kind.DAY}),
    "module_failure": _keys({}, {**SERVICE, "until": Kind.DAY}),
    "mail_failure": _keys({}, {"until": Kind.DAY}),
    "whmcs_outage": _keys({}, {"until": Kind.DAY}),
    "bridge_outage": _keys({}, {"until": Kind.DAY}),
    "extra_run": _keys(),
    "policy_changed": _keys({"config": Kind.CONFIG}),
}

STATES = ("active", "warned", "suspended", "terminated")
STANDINGS = ("paid-up", "due", "overdue")
SERVICE_STATUSES = tuple(word.value for word in ServiceStatus)
INVOICE_STATUSES = tuple(word.value for word in InvoiceStatus)

ACTIONS = (
    "module:suspend",
    "module:unsuspend",
    "module:terminate",
    "module:delete_backups",
    "vip:add",
    "vip:remove",
    "staff:review",
    "invoice:create",
    "invoice:cancel",
)
NAMED_ACTIONS = ("notice", "refuse", "allow")
"""`notice:NAME`, `refuse:NAME`, `allow:NAME` take any name: of a message, a hook point, or what people may ask for."""
