"""The simulator's reference page says what the code does."""

import re
from dataclasses import fields
from pathlib import Path

from whmcs_bridge.simulator.app import _CONTROLS
from whmcs_bridge.simulator.faults import AFTER, Fault, Kind
from whmcs_bridge.simulator.switches import Switches

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "simulator.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_every_control_call_is_documented() -> None:
    calls = {f"{method} /simulator/{name}" for name, methods in _CONTROLS.items() for method in methods}
    assert set(first_cells(section("Control calls"))) == calls


def test_every_kind_and_key_of_a_fault_is_documented() -> None:
    keys = [field.name for field in fields(Fault) if field.name not in ("seen", "fired")]
    assert first_cells(section("Faults")) == [*keys, *first_cells(section("Faults"))[len(keys) :]]
    assert set(first_cells(section("Faults"))[len(keys) :]) == set(Kind)


def test_the_effect_of_each_kind_is_documented_rightly() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", section("Faults"), re.MULTILINE)
    assert {kind for kind, effect in rows if effect == "yes"} == set(AFTER)


def test_every_switch_is_documented() -> None:
    assert first_cells(section("Switches")) == [field.name for field in fields(Switches)]


def test_defaults_of_flags_are_documented_rightly() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (true|false) \|", section("Switches"), re.MULTILINE))
    flags = {f.name: str(getattr(Switches(), f.name)).lower() for f in fields(Switches)}
    assert rows == {name: value for name, value in flags.items() if value in ("true", "false")}
