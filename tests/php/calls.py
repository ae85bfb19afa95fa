"""Hook points as they are called, what localAPI knows of client 3, and a gate file."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.php.whmcs import Whmcs, module_call

SUSPEND = module_call("PreModuleSuspend")
UNSUSPEND = module_call("PreModuleUnsuspend")
TERMINATE = module_call("PreModuleTerminate")
CANCELS = ("PreInvoiceAutomaticCancellation", {"invoiceid": 99})
REFUSED = (200, {"abort": True, "reason": "no debt"})

SERVICE: Mapping[str, str] = {
    "id": "34",
    "clientid": "3",
    "pid": "1",
    "domain": "jo.example.com",
    "status": "Suspended",
    "username": "jo",
    "password": "client-Passw0rd&<",
    "notes": "root-Passw0rd!",
    "suspensionreason": "",
}
LINE: Mapping[str, str] = {
    "id": "7",
    "type": "Hosting",
    "relid": "34",
    "description": "Hosting",
    "amount": "40.00",
    "taxed": "0",
}
INVOICE: Mapping[str, Any] = {
    "result": "success",
    "invoiceid": "99",
    "userid": "3",
    "duedate": "2020-03-10",
    "status": "Unpaid",
    "balance": "40.00",
    "notes": "token-0123456789",
    "items": {"item": [LINE]},
    "transactions": "",
}
NONE: Mapping[str, Any] = {"result": "success", "totalresults": "0", "invoices": ""}
OWING: Mapping[str, Any] = {
    "GetClientsProducts": {"result": "success", "totalresults": "1", "products": {"product": [SERVICE]}},
    "GetClientsDetails": {
        "result": "success",
        "client": {"groupid": 2, "credit": "1.50", "currency_code": "BRL", "email": "jo@example.com"},
    },
    "GetInvoices": {
        "": NONE,
        "Unpaid": {
            "result": "success",
            "totalresults": "1",
            "invoices": {"invoice": [{"id": "99", "currencycode": "BRL", "notes": "token-0123456789"}]},
        },
    },
    "GetInvoice": INVOICE,
}
"""What localAPI knows of client 3: one service, one open invoice."""


def gate(whmcs: Whmcs, age_hours: float = 1, **known: Any) -> None:
    """The bridge's gate file, so many hours old."""
    made = datetime.now(UTC) - timedelta(hours=age_hours)
    value = {
        "v": 1,
        "made_at": made.isoformat(),
        "mode": "enforce",
        "held": "",
        "only": None,
        "free_products": [9],
        "suspend": {"34": "overdue"},
        "unsuspend_refused": {"35": "invoice 12 is still open"},
        "terminate": {"36": "overdue"},
        **known,
    }
    Path(whmcs.settings["gate"]).write_text(json.dumps(value))
