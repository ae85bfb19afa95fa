"""How hard the tests search: a strong little by default, and so many times as much as WHMCS_BRIDGE_SOAK says."""

import os
from typing import Final

SOAK: Final = int(os.environ.get("WHMCS_BRIDGE_SOAK", "1"))


def examples(few: int) -> int:
    """Return how many examples a property is tried with; they are the same ones on every machine and day."""
    return few * SOAK
