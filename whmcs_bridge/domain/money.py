"""Money as WHMCS states it: a decimal amount in the client's currency."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from whmcs_bridge.errors import CurrencyMismatch

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in major units (``15.95`` is fifteen dollars ninety-five), never rounded here."""

    amount: Decimal
    currency: str
    """ISO 4217, WHMCS's currencycode."""

    def __add__(self, other: Self) -> Self:
        """Return the sum; raises CurrencyMismatch."""
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return replace(self, amount=self.amount + other.amount)

    def __sub__(self, other: Self) -> Self:
        """Return the difference; raises CurrencyMismatch."""
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return replace(self, amount=self.amount - other.amount)

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency}"
