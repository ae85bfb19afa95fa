"""The manual page of the commands is the one that the commands make."""

from pathlib import Path

import click

from commands.reference import BEGIN, every_command, markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def test_the_page_is_up_to_date() -> None:
    """Otherwise: replace what follows the mark with `python -m commands.reference`."""
    text = PAGE.read_text("utf-8")
    assert text[text.index(BEGIN) :] == markdown()


def test_every_command_and_option_is_on_it() -> None:
    text = PAGE.read_text("utf-8")
    for path, command in every_command():
        section = text.partition(f"\n## `{path}`\n")[2].partition("\n## ")[0]
        assert section, path
        for option in (param for param in command.params if isinstance(param, click.Option)):
            assert all(f"`{name}`" in section for name in option.opts)


def test_every_exit_code_is_on_it() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f"\n| {code} |" in text for code in (0, 1, 2, 3, 4))
