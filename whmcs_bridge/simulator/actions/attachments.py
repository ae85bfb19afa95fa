"""Files on tickets, replies and notes."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply
from whmcs_bridge.simulator.actions.shelf import add_row, rows_of
from whmcs_bridge.simulator.state import World

KINDS = ("ticket", "reply", "note")


def read_attachments(params: Params) -> list[tuple[str, str]]:
    """`attachments`: base64 of JSON [{"name", "data": base64}]; (name, base64) pairs, unreadable ones dropped."""
    text = params.text("attachments")
    if not text:
        return []
    try:
        rows = msgspec.json.decode(base64.b64decode(text))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return []
    if not isinstance(rows, list):
        return []
    return [(str(row.get("name", "file")), str(row.get("data", ""))) for row in rows if isinstance(row, dict)]


def store_attachments(world: World, kind: str, number: int, files: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Keep files for a ticket, reply or note; the stored names."""
    stored = []
    for name, data in files:
        row = {"kind": kind, "relid": number, "name": name, "data": data}
        stored.append(f"{add_row(world, 'attachments', row):06d}_{name}")
    return tuple(stored)


def names_of(stored: Sequence[str]) -> str:
    """The `attachment` field: stored names, pipe-separated."""
    return "|".join(stored)


def attached(stored: Sequence[str]) -> list[Any]:
    """The `attachments` field; none at all is `[[]]` (Q9)."""
    if not stored:
        return [[]]
    return [{"filename": name.partition("_")[2], "index": number} for number, name in enumerate(stored)]


def get_ticket_attachment(world: World, params: Params) -> Reply:
    """GetTicketAttachment."""
    kind = params.text("type")
    if kind not in KINDS:
        raise ApiError("Invalid Type. Must be one of ticket, reply, note")
    rows = [
        row
        for row in rows_of(world, "attachments").values()
        if row["kind"] == kind and row["relid"] == params.number("relatedid")
    ]
    if not rows:
        raise ApiError("No Attachments Found")
    index = params.number("index")
    if not 0 <= index < len(rows):
        raise ApiError("Invalid Attachment Index")
    return {"result": "success", "filename": rows[index]["name"], "data": rows[index]["data"]}


ACTIONS: Mapping[str, Handler] = {"GetTicketAttachment": get_ticket_attachment}
