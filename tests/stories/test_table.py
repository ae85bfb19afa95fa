"""The table of failure stories names tests that exist, and leaves out no story that is our business by now."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "reference" / "failure-stories.md"
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
OURS = {*range(1, 9), 10, 12, *range(14, 37), *range(38, 54), 57, 59}

rows = [(int(number), tests) for number, _, tests in ROW.findall(TABLE.read_text())]


def test_every_story_of_ours_has_a_row_of_its_own() -> None:
    numbers = [number for number, _ in rows]
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= OURS


@pytest.mark.parametrize(("number", "tests"), rows, ids=[f"story-{number}" for number, _ in rows])
def test_every_test_named_in_the_table_exists(number: int, tests: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    assert named, f"story {number} names no test"
    for file, name in named:
        found = re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
        assert found, f"story {number}: {file} has no {name}"
