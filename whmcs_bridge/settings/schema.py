"""The JSON Schema of bridge.toml, for editors; made from the table of keys."""

from typing import Any

from whmcs_bridge.settings.drivers import STORES, panel_options, store_options
from whmcs_bridge.settings.keys import MODE, TABLES, Table
from whmcs_bridge.settings.kinds import Schema, keys_schema

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12). It knows single keys; contradictions between keys are left to the loader."""
    properties: Schema = {MODE.name: {"description": MODE.doc, **MODE.kind.schema()}}
    for table in TABLES:
        properties[table.name] = {"description": table.doc, **_table(table)}
    return {
        "$schema": DRAFT,
        "title": "bridge.toml",
        "description": "Settings of whmcs-bridge.",
        "type": "object",
        "properties": properties,
        "required": ["whmcs"],
        "additionalProperties": False,
    }


def _table(table: Table) -> Schema:
    if table.drivers is not None:
        return {"type": "array", "items": _by_driver(table)}
    one = keys_schema(table.keys)
    if table.named:
        made: Schema = {"type": "object", "additionalProperties": one}
        if table.named == "ID":
            made["propertyNames"] = {"pattern": "^[1-9][0-9]{0,8}$"}
        return made
    if table.flag:
        return {"anyOf": [{"type": "boolean"}, one]}
    return one


def _by_driver(table: Table) -> Schema:
    """A table of one driver, with its options."""
    options = store_options if table.drivers is STORES else panel_options
    made = []
    for driver in table.drivers or ():
        one = keys_schema((*table.keys, *options(driver).keys))
        one["properties"]["driver"] = {"description": options(driver).doc, "const": driver}
        if "delete_with" in one["properties"]:
            one["properties"]["delete_with"] |= keys_schema(options(driver).credentials)
        made.append(one)
    return {"anyOf": made}
