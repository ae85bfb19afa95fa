"""Every table and key of bridge.toml: one list that validation, JSON Schema and the manual are made from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from whmcs_bridge.policy.rules import (
    Category,
    KindLimit,
    MinDebt,
    Notice,
    Release,
    ReleaseTier,
    Scope,
)
from whmcs_bridge.settings.drivers import NO_DRIVER, PANELS, STORES
from whmcs_bridge.settings.kinds import (
    CURRENCY,
    Choice,
    Credentials,
    Either,
    FilePath,
    Flag,
    HolidaysOf,
    Hours,
    Key,
    Listen,
    ListOf,
    Made,
    MapOf,
    Money,
    Number,
    ProductId,
    Record,
    SecretRef,
    Text,
    TimeZone,
    Url,
    Whole,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOLIDAY = "holiday"
EVE = "eve-of-quiet-day"
PRODUCT_TYPES = ("hostingaccount", "reselleraccount", "server", "other")
"""The facts sheet's list of WHMCS product types."""
SUPPORT = ("full", "basic", "billing-only")
BILLED = tuple(category for category in Category if category is not Category.NOTHING_KNOWN)
HARMFUL_STEPS = ("suspend", "terminate", "delete_backups")
LIMITED_STEPS = (*HARMFUL_STEPS, "notice", "vip")
SHARE = Number(Decimal("0.01"), Decimal(100))
NOT_LIMITED = "off"
ID = re.compile(r"vmid|uuid|jetbackup_id|jetbackup_uuid|vpsid|server_id|project", re.ASCII)
"""Ids that drivers know an account by."""


def _days(low: int = 1, high: int = 3650, never: bool = False) -> Whole:
    return Whole(low, high, "days", never)


def _tier(**given: int) -> ReleaseTier:
    return ReleaseTier(**given)


NOTICE = Record(
    (
        Key(
            "day",
            Whole(-365, 3650, "days"),
            "Day it goes out, counted from the due date; negative is before it.",
            example="2",
            required=True,
        ),
        Key(
            "message",
            Text("the name of a message"),
            "A built-in message, one of `[messages]`, or the name of a WHMCS mail template.",
            example='"suspension-warning"',
            required=True,
        ),
    ),
    Notice,
)

RULES = (
    Key(
        "scope",
        Choice(tuple(Scope), Scope),
        "Whose debt counts: lines that bill the service or its addons, or any debt of the client.",
        '"service"',
    ),
    Key(
        "release",
        Choice(tuple(Release), Release),
        "What must be paid before a suspension is lifted: every debt of the client that counts, or the service's.",
        '"all-paid"',
    ),
    Key(
        "release_counts",
        ListOf(Choice(BILLED, Category), "words"),
        "Kinds of debt that hold a release back.",
        '["service", "addon", "overage"]',
    ),
    Key(
        "old_debt",
        Choice(("report", "hold")),
        "Debt of services that have ended: only reported, or holds releases back as well.",
        '"report"',
    ),
    Key(
        "min_debt",
        Made(
            Either(Money(), MapOf(Money(), "a currency code such as BRL", CURRENCY), lambda v: not isinstance(v, dict)),
            lambda v: MinDebt(by_currency=v) if isinstance(v, dict) else MinDebt(v),
        ),
        "An invoice counts when its balance is above this; per currency, one that is not named has 0.",
        '"0.00"',
        example='{ BRL = "5.00", USD = "1.00" }',
    ),
    Key(
        "payment_order",
        ListOf(Choice(BILLED, Category), "words", whole=True),
        "Which lines of an invoice a part payment covers first.",
        '["service", "addon", "domain", "overage", "fee"]',
    ),
    Key(
        "overdue_addon_suspends",
        Choice(("parent", "addon", "none")),
        "What debt on an addon's line suspends: the service, the addon alone (its status), or nothing.",
        '"parent"',
    ),
    Key(
        "invoices_while_suspended",
        Choice(("none", "fee", "continue")),
        "Renewal invoices for a suspended service: none, a fee only, or as usual.",
        '"continue"',
    ),
    Key("support_while_overdue", Choice(SUPPORT), "Support for a client with overdue invoices.", '"full"'),
    Key("support_while_suspended", Choice(SUPPORT), "Support for a client with a suspended service.", '"full"'),
    Key(
        "contact_signs",
        ListOf(Choice(("ticket", "payment", "login")), "words", empty=True),
        "What counts as contact; an empty list: nothing does.",
        '["ticket", "payment", "login"]',
    ),
    Key(
        "recent_contact_days",
        _days(0),
        "Contact within so many days holds termination and deletion and goes to staff; 0 is off.",
        "0",
        example="14",
    ),
    Key(
        "contact_holds_max_days",
        _days(),
        "Contact holds a step no longer than this, counted from the day the step became due.",
        "30",
    ),
    Key(
        "notices",
        ListOf(NOTICE, "tables { day, message }", empty=True),
        "Mails on days counted from the due date; an empty list: none.",
        "[]",
        example='[{ day = -4, message = "payment-reminder" }, { day = 2, message = "suspension-warning" }]',
    ),
    Key(
        "suspend_after_days",
        _days(never=True),
        "Suspended on this day after the due date of the oldest debt. Never suspended implies never terminated.",
        '"never"',
        example="3",
    ),
    Key(
        "terminate_after_days",
        _days(never=True),
        "Terminated on this day after the due date, but not before the waiting time and the final warning have passed.",
        '"never"',
        example="15",
    ),
    Key(
        "final_warning_days",
        _days(),
        "The final warning has to be delivered so many days before termination.",
        otherwise="3, or the waiting time where that is shorter",
        example="3",
    ),
    Key(
        "delete_backups_after_days",
        _days(0, never=True),
        "Backups are deleted so many days after the service's end; 0: in the same run.",
        '"never"',
        example="0",
    ),
    Key(
        "on_suspend_message",
        Text("the name of a message", "no mail"),
        'Mail on suspension; "" sends none.',
        '""',
        example='"service-suspended"',
    ),
    Key(
        "on_release_message",
        Text("the name of a message", "no mail"),
        'Mail on release; "" sends none.',
        '""',
        example='"service-released"',
    ),
    Key(
        "on_end_message",
        Text("the name of a message", "no mail"),
        'Mail on termination; "" sends none.',
        '""',
        example='"service-ended"',
    ),
    Key(
        "cancel_invoices_of_ended",
        Flag(),
        "Cancel unpaid invoices that bill only ended services.",
        "false",
    ),
    Key(
        "whmcs_notices",
        Choice(("count", "ignore")),
        "Whether WHMCS's own overdue mails count as ours, so that no client gets two debt mails in a day.",
        '"count"',
    ),
)
"""What may stand in [policy] and in every layer over it."""

SELECTORS = (
    Key(
        "product_types",
        ListOf(Choice(PRODUCT_TYPES), "words"),
        "WHMCS product types that this class takes.",
        otherwise="none",
        example='["hostingaccount", "reselleraccount"]',
    ),
    Key(
        "product_groups",
        ListOf(Text("the name of a product group"), "names of product groups"),
        "Product groups that this class takes; beats a type.",
        otherwise="none",
        example='["Licences", "Services"]',
    ),
    Key(
        "product_ids",
        ListOf(ProductId(), "product ids"),
        "Products that this class takes; beats a group. May be spelled `products`.",
        otherwise="none",
        example="[12, 13]",
    ),
    Key("products", ListOf(ProductId(), "product ids"), "Another spelling of `product_ids`.", otherwise="none"),
)

WHMCS = (
    Key(
        "url",
        Url(),
        "WHMCS's root; `includes/api.php` is added once.",
        otherwise="required",
        example='"https://billing.example.com"',
        required=True,
    ),
    Key(
        "identifier",
        SecretRef(),
        "API identifier.",
        otherwise="required",
        example='"env:WHMCS_IDENTIFIER"',
        required=True,
    ),
    Key("secret", SecretRef(), "API secret.", otherwise="required", example='"env:WHMCS_SECRET"', required=True),
    Key(
        "access_key",
        SecretRef(),
        "API access key (`$api_access_key` in WHMCS's configuration.php), which lifts the address list.",
        otherwise="none",
        example='"file:/etc/whmcs-bridge/access-key"',
    ),
    Key("page_size", Whole(1, 1000), "Rows asked for in one call.", "250"),
    Key("connections", Whole(1, 32), "Calls under way at once.", "4"),
    Key(
        "connect_timeout_seconds",
        Number(Decimal("0.1"), Decimal(600), "seconds"),
        "Wait for a connection.",
        "10",
    ),
    Key(
        "read_timeout_seconds",
        Number(Decimal("0.1"), Decimal(3600), "seconds"),
        "Wait for an answer.",
        "60",
    ),
    Key(
        "module_timeout_seconds",
        Number(Decimal("0.1"), Decimal(3600), "seconds"),
        "Wait for a module call, which lasts as long as the control panel takes.",
        "180",
    ),
    Key(
        "ca_bundle",
        FilePath("a PEM file", must_exist=True),
        "Certificates to trust instead of the system's; they are always verified.",
        otherwise="the system's",
        example='"/etc/ssl/internal-ca.pem"',
    ),
)

STORAGE = (
    Key(
        "folder",
        FilePath("a folder"),
        "Where journal.db and mirror.db lie.",
        otherwise="beside the settings file; for one in the user's configuration folder, the user's state folder",
        example='"/var/lib/whmcs-bridge"',
    ),
)

CALENDAR = (
    Key(
        "timezone",
        TimeZone(),
        "The house's time zone; days begin and end in it.",
        '"UTC"',
        example='"America/Sao_Paulo"',
    ),
    Key(
        "holidays",
        HolidaysOf(),
        "Country, or country-subdivision, whose public holidays are no bank days.",
        otherwise="none",
        example='"BR-SP"',
    ),
    Key(
        "quiet_days",
        ListOf(Choice((*WEEKDAYS, HOLIDAY)), "words", empty=True),
        "Days on which nothing is suspended or terminated.",
        "[]",
        example='["friday", "saturday", "sunday", "holiday"]',
    ),
    Key("act_hours", Hours(), "Harmful steps only between these hours.", '"any"', example='"09:00-16:00"'),
    Key(
        "clearing_bank_days",
        MapOf(Whole(0, 60, "days"), "a payment gateway's system name"),
        "Bank days after the due date until a payment is booked, by gateway: no suspension before.",
        "{}",
        example="{ boleto = 2, banktransfer = 3 }",
    ),
)

VIP = (
    Key(
        "group",
        Text("the name of a WHMCS client group"),
        "The VIP group. It exists in WHMCS; the API cannot create it.",
        otherwise="required",
        example='"VIP"',
        required=True,
    ),
    Key("min_tenure_months", Whole(0, 600, "months"), "Client for at least so long.", "0", example="18"),
    Key("max_late_payments", Whole(0, 1000), "Late payments within the window that are forgiven.", "0"),
    Key("late_payments_window_months", Whole(1, 600, "months"), "How far back late payments are counted.", "12"),
    Key("late_means_days", _days(0), "Paid more than so many days after due is late.", "1"),
    Key("min_monthly_revenue", Money(), "Least revenue a month, in the client's currency.", '"0.00"'),
    Key(
        "exempt_max_days",
        _days(0),
        "Who was a member on the due date is not suspended before this day; 0 is no courtesy.",
        "10",
    ),
    Key(
        "exempt_max_debt",
        Money(),
        "The courtesy ends when the debt is above this, in the client's currency.",
        otherwise="no such limit",
        example='"500.00"',
    ),
    Key(
        "managed_groups",
        ListOf(Text("the name of a client group", "no group"), "names of client groups"),
        'Only clients in these groups are moved; "" is no group.',
        otherwise="the VIP group and no group",
        example='["VIP", ""]',
    ),
    Key(
        "probation_days",
        _days(0),
        "Paid up for so many days before membership comes back, from the day the last overdue invoice was settled.",
        "0",
    ),
    Key(
        "away_months",
        Whole(0, 600, "months"),
        "Longer than this without a living service and a payment, and tenure starts anew with the return; "
        "0: it never does.",
        "18",
    ),
)

NOT_ON = Key(
    "not_on",
    ListOf(Choice((EVE,)), "words", empty=True),
    "Days on which none is given.",
    otherwise=f'["{EVE}"] where there are quiet days, else []',
    example=f'["{EVE}"]',
)

PROMISES = (
    Key(
        "defers",
        ListOf(Choice(HARMFUL_STEPS), "words"),
        "Steps that a promise holds.",
        '["suspend", "terminate", "delete_backups"]',
    ),
    Key("max_days", _days(0, 365), "Per case, all promises together; 0 allows none.", "10"),
    Key("cooldown_days", _days(0), "No promise for so long after a broken one.", "60"),
    Key(
        "on_broken",
        Choice(("suspend", "terminate")),
        "What a broken promise leads to; terminate is due final_warning_days later, approval still needed.",
        '"suspend"',
    ),
    NOT_ON,
    Key("on_request", Flag(), "Clients may promise by themselves ([requests]), under the same rules.", "false"),
)

TIER = Record(
    (
        Key("days", _days(1, 365), "Released for so many days.", example="3", required=True),
        Key("min_tenure_months", Whole(0, 600, "months"), "For clients of at least so long.", example="12"),
        Key("max_tenure_months", Whole(0, 600, "months"), "For clients of at most so long.", example="3"),
        Key("times", Whole(1, 1000), "So often at most.", example="1"),
    ),
    _tier,
)

TRUST_RELEASE = (
    Key(
        "tiers",
        ListOf(TIER, "tables { days, min_tenure_months, max_tenure_months, times }", empty=True),
        "Who gets how long; the first that fits. An empty list: nobody.",
        "[{ max_tenure_months = 3, days = 5, times = 1 }, { min_tenure_months = 12, days = 3 }]",
    ),
    Key("max_broken_promises", Whole(0, 1000), "None for clients who broke more promises than this.", "0"),
    Key("cooldown_days", _days(0), "Not twice within so many days.", "90"),
    NOT_ON,
    Key(
        "on_request",
        Flag(),
        "Clients may ask for a release themselves ([requests]), under the same rules. In a scenario with this table: "
        "true.",
        "false",
    ),
)

RECEIPTS = (
    Key(
        "accept",
        MapOf(Choice(("hold", "no")), "a payment gateway's system name"),
        "Whether a receipt holds harmful steps, by gateway.",
        "{}",
        example='{ boleto = "no", banktransfer = "hold" }',
    ),
    Key("accept_default", Choice(("hold", "no")), "The same for every other gateway.", '"hold"'),
    Key(
        "hold_bank_days",
        Whole(1, 60, "bank days"),
        "For how long it holds, from the invoice's first receipt.",
        "3",
    ),
)

ARRANGEMENTS = (
    Key("max_parts", Whole(0, 60), "So many parts at most; 0 allows no arrangement.", "3"),
    Key(
        "first_part_percent",
        SHARE,
        "The first part is at least so much of the debt; when it is booked, services return.",
        "30",
    ),
    Key("max_days", _days(1, 730), "The last part is due within so many days.", "90"),
    Key("cooldown_months", Whole(0, 600, "months"), "No second arrangement for so long after one.", "12"),
)

REQUESTS = (
    Key(
        "link",
        Flag(),
        "The client area offers what `on_request` lets clients ask for, by a signed link that works once.",
        "false",
    ),
    Key("link_hours", Whole(1, 720, "hours"), "For how long a link works.", "72"),
    Key(
        "ticket_phrases",
        ListOf(Text(), "texts", empty=True),
        "A ticket of the client with one of them in its subject asks for the same, case aside: a release of the one "
        "service that is down for debt, else a promise for the one that owes. An empty list: none does.",
        "[]",
        example='["please unlock", "desbloqueio"]',
    ),
    Key(
        "promise_days",
        _days(1, 365),
        "A promise that a client makes by a request runs for so long, or for [promises] max_days if that is less.",
        "5",
    ),
)

LIMIT = Record(
    (
        Key("always_allowed", Whole(0, 1_000_000), "So many pass whatever their share.", example="5"),
        Key("max", Whole(0, 1_000_000), "Never more than this.", example="25"),
        Key("percent", SHARE, "Never more than this share of the Active and Suspended services.", example="2.0"),
        Key("max_announced", Whole(0, 1_000_000), "Suspensions announced the day before count here.", example="100"),
    )
)

_LIMIT_DEFAULTS = {
    "suspend": "{ always_allowed = 5, max = 25, percent = 2.0, max_announced = 100 }",
    "terminate": "{ always_allowed = 1, max = 5, percent = 0.5 }",
    "delete_backups": "{ always_allowed = 1, max = 10, percent = 1.0 }",
    "notice": "{ max = 500 }",
    "vip": "{ max = 100 }",
}

DEFAULT_LIMITS = {
    "suspend": KindLimit(5, 25, Decimal("2.0"), 100),
    "terminate": KindLimit(1, 5, Decimal("0.5")),
    "delete_backups": KindLimit(1, 10, Decimal("1.0")),
    "notice": KindLimit(max=500),
    "vip": KindLimit(max=100),
}

LIMITS = (
    *(
        Key(
            step,
            Either(Choice((NOT_LIMITED,)), LIMIT, lambda v: isinstance(v, str)),
            f'Steps of this kind on one house day; keys left out keep their default, "{NOT_LIMITED}" is no limit.',
            _LIMIT_DEFAULTS[step],
        )
        for step in LIMITED_STEPS
    ),
    Key(
        "unlike_usual_factor",
        Number(Decimal(1), Decimal(1000)),
        "Once 30 days had such a step, no more than this times their median.",
        "5",
    ),
)

SANITY = (
    Key("enabled", Flag(), "false, or `sanity = false` at the top of the file, switches every check off.", "true"),
    Key("max_days_since_run", _days(1, 365), "Longer since the last run: stop.", "7"),
    Key("same_age_percent", SHARE, "So large a share of the overdue services of one sudden age: stop.", "20"),
    Key("new_overdue_factor", Number(Decimal(1), Decimal(1000)), "So many times the usual new debts: stop.", "5"),
    Key(
        "book_change_percent",
        SHARE,
        "Clients or services more or fewer by such a share since the last run: stop.",
        "20",
    ),
)

STAFF = (
    Key(
        "morning_mail",
        Choice(("always", "enforce", "never")),
        "Whether the administrators get a mail a day (SendAdminEmail): always, in enforce mode only, or never. It is "
        "written as a file beside the databases in any case.",
        '"enforce"',
    ),
    Key(
        "log_records",
        Flag(),
        "Write a line into WHMCS's activity log when a promise, release, dispute, ... is recorded and when it is over.",
        "true",
    ),
    Key("note_records", Flag(), "Add a note to the client's record in WHMCS for the same.", "true"),
)

HOOKS = (
    Key("listen", Listen(), "Where `serve` waits for WHMCS; port 0 is a free one.", '"127.0.0.1:8765"'),
    Key(
        "secret",
        SecretRef(),
        "What WHMCS signs its events with; `serve` and `hooks install` need it.",
        otherwise="none",
        example='"file:/etc/whmcs-bridge/hook-secret"',
    ),
    Key(
        "clock_tolerance_seconds",
        Whole(1, 3600, "seconds"),
        "An event whose signature is older, or from further ahead, is refused.",
        "300",
    ),
    Key("max_body_kib", Whole(1, 1024, "KiB"), "A larger event is refused.", "64"),
    Key("threads", Whole(1, 64), "Events taken in, and pages served, at once; questions come one after another.", "8"),
    Key(
        "admin_clicks",
        Choice(("allow", "refuse")),
        "What a person's own click in WHMCS's admin area meets where the rules say no: it is let through and recorded, "
        "or refused with the reason.",
        '"allow"',
    ),
    Key(
        "click_release_days",
        _days(1, 90),
        "A service that a person unsuspended against the rules is left up for so long.",
        "3",
    ),
    Key(
        "gate_file",
        FilePath("a file"),
        "What WHMCS reads where the bridge does not answer.",
        otherwise="gate.json in the storage folder",
        example='"/var/lib/whmcs-bridge/gate.json"',
    ),
    Key(
        "spool",
        FilePath("a folder"),
        "Where the file in WHMCS keeps events that it could not deliver, if it is on this machine.",
        otherwise="none",
        example='"/var/spool/whmcs-bridge"',
    ),
)

BACKUPS = (
    Key(
        "max_items",
        Whole(1, 1_000_000),
        "A plan with more items than this waits until a person approves it by its hash.",
        "500",
    ),
    Key("max_gib", Whole(1, 10_000_000, "GiB"), "The same for its size.", "2048"),
    Key(
        "max_percent_of_store",
        Whole(1, 100, "percent"),
        "The same for its share of a store's items, from 20 items on.",
        "20",
    ),
    Key(
        "max_span_days",
        Whole(1, 36_500, "days", never=True),
        "The same for the time between its oldest and its newest item. Five years are longer than rotations keep "
        "things: what spans more has mostly had two owners, or is an archive that somebody keeps on purpose.",
        "1830",
    ),
    Key(
        "max_items_a_day",
        Whole(1, 100_000_000, "items", never=True),
        "So many items are deleted on one house day in all stores, approved or not; the rest goes on the next.",
        "20000",
    ),
    Key(
        "evidence_key",
        SecretRef(),
        "Signs the head of the chain of evidence in the morning mail, so that you know your own when you see it again. "
        "16 characters or more.",
        otherwise="it is not signed",
        example='"file:/etc/whmcs-bridge/evidence-key"',
    ),
    Key(
        "slack_hours",
        Whole(26, 720, "hours"),
        "How far beyond the days of an account an item's time may lie: names carry the panel's local day.",
        "26",
    ),
    Key(
        "quarantine_days",
        _days(0, 90),
        "Where a store can move items aside, they stay there so long before they are deleted; 0: in the same run.",
        "0",
    ),
    Key(
        "verify_after_hours",
        ListOf(Whole(1, 8760, "hours"), "hours", empty=True),
        "So long after a deletion the store is listed again, to see that nothing has come back.",
        "[1, 25]",
    ),
    Key("fraud_ends", Flag(), "A service marked as Fraud counts as ended: its backups go like others.", "false"),
    Key(
        "cancelled_ends",
        Flag(),
        "A service that somebody has set to Cancelled, without a cancellation request, counts as ended. `false` where "
        "staff does so while the account lives on.",
        "true",
    ),
    Key(
        "handover",
        Choice(("after-payment", "for-a-fee", "always", "never")),
        "What a client's wish for their data needs before it is handed over; `never`: wishes are not taken.",
        '"after-payment"',
    ),
    Key("handover_hold_days", _days(1, 365), "A client's wish for their data holds the deletion for so long.", "30"),
    Key(
        "keep_at_most_days",
        _days(never=True),
        "Backups that are still there so long after the end of their service are a task.",
        '"never"',
        example="90",
    ),
    Key(
        "max_clock_skew_minutes",
        Whole(1, 1440, "minutes"),
        "A store whose clock is further from ours is left alone.",
        "60",
    ),
    Key(
        "id_fields",
        MapOf(ListOf(Text("a custom field's name"), "names of custom fields"), "an id that drivers know", ID),
        "Custom fields of services in which their modules keep whose machine or account it is: `vmid` (a machine's "
        "number: the account is known by it then, and not by WHMCS's user name), `uuid`, `jetbackup_id`, "
        "`jetbackup_uuid`, `vpsid` (Virtualizor), `server_id` (SolusVM 2), `project` (OpenStack). Only these fields "
        "are read, and WHMCS must not let clients edit them (Admin Only). Run `hooks install` again after a change.",
        otherwise="none",
        example='{ vmid = ["vmid", "VM ID"] }',
    ),
)

_APPROVAL = Choice(("required", "automatic"))
APPROVAL = (
    Key("suspend", _APPROVAL, "Whether a person has to approve a suspension.", '"automatic"'),
    Key("terminate", _APPROVAL, "Whether a person has to approve a termination.", '"required"'),
    Key("delete_backups", _APPROVAL, "Whether a person has to approve a deletion.", '"automatic"'),
    Key(
        "own_proposals",
        Choice(("allowed", "forbidden")),
        "Whether who proposed a step by hand may approve it.",
        '"allowed"',
    ),
)

MESSAGE = (
    Key(
        "template",
        Text("the name of a WHMCS mail template"),
        "A mail template of WHMCS; or subject and text.",
        example='"Service Suspension Notification"',
    ),
    Key(
        "about",
        Choice(("product", "invoice", "general")),
        "What the template is about, as WHMCS files it: it is sent with that thing's id.",
        '"product"',
    ),
    Key("subject", Text("a subject"), "Subject; placeholders as in the text.", example='"Welcome back"'),
    Key(
        "text",
        Text("a text in HTML", one_line=False),
        "Text in HTML, with placeholders such as {client}.",
        example='"<p>Dear {client}, thank you.</p>"',
    ),
)

SERVER_ID = Whole(1, 2**31 - 1)

BACKUP_STORE = (
    Key(
        "name",
        Text("a name of your own"),
        "Your name for the store; no two the same.",
        otherwise="required",
        example='"offsite"',
        required=True,
    ),
    Key(
        "driver",
        Choice(tuple(STORES), instead=tuple(NO_DRIVER.items())),
        "Which driver speaks to it; each takes options of its own, below.",
        otherwise="required",
        example='"local"',
        required=True,
    ),
    Key(
        "servers",
        ListOf(SERVER_ID, "ids of servers in WHMCS"),
        "WHMCS's ids of the servers whose accounts are backed up here.",
        otherwise="every server",
        example="[3, 4]",
    ),
    Key(
        "rotation_days",
        Whole(1, 3650, "days"),
        "The panel removes by itself what is older, and keeps nothing longer: what vanishes so halts no deletion.",
        otherwise="it removes nothing by age",
        example="14",
    ),
    Key(
        "rotation_count",
        Whole(1, 1000),
        "The panel keeps so many backups of each account, in each folder of its own (daily, weekly, monthly), and "
        "removes the oldest by itself: what vanishes so halts no deletion.",
        otherwise="it removes nothing by number",
        example="7",
    ),
    Key(
        "delete_with",
        Credentials(),
        "What moves aside, deletes and puts back logs in with these credentials of the driver, and is read only when "
        "something is deleted; lists, probes and checks go on with the others. As a table of its own: "
        "[backup_store.delete_with].",
        otherwise="one credential does both",
        example='{ access_key = "env:DELETE_KEY", secret_key = "env:DELETE_SECRET" }',
    ),
)

PANEL = (
    Key(
        "name",
        Text("a name of your own"),
        "Your name for the panel; no two the same.",
        otherwise="required",
        example='"web1"',
        required=True,
    ),
    Key(
        "driver",
        Choice(tuple(PANELS)),
        "Which driver speaks to it; each takes options of its own, below.",
        otherwise="required",
        example='"names"',
        required=True,
    ),
    Key(
        "servers",
        ListOf(SERVER_ID, "ids of servers in WHMCS"),
        "WHMCS's ids of the servers whose accounts live on it.",
        otherwise="required",
        example="[3]",
        required=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file."""

    name: str
    keys: tuple[Key, ...]
    doc: str
    named: str = ""
    """What the tables are named by, as in [class.NAME]; "" is a single table."""
    array: bool = False
    """[[name]]: any number of them."""
    drivers: Mapping[str, str] | None = None
    """Each table names one of these drivers, and takes its options too."""
    flag: bool = False
    """true or false may stand in place of the table."""

    @property
    def heading(self) -> str:
        """How it stands in the file."""
        if self.array:
            return f"[[{self.name}]]"
        return f"[{self.name}.{self.named}]" if self.named else f"[{self.name}]"


MODE = Key(
    "mode",
    Choice(("shadow", "enforce")),
    'What the bridge may do: "shadow" plans and records but changes nothing, "enforce" acts.',
    '"shadow"',
    example='"enforce"',
)

TABLES = (
    Table("whmcs", WHMCS, "Where WHMCS is and how to reach it. Required."),
    Table("storage", STORAGE, "Where the bridge keeps its two databases."),
    Table("calendar", CALENDAR, "The house's days and hours."),
    Table("policy", RULES, "The rules for every class."),
    Table("class", (*SELECTORS, *RULES), "A set of products that share rules, over [policy].", "NAME"),
    Table("group", RULES, "A layer over the class for one client group of WHMCS.", '"GROUP"'),
    Table("client", RULES, "A layer over class and group for one client.", "ID"),
    Table("service", RULES, "A layer over everything else for one service.", "ID"),
    Table("vip", VIP, "Who is VIP, and what it protects from. Without this table there is no VIP work."),
    Table("promises", PROMISES, "Promises to pay."),
    Table("trust_release", TRUST_RELEASE, "A suspended service back on for a few days, judged by history."),
    Table("receipts", RECEIPTS, 'What "it is paid" does before the money is booked.'),
    Table("arrangements", ARRANGEMENTS, "Payment in parts."),
    Table("requests", REQUESTS, "How clients ask for a release or a promise themselves."),
    Table("limits", LIMITS, "How much one house day may bring."),
    Table("sanity", SANITY, "When a run stops to ask.", flag=True),
    Table("approval", APPROVAL, "Which steps wait for a person."),
    Table("staff", STAFF, "What the house's own people hear of."),
    Table("hooks", HOOKS, "How WHMCS asks and tells."),
    Table("messages", MESSAGE, "Mails of your own, by name; a built-in name replaces the built-in text.", '"NAME"'),
    Table("backups", BACKUPS, "How backups of ended services go."),
    Table("backup_store", BACKUP_STORE, "A place that keeps backups.", array=True, drivers=STORES),
    Table("panel", PANEL, "A hosting panel that says which accounts live.", array=True, drivers=PANELS),
)
TABLE = {table.name: table for table in TABLES}
