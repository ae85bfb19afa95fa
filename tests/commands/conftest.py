"""Commands that reach a WHMCS find a simulated one over loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.town import Town, a_town


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    with a_town(tmp_path, monkeypatch) as town:
        yield town
