"""Rows of the kinds that nobody reckons with: kept as plain dicts in `World.shelf`."""

from typing import Any

from whmcs_bridge.simulator.actions.base import ApiError
from whmcs_bridge.simulator.state import World

Row = dict[str, Any]


def rows_of(world: World, kind: str) -> dict[int, Row]:
    """The rows of a kind by id; the dict itself, so that it may be changed."""
    return world.shelf.setdefault(kind, {})


def add_row(world: World, kind: str, row: Row) -> int:
    """Store a row under the next id of its kind; the id is also put into the row."""
    number = world.new_id(kind)
    row["id"] = number
    rows_of(world, kind)[number] = row
    return number


def find_row(world: World, kind: str, number: int, message: str) -> Row:
    """A row by id, or the refusal with the documented text."""
    row = rows_of(world, kind).get(number)
    if row is None:
        raise ApiError(message)
    return row


def opaque(text: str) -> str:
    """A token-like text that follows from its input alone: 40 hex digits."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    parts = [(value * (2 * n + 3) + n) & 0xFFFFFFFFFF for n in range(4)]
    return "".join(f"{part:010x}" for part in parts)
