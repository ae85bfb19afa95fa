"""AddInvoicePayment: any payment, partial ones too."""

from hooks.looking_again import look_again
from hooks.signs_of_life import keep_contact
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent


def handle(event: HookEvent, bridge: Bridge) -> None:
    """A payment of a part never settles an invoice, so no record of paid invoices shows this sign of life."""
    keep_contact(event, bridge, "payment")
    look_again(event, bridge)
