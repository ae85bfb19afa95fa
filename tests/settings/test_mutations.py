"""Whatever stands in a file, it loads or says what is wrong: never a traceback."""

import copy
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from whmcs_bridge.errors import SettingsProblem
from whmcs_bridge.settings import from_mapping, parse, scenario_policy
from whmcs_bridge.settings.presets import example_text

GOOD = parse(example_text().encode(), "example.toml")
WORDS = st.sampled_from(
    ["never", "", "off", "any", "holiday", "env:X", "file:/nowhere", "5.00", "-1", "VIP", "{client}", "09:00-08:00"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats()
    | st.text(max_size=12)
    | WORDS
    | st.dates()
    | st.datetimes()
    | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | WORDS, inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside."""
    found = [before] if before else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        found += paths(one, (*before, name))
    return found


PATHS = paths(GOOD)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """The example with up to three values replaced, taken out, or given a new neighbour."""
    data = copy.deepcopy(GOOD)
    for way in draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=3)):
        holder: Any = data
        try:
            for name in way[:-1]:
                holder = holder[name]
            kind = draw(st.sampled_from(["replace", "remove", "add"]))
            if kind == "remove":
                del holder[way[-1]]
            elif kind == "replace" or not isinstance(holder, dict):
                holder[way[-1]] = draw(VALUES)
            else:
                holder[draw(st.text(max_size=8) | st.sampled_from(["max", "suspend_after_days"]))] = draw(VALUES)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the way away
    return data


def check(problem: SettingsProblem) -> None:
    assert problem.problems
    for line in problem.problems:
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        line.encode("utf-8")


@given(mutated())
@settings(max_examples=300, deadline=None)
def test_any_change_to_a_good_file_loads_or_is_told_in_lines(data: dict[str, Any]) -> None:
    try:
        loaded = from_mapping(data)
    except SettingsProblem as problem:
        check(problem)
    else:
        assert len(loaded.policy.version) == 64
        assert all(len(line.splitlines()) == 1 for line in loaded.warnings)


@given(mutated())
@settings(max_examples=100, deadline=None)
def test_any_scenario_config_loads_or_is_told_in_lines(data: dict[str, Any]) -> None:
    try:
        scenario_policy({k: v for k, v in data.items() if k not in ("whmcs", "storage")}, {"123": 1}, {"456": 2})
    except SettingsProblem as problem:
        check(problem)


@given(st.binary(max_size=60), st.integers(0, len(example_text())), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_the_file_load_or_are_told_in_lines(junk: bytes, at: int, cut: int) -> None:
    raw = example_text().encode()
    try:
        from_mapping(parse(raw[:at] + junk + raw[at + cut :], "bridge.toml"))
    except SettingsProblem as problem:
        check(problem)


@given(st.text(alphabet=string.printable + "é\u2028\ud800", max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_name_of_a_key_is_told_in_one_line(name: str) -> None:
    try:
        from_mapping({**GOOD, name: 1, "policy": {name: 1}})
    except SettingsProblem as problem:
        check(problem)
