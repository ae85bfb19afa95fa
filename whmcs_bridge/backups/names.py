"""Which names of items may be acted on: nothing is normalised, and what is odd is shown but never touched.

HTTP clients, shells and storage libraries rewrite `..`, `%31`, `//` and `*`, and then delete a neighbour's file
(facts sheet on backup stores, findings 6 and 7; invariant I3).
"""

import re
from collections.abc import Sequence

from whmcs_bridge.errors import StoreTrouble

SEGMENT = re.compile(r"[A-Za-z0-9._:@=+-]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9._:@=+/-]+", re.ASCII)
_ODD_BYTE = re.compile(rb"[^A-Za-z0-9._:@=+/-]")
QUARANTINE = ".whmcs-bridge-quarantine"
"""Folder within a store where items lie that are on their way out."""
SENTINEL = ".whmcs-bridge-store"
"""File that says: this is the store, not the empty folder it is mounted on."""
OURS = frozenset((QUARANTINE, SENTINEL))
PLAN = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


class OddName(StoreTrouble):
    """A name that nothing may be done with: it is reported, and left alone."""


def segment_fault(segment: str) -> str:
    """Return what is wrong with one name of a path; "" for nothing."""
    if segment in ("", ".", ".."):
        return f"an {'empty' if not segment else repr(segment)} segment"
    if SEGMENT.fullmatch(segment) is None:
        return "characters other than letters, digits and ._:@=+-"
    return ""


def locator_fault(locator: str) -> str:
    """Return what is wrong with a path below a store's root; "" for nothing."""
    return next((fault for fault in map(segment_fault, locator.split("/")) if fault), "")


def segments_of(locator: str) -> Sequence[str]:
    """Return the names of a path below a store's root, outermost first. Raises OddName."""
    segments = locator.split("/")
    for segment in segments:
        if fault := segment_fault(segment):
            raise OddName(f"{locator!r}: {fault}; it is left alone")
    return segments


def shown(name: str | bytes) -> str:
    """Return a name as a locator that can be written anywhere.

    One that is fit to be acted on stays as it is. Every odd byte of another becomes %XX; as `%` itself is odd, two
    names never become the same, and what has been rewritten is never fit to be acted on.
    """
    if isinstance(name, str) and _PLAIN.fullmatch(name) is not None:
        return name
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    return _ODD_BYTE.sub(lambda match: b"%%%02X" % match[0][0], raw).decode("ascii")


def quarantined(plan: str, locator: str) -> str:
    """Return where an item lies in the quarantine of a plan. Raises OddName."""
    if PLAN.fullmatch(plan) is None:
        raise OddName(f"{plan!r} is no plan's digest")
    segments_of(locator)
    return f"{QUARANTINE}/{plan}/{locator}"


def split_quarantine(locator: str) -> tuple[str, str]:
    """Return the plan and the original locator of an item in quarantine; "" and the locator itself of any other."""
    if not locator.startswith(QUARANTINE):
        return "", locator
    first, _, rest = locator.partition("/")
    if first != QUARANTINE:
        return "", locator
    plan, _, original = rest.partition("/")
    return plan, original
