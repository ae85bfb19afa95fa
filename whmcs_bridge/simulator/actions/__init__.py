"""The API actions of the simulated WHMCS, one module a subject; `ACTIONS` lists them all."""

from collections.abc import Mapping

from whmcs_bridge.simulator.actions import (
    catalogue,
    clients,
    invoices,
    mail,
    payments,
    services,
    system,
)
from whmcs_bridge.simulator.actions.base import Handler

NAMES: Mapping[str, Handler] = {
    **clients.ACTIONS,
    **services.ACTIONS,
    **invoices.ACTIONS,
    **payments.ACTIONS,
    **catalogue.ACTIONS,
    **mail.ACTIONS,
    **system.ACTIONS,
}
"""Handlers under the documented spelling of the action."""

ACTIONS: Mapping[str, Handler] = {name.lower(): handler for name, handler in NAMES.items()}
"""The same under the lower-case name: WHMCS does not mind the case."""
