"""The table of keys: empty, null, 0 and "" in every setting, units in names, defaults that are the true ones."""

import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.ownership import BackupRules
from whmcs_bridge.policy.rules import (
    RULE_KEYS,
    ArrangementRules,
    PromiseRules,
    ReceiptRules,
    RequestRules,
    Rules,
    Sanity,
    TrustRules,
    VipRules,
)
from whmcs_bridge.settings.keys import DEFAULT_LIMITS, LIMIT, LIMITS, NOTICE, RULES, TABLES, TIER, Table
from whmcs_bridge.settings.kinds import BAD, Either, Key, Made, MapOf, Number, Whole
from whmcs_bridge.settings.model import WhmcsSettings
from whmcs_bridge.settings.report import Place, Report

INLINE = (Table("notices", NOTICE.keys, ""), Table("tiers", TIER.keys, ""), Table("limit", LIMIT.keys, ""))


def _every_key() -> Iterator[Any]:
    for table in (*TABLES, *INLINE):
        if table.name in ("group", "client", "service"):
            continue
        for key in table.keys:
            if table.name != "class" or key not in RULES:
                yield pytest.param(table.name, key, id=f"{table.name}.{key.name}")


EVERY_KEY = list(_every_key())


def read(key: Key, value: object) -> tuple[Any, list[str]]:
    report = Report("bridge.toml")
    return key.kind.read(value, Place("[table]", key.name), report), report.problems


def written(text: str) -> Any:
    return tomllib.loads(f"value = {text}")["value"]


# --- story 7: a blank field must not become a number ---------------------------------------------

NOTHING_ACCEPTED: dict[object, dict[tuple[str, str], object]] = {
    "": {
        ("policy", "on_suspend_message"): "",
        ("policy", "on_release_message"): "",
        ("policy", "on_end_message"): "",
    },
    0: {
        ("policy", "recent_contact_days"): 0,
        ("policy", "delete_backups_after_days"): 0,
        ("vip", "min_tenure_months"): 0,
        ("vip", "max_late_payments"): 0,
        ("vip", "late_means_days"): 0,
        ("vip", "exempt_max_days"): 0,
        ("vip", "probation_days"): 0,
        ("vip", "away_months"): 0,
        ("promises", "max_days"): 0,
        ("promises", "cooldown_days"): 0,
        ("trust_release", "max_broken_promises"): 0,
        ("trust_release", "cooldown_days"): 0,
        ("arrangements", "max_parts"): 0,
        ("arrangements", "cooldown_months"): 0,
        ("notices", "day"): 0,
        ("tiers", "min_tenure_months"): 0,
        ("tiers", "max_tenure_months"): 0,
        ("backups", "quarantine_days"): 0,
        ("limit", "always_allowed"): 0,
        ("limit", "max"): 0,
        ("limit", "max_announced"): 0,
    },
}
"""Everything that takes "" or 0, and what it becomes; all else refuses them."""
LISTS_THAT_MAY_BE_EMPTY = {
    ("calendar", "quiet_days"),
    ("backups", "verify_after_hours"),
    ("policy", "contact_signs"),
    ("policy", "notices"),
    ("promises", "not_on"),
    ("trust_release", "not_on"),
    ("trust_release", "tiers"),
    ("requests", "ticket_phrases"),
}
TABLES_THAT_MAY_BE_EMPTY = {
    ("calendar", "clearing_bank_days"),
    ("policy", "min_debt"),
    ("receipts", "accept"),
    ("backups", "id_fields"),
    *(("limits", name) for name in DEFAULT_LIMITS),
}


@pytest.mark.parametrize("blank", ["", 0], ids=["empty-text", "zero"])
@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_an_empty_text_and_zero_are_taken_only_where_the_manual_says_so(table: str, key: Key, blank: object) -> None:
    value, problems = read(key, blank)
    accepted = NOTHING_ACCEPTED[blank]
    if (table, key.name) in accepted:
        assert value == accepted[table, key.name]
        assert type(value) is type(blank)
    else:
        assert value is BAD
        assert len(problems) == 1


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_null_is_refused_everywhere(table: str, key: Key) -> None:
    value, problems = read(key, None)
    assert value is BAD
    assert "found null" in problems[0]


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_an_empty_list_and_an_empty_table_are_taken_only_where_they_mean_something(table: str, key: Key) -> None:
    assert (read(key, [])[0] is not BAD) == ((table, key.name) in LISTS_THAT_MAY_BE_EMPTY)
    assert (read(key, {})[0] is not BAD) == ((table, key.name) in TABLES_THAT_MAY_BE_EMPTY)


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_blanks_are_no_value_anywhere(table: str, key: Key) -> None:
    for blank in (" ", "\t", "\n", "\u00a0", "\u2028"):
        value, problems = read(key, blank)
        assert value is BAD
        assert len(problems[0].splitlines()) == 1


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_true_is_no_number(table: str, key: Key) -> None:
    value, _ = read(key, True)
    assert value is BAD or isinstance(value, bool)


# --- story 37: minutes read as seconds -----------------------------------------------------------

UNITS = ("day", "days", "months", "hours", "minutes", "seconds", "percent", "factor", "kib", "gib")
COUNTS = {"page_size", "connections", "threads", "max_late_payments", "max_broken_promises", "times", "max"} | {
    "always_allowed",
    "max_announced",
    "max_items",
    "max_parts",
    "rotation_count",
}
"""Numbers that count things, and so have no unit."""


def numbers(key: Key) -> Whole | Number | None:
    kind = key.kind
    while isinstance(kind, Made | MapOf | Either):
        kind = kind.second if isinstance(kind, Either) else (kind.kind if isinstance(kind, Made) else kind.item)
    return kind if isinstance(kind, Whole | Number) else None


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_every_number_has_its_unit_in_its_name(table: str, key: Key) -> None:
    number = numbers(key)
    if number is None or key.name in COUNTS:
        return
    words = key.name.split("_")
    assert set(words) & set(UNITS), f"{table}.{key.name} lacks a unit"
    if number.unit:
        assert number.unit.split()[-1].rstrip("s").casefold() in {word.rstrip("s") for word in words}


# --- the manual's defaults are the true ones -----------------------------------------------------

OWNERS: dict[str, Any] = {
    "policy": Rules(),
    "calendar": Calendar(),
    "vip": VipRules("VIP"),
    "promises": PromiseRules(),
    "trust_release": TrustRules(),
    "receipts": ReceiptRules(),
    "arrangements": ArrangementRules(),
    "requests": RequestRules(),
    "sanity": Sanity(),
    "backups": BackupRules(),
}
SPELLED_OTHERWISE = {"quiet_days", "defers"}


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_examples_and_defaults_are_accepted(table: str, key: Key, tmp_path: Path) -> None:
    for text in (key.default, key.example):
        if text and key.name != "ca_bundle":
            value, problems = read(key, written(text))
            assert problems == []
            assert value is not BAD


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_the_default_that_the_manual_gives_is_the_one_in_force(table: str, key: Key) -> None:
    if key.default is None or key.name in SPELLED_OTHERWISE:
        return
    value, _ = read(key, written(key.default))
    if table in OWNERS:
        assert getattr(OWNERS[table], key.name) == value
    if table == "whmcs":
        [default] = [f.default for f in fields(WhmcsSettings) if f.name == key.name]
        assert default is not MISSING
        assert Decimal(str(default)) == value


def test_the_default_limits_are_the_ones_of_the_manual() -> None:
    for key in LIMITS:
        if key.name in DEFAULT_LIMITS:
            given, _ = read(key, written(key.default or ""))
            limit = DEFAULT_LIMITS[key.name]
            assert given == {
                f.name: getattr(limit, f.name) for f in fields(limit) if getattr(limit, f.name) not in (None, 0)
            }


def test_every_rule_can_be_set_and_nothing_else() -> None:
    assert {key.name for key in RULES} == RULE_KEYS


@pytest.mark.parametrize(("table", "key"), EVERY_KEY)
def test_every_key_says_what_it_does(table: str, key: Key) -> None:
    assert key.doc.endswith(".")
    assert key.default is not None or key.otherwise or key.required or table in ("tiers", "limit", "messages")
