"""InvoiceCreated: a new invoice has left Draft."""

from hooks.looking_again import look_again as handle

__all__ = ["handle"]
