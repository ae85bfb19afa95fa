"""The settings under which histories are played, each with a sharp edge of its own."""

from collections.abc import Mapping
from typing import Any

VIP_GROUP, EXEMPT_GROUP, RESELLERS = 1, 2, 3

_WARN = [{"day": 1, "message": "payment-reminder"}, {"day": 2, "message": "suspension-warning"}]
_TIGHT = {"suspend": {"always_allowed": 1, "max": 2, "percent": 50, "max_announced": 2}}
_SERVER = {"product_types": ["server"], "suspend_after_days": 1, "terminate_after_days": 3}
_SANE = {"sanity": {"max_days_since_run": 7}}


def _hosting(**rules: Any) -> dict[str, Any]:
    given = {"product_types": ["hostingaccount"], "suspend_after_days": 3, "terminate_after_days": 15}
    return {**given, "delete_backups_after_days": 0, **rules}


HOUSES: Mapping[str, Mapping[str, Any]] = {
    "plain": {"class": {"hosting": _hosting(), "vps": _SERVER}, **_SANE},
    "warned": {
        "class": {"hosting": _hosting(notices=_WARN, on_suspend_message="service-suspended"), "vps": _SERVER},
        **_SANE,
    },
    "limited": {
        "class": {"hosting": _hosting(notices=_WARN), "vps": _SERVER},
        "limits": {**_TIGHT, "terminate": {"always_allowed": 0, "max": 1, "percent": 50}},
        **_SANE,
    },
    "quiet": {
        "class": {"hosting": _hosting(suspend_after_days=2, terminate_after_days=8), "vps": _SERVER},
        "calendar": {"quiet_days": ["friday", "saturday", "sunday"], "clearing_bank_days": {"banktransfer": 2}},
        **_SANE,
    },
    "whole-client": {
        "policy": {"scope": "client", "min_debt": "1.00"},
        "class": {"hosting": _hosting(delete_backups_after_days=3, cancel_invoices_of_ended=True), "vps": _SERVER},
        **_SANE,
    },
    "own-debt": {
        "policy": {"release": "service-paid", "on_release_message": "service-released"},
        "class": {"hosting": _hosting(notices=_WARN, final_warning_days=5), "vps": _SERVER},
        **_SANE,
    },
    "vip": {
        "class": {"hosting": _hosting(notices=_WARN), "vps": _SERVER},
        "vip": {"group": "VIP", "min_tenure_months": 12, "exempt_max_days": 6},
        **_SANE,
    },
    "approved": {
        "class": {"hosting": _hosting(), "vps": _SERVER},
        "approval": {"terminate": "required", "delete_backups": "required"},
        **_SANE,
    },
}
