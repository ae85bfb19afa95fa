"""The API actions of the simulated WHMCS, one module a subject; `ACTIONS` lists them all."""

from collections.abc import Mapping

from whmcs_bridge.simulator.actions import (
    attachments,
    catalogue,
    clients,
    domains,
    invoices,
    mail,
    office,
    orders,
    payments,
    paymethods,
    projects,
    quotes,
    services,
    system,
    tickets,
    users,
)
from whmcs_bridge.simulator.actions.base import Handler

NAMES: Mapping[str, Handler] = {
    **attachments.ACTIONS,
    **catalogue.ACTIONS,
    **clients.ACTIONS,
    **domains.ACTIONS,
    **invoices.ACTIONS,
    **mail.ACTIONS,
    **office.ACTIONS,
    **orders.ACTIONS,
    **payments.ACTIONS,
    **paymethods.ACTIONS,
    **projects.ACTIONS,
    **quotes.ACTIONS,
    **services.ACTIONS,
    **system.ACTIONS,
    **tickets.ACTIONS,
    **users.ACTIONS,
}
"""Handlers under the documented spelling of the action."""

ACTIONS: Mapping[str, Handler] = {name.lower(): handler for name, handler in NAMES.items()}
"""The same under the lower-case name: WHMCS does not mind the case."""
