"""What the file in WHMCS read through localAPI, as domain values; anything strange, and the mirror is taken instead."""

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import TypeGuard

from whmcs_bridge.api.parse import INVOICE, IdFields, services_reader
from whmcs_bridge.api.shapes import amount
from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.ids import ClientId, GroupId, ServiceId
from whmcs_bridge.domain.told import Told
from whmcs_bridge.errors import UnreadableReply


def told_of(facts: Mapping[str, object], id_fields: IdFields | None = None) -> Told | None:
    """Return the client's position, or None where a part is missing or cannot be read.

    Half of it would look like no debt. The rows are GetClientsProducts' and GetInvoice's (docs/reference/receiver.md).
    """
    services, invoices, group = facts.get("services"), facts.get("invoices"), facts.get("group")
    if not _rows(services) or not _rows(invoices) or not isinstance(group, dict):
        return None
    read = services_reader(id_fields or {}).one
    try:
        told = Told(
            client=ClientId(_number(facts.get("client"))),
            services=tuple(read(dict(row)) for row in services),
            invoices=tuple(INVOICE.one(dict(row)) for row in invoices),
            group=GroupId(_number(group.get("id", 0))),
            credit=_credit(facts.get("credit")),
            currency=_text(facts.get("currency")),
            fixed_terms=_terms(facts.get("fixed_terms")),
        )
    except (UnreadableReply, ValueError, ArithmeticError):
        return None
    return told if _about_one_client(told) else None


def services_told(facts: Mapping[str, object], id_fields: IdFields | None = None) -> tuple[Service, ...]:
    """Return the services that WHMCS had when it told something; a row that cannot be read is left out.

    For records only, never for a judgement: some may be missing (docs/reference/receiver.md).
    """
    rows, found = facts.get("services"), []
    one, read = facts.get("service"), services_reader(id_fields or {}).one
    for row in [*(rows if isinstance(rows, list) else ()), *([one] if isinstance(one, dict) else ())]:
        with suppress(UnreadableReply, ValueError, ArithmeticError, TypeError):
            found.append(read(dict(row)))
    return tuple(found)


def _rows(value: object) -> TypeGuard[list[dict[str, object]]]:
    return isinstance(value, list) and all(type(row) is dict for row in value)  # as they come out of JSON


def _about_one_client(told: Told) -> bool:
    owners = {service.client_id for service in told.services} | {invoice.client_id for invoice in told.invoices}
    return told.client > 0 and owners <= {told.client}


def _number(value: object) -> int:
    """Return a number of WHMCS's, printed or not; raises ValueError."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(text)
    return int(text)


def _credit(value: object) -> Decimal | None:
    return None if value in (None, "") else amount(Decimal(str(value)), "credit")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _terms(value: object) -> dict[ServiceId, int]:
    """Days by service; PHP writes an empty map as a list."""
    if not isinstance(value, Mapping):
        return {}
    return {ServiceId(_number(service)): _number(days) for service, days in value.items()}
