"""Which system programs a test needs, and what happens where they are missing."""

import os
import shutil
from collections.abc import Callable, Collection
from typing import Any

import pytest

REQUIRE_ALL = "WHMCS_BRIDGE_REQUIRE_ALL"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark a test that runs system programs: without them it is skipped, and fails where REQUIRE_ALL is set."""
    return pytest.mark.needs(*programs)


def stop_without(
    programs: Collection[str], found: Callable[[str], Any] = shutil.which, required: bool | None = None
) -> None:
    """Skip (or, where everything is required, fail) the running test if one of the programs is missing."""
    missing = [program for program in programs if not found(program)]
    if not missing:
        return
    if os.environ.get(REQUIRE_ALL) if required is None else required:
        pytest.fail(f"{REQUIRE_ALL} is set, but there is no {', '.join(missing)} here", pytrace=False)
    pytest.skip(f"no {', '.join(missing)} here")
