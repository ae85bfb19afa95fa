"""Scenario files into timelines: TOML and JSON, one scenario or a list, every mistake reported at once."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whmcs_bridge.errors import ScenarioProblem
from whmcs_bridge.scenarios.model import Scenario
from whmcs_bridge.scenarios.read import Mistakes, read_scenario

SUFFIXES = (".toml", ".json")


@dataclass(frozen=True, slots=True)
class Broken:
    """A scenario (or a whole file) that cannot be played."""

    id: str
    problems: tuple[str, ...]


@dataclass(slots=True)
class Loaded:
    """What a number of files hold, in order."""

    items: list[Scenario | Broken] = field(default_factory=list)

    @property
    def scenarios(self) -> list[Scenario]:
        """Those that can be played."""
        return [item for item in self.items if isinstance(item, Scenario)]

    @property
    def problems(self) -> list[str]:
        """Every mistake of every file, one line each."""
        return [line for item in self.items if isinstance(item, Broken) for line in item.problems]


def load(paths: Iterable[Path | str]) -> list[Scenario]:
    """Read every scenario of the files and folders (recursively); raises ScenarioProblem with every mistake."""
    loaded = read(paths)
    if loaded.problems:
        raise ScenarioProblem(loaded.problems)
    return loaded.scenarios


def read(paths: Iterable[Path | str]) -> Loaded:
    """Read what can be read, and say what is wrong with the rest."""
    loaded = Loaded()
    for path in map(Path, paths):
        files = _files_in(path) if path.is_dir() else [path]
        if not files:
            loaded.items.append(Broken(path.name, (f"{path}: no *.toml or *.json in this folder",)))
        for file in files:
            _read_file(file, loaded)
    return loaded


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES and file.is_file())


def _read_file(file: Path, loaded: Loaded) -> None:
    try:
        tables = _tables(file)
    except (OSError, ValueError) as error:
        loaded.items.append(Broken(file.stem, (f"{file}: {_said(error)}",)))
        return
    seen: set[str] = set()
    for number, table in enumerate(tables, 1):
        fallback = file.stem if len(tables) == 1 else f"{file.stem} #{number}"
        name = str(table.get("id") or fallback) if isinstance(table, Mapping) else fallback
        mistakes = Mistakes(str(file), name)
        if name in seen:
            mistakes.add("id", f'found "{name}" a second time, expected an id of its own')
        seen.add(name)
        scenario = read_scenario(table, mistakes)
        loaded.items.append(Broken(name, tuple(mistakes.lines)) if scenario is None else scenario)


def _tables(file: Path) -> Sequence[Any]:
    """Return the raw scenarios of a file; OSError or ValueError where it is none."""
    if file.suffix not in SUFFIXES:
        raise ValueError("expected a name that ends in .toml or .json")
    text = file.read_text(encoding="utf-8")
    data = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    for key in ("scenario", "scenarios"):
        if isinstance(data, Mapping) and set(data) == {key}:
            data = data[key]
    tables = data if isinstance(data, list) else [data]
    if not tables:
        raise ValueError("expected a scenario, or a list of them; found an empty list")
    return tables


def _said(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    kind = {tomllib.TOMLDecodeError: "not valid TOML: ", json.JSONDecodeError: "not valid JSON: "}.get(type(error), "")
    return f"{kind}{error}"
