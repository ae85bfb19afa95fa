"""Names of items: nothing is normalised; what is odd is shown, once and for all, as something nobody acts on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whmcs_bridge.backups.names import (
    QUARANTINE,
    OddName,
    locator_fault,
    quarantined,
    segments_of,
    shown,
    split_quarantine,
)

ODD = [
    "",
    ".",
    "..",
    "/",
    "a//b",
    "/a",
    "a/",
    "a/./b",
    "a/../b",
    "a b",
    "a%31",
    "a\n",
    "a\\b",
    "a*",
    "a?",
    "[a]",
    "{a}",
]


@pytest.mark.parametrize(
    "name", [*ODD, "bob\u0441", "a#b", "a&b", "a;b", "$a", "~", "a'b", 'a"b', "a\x00b", "a|b", "\u202ea"]
)
def test_an_odd_name_is_refused_and_never_mended(name: str) -> None:
    assert locator_fault(name)
    with pytest.raises(OddName):
        segments_of(name)
    with pytest.raises(OddName):
        quarantined("0f", name)


@pytest.mark.parametrize(
    "name", ["a", "bob.tar.gz", "2026-05-31/accounts/bob.tar.gz", "a@b:c=d+e_f-g", "...", ".meta/b.db"]
)
def test_a_plain_name_passes_as_it_is(name: str) -> None:
    assert locator_fault(name) == ""
    assert "/".join(segments_of(name)) == name == shown(name)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=12), st.binary(max_size=12))
def test_two_names_are_never_shown_as_one(one: bytes, other: bytes) -> None:
    assert (shown(one) == shown(other)) == (one == other)
    assert shown(one).isascii()
    assert shown(one).isprintable()
    if shown(one).encode() != one:
        assert locator_fault(shown(one))


@pytest.mark.parametrize("plan", ["", ".", "..", "a/b", "a b", "x" * 65, "\u0441", "a.b"])
def test_a_quarantine_is_named_after_a_plan_s_digest_or_not_at_all(plan: str) -> None:
    with pytest.raises(OddName):
        quarantined(plan, "a")


def test_where_an_item_lay_can_be_told_from_where_it_lies() -> None:
    there = quarantined("0f" * 32, "2026-05-31/accounts/bob.tar.gz")
    assert there == f"{QUARANTINE}/{'0f' * 32}/2026-05-31/accounts/bob.tar.gz"
    assert split_quarantine(there) == ("0f" * 32, "2026-05-31/accounts/bob.tar.gz")
    assert split_quarantine("a/b") == ("", "a/b")
    assert split_quarantine(f"{QUARANTINE}/x") == ("x", "")
    assert split_quarantine(QUARANTINE) == ("", "")
