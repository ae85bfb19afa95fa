"""InvoicePaid: an invoice was settled, and WHMCS's own automation has run."""

from hooks.looking_again import look_again as handle

__all__ = ["handle"]
