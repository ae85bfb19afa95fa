"""Lists of services that an operator hands over: one number a line, in a file or on standard input."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import click

from whmcs_bridge.errors import UsageProblem

STDIN = "-"
SHOWN = 5
MAX_BYTES = 5_000_000
_SERVICE = re.compile(r"(?:service:)?([1-9][0-9]{0,9})")


def services_in(source: str) -> list[int]:
    """Return the numbers in a file (`-`: standard input), in order, each once; what comes twice is said on stderr.

    A line is a number, `service:12` or empty; what follows a # is a remark. Raises UsageProblem naming every line
    that is none of these: nothing is done with half a list.
    """
    found: list[int] = []
    junk: list[str] = []
    for number, line in enumerate(_text(source).splitlines(), 1):
        said = line.partition("#")[0].strip()
        service = _SERVICE.fullmatch(said)
        if service is not None:
            found.append(int(service[1]))
        elif said:
            junk.append(f"line {number} ({said[:20]!r})")
    if junk:
        more = f" and {len(junk) - SHOWN} more" if len(junk) > SHOWN else ""
        what = "is no service number" if len(junk) == 1 else "are no service numbers"
        raise UsageProblem(f"{_name(source)}: {', '.join(junk[:SHOWN])}{more} {what}; nothing was done")
    if not found:
        raise UsageProblem(f"{_name(source)}: no service in it; write one number a line")
    for service_id, count in Counter(found).items():
        if count > 1:
            click.echo(f"service {service_id} is on the list {count} times: taken once", err=True)
    return list(dict.fromkeys(found))


def _name(source: str) -> str:
    return "standard input" if source == STDIN else source


def _text(source: str) -> str:
    if source == STDIN:
        return sys.stdin.read()
    try:
        data = Path(source).read_bytes()
    except OSError as error:
        raise UsageProblem(f"{source}: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise UsageProblem(f"{source}: {len(data):,} bytes are no list of services")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageProblem(f"{source}: not a text file (UTF-8)") from None
