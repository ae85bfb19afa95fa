"""Parameters are read as PHP reads them."""

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whmcs_bridge.simulator.actions.base import Params, to_cents, to_day, to_int
from whmcs_bridge.simulator.php import decode_array, parse_body, parse_pairs

CASES: list[tuple[list[tuple[str, str]], dict[str, Any]]] = [
    ([("a", "1"), ("b", "")], {"a": "1", "b": ""}),
    ([("a[0]", "x"), ("a[1]", "y")], {"a": {"0": "x", "1": "y"}}),
    ([("a[]", "x"), ("a[]", "y")], {"a": {"0": "x", "1": "y"}}),
    ([("a[5]", "x"), ("a[]", "y")], {"a": {"5": "x", "6": "y"}}),
    ([("a[b][c]", "x")], {"a": {"b": {"c": "x"}}}),
    ([("a[b][]", "x"), ("a[b][]", "y")], {"a": {"b": {"0": "x", "1": "y"}}}),
    ([("a", "1"), ("a", "2")], {"a": "2"}),
    ([("a", "1"), ("a[x]", "2")], {"a": {"x": "2"}}),
    ([("a[x]", "2"), ("a", "1")], {"a": "1"}),
    ([("a[x]tail", "2")], {"a": {"x": "2"}}),
    ([("a[x", "2")], {"a[x": "2"}),
    ([("[x]", "2")], {"[x]": "2"}),
    (
        [("attributes[0][label]", "L"), ("attributes[0][value]", "V")],
        {"attributes": {"0": {"label": "L", "value": "V"}}},
    ),
]


@pytest.mark.parametrize(("pairs", "expected"), CASES)
def test_brackets_nest(pairs: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    assert parse_pairs(pairs) == expected


NAMES = st.text("abcxyz_", min_size=1, max_size=6)
VALUES = st.recursive(
    st.text(max_size=12),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=6,
)


def flattened(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flattened(f"{prefix}[{key}]", item)]
    return [(prefix, value)]


@settings(max_examples=80)
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_a_client_nests_arrives_nested(tree: dict[str, Any]) -> None:
    pairs = [pair for key, value in tree.items() for pair in flattened(key, value)]
    assert parse_body(urlencode(pairs)) == tree


@settings(max_examples=150)
@given(st.lists(st.tuples(st.text("ab[]01", max_size=12), st.text(max_size=4)), max_size=6))
def test_no_key_however_odd_breaks_the_reader(pairs: list[tuple[str, str]]) -> None:
    assert isinstance(parse_pairs(pairs), dict)


def serialized(value: Any) -> bytes:
    """PHP serialize(), for the kinds that clients send."""
    if value is None:
        return b"N;"
    if isinstance(value, bool):
        return b"b:%d;" % value
    if isinstance(value, int):
        return b"i:%d;" % value
    if isinstance(value, str):
        raw = value.encode()
        return b's:%d:"%s";' % (len(raw), raw)
    inner = b"".join(serialized(key) + serialized(item) for key, item in value.items())
    return b"a:%d:{%s}" % (len(value), inner)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text(max_size=20))
ARRAYS = st.dictionaries(
    st.one_of(st.integers(0, 99), NAMES), st.one_of(SCALARS, st.dictionaries(NAMES, SCALARS, max_size=2)), max_size=4
)


@settings(max_examples=100)
@given(ARRAYS)
def test_a_serialized_array_is_read_back(array: dict[Any, Any]) -> None:
    """Lengths are bytes, not characters: umlauts and emoji included."""
    expected = {
        str(key): {str(k): v for k, v in value.items()} if isinstance(value, dict) else value
        for key, value in array.items()
    }
    assert decode_array(base64.b64encode(serialized(array)).decode()) == expected


@settings(max_examples=150)
@given(st.binary(max_size=40))
def test_rubbish_is_no_array(data: bytes) -> None:
    result = decode_array(base64.b64encode(data).decode())
    assert result is None or isinstance(result, dict)


@pytest.mark.parametrize(
    "text", ["", "not base64!", base64.b64encode(b"i:5;").decode(), base64.b64encode(b'O:3:"Foo":0:{}').decode()]
)
def test_what_is_not_an_array_is_refused(text: str) -> None:
    """Objects are never unserialized."""
    assert decode_array(text) is None


@pytest.mark.parametrize(
    ("text", "truth"), [("", False), ("0", False), ("1", True), ("on", True), ("False", True), ("false", True)]
)
def test_truth_is_phps_truth(text: str, truth: bool) -> None:
    """`str(False)` sent by a careless client is true."""
    assert Params({"flag": text}).flag("flag") is truth


@pytest.mark.parametrize(("text", "number"), [("5", 5), (" 7x", 7), ("x", 0), ("", 0), ("-3", -3), ("1.9", 1)])
def test_numbers_are_cast_as_php_casts(text: str, number: int) -> None:
    assert to_int(text) == number


@pytest.mark.parametrize(
    ("text", "cents"), [("10", 1000), ("10.005", 1001), ("-0.5", -50), ("x", None), ("nan", None), ("", None)]
)
def test_amounts_become_cents(text: str, cents: int | None) -> None:
    assert to_cents(text) == cents


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-03-01", "2025-03-01"),
        ("2025-03-01 10:00:00", "2025-03-01"),
        ("20250301", "2025-03-01"),
        ("0000-00-00", "None"),
        ("soon", "None"),
    ],
)
def test_dates_are_read_in_the_ways_that_clients_write_them(text: str, day: str) -> None:
    assert str(to_day(text)) == day
