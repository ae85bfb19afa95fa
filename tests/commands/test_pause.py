"""`pause` at the keyboard: how a time that has passed is refused."""

from pathlib import Path

import pytest

from tests.commands.desk import a_desk


@pytest.mark.parametrize("typed", ["2020-01-01", "2020-01-01T14:00", "2020-01-01T14:00+02:00"])
def test_a_time_that_has_passed_is_refused_as_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    desk = a_desk(tmp_path, monkeypatch)
    said = desk.run("pause", "--until", typed, code=2)
    assert f"--until {typed} has passed; it is " in said
    assert "2020-01-02" not in said
