"""The chain of evidence from outside: its head of the day, to be kept elsewhere, and whether a kept one still stands.

Every record carries the hash of the one before it, so whoever rewrites one has to rewrite all that follow; only a head
that was kept elsewhere shows that, or that the end was cut off. The signature is an HMAC: what it proves is that the
house wrote the head, to the house itself; an auditor needs no key, because the head alone binds the whole chain.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date

from whmcs_bridge.domain.deletions import ChainLink
from whmcs_bridge.errors import BridgeError, SettingsProblem, UsageProblem
from whmcs_bridge.jobs.context import Ports

SHORTEST_KEY = 16
"""Characters of [backups] evidence_key."""
KEPT = re.compile(
    r"(?:(?P<day>\d{4}-\d{2}-\d{2}):)?(?:(?P<number>\d{1,12}):)?(?P<digest>[0-9a-f]{64})(?::(?P<signature>[0-9a-f]{64}))?",
    re.ASCII,
)
EXPECTED = "the hash of a record, 64 letters a to f and digits, or a whole line as the morning mail has it"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record of the chain on a house day: whoever keeps it can tell later whether the chain is the same."""

    day: date
    number: int
    digest: str
    signature: str = ""
    """HMAC-SHA256 over the rest; "" where there is no key."""

    def __str__(self) -> str:
        line = f"{self.day}:{self.number}:{self.digest}"
        return f"{line}:{self.signature}" if self.signature else line


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of a head that was kept elsewhere."""

    record: ChainLink
    since: int
    """Records that came after it."""
    signed: bool | None
    """Its signature is the house's; None where it has none, or no key is set."""


def head_of(ports: Ports) -> Head | None:
    """Return the head as of today, signed where a key is set; None while there is no evidence.

    Raises BridgeError where the key cannot be used.
    """
    newest = ports.journal.deletions.newest()
    if newest is None:
        return None
    key = _key(ports)
    head = Head(ports.today(), newest.number, newest.digest)
    if key is None:
        return head
    return Head(head.day, head.number, head.digest, _signature(key, str(head)))


def head_line(ports: Ports) -> tuple[str, str]:
    """Return the head for people, and why it is not signed though it should be; ("", "") without evidence."""
    try:
        head = head_of(ports)
    except BridgeError as error:
        newest = ports.journal.deletions.newest()
        return ("" if newest is None else str(Head(ports.today(), newest.number, newest.digest))), str(error)
    return ("" if head is None else str(head)), ""


def check_head(ports: Ports, kept: str) -> Standing:
    """Find a head that was kept elsewhere in the chain; raises UsageProblem for what is none.

    Raises BridgeError where the chain does not have it any more, or its signature is not ours. Whether the chain is
    whole up to it is for `broken_at` to say.
    """
    found = KEPT.fullmatch(kept.strip())
    if found is None:
        raise UsageProblem(f"--head: expected {EXPECTED}")
    given, deletions = found.groupdict(), ports.journal.deletions
    signed = _is_ours(ports, kept.strip(), given["signature"])
    if signed is False:
        raise BridgeError("the signature of this head is not the house's: it was changed, or another key was set then")
    newest = deletions.newest()
    last = newest.number if newest is not None else 0
    record = deletions.link_of(given["digest"])
    if record is None:
        number = int(given["number"]) if given["number"] else None
        cut = f"; the chain ends at record {last} now" if number is not None and number > last else ""
        raise BridgeError(
            f"the chain of evidence was rewritten or cut off: it has no record of the hash {given['digest'][:12]}{cut}"
        )
    if given["number"] and record.number != int(given["number"]):
        raise BridgeError(f"this head names record {given['number']}, and its hash is that of record {record.number}")
    return Standing(record, last - record.number, signed)


def _is_ours(ports: Ports, kept: str, signature: str | None) -> bool | None:
    if not signature:
        return None
    key = _key(ports)
    if key is None:
        return None
    return hmac.compare_digest(_signature(key, kept.rpartition(":")[0]), signature)


def _signature(key: bytes, line: str) -> str:
    return hmac.new(key, f"whmcs-bridge evidence head\n{line}".encode(), hashlib.sha256).hexdigest()


def _key(ports: Ports) -> bytes | None:
    secret = ports.settings.evidence_key
    if secret is None:
        return None
    try:
        value = secret.reveal()
    except SettingsProblem as problem:
        raise BridgeError(str(problem)) from None
    if len(value) < SHORTEST_KEY:
        raise BridgeError(f"{secret.where}: a key of less than {SHORTEST_KEY} characters protects nothing")
    return value.encode()
