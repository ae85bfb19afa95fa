"""Commands that reach a WHMCS find a simulated one over loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.people import People, a_town_of_people
from tests.journeys.town import Town, a_town


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    with a_town(tmp_path, monkeypatch) as town:
        yield town


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    """A town on Monday, March 10th 2025, in enforce mode, whose operator is ana."""
    with a_town_of_people(tmp_path, monkeypatch) as town:
        yield town
