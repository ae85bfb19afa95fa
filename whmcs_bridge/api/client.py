"""WHMCS's API in the words of the book: one method per action the bridge uses, domain values in and out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from whmcs_bridge.api import parse
from whmcs_bridge.api.actions import action_of
from whmcs_bridge.api.exchange import Exchange
from whmcs_bridge.api.paging import Listing
from whmcs_bridge.api.reply import Reply, field_of, warning_of
from whmcs_bridge.api.shapes import whole_number
from whmcs_bridge.domain.book import (
    ActivityEntry,
    Addon,
    CancelRequest,
    Client,
    ClientDetails,
    ClientGroup,
    Contact,
    Domain,
    Invoice,
    InvoiceHead,
    PanelAbout,
    Product,
    QueueEntry,
    SentEmail,
    Server,
    Service,
    Ticket,
    Transaction,
)
from whmcs_bridge.domain.ids import AddonId, ClientId, GroupId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.errors import (
    AccessRefused,
    ActionRefused,
    ActionUnknown,
    OutcomeUnknown,
    Refused,
    UnreadableReply,
    UsageProblem,
    WhmcsError,
)

T = TypeVar("T")

OVERDUE = "Overdue"
"""GetInvoices takes it as a status: unpaid and past due. No invoice is stored with it."""
_SERVICES_PER_CALL = 100
_EMAILS_PER_PAGE = 50
"""GetEmails returns whole messages: big pages would be very big."""


class WhmcsApi(Exchange):
    """The WHMCS API. Every method raises WhmcsError; reads are repeated on network trouble, writes never blindly.

    A write that raises OutcomeUnknown may have been carried out: read the thing back before doing anything else.
    """

    def __init__(self, *address: Any, id_fields: parse.IdFields | None = None, **more: Any) -> None:
        """As Exchange; `id_fields` are the custom fields that services are read with ([backups] id_fields)."""
        super().__init__(*address, **more)
        self._services = parse.services_reader(id_fields or {})

    # --- clients --------------------------------------------------------------------------------

    def clients(self) -> Listing[Client]:
        """Every client, by id."""
        return self._listing(parse.CLIENTS, _ordered("GetClients"), what="clients")

    def client_details(self, client: ClientId) -> ClientDetails:
        """Credit, language and mail preferences of one client. Raises NotFound."""
        details = self._one(parse.CLIENT_DETAILS, {"clientid": client})
        return _asked_for(details, details.id == client, f"GetClientsDetails: client {client}", details.id)

    def groups(self) -> list[ClientGroup]:
        """Every client group."""
        return self._whole(parse.GROUPS)

    def contacts(self, client: ClientId) -> list[Contact]:
        """The client's further addresses."""
        what = f"contacts of client {client}"
        listing = self._listing(
            parse.CONTACTS, {"userid": client}, what=what, keep=lambda contact: contact.client_id == client
        )
        return listing.everything()

    def set_client_group(self, client: ClientId, group: GroupId) -> None:
        """Move the client into a group; 0 is no group. Nothing else of the client is sent."""
        self._write("UpdateClient", "clientid", client, groupid=group, skipvalidation=True)

    def add_client_note(self, client: ClientId, text: str, *, sticky: bool = False) -> int:
        """Add a note to the client's record; return its number, 0 where WHMCS does not say. Not repeatable."""
        reply = self._write("AddClientNote", "", 0, userid=client, notes=text, sticky=sticky or None)
        return _number(reply, "noteid")

    # --- services and addons --------------------------------------------------------------------

    def services(self, *, client: ClientId | None = None, service: ServiceId | None = None) -> Listing[Service]:
        """Every service, or those of a client, or one."""

        def fits(row: Service) -> bool:
            return client in (None, row.client_id) and service in (None, row.id)

        asked = {"clientid": client, "serviceid": service}
        what = _what("services", client, service)
        return self._listing(self._services, asked, what=what, keep=fits)

    def service(self, service: ServiceId) -> Service | None:
        """Read one service; None is an error-free empty answer: WHMCS has no such service."""
        page = self._one(self._services, {"serviceid": service, "limitstart": 0, "limitnum": 2})
        found = [row for row in page.rows if row.id == service]
        if found:
            return found[0]
        if page.rows or page.total != 0:
            raise UnreadableReply(
                f"GetClientsProducts: asked for service {service}, got {len(page.rows)} others of {page.total}: "
                "nothing is known about it"
            )
        return None

    def addons(self, *, service_ids: Sequence[ServiceId] | None = None, client: ClientId | None = None) -> list[Addon]:
        """The addons booked on these services, or by a client, or all. Raises IncompleteList."""
        if service_ids is None:
            rows = self._whole(parse.ADDONS, clientid=client)
            return [row for row in rows if client in (None, row.client_id)]
        chunks = [
            tuple(service_ids[start : start + _SERVICES_PER_CALL])
            for start in range(0, len(service_ids), _SERVICES_PER_CALL)
        ]
        found: list[Addon] = []
        for chunk, outcome in self._side_by_side(chunks, self._addons_on):
            if isinstance(outcome, WhmcsError):
                raise outcome
            found += [row for row in outcome if row.service_id in chunk]
        return sorted(found, key=lambda addon: addon.id)

    def _addons_on(self, services: Sequence[ServiceId]) -> list[Addon]:
        return self._whole(parse.ADDONS, serviceid=",".join(str(service) for service in services))

    def cancel_requests(self) -> Listing[CancelRequest]:
        """Every cancellation request there ever was; WHMCS does not say which are still open."""
        return self._listing(parse.CANCEL_REQUESTS, {}, what="cancellation requests")

    def domains(self, *, client: ClientId | None = None) -> Listing[Domain]:
        """Every domain, or those of a client."""
        return self._listing(
            parse.DOMAINS,
            {"clientid": client},
            what=_what("domains", client, None),
            keep=lambda row: client in (None, row.client_id),
        )

    def module_queue(self, *, service: ServiceId | None = None) -> list[QueueEntry]:
        """Module actions that failed and are not done since, of all services or of one."""
        asked = {} if service is None else {"serviceType": "service", "relatedId": service}
        rows = self._whole(parse.MODULE_QUEUE, **asked)
        return [row for row in rows if service is None or (row.service_type == "service" and row.service_id == service)]

    def suspend(self, service: ServiceId, reason: str) -> None:
        """Suspend through the product's module. A reason keeps WHMCS's own unsuspend away (facts sheet U10).

        Raises ModuleFailed (nothing changed), NoModule, NotFound.
        """
        self._write("ModuleSuspend", "", 0, serviceid=service, suspendreason=reason)

    def unsuspend(self, service: ServiceId) -> None:
        """Unsuspend through the module. Raises ModuleFailed, NoModule, NotFound."""
        self._write("ModuleUnsuspend", "", 0, serviceid=service)

    def terminate(self, service: ServiceId) -> None:
        """Terminate through the module; irreversible. Raises ModuleFailed, NoModule, NotFound."""
        self._write("ModuleTerminate", "", 0, serviceid=service)

    def create(self, service: ServiceId) -> None:
        """Create the account through the module. Raises ModuleFailed, NoModule, NotFound."""
        self._write("ModuleCreate", "", 0, serviceid=service)

    def set_service_status(self, service: ServiceId, status: ServiceStatus, reason: str | None = None) -> None:
        """Edit the record only: no module runs. `reason` sets the suspension reason, "" blanks it, None leaves it."""
        self._write("UpdateClientProduct", "serviceid", service, status=status, **_reason(reason))

    def set_suspension_reason(self, service: ServiceId, reason: str) -> None:
        """Write the suspension reason of a service that is suspended already; "" blanks it."""
        self._write("UpdateClientProduct", "serviceid", service, **_reason(reason))

    def clear_suspension_reason(self, service: ServiceId) -> None:
        """Blank the suspension reason, so that WHMCS's own unsuspend works again."""
        self.set_suspension_reason(service, "")

    def set_addon_status(self, addon: AddonId, status: ServiceStatus) -> None:
        """Edit the addon's record; the API runs no module for addons."""
        self._write("UpdateClientAddon", "id", addon, status=status)

    # --- invoices and money ---------------------------------------------------------------------

    def invoices(
        self,
        *,
        status: InvoiceStatus | str | None = None,
        client: ClientId | None = None,
        newest_first: bool = False,
    ) -> Listing[InvoiceHead]:
        """Invoices without lines, by id; `status` is a stored one or OVERDUE."""

        def fits(row: InvoiceHead) -> bool:
            return client in (None, row.client_id) and _has_status(row, status)

        order = {"orderby": "id", "order": "desc" if newest_first else "asc"}
        what = _what(f"{status} invoices" if status else "invoices", client, None)
        return self._listing(parse.INVOICES, {"status": status, "userid": client, **order}, what=what, keep=fits)

    def invoice(self, invoice: InvoiceId) -> Invoice:
        """One invoice with lines and balance. Raises NotFound."""
        found = self._one(parse.INVOICE, {"invoiceid": invoice})
        return _asked_for(found, found.id == invoice, f"GetInvoice: invoice {invoice}", found.id)

    def invoices_many(self, ids: Iterable[InvoiceId]) -> Iterator[tuple[InvoiceId, Invoice | WhmcsError]]:
        """Read invoices side by side, as they come; one that cannot be read comes as its error."""
        return self._side_by_side(ids, self.invoice)

    def transactions(
        self, *, client: ClientId | None = None, invoice: InvoiceId | None = None, transid: str | None = None
    ) -> list[Transaction]:
        """Payments and refunds of a client, of an invoice, or with a gateway's number.

        Raises UsageProblem without any of them: WHMCS would send every transaction there ever was.
        """
        if client is None and invoice is None and transid is None:
            raise UsageProblem("GetTransactions wants a client, an invoice or a transaction id")
        rows = self._whole(parse.TRANSACTIONS, clientid=client, invoiceid=invoice, transid=transid)
        return [row for row in rows if client in (None, row.client_id) and invoice in (None, row.invoice_id)]

    def cancel_invoice(self, invoice: InvoiceId) -> None:
        """Set the invoice to Cancelled. WHMCS may not fire its InvoiceCancelled hook (facts sheet Q20)."""
        self._write("UpdateInvoice", "invoiceid", invoice, status=InvoiceStatus.CANCELLED)

    # --- catalogue ------------------------------------------------------------------------------

    def products(self) -> list[Product]:
        """Every product; their group's name is not told here."""
        return self._whole(parse.PRODUCTS)

    def servers(self) -> list[Server]:
        """Every server."""
        return self._whole(parse.SERVERS)

    def currencies(self) -> dict[int, str]:
        """WHMCS's number of each currency and its ISO code."""
        return dict(self._whole(parse.CURRENCIES))

    def payment_methods(self) -> dict[str, str]:
        """System name of each payment method and the name clients see."""
        return dict(self._whole(parse.PAYMENT_METHODS))

    # --- mail and tickets -----------------------------------------------------------------------

    def emails(self, client: ClientId, *, since: date | None = None, subject: str | None = None) -> list[SentEmail]:
        """Mails sent to the client, from the day `since` on, whose subject contains `subject`."""

        def fits(row: SentEmail) -> bool:
            return row.client_id == client and (subject is None or subject.casefold() in row.subject.casefold())

        listing = self._listing(
            parse.EMAILS,
            {"clientid": client, "subject": subject},
            what=f"e-mails of client {client}",
            keep=fits,
            page_size=min(self.page_size, _EMAILS_PER_PAGE),
        )
        rows = listing.everything()
        return [row for row in rows if since is None or row.at is None or row.at.date() >= since]

    def email_templates(self, kind: str | None = None) -> dict[str, str]:
        """Name and subject of the e-mail templates, all or of one type (general, product, invoice, ...)."""
        return dict(self._whole(parse.EMAIL_TEMPLATES, type=kind))

    def send_email(self, template: str, related: int, variables: Mapping[str, str] | None = None) -> None:
        """Send one of WHMCS's templates by name. `related` is the id that its type wants: client, service, invoice."""
        self._write("SendEmail", "", 0, messagename=template, id=related, customvars=variables)

    def send_custom_email(
        self, kind: str, related: int, subject: str, message: str, variables: Mapping[str, str] | None = None
    ) -> None:
        """Send our own HTML `message` (Smarty runs over it). `kind` is general, product, invoice, ...: it says
        whose id `related` is (client, service, invoice)."""
        self._write(
            "SendEmail",
            "",
            0,
            customtype=kind,
            id=related,
            customsubject=subject,
            custommessage=message,
            customvars=variables,
        )

    def send_admin_email(self, subject: str, message: str, *, kind: str = "system") -> None:
        """Mail the staff: `kind` system, account or support."""
        self._write("SendAdminEmail", "", 0, customsubject=subject, custommessage=message, type=kind)

    def tickets(self, *, client: ClientId | None = None, status: str | None = None) -> list[Ticket]:
        """Tickets of every department, also those the API's administrator is not in."""
        listing = self._listing(
            parse.TICKETS,
            {"clientid": client, "status": status, "ignore_dept_assignments": True},
            what=_what("tickets", client, None),
            keep=lambda row: client in (None, row.client_id),
        )
        return listing.everything()

    def ticket(self, ticket: int) -> Ticket:
        """One ticket. Raises NotFound."""
        found = self._one(parse.TICKET, {"ticketid": ticket})
        return _asked_for(found, found.id == ticket, f"GetTicket: ticket {ticket}", found.id)

    def departments(self) -> dict[int, str]:
        """Number and name of the support departments."""
        return dict(self._whole(parse.DEPARTMENTS, ignore_dept_assignments=True))

    def open_ticket(
        self,
        department: int,
        subject: str,
        message: str,
        *,
        client: ClientId | None = None,
        service: ServiceId | None = None,
        name: str | None = None,
        email: str | None = None,
        priority: str = "Medium",
        notify: bool = True,
    ) -> int:
        """Open a ticket for a client, or for `name` and `email`; return its number, 0 where WHMCS does not say."""
        reply = self._write(
            "OpenTicket",
            "",
            0,
            deptid=department,
            subject=subject,
            message=message,
            clientid=client,
            serviceid=service,
            name=name,
            email=email,
            priority=priority,
            noemail=None if notify else True,
        )
        return _number(reply, "id")

    def add_ticket_note(self, ticket: int, message: str) -> None:
        """Add a note that only staff sees."""
        self._write("AddTicketNote", "", 0, ticketid=ticket, message=message)

    # --- logs and the installation --------------------------------------------------------------

    def activity_log(
        self,
        *,
        client: ClientId | None = None,
        description: str | None = None,
        user: str | None = None,
        on: str | None = None,
        limit: int = 250,
    ) -> list[ActivityEntry]:
        """The newest entries, newest first. `on` is one day in the format set in WHMCS, not ISO."""
        asked = {"clientid": client, "description": description, "user": user, "date": on}
        page = self._one(parse.ACTIVITY_LOG, {**asked, "limitstart": 0, "limitnum": limit})
        words = (description or "").casefold()
        rows = [row for row in page.rows if client in (None, row.client_id) and words in row.description.casefold()]
        return sorted(rows, key=lambda row: row.id, reverse=True)[:limit]

    def log_activity(self, text: str, client: ClientId | None = None) -> None:
        """Write a line into WHMCS's activity log."""
        self._write("LogActivity", "", 0, description=text, clientid=client)

    def configuration_value(self, name: str) -> str:
        """One of WHMCS's settings, such as SystemURL. Raises Refused for a name this WHMCS does not know."""
        setting, value = self._one(parse.CONFIGURATION_VALUE, {"setting": name})
        right = setting.casefold() == name.casefold()
        return _asked_for(value, right, f"GetConfigurationValue: setting {name}", setting)

    def admin_details(self) -> PanelAbout:
        """Who we are and which WHMCS this is: the best probe of address and credential."""
        return self._one(parse.ADMIN_DETAILS, {})

    def automation_clock(self) -> tuple[datetime, datetime | None]:
        """WHMCS's own wall clock, and when its daily cron last ran; both without offset."""
        now, last_cron = self._one(parse.AUTOMATION_CLOCK, {})
        if now is None:
            raise UnreadableReply("GetAutomationLog: currentDatetime: expected WHMCS's clock, got nothing")
        return now, last_cron

    def probe_permission(self, action: str) -> bool | None:
        """Return whether the credential's role has this action, changing nothing (facts sheet Q16).

        Asks for an id that cannot exist: a permitted action answers that it is not found. None for actions where
        that is not safe or not known to be (Q17). Raises WhmcsError when the answer tells neither.
        """
        probe = action_of(action).probe
        if probe is None:
            return None
        try:
            self.call(action, **probe)
        except (ActionRefused, ActionUnknown):
            return False
        except AccessRefused:
            raise
        except Refused:
            return True
        return True

    # --- writing --------------------------------------------------------------------------------

    def _write(self, action: str, echoed: str, number: int, /, **params: object) -> Reply:
        """Run a writing action; the field `echoed` of its reply, if there is one, must repeat `number`.

        Raises OutcomeUnknown where the reply claims success and something in it says otherwise (E16).
        """
        reply = self.call(action, **({echoed: number, **params} if echoed else params))
        warning = warning_of(reply)
        if warning and "deprecat" not in warning.casefold():
            raise OutcomeUnknown(f"WHMCS answers {action} with a warning ({warning}): read back what became of it")
        echo = field_of(reply, echoed) if echoed else None
        if echo not in (None, "") and whole_number(echo, echoed) != number:
            raise OutcomeUnknown(f"WHMCS answers {action} of {number} with {echoed} {echo}: read both back")
        return reply


def _ordered(action: str) -> Mapping[str, str]:
    rows = action_of(action).rows
    return rows.order if rows is not None else {}


def _reason(reason: str | None) -> dict[str, object]:
    """An empty value may be ignored in a request; `unset` blanks for certain."""
    if reason is None:
        return {}
    return {"suspendreason": reason} if reason else {"unset": ["suspendreason"]}


def _has_status(row: InvoiceHead, status: InvoiceStatus | str | None) -> bool:
    if status is None:
        return True
    if status == OVERDUE:
        return row.status is not None and row.status.open
    return row.status == InvoiceStatus.parse(status)


def _asked_for(value: T, right: bool, what: str, got: object) -> T:
    """A server that ignores a parameter answers about something else."""
    if not right:
        raise UnreadableReply(f"{what} was asked for, {got} came back: nothing follows from it")
    return value


def _number(reply: Reply, field: str) -> int:
    value = field_of(reply, field)
    return 0 if value in (None, "") else whole_number(value, field)


def _what(things: str, client: ClientId | None, service: ServiceId | None) -> str:
    if service is not None:
        return f"{things} by id {service}"
    return things if client is None else f"{things} of client {client}"
