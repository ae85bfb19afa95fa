"""API action -> does it read or write, how long may it take, how can the permission be probed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NO_SUCH_ID = 2147483647
"""The highest id WHMCS's columns hold: asking for it changes nothing (facts sheet Q16)."""

NO_SUCH_NAME = "whmcs-bridge permission probe"


@dataclass(frozen=True, slots=True)
class ListShape:
    """Where an action keeps its rows: `{plural: {singular: [...]}}`, or a bare array where `singular` is ""."""

    plural: str
    singular: str
    key: str = "id"
    paged: bool = True
    order: Mapping[str, str] = field(default_factory=dict)
    """Parameters that make WHMCS order the rows by id."""


@dataclass(frozen=True, slots=True)
class Action:
    """One API action. Names we do not know count as writes: they are never repeated after sending."""

    name: str
    reads: bool
    slow: bool = False
    """Waits for a control panel, a registrar or a long job: gets the long time-out."""
    probe: Mapping[str, object] | None = None
    """Parameters with which the action can change nothing; None where no such parameters are known."""
    rows: ListShape | None = None

    @property
    def runs_module(self) -> bool:
        """The answer may be the text of a control panel's module."""
        return self.name.startswith("Module")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_READS = _words("""
GetActivityLog GetAdminDetails GetAdminUsers GetAffiliates GetAnnouncements GetAutomationLog GetCancelledPackages
GetClientGroups GetClientPassword GetClients GetClientsAddons GetClientsDetails GetClientsDomains GetClientsProducts
GetConfigurationValue GetContacts GetCredits GetCurrencies GetEmailTemplates GetEmails GetHealthStatus GetInvoice
GetInvoices GetModuleConfigurationParameters GetModuleQueue GetOrders GetOrderStatuses GetPayMethods
GetPaymentMethods GetPermissionsList GetProducts GetProject GetProjects GetPromotions GetQuotes GetRegistrars
GetServers GetStaffOnline GetStats GetSupportDepartments GetSupportStatuses GetTLDPricing GetTicket
GetTicketAttachment GetTicketCounts GetTicketNotes GetTicketPredefinedCats GetTicketPredefinedReplies GetTickets
GetToDoItemStatuses GetToDoItems GetTransactions GetUserPermissions GetUsers ListOAuthCredentials WhmcsDetails
DecryptPassword EncryptPassword
""")

_SLOW_READS = _words("""
DomainGetLockingStatus DomainGetNameservers DomainGetWhoisInfo DomainWhois
""")

_WRITES = _words("""
AcceptQuote ActivateModule AddAnnouncement AddBannedIp AddBillableItem AddCancelRequest AddClient AddClientNote
AddContact AddCredit AddInvoicePayment AddPayMethod AddProduct AddProjectMessage AddProjectTask AddTicketNote
AddTicketReply AddTransaction AddUser AffiliateActivate ApplyCredit BlockTicketSender CancelOrder CloseClient
CreateClientInvite CreateInvoice CreateOAuthCredential CreateOrUpdateTLD CreateProject CreateQuote CreateSsoToken
DeactivateModule DeleteAnnouncement DeleteClient DeleteContact DeleteOAuthCredential DeleteOrder DeletePayMethod
DeleteProjectTask DeleteQuote DeleteTicket DeleteTicketNote DeleteTicketReply DeleteUserClient EndTaskTimer FraudOrder
LogActivity MergeTicket OpenTicket OrderFraudCheck PendingOrder ResetPassword SendAdminEmail SendEmail SendQuote
SetConfigurationValue StartTaskTimer TriggerNotificationEvent UpdateAdminNotes UpdateAnnouncement UpdateClient
UpdateClientAddon UpdateClientDomain UpdateClientProduct UpdateContact UpdateInvoice UpdateModuleConfiguration
UpdateOAuthCredential UpdatePayMethod UpdateProject UpdateProjectTask UpdateQuote UpdateTicket UpdateTicketReply
UpdateToDoItem UpdateTransaction UpdateUser UpdateUserPermissions ValidateLogin
""")

_SLOW_WRITES = _words("""
AcceptOrder AddOrder CapturePayment DomainRegister DomainRelease DomainRenew DomainRequestEPP DomainToggleIdProtect
DomainTransfer DomainUpdateLockingStatus DomainUpdateNameservers DomainUpdateWhoisInfo GenInvoices
ModuleChangePackage ModuleChangePw ModuleCreate ModuleCustom ModuleSuspend ModuleTerminate ModuleUnsuspend
UpgradeProduct
""")

_LISTS: Mapping[str, ListShape] = {
    "GetClients": ListShape("clients", "client", order={"orderby": "id", "sorting": "ASC"}),
    "GetClientsProducts": ListShape("products", "product"),
    "GetClientsDomains": ListShape("domains", "domain"),
    "GetClientsAddons": ListShape("addons", "addon", paged=False),
    "GetClientGroups": ListShape("groups", "group", paged=False),
    "GetInvoices": ListShape("invoices", "invoice", order={"orderby": "id", "order": "asc"}),
    "GetOrders": ListShape("orders", "order"),
    "GetTickets": ListShape("tickets", "ticket"),
    "GetContacts": ListShape("contacts", "contact"),
    "GetUsers": ListShape("users", ""),
    "GetEmails": ListShape("emails", "email"),
    "GetActivityLog": ListShape("activity", "entry"),
    "GetCancelledPackages": ListShape("packages", "package"),
    "GetQuotes": ListShape("quotes", "quote"),
    "GetAffiliates": ListShape("affiliates", "affiliate"),
    "GetAnnouncements": ListShape("announcements", "announcement"),
    "GetProjects": ListShape("projects", ""),
    "GetToDoItems": ListShape("items", "item"),
    "GetTransactions": ListShape("transactions", "transaction", paged=False),
    "GetProducts": ListShape("products", "product", key="pid", paged=False),
    "GetServers": ListShape("servers", "", paged=False),
    "GetCredits": ListShape("credits", "credit", paged=False),
    "GetModuleQueue": ListShape("queue", "", paged=False),
    "GetEmailTemplates": ListShape("emailtemplates", "emailtemplate", paged=False),
    "GetCurrencies": ListShape("currencies", "currency", paged=False),
    "GetPaymentMethods": ListShape("paymentmethods", "paymentmethod", key="module", paged=False),
    "GetSupportDepartments": ListShape("departments", "department", paged=False),
    "GetSupportStatuses": ListShape("statuses", "status", key="title", paged=False),
    "GetAdminUsers": ListShape("admin_users", "", paged=False),
}

_PROBES: Mapping[str, Mapping[str, object]] = {
    "GetActivityLog": {"limitnum": 1},
    "GetAdminDetails": {},
    "GetAdminUsers": {},
    "GetAutomationLog": {},
    "GetCancelledPackages": {"limitnum": 1},
    "GetClientGroups": {},
    "GetClients": {"limitnum": 1},
    "GetClientsAddons": {"serviceid": NO_SUCH_ID},
    "GetClientsDetails": {"clientid": NO_SUCH_ID},
    "GetClientsDomains": {"clientid": NO_SUCH_ID, "limitnum": 1},
    "GetClientsProducts": {"serviceid": NO_SUCH_ID, "limitnum": 1},
    "GetConfigurationValue": {"setting": "SystemURL"},
    "GetContacts": {"userid": NO_SUCH_ID, "limitnum": 1},
    "GetCurrencies": {},
    "GetEmailTemplates": {},
    "GetEmails": {"clientid": NO_SUCH_ID, "limitnum": 1},
    "GetHealthStatus": {},
    "GetInvoice": {"invoiceid": NO_SUCH_ID},
    "GetInvoices": {"limitnum": 1},
    "GetModuleQueue": {},
    "GetPaymentMethods": {},
    "GetProducts": {"pid": NO_SUCH_ID},
    "GetServers": {},
    "GetStats": {},
    "GetSupportDepartments": {},
    "GetTicket": {"ticketid": NO_SUCH_ID},
    "GetTickets": {"limitnum": 1},
    "GetTransactions": {"invoiceid": NO_SUCH_ID},
    "WhmcsDetails": {},
    "AddCancelRequest": {"serviceid": NO_SUCH_ID, "type": "Immediate"},
    "AddClientNote": {"userid": NO_SUCH_ID, "notes": ""},
    "AddTicketNote": {"ticketid": NO_SUCH_ID, "message": ""},
    "ModuleCreate": {"serviceid": NO_SUCH_ID},
    "ModuleSuspend": {"serviceid": NO_SUCH_ID},
    "ModuleTerminate": {"serviceid": NO_SUCH_ID},
    "ModuleUnsuspend": {"serviceid": NO_SUCH_ID},
    "OpenTicket": {"clientid": NO_SUCH_ID, "deptid": NO_SUCH_ID},
    "SendAdminEmail": {"messagename": NO_SUCH_NAME},
    "SendEmail": {"messagename": NO_SUCH_NAME, "id": NO_SUCH_ID},
    "UpdateClient": {"clientid": NO_SUCH_ID},
    "UpdateClientAddon": {"id": NO_SUCH_ID},
    "UpdateClientProduct": {"serviceid": NO_SUCH_ID},
    "UpdateInvoice": {"invoiceid": NO_SUCH_ID},
}


def _documented() -> dict[str, Action]:
    """Return the table, keyed by the folded name: WHMCS matches actions without regard to case."""
    kinds = ((_READS, True, False), (_SLOW_READS, True, True), (_WRITES, False, False), (_SLOW_WRITES, False, True))
    return {
        name.casefold(): Action(name, reads, slow, _PROBES.get(name), _LISTS.get(name))
        for names, reads, slow in kinds
        for name in names
    }


ACTIONS: Mapping[str, Action] = _documented()
"""Every action of the official API index, by its name in lower case."""


def action_of(name: str) -> Action:
    """Return what is known of the action; one that is not in the index is taken for a slow write."""
    known = ACTIONS.get(name.casefold())
    return known if known is not None else Action(name, reads=False, slow=True)
