"""InvoiceRefunded: the money went back; what is refunded is no debt."""

from hooks.looking_again import look_again as handle

__all__ = ["handle"]
