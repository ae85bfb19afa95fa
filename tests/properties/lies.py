"""How the WHMCS of a history lies: every fault and every switch of the simulator, several at once, for a few days."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from whmcs_bridge.simulator.faults import FORMS, Fault, Kind
from whmcs_bridge.simulator.switches import Switches

READS = (
    *("GetClients", "GetClientsProducts", "GetInvoices", "GetInvoice", "GetClientsAddons", "GetClientGroups"),
    *("GetProducts", "GetCancelledPackages", "GetClientsDetails", "GetEmails", "GetConfigurationValue"),
)
WRITES = ("ModuleSuspend", "ModuleUnsuspend", "ModuleTerminate", "UpdateClientProduct", "UpdateClient", "SendEmail")
ANYWHERE = ("*", "Get*", "Module*", "Update*", *READS, *WRITES, *WRITES)
LISTS = ("GetClients", "GetClientsProducts", "GetInvoices", "GetCancelledPackages")
"""Rows move in these. A mail log that consistently leaves a mail out cannot be told from one that never had it."""


@dataclass(frozen=True)
class Lie:
    """How one kind of fault is told: of which actions, and with which variations."""

    actions: tuple[str, ...] = ANYWHERE
    texts: tuple[str, ...] = ("",)
    seconds: tuple[float, ...] = (30.0,)
    effects: tuple[bool | None, ...] = (None,)
    """Whether the call does its work all the same; None is what the kind does by itself."""
    rows: tuple[int, ...] = (1,)


_EITHER = Lie(effects=(None, True, False))
_REFUSAL = Lie()
"""WHMCS itself says no: nothing has happened then."""
_SHIFT = Lie(actions=LISTS)

LIES: Mapping[Kind, Lie] = {
    Kind.LATENCY: Lie(seconds=(2.0, 45.0, 900.0)),
    Kind.CONNECTION_REFUSED: Lie(),
    Kind.CONNECT_TIMEOUT: Lie(),
    Kind.TIMEOUT_BEFORE: Lie(),
    Kind.TIMEOUT_AFTER: Lie(),
    Kind.RESET_AFTER_SEND: Lie(),
    Kind.RESET_BEFORE: Lie(),
    Kind.INCOMPLETE_READ: _EITHER,
    Kind.HTTP_403: _REFUSAL,
    Kind.HTTP_429: _REFUSAL,
    Kind.HTTP_500: _EITHER,
    Kind.HTTP_502: _EITHER,
    Kind.HTTP_503: _EITHER,
    Kind.WAF: _REFUSAL,
    Kind.MAINTENANCE: _REFUSAL,
    Kind.HTML_200: _EITHER,
    Kind.JUNK_BEFORE_JSON: Lie(texts=("", "Notice: undefined index\n", '{"debug":1}\n')),
    Kind.BOM: Lie(),
    Kind.TRUNCATED: _EITHER,
    Kind.EMPTY_BODY: _EITHER,
    Kind.EMPTY_LIST: Lie(actions=("Get*", *READS), texts=tuple(sorted(FORMS))),
    Kind.SHORT_PAGE: Lie(actions=("Get*", *READS), rows=(1, 2, 3)),
    Kind.WRONG_TOTAL: Lie(actions=("Get*", *READS), rows=(1, 2, 250)),
    Kind.ROW_INSERTED: _SHIFT,
    Kind.ROW_REMOVED: _SHIFT,
    Kind.ROW_MOVED: _SHIFT,
    Kind.SINGLE_OBJECT: Lie(),
    Kind.NUMERIC_KEYS: Lie(),
    Kind.STATUS_KEY: Lie(),
    Kind.DENIED: _REFUSAL,
    Kind.IP_DENIED: _REFUSAL,
    Kind.BAD_CREDENTIALS: _REFUSAL,
    Kind.ADMIN_DISABLED: _REFUSAL,
    Kind.ADMIN_REQUIRED: _REFUSAL,
    Kind.NVP: _REFUSAL,
    Kind.ERROR: Lie(texts=("", "Service ID Not Found", "Invalid Permissions", "Client ID Not Found")),
    Kind.WARNING: _REFUSAL,
}

BENDS: Mapping[str, Callable[[Random], Any]] = {
    "ids_as_strings": lambda chance: chance.choice(("all", "none")),
    "ids_as_strings_of": lambda chance: {chance.choice(READS).lower(): chance.choice(("all", "none"))},
    "empty_list_form": lambda chance: chance.choice(("string", "list", "object", "wrapper", "absent", "null")),
    "flattened_lists": lambda chance: True,
    "junk_before_json": lambda chance: "<br />\n<b>Deprecated</b>: Function x() in <b>y.php</b> on line <b>1</b>\n",
    "html_page_200": lambda chance: True,
    "auth_error_form": lambda chance: "nvp",
    "result_key": lambda chance: chance.choice(("result", "status")),
    "single_as_object": lambda chance: True,
    "numeric_key_objects": lambda chance: True,
    "unsuspend_requires_future_due": lambda chance: True,
    "suspend_boundary": lambda chance: ">",
    "override_until_inclusive": lambda chance: False,
    "override_blocks_terminate": lambda chance: True,
    "invoice_immutable": lambda chance: True,
    "api_cancel_fires_invoice_cancelled": lambda chance: True,
    "mass_pay_child_events": lambda chance: False,
    "duplicate_invoice_paid": lambda chance: True,
    "due_date_lag": lambda chance: True,
    "partial_payment_touches_updated_at": lambda chance: False,
    "paid_refund_touches_updated_at": lambda chance: False,
    "api_module_failure_enters_queue": lambda chance: True,
    "aborted_module_failure_text": lambda chance: chance.choice(("", "Aborted")),
    "api_suspend_sends_mail": lambda chance: True,
    "unassigned_services_have_servername": lambda chance: False,
    "bare_gettransactions_returns_all": lambda chance: False,
    "bare_getclientsaddons_returns_all": lambda chance: False,
    "addon_payment_unsuspends_addon": lambda chance: False,
    "zero_total_is_paid": lambda chance: False,
    "module_latency": lambda chance: chance.choice((5.0, 400.0)),
    "module_failure_text": lambda chance: "cURL error 28: the server did not answer",
    "role_denied_actions": lambda chance: {chance.choice((*READS, *WRITES)).lower()},
    "ip_denied": lambda chance: True,
    "admin_disabled": lambda chance: True,
    "check_credentials": lambda chance: False,
    "mail_fails": lambda chance: True,
    "debug_hooks": lambda chance: True,
}
"""Switch -> what it is bent to."""


def a_fault(chance: Random, kind: Kind | None = None) -> Fault:
    """Some lie of this kind, or of any."""
    kind = kind or chance.choice(tuple(LIES))
    lie = LIES[kind]
    often = chance.random() < 0.5
    return Fault(
        chance.choice(lie.actions),
        kind,
        nth=0 if often else chance.randrange(4),
        probability=chance.choice((1.0, 0.5, 0.1)) if often else 1.0,
        count=chance.choice((1, 1, 2, 5, 0)),
        effect=chance.choice(lie.effects),
        seconds=chance.choice(lie.seconds),
        text=chance.choice(lie.texts),
        rows=chance.choice(lie.rows),
    )


def bend(switches: Switches, chance: Random, name: str = "") -> str:
    """Bend one switch, or this one; return its name."""
    name = name or chance.choice(tuple(BENDS))
    switches.set(name, BENDS[name](chance))
    return name


def straighten(switches: Switches, name: str) -> None:
    """Give a switch its usual value back."""
    setattr(switches, name, getattr(Switches(), name))


@dataclass
class Told:
    """One lie in force, through this day."""

    until: date
    fault: Fault | None = None
    switch: str = ""
    setting: str = ""
    """A setting of WHMCS, and its true value: `NAME=VALUE`."""
    clock: bool = False
    """The bridge's clock is wrong."""
