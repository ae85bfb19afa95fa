"""Whatever stands in a file, loading it either works or names the mistakes; it never breaks."""

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scenarios import HERE
from whmcs_bridge.scenarios import read

TABLES = [
    tomllib.loads((HERE / "samples" / "strict-hosting.toml").read_text()),
    tomllib.loads((HERE / "samples" / "vip-in-and-out.toml").read_text()),
    *tomllib.loads((HERE / "whole" / "holds.toml").read_text())["scenario"],
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["0000-00-00", "2026-13-40", "2026-03-10", "site", "ana", "I1", "payment", "never", ""]),
    st.lists(st.integers(), max_size=2),
    st.lists(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), max_size=2),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and list position of a table."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    found = [(*path, key) for key in keys]
    for key in keys:
        found += places(node[key], (*path, key))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mangled_scenario_is_named_or_taken(tmp_path: Path, data: st.DataObject) -> None:
    table = copy.deepcopy(data.draw(st.sampled_from(TABLES)))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(table)))
        node = table
        for key in way:
            node = node[key]
        if data.draw(st.booleans()):
            node[last] = data.draw(VALUES)
        else:
            del node[last]
    file = tmp_path / "mangled.json"
    file.write_text(json.dumps(table, default=str), encoding="utf-8")
    found = read([file])
    assert len(found.scenarios) == (0 if found.problems else 1)
    assert all(line.startswith(str(file)) and "\n" not in line for line in found.problems)
