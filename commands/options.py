"""Options that several commands share."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from whmcs_bridge.errors import UsageProblem

Decorated = Callable[..., Any]

HIGHEST = 2**63 - 1
"""The journal and the mirror hold whole numbers up to this one (SQLite: 64 bits, signed)."""


class Number(click.IntRange):
    """A number from 1 that the databases can be asked for: an id, the number of a run, a count of lines."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; what is too large to be anything's is a usage error of one line."""
        found = super().convert(value, param, ctx)
        if found > HIGHEST:
            self.fail(f"{str(value)[:24]} is too large: nothing has such a number.", param, ctx)
        return found


ID = Number()

json_option = click.option("--json", "as_json_", is_flag=True, help="Print JSON for machines.")
all_option = click.option("--all", "everything", is_flag=True, help="Show every line, shorten nothing.")
allow_option = click.option(
    "--allow",
    "allow",
    multiple=True,
    metavar="KIND=N",
    help="Go past a limit: up to N steps of this kind today (suspend=37). Repeatable.",
)

accept_option = click.option(
    "--accept-sanity",
    "accept_sanity",
    multiple=True,
    metavar="CODE",
    help="Go past a sanity stop, once: its code, as long-gap. Repeatable.",
)


def codes_of(accept_sanity: tuple[str, ...]) -> frozenset[str]:
    """Return the codes of `--accept-sanity CODE`; raises UsageProblem for one that no check has."""
    from whmcs_bridge.jobs.sanity import CODES
    from whmcs_bridge.jobs.silence import CODE

    found = frozenset(code.removeprefix("sanity:") for code in accept_sanity)
    for code in found:
        if code not in CODES and not (code.startswith(CODE) and code != CODE):
            raise UsageProblem(f"--accept-sanity {code}: expected one of {', '.join(CODES)}, {CODE}GATEWAY")
    return found


def counts_of(allow: tuple[str, ...]) -> Mapping[str, int]:
    """Return the counts of `--allow KIND=N`; raises UsageProblem."""
    from whmcs_bridge.plan.limits import GROUPS

    found: dict[str, int] = {}
    for text in allow:
        kind, _, number = text.partition("=")
        if kind not in GROUPS or not number.isascii() or not number.isdigit():
            raise UsageProblem(f"--allow {text}: expected KIND=N with KIND one of {', '.join(GROUPS)}, as suspend=37")
        found[kind] = int(number)
    return found
