"""Deliver what the file in WHMCS could not: one file an event, oldest first, gone once it is taken."""

import hmac
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from whmcs_bridge.receiver.desk import ACCEPTED, OK, Desk
from whmcs_bridge.receiver.events import read
from whmcs_bridge.receiver.refusal import Refusal
from whmcs_bridge.receiver.signature import SIGNATURE, reply_signature, signed

NAME: Final = re.compile(r"[0-9]+-[0-9a-f]{32}\.json")
"""How an event's file is named: milliseconds and its id. Whatever else lies in the folder is not ours to move."""
NEVER: Final = frozenset({400, 404, 413})
"""Such an event will not be taken at a later time either."""
TIMEOUT_SECONDS: Final = 10.0

Deliver = Callable[[str, bytes], int]
"""Takes point and body, returns the HTTP status that says what became of it; 0: nobody answered."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of a spool."""

    delivered: int = 0
    bad: int = 0
    """Renamed to .bad: no receiver takes them."""
    left: int = 0
    """Still there: nobody took them, or not now."""
    status: int = 0
    """What the delivery ended with, where something is left."""


def drain(spool: Path, deliver: Deliver) -> Drained:
    """Deliver the spool's events, oldest first, until one is not taken; raises OSError for a folder it cannot read.

    Another process may do the same at the same time: an event that comes twice is kept once.
    """
    names = sorted(path.name for path in spool.iterdir() if NAME.fullmatch(path.name))
    delivered = bad = 0
    for done, name in enumerate(names):
        path = spool / name
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            continue  # somebody else has just delivered it
        status = _one(body, deliver)
        if status in (OK, ACCEPTED):
            path.unlink(missing_ok=True)
            delivered += 1
        elif status in NEVER:
            with suppress(FileNotFoundError):
                path.rename(path.with_suffix(".bad"))
            bad += 1
        else:
            return Drained(delivered, bad, len(names) - done, status)
    return Drained(delivered, bad)


def _one(body: bytes, deliver: Deliver) -> int:
    try:
        return deliver(read(body).point, body)
    except Refusal as refusal:
        return refusal.status


def into_inbox(desk: Desk) -> Deliver:
    """Deliver straight into the inbox: the databases are on this machine."""

    def deliver(point: str, body: bytes) -> int:
        return desk.take_in(point, body).status

    return deliver


def over_http(url: str, secret: bytes) -> Deliver:
    """Deliver to a receiver elsewhere, signed anew: the first signature is too old by now."""
    import requests

    session = requests.Session()
    session.trust_env = False  # no proxy from the environment: it is our own address

    def deliver(point: str, body: bytes) -> int:
        nonce = uuid4().hex
        headers = signed(secret, body, nonce, time.time())
        try:
            reply = session.post(
                f"{url.rstrip('/')}/hooks/{point}",
                data=body,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException:
            return 0
        # somebody else may listen at that address: only an answer with our secret makes an event go
        expected = reply_signature(secret, nonce, reply.status_code, reply.content)
        given = reply.headers.get(SIGNATURE, "")
        return reply.status_code if hmac.compare_digest(expected.encode(), given.encode()) else 0

    return deliver
