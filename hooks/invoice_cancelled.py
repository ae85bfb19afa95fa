"""InvoiceCancelled: an invoice was given up; not reliable for changes by the API (facts sheet Q20)."""

from hooks.looking_again import look_again as handle

__all__ = ["handle"]
