"""The manual page is the one that the table of keys makes."""

from pathlib import Path

from tests.settings.files import problems_of
from whmcs_bridge.settings.keys import TABLES
from whmcs_bridge.settings.presets import PRESETS
from whmcs_bridge.settings.reference import BEGIN, markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    """Otherwise: replace what follows the mark with `python -m whmcs_bridge.settings.reference`."""
    text = PAGE.read_text("utf-8")
    assert text[text.index(BEGIN) :] == markdown()


def test_every_table_and_key_is_on_it() -> None:
    text = PAGE.read_text("utf-8")
    for table in TABLES:
        assert f"## `{table.heading}`" in text
        assert all(f"| `{key.name}` |" in text for key in table.keys)


def test_the_presets_are_on_it() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f"| `{name}` | {what} |" in text for name, what in PRESETS.items())


def test_the_mistakes_that_it_shows_are_told_so() -> None:
    text = PAGE.read_text("utf-8")
    shown = [line.removeprefix("bridge.toml: ") for line in text.splitlines() if line.startswith("bridge.toml: [")]
    told = problems_of('[class.hosting]\nsuspend_after_days = 0\n[policy]\nmin_dept = "1.00"')
    assert sorted(shown) == sorted(told)
