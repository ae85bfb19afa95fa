"""How a reply looks on the wire: the switches that change spelling and shape, never what happened."""

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from whmcs_bridge.simulator.actions.base import Reply
from whmcs_bridge.simulator.switches import Switches

HTML = "text/html; charset=utf-8"
JSON = "application/json"
XML = "application/xml"

LOGIN_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Login</title></head>"
    '<body><form action="dologin.php" method="post"></form></body></html>\n'
)
ID_ENDINGS = ("id", "results", "number", "returned", "count", "qty")
NESTED_LIMIT = 12


def is_plain(switches: Switches) -> bool:
    """Whether no wire switch is set, so that a reply goes out as the action made it."""
    return (
        switches.ids_as_strings == "default"
        and not switches.ids_as_strings_of
        and switches.empty_list_form == "default"
        and not switches.flattened_lists
        and switches.result_key == "default"
        and not switches.single_as_object
        and not switches.numeric_key_objects
    )


def shaped(switches: Switches, reply: Reply, action: str = "") -> Reply:
    """An action's reply in the shape that the switches ask for."""
    if is_plain(switches):
        return reply
    if switches.result_key == "status" and "result" in reply:
        reply = under_status(reply)
    elif switches.result_key == "result" and "status" in reply and "result" not in reply:
        reply = {("result" if key == "status" else key): value for key, value in reply.items()}
    ids = switches.ids_as_strings_of.get(action.lower(), switches.ids_as_strings)
    if ids == "all":
        reply = _numbers_as_text(reply)
    elif ids == "none":
        reply = _text_as_numbers(reply, "")
    if switches.empty_list_form != "default":
        reply = empty_lists(reply, switches.empty_list_form)
    if switches.single_as_object:
        reply = single_objects(reply)
    if switches.numeric_key_objects:
        reply = numeric_keys(reply)
    return dict(_flat("", reply)) if switches.flattened_lists else reply


def under_status(reply: Reply) -> Reply:
    """The reply's `result` under the name `status` (E2), unless that name says something else, as in GetInvoice."""
    if "status" in reply:
        return reply
    return {("status" if key == "result" else key): value for key, value in reply.items()}


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text_as_numbers(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _text_as_numbers(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_text_as_numbers(item, key) for item in value]
    if isinstance(value, str) and value.isdigit() and key.lower().endswith(ID_ENDINGS):
        return int(value)
    return value


def empty_lists(value: Any, form: str) -> Any:
    """Every empty `{"plural": {"singular": []}}` in the given form."""
    if isinstance(value, list):
        return [empty_lists(item, form) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        if item == [] or (isinstance(item, dict) and list(item.values()) == [[]]):
            if form != "absent":
                result[key] = _empty(item, form)
        else:
            result[key] = empty_lists(item, form)
    return result


def _empty(item: Any, form: str) -> Any:
    forms: dict[str, Any] = {"string": "", "list": [], "object": {}, "null": None}
    return forms.get(form, item)


def single_objects(value: Any) -> Any:
    """Every list of one record as that record alone."""
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], dict):
            return single_objects(value[0])
        return [single_objects(item) for item in value]
    return {k: single_objects(v) for k, v in value.items()} if isinstance(value, dict) else value


def numeric_keys(value: Any) -> Any:
    """Every list of records as an object with the keys "0", "1", ..."""
    if isinstance(value, list):
        items = [numeric_keys(item) for item in value]
        if items and all(isinstance(item, dict) for item in items):
            return {str(number): item for number, item in enumerate(items)}
        return items
    return {k: numeric_keys(v) for k, v in value.items()} if isinstance(value, dict) else value


def _flat(prefix: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """`a[b][0][c]` keys, as the reference's examples print them (facts sheet, Flattened keys)."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(item, (dict, list)) and item and depth < NESTED_LIMIT:
            yield from _flat(name, item, depth + 1)
        else:
            yield name, item


def encode(switches: Switches, reply: Reply, action: str = "") -> bytes:
    """The JSON body of a reply, with whatever junk is to stand before it."""
    body = msgspec.json.encode(shaped(switches, reply, action))
    return switches.junk_before_json.encode() + body if switches.junk_before_json else body


def encode_xml(action: str, reply: Reply) -> bytes:
    """The XML body: everything under `whmcsapi`, with the action's lower-case name."""
    inner = "".join(_xml(key, value) for key, value in {"action": action.lower(), **reply}.items())
    return f'<?xml version="1.0" encoding="utf-8"?>\n<whmcsapi version="8.13.1">\n{inner}</whmcsapi>'.encode()


def _xml(key: str, value: Any) -> str:
    name = "".join(c if c.isalnum() or c in "_-" else "_" for c in str(key))
    name = f"item_{name}" if not name or not (name[0].isalpha() or name[0] == "_") else name
    if isinstance(value, dict):
        return f"<{name}>\n{''.join(_xml(k, v) for k, v in value.items())}</{name}>\n"
    if isinstance(value, list):
        return "".join(_xml(name, item) for item in value)
    if isinstance(value, bool):
        value = int(value)
    return f"<{name}>{escape('' if value is None else str(value))}</{name}>\n"


def nvp(reply: Reply) -> bytes:
    """`result=error;message=...;`: auth errors on older versions (facts sheet E11)."""
    return "".join(f"{key}={value};" for key, value in reply.items()).encode()
