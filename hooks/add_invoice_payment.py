"""AddInvoicePayment: any payment, partial ones too."""

from hooks.looking_again import look_again as handle

__all__ = ["handle"]
