"""The JSON Schema accepts what the loader accepts, for editors."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.settings.files import HEAD
from tests.settings.test_mistakes import CASES
from whmcs_bridge.settings import parse
from whmcs_bridge.settings.presets import PRESETS, example_text, preset_text
from whmcs_bridge.settings.schema import DRAFT, json_schema

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
KNOWN = {
    *("$schema", "title", "description", "type", "properties", "required", "additionalProperties", "anyOf", "enum"),
    *("const", "items", "uniqueItems", "minItems", "minLength", "pattern", "minimum", "maximum", "propertyNames"),
}


def valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """A validator for the few words of JSON Schema that we use."""
    assert set(schema) <= KNOWN, f"the test does not know {set(schema) - KNOWN}"
    if "anyOf" in schema and not any(valid(value, one) for one in schema["anyOf"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return False
    if isinstance(value, str):
        pattern = re.sub(r"\$$", r"\\Z", schema.get("pattern", ""))  # as JSON Schema means it
        return len(value) >= schema.get("minLength", 0) and re.search(pattern, value) is not None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        if schema.get("uniqueItems") and any(one in value[:n] for n, one in enumerate(value)):
            return False
        return len(value) >= schema.get("minItems", 0) and all(valid(one, schema.get("items", {})) for one in value)
    if isinstance(value, dict):
        return _valid_object(value, schema)
    return True


def _valid_object(value: dict[str, Any], schema: Mapping[str, Any]) -> bool:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    names = schema.get("propertyNames", {})
    if any(name not in value for name in schema.get("required", ())) or not all(valid(name, names) for name in value):
        return False
    for name, one in value.items():
        rule = known.get(name, others)
        if rule is False or (rule is not True and not valid(one, rule)):
            return False
    return True


@pytest.mark.parametrize("text", [example_text(), *(preset_text(name) for name in PRESETS)])
def test_the_shipped_files_are_valid(text: str) -> None:
    assert valid(parse(text.encode(), "x"), json_schema())


def test_it_is_json_of_the_draft_it_names() -> None:
    assert json.loads(json.dumps(json_schema()))["$schema"] == DRAFT == "https://json-schema.org/draft/2020-12/schema"


ONLY_THE_LOADER_KNOWS = (
    "timezone",
    "holidays",
    "quiet_days",
    "act_hours",
    'url = "https://u:p',
    "ca_bundle",
    "listen",
    "product_ids = [2]",
    'layout = "hestia"\nhost = ',
    "messages",
    "always_allowed = 9",
    "max_announced = 9",
    "max_tenure_months",
    '[class.""]',
    '"custom"',
    '"hestia"\ntemplate',
    '"/home"',
    "/../",
    'layout = "hestia"\n[[backup_store]]',
)
"""Parts of the mistakes that no schema of ours describes."""


@pytest.mark.parametrize("text", [text for text, _ in CASES if not any(w in text for w in ONLY_THE_LOADER_KNOWS)])
def test_what_the_loader_refuses_in_one_key_the_schema_refuses_too(text: str) -> None:
    if "[whmcs]" not in text:
        text += HEAD
    assert not valid(parse(text.encode(), "x"), json_schema())
