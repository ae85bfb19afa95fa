"""Ids of a machine that were recorded for an account while it lived: the present one, and those before it.

All of them are the account's own (see AccountIdentity.proofs). Still, a number that was corrected by hand has been
somebody else's: only the present one proves anything, and what bears a former one is left and told.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from whmcs_bridge.domain.backups import SEEN, AccountIdentity


def present(account: AccountIdentity, name: str, pattern: re.Pattern[str]) -> str:
    """Return what is recorded under a name; "" for nothing, and for what cannot be such an id."""
    given = account.proofs.get(name, "").strip()
    return given if pattern.fullmatch(given) else ""


def former(account: AccountIdentity, name: str, pattern: re.Pattern[str]) -> frozenset[str]:
    """Return what was recorded under a name before, in the same way."""
    given = {value.strip() for value in account.recorded(name)} - {account.proofs.get(name, "").strip()}
    return frozenset(value for value in given if pattern.fullmatch(value))


def too_old(before: Mapping[str, str], until: date, within: timedelta) -> str:
    """Return the day on which a store was last asked about an account, where that was too long before its end."""
    seen = datetime.fromisoformat(before[SEEN])
    return f"{seen.date()}" if seen + within < datetime.combine(until, time(), UTC) else ""
