"""When a plan is too big for one day: a kind over its limit is refused whole, with every more harmful kind."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import median

from whmcs_bridge.plan.model import Plan, Step, Stop
from whmcs_bridge.policy.decision import HARMFUL, Kind
from whmcs_bridge.policy.rules import KindLimit, Limits

USUAL_NEEDS_DAYS = 30
"""The comparison with the usual day starts once so many days had such a step."""

SANITY = "sanity:"
"""Begins the code of a sanity stop."""

GROUPS: Mapping[str, tuple[Kind, ...]] = {
    "suspend": (Kind.SUSPEND, Kind.SUSPEND_ADDON),
    "terminate": (Kind.TERMINATE,),
    "delete_backups": (Kind.DELETE_BACKUPS,),
    "notice": (Kind.NOTICE,),
    "vip": (Kind.VIP_ADD, Kind.VIP_REMOVE),
}
"""Limit name -> the step kinds it counts."""


def over_limit(
    name: str, count: int, announced: int, limit: KindLimit, limits: Limits, services: int, usual: Sequence[int]
) -> str:
    """Return why `count` steps (and `announced` ones apart) are too many for a day; "" if they pass."""
    too_many = []
    if limit.max_announced is not None and announced > limit.max_announced:
        too_many.append(f"{announced} announced {name} steps, {limit.max_announced} a day allowed")
    too_many.append(_over(name, count, limit, limits, services, usual))
    return "; ".join(filter(None, too_many))


def _over(name: str, count: int, limit: KindLimit, limits: Limits, services: int, usual: Sequence[int]) -> str:
    if count <= limit.always_allowed:
        return ""
    if limit.max is not None and count > limit.max:
        return f"{count} {name} steps, {limit.max} a day allowed"
    if limit.percent is not None:
        share = max(Decimal(1), limit.percent * services / 100)
        if count > share:
            return f"{count} {name} steps are more than {limit.percent} % of {services} services"
    if len(usual) >= USUAL_NEEDS_DAYS:
        middle = Decimal(str(median(usual)))
        if count > limits.unlike_usual_factor * middle:
            return f"{count} {name} steps, {middle.normalize():f} on a usual day (factor {limits.unlike_usual_factor})"
    return ""


def _refused_with(name: str) -> tuple[Kind, ...]:
    """The kinds that fall with this limit: its own, and every more harmful one."""
    own = GROUPS[name]
    if own[0] in HARMFUL:
        return own + HARMFUL[HARMFUL.index(own[0]) + 1 :]
    return own


def stops_for(
    plan: Plan,
    limits: Limits,
    done: Mapping[tuple[str, bool], int],
    usual: Mapping[str, Sequence[int]],
    allowed: Mapping[str, int],
) -> list[Stop]:
    """Judge every kind: steps of this plan together with those already begun on this house day.

    `allowed` names counts that a person let past: `{"suspend": 37}`.
    """
    planned = Counter((step.kind, step.announced) for step in plan.steps)
    stops: list[Stop] = []
    for name, kinds in GROUPS.items():
        limit = limits.by_kind.get(name)
        mine = sum(n for (kind, _), n in planned.items() if kind in kinds)
        if limit is None or not mine:
            continue
        fresh = sum(planned[k, False] + done.get((k, False), 0) for k in kinds)
        announced = sum(planned[k, True] + done.get((k, True), 0) for k in kinds)
        if limit.max_announced is None:
            fresh, announced = fresh + announced, 0
        if name in allowed and fresh + announced <= allowed[name]:
            continue
        why = over_limit(name, fresh, announced, limit, limits, plan.services_seen, usual.get(name, ()))
        if why:
            flag = f"--allow {name}={fresh + announced}"
            stops.append(Stop(f"limit:{name}", _refused_with(name), why, f"whmcs-bridge sync {flag}", flag))
    return stops


def with_ways(stops: Sequence[Stop], command: str) -> list[Stop]:
    """Give each stop that a command can go past that command: it names whatever else refuses the same kind, too.

    A limit never stands in the way past a sanity stop: what was not plausible is looked at first.
    """
    return [replace(stop, way_past=_way(stop, stops, command)) if stop.flag else stop for stop in stops]


def _way(stop: Stop, stops: Sequence[Stop], command: str) -> str:
    sane = stop.code.startswith(SANITY)
    flags = [
        other.flag
        for other in stops
        if other.flag and stop.kinds[0] in other.kinds and (other.code.startswith(SANITY) or not sane)
    ]
    return " ".join(["whmcs-bridge", command, *flags])


def stopped(plan: Plan, stops: Sequence[Stop]) -> Plan:
    """Move what the stops refuse out of the plan's steps. A release after a payment is never among it."""
    if not stops:
        return plan
    kinds = {kind for stop in stops for kind in stop.kinds}
    if Kind.SUSPEND in kinds:
        kinds.add(Kind.SUSPEND_ADDON)
    refused: list[Step] = []
    kept: list[Step] = []
    for step in plan.steps:
        (refused if step.kind in kinds and step.kind is not Kind.UNSUSPEND else kept).append(step)
    return replace(plan, steps=tuple(kept), refused=tuple(refused), stops=(*plan.stops, *stops))
