"""Behaviour of WHMCS that nobody could confirm, or that depends on its version: one switch each."""

from dataclasses import dataclass, field, fields
from typing import Literal

EmptyList = Literal["default", "string", "list", "object", "wrapper", "absent", "null"]


@dataclass(slots=True)
class Switches:
    """Facts sheet section 10.6, each with the default we hold most likely.

    The wire switches (first block) change how a reply looks, never what happens.
    """

    ids_as_strings: Literal["default", "all", "none"] = "default"
    """`default`: per action as documented; `all`/`none`: every id and count a string / a number."""
    ids_as_strings_of: dict[str, str] = field(default_factory=dict)
    """The same for single actions: lower-case name -> `all` or `none`."""
    empty_list_form: EmptyList = "default"
    flattened_lists: bool = False
    junk_before_json: str = ""
    html_page_200: bool = False
    auth_error_form: Literal["json", "nvp"] = "json"
    result_key: Literal["default", "result", "status"] = "default"
    single_as_object: bool = False
    numeric_key_objects: bool = False

    unsuspend_requires_future_due: bool = False
    suspend_boundary: Literal[">=", ">"] = ">="
    override_until_inclusive: bool = True
    override_blocks_terminate: bool = False
    invoice_immutable: bool = False
    api_cancel_fires_invoice_cancelled: bool = False
    mass_pay_child_events: bool = True
    duplicate_invoice_paid: bool = False
    due_date_lag: bool = False
    """Q32: paying an invoice leaves the service's next due date where it was."""
    partial_payment_touches_updated_at: bool = True
    paid_refund_touches_updated_at: bool = True
    api_module_failure_enters_queue: bool = False
    aborted_module_failure_text: str = "Module Command Aborted by Action Hook"
    api_suspend_sends_mail: bool = False
    unassigned_services_have_servername: bool = True
    bare_gettransactions_returns_all: bool = True
    bare_getclientsaddons_returns_all: bool = True
    addon_payment_unsuspends_addon: bool = True
    zero_total_is_paid: bool = True

    module_latency: float = 0.0
    """Seconds that every module call takes (slept by the HTTP face, judged against the read
    time-out by the in-process face)."""
    module_failure_text: str = ""
    """Not empty: every module call fails with this text."""

    role_denied_actions: set[str] = field(default_factory=set)
    """Lower-case action names that the credential's role lacks."""
    ip_denied: bool = False
    admin_disabled: bool = False
    check_credentials: bool = True
    mail_fails: bool = False
    debug_hooks: bool = False

    def set(self, name: str, value: object) -> None:
        """Set one switch by name; KeyError for an unknown one."""
        if name not in {f.name for f in fields(self)}:
            raise KeyError(name)
        if name == "role_denied_actions":
            value = {str(item).lower() for item in value} if isinstance(value, (list, set, tuple)) else set()
        if name == "ids_as_strings_of":
            value = {str(k).lower(): str(v) for k, v in value.items()} if isinstance(value, dict) else {}
        setattr(self, name, value)
