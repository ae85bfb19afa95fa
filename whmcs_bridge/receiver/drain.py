"""Deliver what the file in WHMCS could not: one file an event, oldest first, gone once it is taken."""

import hmac
import re
import time
from collections.abc import Callable, Iterable
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
LONG_SECONDS: Final = 86_400
"""What was answered with trouble for so long is itself the trouble, once others get through."""
STUCK_MOST: Final = 20
"""So many in a row without one that gets through: it is not them."""
BAD_KEPT: Final = 200
"""As in the hook file: the newest of what no receiver takes is kept for a person to look at."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came back for an event."""

    status: int
    """The HTTP status; 0: nobody answered."""
    ours: bool = True
    """By somebody who has our secret; whoever else listens there, or stands in between, is not believed alone."""


Deliver = Callable[[str, bytes], Said]
"""Takes point and body."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of a spool."""

    delivered: int = 0
    bad: int = 0
    """Renamed to .bad: they are never taken."""
    left: int = 0
    """Still there: nobody took them, or not now."""
    status: int = 0
    """What the delivery ended with, where something is left."""


def drain(spool: Path, deliver: Deliver, now: Callable[[], float] = time.time) -> Drained:
    """Deliver the spool's events, oldest first, until they are not taken; raises OSError for a folder it cannot read.

    One that is never taken stands in nobody's way. Another process may do the same at the same time: an event that
    comes twice is kept once. `now` gives Unix seconds.
    """
    names = sorted(path.name for path in spool.iterdir() if NAME.fullmatch(path.name))
    never, stuck = list[Path](), list[Path]()
    delivered = status = seen = 0
    for name in names:
        path = spool / name
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            seen += 1  # somebody else has just delivered it
            continue
        said = _one(body, deliver)
        if said.ours and said.status in (OK, ACCEPTED):
            path.unlink(missing_ok=True)
            delivered += 1
        elif said.ours and said.status in NEVER:
            never.append(path)
        elif len(stuck) < STUCK_MOST and (said.status in NEVER or (said.status and _old(name, now()))):
            status = said.status
            stuck.append(path)
        else:
            status = said.status
            break
        seen += 1
    left = len(names) - seen
    if delivered:  # so it is taken what is told: those that were not are themselves at fault
        never += stuck
    else:
        left += len(stuck)
    _set_aside(spool, never)
    return Drained(delivered, len(never), left, status if left else 0)


def _one(body: bytes, deliver: Deliver) -> Said:
    try:
        return deliver(read(body).point, body)
    except Refusal as refusal:
        return Said(refusal.status)


def _old(name: str, now: float) -> bool:
    return now - int(name.partition("-")[0]) / 1000 > LONG_SECONDS


def _set_aside(spool: Path, never: Iterable[Path]) -> None:
    for path in never:
        with suppress(FileNotFoundError):
            path.rename(path.with_suffix(".bad"))
    for path in sorted(spool.glob("*.bad"))[:-BAD_KEPT]:
        path.unlink(missing_ok=True)


def into_inbox(desk: Desk) -> Deliver:
    """Deliver straight into the inbox: the databases are on this machine."""

    def deliver(point: str, body: bytes) -> Said:
        return Said(desk.take_in(point, body).status)

    return deliver


def over_http(url: str, secret: bytes) -> Deliver:
    """Deliver to a receiver elsewhere, signed anew: the first signature is too old by now."""
    import requests

    session = requests.Session()
    session.trust_env = False  # no proxy from the environment: it is our own address

    def deliver(point: str, body: bytes) -> Said:
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
            return Said(0)
        expected = reply_signature(secret, nonce, reply.status_code, reply.content)
        given = reply.headers.get(SIGNATURE, "")
        return Said(reply.status_code, hmac.compare_digest(expected.encode(), given.encode()))

    return deliver
