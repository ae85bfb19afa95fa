"""The Panel port on the WHMCS API: what the jobs need, in terms of WhmcsApi."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from whmcs_bridge.api.client import WhmcsApi
from whmcs_bridge.domain.book import (
    ActivityEntry,
    Addon,
    CancelRequest,
    Client,
    ClientDetails,
    ClientGroup,
    Contact,
    Invoice,
    InvoiceHead,
    Product,
    QueueEntry,
    SentEmail,
    Service,
)
from whmcs_bridge.domain.ids import AddonId, ClientId, GroupId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.errors import AccessRefused, BridgeError, Refused, WhmcsError
from whmcs_bridge.ports import PanelState, Sweep

WHMCS_DEBT_MAILS = (
    "invoice payment reminder",
    "first invoice overdue notice",
    "second invoice overdue notice",
    "third invoice overdue notice",
    "first overdue notice",
    "second overdue notice",
    "third overdue notice",
)
"""Names of WHMCS's own debt mails (Setup > Email Templates, type invoice); templates keep their English names."""


class LivePanel:
    """A live WHMCS behind the API. Satisfies ports.Panel."""

    def __init__(self, api: WhmcsApi) -> None:
        self.api = api

    # --- what WHMCS says about itself ---------------------------------------------------------

    def state(self) -> PanelState:
        """Clock, version, address and maintenance mode, as far as the role may read them."""
        now, last_cron = self._clock()
        maintenance = self.setting("MaintenanceMode")
        return PanelState(
            now=now,
            last_cron=last_cron,
            version=self._configured("Version"),
            system_url=self._configured("SystemURL"),
            maintenance=None if maintenance is None else maintenance.casefold() in ("on", "1", "true"),
        )

    def _clock(self) -> tuple[datetime | None, datetime | None]:
        try:
            return self.api.automation_clock()
        except Refused:
            return None, None

    def _configured(self, name: str) -> str:
        return self.setting(name) or ""

    def setting(self, name: str) -> str | None:
        try:
            return self.api.configuration_value(name)
        except (Refused, AccessRefused):
            return None

    def activity(self, *, text: str = "", client: ClientId | None = None, limit: int = 250) -> Sequence[ActivityEntry]:
        try:
            return self.api.activity_log(description=text or None, client=client, limit=limit)
        except WhmcsError:
            return ()

    def admin(self) -> int:
        try:
            return self.api.admin_details().admin_id
        except WhmcsError:
            return 0

    def module_queue(self) -> Sequence[QueueEntry]:
        try:
            return self.api.module_queue()
        except WhmcsError:
            return ()

    # --- the book -----------------------------------------------------------------------------

    def groups(self) -> Sequence[ClientGroup]:
        return self.api.groups()

    def products(self) -> Sequence[Product]:
        return self.api.products()

    def clients(self) -> Sweep[Client]:
        return self.api.clients()

    def services(self) -> Sweep[Service]:
        return self.api.services()

    def addons(self) -> Sequence[Addon]:
        return self.api.addons()

    def cancel_requests(self) -> Sweep[CancelRequest]:
        return self.api.cancel_requests()

    def invoice_heads(self, status: InvoiceStatus | None, *, newest_first: bool = False) -> Sweep[InvoiceHead]:
        return self.api.invoices(status=status, newest_first=newest_first)

    def invoices(self, ids: Sequence[InvoiceId]) -> Iterator[tuple[InvoiceId, Invoice | BridgeError]]:
        return iter(self.api.invoices_many(ids))

    def client(self, client: ClientId) -> ClientDetails:
        return self.api.client_details(client)

    def service(self, service: ServiceId) -> Service | None:
        return self.api.service(service)

    def services_of(self, client: ClientId) -> Sequence[Service]:
        return self.api.services(client=client).everything()

    def addons_of(self, client: ClientId) -> Sequence[Addon]:
        return self.api.addons(client=client)

    def invoice_heads_of(self, client: ClientId) -> Sequence[InvoiceHead]:
        """One sweep over all of the client's invoices costs less than one for each open status."""
        heads = self.api.invoices(client=client).everything()
        return [head for head in heads if head.status is not None and head.status.open]

    def contacts(self, client: ClientId) -> Sequence[Contact]:
        return self.api.contacts(client)

    def emails(self, client: ClientId, since: date) -> Sequence[SentEmail]:
        return self.api.emails(client, since=since)

    # --- writes -------------------------------------------------------------------------------

    def suspend(self, service: ServiceId, reason: str) -> None:
        self.api.suspend(service, reason)

    def unsuspend(self, service: ServiceId) -> None:
        self.api.unsuspend(service)

    def terminate(self, service: ServiceId) -> None:
        self.api.terminate(service)

    def set_service_status(self, service: ServiceId, status: ServiceStatus, reason: str | None = None) -> None:
        self.api.set_service_status(service, status, reason or None)
        if reason == "":
            self.api.clear_suspension_reason(service)

    def set_addon_status(self, addon: AddonId, status: ServiceStatus) -> None:
        self.api.set_addon_status(addon, status)

    def set_group(self, client: ClientId, group: GroupId) -> None:
        self.api.set_client_group(client, group)

    def cancel_invoice(self, invoice: InvoiceId) -> None:
        self.api.cancel_invoice(invoice)

    def send_template(self, template: str, related: int) -> None:
        self.api.send_email(template, related)

    def send_text(self, kind: str, related: int, subject: str, html: str) -> None:
        self.api.send_custom_email(kind, related, subject, html)

    def send_staff(self, subject: str, html: str) -> None:
        self.api.send_admin_email(subject, html)

    # --- mail templates -----------------------------------------------------------------------

    def debt_mail_subjects(self) -> Sequence[str]:
        """Read once a run, and only where a notice is due; a role that may not read them leaves the list empty."""
        try:
            templates = self.api.email_templates("invoice")
        except WhmcsError:
            return ()
        return tuple(subject for name, subject in templates.items() if name.strip().casefold() in WHMCS_DEBT_MAILS)

    def template_subjects(self, name: str) -> Sequence[str]:
        try:
            templates = self.api.email_templates()
        except WhmcsError:
            return ()
        return tuple(subject for known, subject in templates.items() if known.strip() == name.strip())

    def ticket_subject(self, ticket: int) -> str:
        return self.api.ticket(ticket).subject

    def log(self, text: str, client: ClientId | None) -> None:
        self.api.log_activity(text, client)

    def note(self, client: ClientId, text: str) -> None:
        self.api.add_client_note(client, text)

    def calls(self) -> Mapping[str, int]:
        return self.api.calls
