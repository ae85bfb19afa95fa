"""The town that journeys start in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.town import Town, a_town


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    with a_town(tmp_path, monkeypatch) as found:
        yield found
