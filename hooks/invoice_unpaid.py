"""InvoiceUnpaid: an invoice is open again (reversal, failed payment, a click): the old due date counts."""

from hooks.looking_again import look_again as handle

__all__ = ["handle"]
