"""What today's runs were stopped from doing: WHMCS's own cron does not do it in their place."""

from collections.abc import Collection, Iterator

from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.pause import hours_stop
from whmcs_bridge.plan.model import Stop
from whmcs_bridge.policy.decision import HARMFUL, HARMFUL_SET, Kind

REFUSED = "refused-today"
"""Journal key: the house day, and of each stop of its runs the code, the kinds and why."""
LIMIT, SANITY, BROKE_OFF = "limit:", "sanity:", "broken-off"


def note_refused(ports: Ports, stops: Collection[Stop], *, whole: bool = True) -> None:
    """Keep what a run was stopped from, by limits and by sanity; pauses and hours are looked at anew each time.

    `whole`: the run looked at everything due, so that its stops take the place of the earlier runs'; a reviewed part
    of a plan says nothing about the rest, and the limits that stopped that stand.
    """
    kept = [] if whole else [row for row in _rows(ports) if not row[0].startswith(SANITY)]
    fresh = [_row(stop) for stop in stops if stop.code.startswith((LIMIT, SANITY))]
    codes = {row[0] for row in fresh}
    _keep(ports, [*(row for row in kept if row[0] not in codes), *fresh])


def note_broken_off(ports: Ports, why: str) -> None:
    """Keep that too much failed: nothing harmful any more until the next run."""
    _keep(ports, [*_rows(ports), _row(Stop(BROKE_OFF, HARMFUL, why, ""))])


def refused_kinds(ports: Ports) -> frozenset[Kind]:
    """Harmful kinds that a limit of today's runs refused."""
    return frozenset(Kind(kind) for code, kinds, _ in _rows(ports) if code.startswith(LIMIT) for kind in kinds)


def why_refused(ports: Ports, kind: Kind) -> str:
    """Say what keeps the cron from this kind of harm now: a stop of today's runs, or the hour; "" for nothing."""
    if kind not in HARMFUL_SET:
        return ""
    found = [why for _, kinds, why in _rows(ports) if kind in kinds]
    return "; ".join([*found, *_out_of_hours(ports)])


def why_all_refused(ports: Ports) -> str:
    """Say what keeps everybody from every harm until the next run; "" for nothing. Limits hold single kinds only."""
    found = [why for code, _, why in _rows(ports) if not code.startswith(LIMIT)]
    return "; ".join([*found, *_out_of_hours(ports)])


def _out_of_hours(ports: Ports) -> Iterator[str]:
    stop = hours_stop(ports)
    if stop is not None:
        yield stop.why


def _row(stop: Stop) -> tuple[str, list[str], str]:
    return stop.code, [str(kind) for kind in stop.kinds if kind in HARMFUL_SET], stop.why


def _rows(ports: Ports) -> list[tuple[str, list[str], str]]:
    kept = ports.journal.get(REFUSED)
    if not kept or kept["day"] != ports.today().isoformat():
        return []
    return [(code, kinds, why) for code, kinds, why in kept["stops"]]


def _keep(ports: Ports, rows: Collection[tuple[str, list[str], str]]) -> None:
    if rows or ports.journal.get(REFUSED):
        ports.journal.put(REFUSED, {"day": ports.today().isoformat(), "stops": [list(row) for row in rows]})
