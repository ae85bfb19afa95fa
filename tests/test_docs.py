"""The documents say what the code does: nothing undocumented, no dead link, no settings or command that do not work."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from commands import cli
from commands.reference import every_command
from hooks import HANDLERS
from tests.bench.__main__ import BENCHMARKS
from whmcs_bridge import errors
from whmcs_bridge.hookpoints import Ask
from whmcs_bridge.settings import from_mapping
from whmcs_bridge.settings.keys import TABLES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
REFERENCE = DOCS / "reference"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in BLOCK.findall(text_of(page)) if found == language]


def section(page: Path, heading: str) -> str:
    return text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


# --- nothing is left out ----------------------------------------------------------------------------


def every_error() -> list[type[errors.BridgeError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in found if issubclass(kind, errors.BridgeError)]


def test_every_error_is_documented_with_its_exit_code() -> None:
    text = text_of(REFERENCE / "errors.md")
    assert len(every_error()) > 20
    for kind in every_error():
        assert f"\n| `{kind.__name__}` | {kind.exit_code} |" in text, kind.__name__


def test_every_documented_error_is_there() -> None:
    rows = re.findall(r"^\| `(\w+)` \| \d \|", text_of(REFERENCE / "errors.md"), re.MULTILINE)
    assert sorted(rows) == sorted(kind.__name__ for kind in every_error())


@pytest.mark.parametrize(("heading", "ask"), [("Asks", True), ("Tells", False)])
def test_every_hook_point_is_documented_for_what_it_is(heading: str, ask: bool) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section(REFERENCE / "hook-points.md", heading), re.MULTILINE)
    assert sorted(rows) == sorted(point for point, handler in HANDLERS.items() if isinstance(handler, Ask) is ask)


def test_every_command_is_documented() -> None:
    text = text_of(REFERENCE / "commands.md")
    for path, _ in every_command():
        assert f"\n## `{path}`\n" in text


def test_every_setting_is_documented() -> None:
    text = text_of(REFERENCE / "settings.md")
    for table in TABLES:
        for key in table.keys:
            assert f"| `{key.name}` |" in text, f"{table.heading} {key.name}"


def test_every_benchmark_is_documented() -> None:
    text = text_of(REFERENCE / "benchmarks.md")
    assert all(f"\n| `{name}` |" in text for name in BENCHMARKS)


def test_every_page_can_be_found_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        waiting.extend(target for target, _ in links(page) if target.is_file())
    assert {name_of(page) for page in PAGES} <= {name_of(page) for page in seen}


# --- what is written works --------------------------------------------------------------------------


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield target and anchor of every link to another file of ours."""
    prose = BLOCK.sub("", text_of(page))
    for link in LINK.findall(prose):
        if "://" not in link and not link.startswith("mailto:"):
            path, _, anchor = link.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{name_of(page)}: {target}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)}: #{anchor}"


@every_page
def test_every_whole_settings_file_loads(page: Path) -> None:
    """A TOML block with [whmcs] is a whole file; any other one is at least TOML."""
    for body in blocks(page, "toml"):
        tables = tomllib.loads(body)
        if "whmcs" in tables:
            from_mapping(tables, source=name_of(page))


def lines_typed(page: Path) -> Iterator[str]:
    """Yield the whmcs-bridge lines of the page's console blocks, with continuation lines joined."""
    for body in (*blocks(page, "console"), *blocks(page, "sh")):
        for line in body.replace("\\\n", " ").splitlines():
            typed = line.removeprefix("$ ").strip()
            if typed.startswith("whmcs-bridge "):
                yield re.split(r" [|>&]|  +# ", typed)[0]


def test_there_are_settings_files_and_command_lines_to_look_at() -> None:
    assert sum("[whmcs]" in body for page in PAGES for body in blocks(page, "toml")) >= 1
    assert sum(1 for page in PAGES for _ in lines_typed(page)) >= 60


@every_page
def test_every_command_line_shown_is_one_that_the_program_takes(page: Path) -> None:
    for line in lines_typed(page):
        words = [word.replace("[", "").replace("]", "") for word in shlex.split(line)[1:]]
        if "COMMAND" in words:
            continue
        _parse(cli, words, line)


def _parse(command: click.Command, words: list[str], line: str) -> None:
    """Parse as click would, and run nothing."""
    context = click.Context(command, info_name="whmcs-bridge", resilient_parsing=True, **cli.context_settings)
    parser = command.make_parser(context)
    parser.ignore_unknown_options = False
    try:
        _, rest, _ = parser.parse_args(list(words))
    except click.UsageError as error:
        raise AssertionError(f"{line}: {error.format_message()}") from error
    if isinstance(command, click.Group) and rest:
        inner = command.get_command(context, rest[0])
        assert inner is not None, f"{line}: no command {rest[0]}"
        _parse(inner, rest[1:], line)


@every_page
def test_nothing_shown_is_wider_than_a_line_of_ours(page: Path) -> None:
    for body in (*blocks(page, "text"), *blocks(page, "console")):
        assert max(map(len, body.splitlines()), default=0) <= 120
