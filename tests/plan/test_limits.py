"""Limits refuse a kind of step before its first one, with every more harmful kind; releases are never refused."""

from decimal import Decimal

import pytest

from tests.plan.steps import a_plan, a_step, many
from whmcs_bridge.plan.limits import over_limit, stopped, stops_for, with_ways
from whmcs_bridge.plan.model import Plan, Stop
from whmcs_bridge.policy.decision import HARMFUL, Kind
from whmcs_bridge.policy.rules import KindLimit, Limits

SUSPEND = KindLimit(always_allowed=5, max=25, percent=Decimal("2.0"), max_announced=100)
TERMINATE = KindLimit(always_allowed=1, max=5, percent=Decimal("0.5"))
DELETE = KindLimit(always_allowed=1, max=10, percent=Decimal("1.0"))
LIMITS = Limits(
    {
        "suspend": SUSPEND,
        "terminate": TERMINATE,
        "delete_backups": DELETE,
        "notice": KindLimit(max=500),
        "vip": KindLimit(max=100),
    }
)


def refused(
    plan: Plan, *, done: dict[tuple[str, bool], int] | None = None, allowed: dict[str, int] | None = None
) -> dict[str, list[str]]:
    """Stop code -> kinds refused."""
    stops = stops_for(plan, LIMITS, done or {}, {}, allowed or {})
    return {s.code: [k.value for k in s.kinds] for s in stops}


@pytest.mark.parametrize(
    ("count", "services", "usual", "passes"),
    [
        (5, 1, (), True),
        (5, 1, [0] * 30, True),
        (6, 100, (), False),
        (6, 299, (), False),
        (6, 300, (), True),
        (25, 1250, (), True),
        (25, 1249, (), False),
        (26, 100_000, (), False),
        (20, 100_000, [3] * 29, True),
        (15, 100_000, [3] * 30, True),
        (16, 100_000, [3] * 30, False),
        (15, 100_000, [1] * 14 + [3] * 16, True),
        (11, 100_000, [1] * 15 + [3] * 15, False),
        (10, 100_000, [1] * 15 + [3] * 15, True),
        (6, 100_000, [1] * 30, False),
    ],
)
def test_a_kind_passes_within_its_numbers(count: int, services: int, usual: list[int], passes: bool) -> None:
    """ "it passes if n <= `always_allowed`; or if n <= `max`, n <= max(1, `percent` of the Active and Suspended
    services), and, once 30 days had such a step, n <= `unlike_usual_factor` x their median"."""
    why = over_limit("suspend", count, 0, SUSPEND, LIMITS, services, usual)
    assert (why == "") is passes


def test_one_step_is_never_too_many_by_percent() -> None:
    """ "max(1, percent ...)": a house with three services."""
    assert over_limit("x", 1, 0, KindLimit(percent=Decimal("0.5")), LIMITS, 3, ()) == ""
    assert over_limit("x", 2, 0, KindLimit(percent=Decimal("0.5")), LIMITS, 3, ()) != ""


@pytest.mark.parametrize(("announced", "passes"), [(100, True), (101, False)])
def test_announced_suspensions_count_against_their_own_number(announced: int, passes: bool) -> None:
    """ "is *announced* and counts against `max_announced` instead (Monday after a quiet weekend is an ordinary
    day)"."""
    plan = a_plan(*many(Kind.SUSPEND, announced, announced=True), *many(Kind.SUSPEND, 5))
    assert (refused(plan) == {}) is passes


def test_announced_steps_of_a_kind_without_such_a_number_are_ordinary_ones() -> None:
    plan = a_plan(*many(Kind.TERMINATE, 6, announced=True), services=100_000)
    assert "limit:terminate" in refused(plan)


@pytest.mark.parametrize(
    ("kind", "fall"),
    [
        (Kind.SUSPEND, ["suspend", "suspend_addon", "terminate", "delete_backups"]),
        (Kind.TERMINATE, ["terminate", "delete_backups"]),
        (Kind.DELETE_BACKUPS, ["delete_backups"]),
    ],
)
def test_a_kind_over_its_limit_falls_with_every_more_harmful_one(kind: Kind, fall: list[str]) -> None:
    plan = a_plan(*many(kind, 50), services=100_000)
    (found,) = refused(plan).values()
    assert found == fall


def test_a_notice_or_vip_limit_takes_nothing_else_with_it() -> None:
    plan = a_plan(*many(Kind.NOTICE, 501), *many(Kind.VIP_REMOVE, 60), *many(Kind.VIP_ADD, 41))
    assert refused(plan) == {"limit:notice": ["notice"], "limit:vip": ["vip_add", "vip_remove"]}


def test_what_was_begun_earlier_on_the_house_day_counts() -> None:
    """ "With n the count of that kind on this house day over all runs"."""
    plan = a_plan(*many(Kind.TERMINATE, 1))
    assert refused(plan) == {}
    assert "limit:terminate" in refused(plan, done={("terminate", False): 5})
    assert "limit:suspend" in refused(a_plan(*many(Kind.SUSPEND, 1)), done={("suspend", False): 25})


def test_a_kind_with_nothing_left_to_do_is_not_refused() -> None:
    assert refused(a_plan(a_step(Kind.UNSUSPEND)), done={("suspend", False): 500}) == {}


def test_addons_count_as_suspensions() -> None:
    addons = [a_step(Kind.SUSPEND_ADDON, n, target=n) for n in range(30)]
    assert "limit:suspend" in refused(a_plan(*addons, services=100_000))


@pytest.mark.parametrize(("allowed", "passes"), [(30, True), (29, False), (31, True)])
def test_a_person_lets_exactly_so_many_past(allowed: int, passes: bool) -> None:
    plan = a_plan(*many(Kind.SUSPEND, 30))
    assert (refused(plan, allowed={"suspend": allowed}) == {}) is passes


def test_the_way_past_is_the_exact_command() -> None:
    plan = a_plan(*many(Kind.SUSPEND, 30), *many(Kind.SUSPEND, 3, announced=True))
    (stop,) = stops_for(plan, LIMITS, {("suspend", False): 2}, {}, {})
    assert stop.way_past == "whmcs-bridge sync --allow suspend=35"
    assert stops_for(plan, LIMITS, {("suspend", False): 2}, {}, {"suspend": 35}) == []


def test_fresh_and_announced_steps_over_their_numbers_are_both_said() -> None:
    plan = a_plan(*many(Kind.SUSPEND, 30), *many(Kind.SUSPEND, 101, announced=True))
    (stop,) = stops_for(plan, LIMITS, {}, {}, {})
    assert stop.why == "101 announced suspend steps, 100 a day allowed; 30 suspend steps, 25 a day allowed"
    assert stop.way_past.endswith("--allow suspend=131")


def ways(*codes: str, command: str = "sync") -> dict[str, str]:
    """Code -> the way past it, where all of these stand."""
    kinds = {"limit:suspend": HARMFUL, "limit:terminate": HARMFUL[1:], "limit:delete_backups": HARMFUL[2:]}
    own = {"limit:notice": (Kind.NOTICE,), "limit:vip": (Kind.VIP_REMOVE, Kind.VIP_ADD)}
    stops = [
        Stop(c, {**kinds, **own}.get(c, HARMFUL), "why", "rm PAUSE", "" if c == "paused" else f"-{c}") for c in codes
    ]
    return {stop.code: stop.way_past for stop in with_ways(stops, command)}


def test_the_way_past_a_kind_names_every_limit_that_refuses_it_and_no_other() -> None:
    found = ways("limit:suspend", "limit:terminate", "limit:delete_backups", "limit:notice", "limit:vip")
    assert found == {
        "limit:suspend": "whmcs-bridge sync -limit:suspend",
        "limit:terminate": "whmcs-bridge sync -limit:suspend -limit:terminate",
        "limit:delete_backups": "whmcs-bridge sync -limit:suspend -limit:terminate -limit:delete_backups",
        "limit:notice": "whmcs-bridge sync -limit:notice",
        "limit:vip": "whmcs-bridge sync -limit:vip",
    }


def test_a_sanity_stop_is_passed_with_all_of_its_kind_and_never_lets_a_limit_past() -> None:
    found = ways("sanity:a", "sanity:b", "limit:terminate", "limit:notice", command="apply --fingerprint 4f")
    assert found == {
        "sanity:a": "whmcs-bridge apply --fingerprint 4f -sanity:a -sanity:b",
        "sanity:b": "whmcs-bridge apply --fingerprint 4f -sanity:a -sanity:b",
        "limit:terminate": "whmcs-bridge apply --fingerprint 4f -sanity:a -sanity:b -limit:terminate",
        "limit:notice": "whmcs-bridge apply --fingerprint 4f -limit:notice",
    }


def test_no_option_of_a_run_goes_past_a_pause() -> None:
    assert ways("paused", "limit:suspend") == {
        "paused": "rm PAUSE",
        "limit:suspend": "whmcs-bridge sync -limit:suspend",
    }


def test_an_unusual_day_is_refused_by_the_kind_it_is_unusual_for() -> None:
    plan = a_plan(*many(Kind.SUSPEND, 16), services=100_000)
    (stop,) = stops_for(plan, LIMITS, {}, {"suspend": [3] * 30, "terminate": [1] * 30}, {})
    assert stop.code == "limit:suspend"


def test_a_kind_without_a_limit_is_never_refused() -> None:
    assert stops_for(a_plan(*many(Kind.SUSPEND, 500)), Limits(), {}, {}, {}) == []


# --- what a stop does to a plan -------------------------------------------------------------------------


EVERYTHING = [
    a_step(kind, number, target=number, message="suspension-warning" if kind is Kind.NOTICE else "")
    for number, kind in enumerate(Kind, 1)
]


def test_releases_are_never_refused_by_anything() -> None:
    """ "a release after a booked payment is never blocked by anything"."""
    plan = stopped(a_plan(*EVERYTHING), [Stop("odd", tuple(Kind), "why", "how")])
    assert [s.kind for s in plan.steps] == [Kind.UNSUSPEND]


def test_a_stop_of_every_harmful_kind_leaves_the_rest() -> None:
    """ "releases, VIP moves and notices still run"; an addon's suspension is one too."""
    plan = stopped(a_plan(*EVERYTHING), [Stop("paused", HARMFUL, "why", "how")])
    gone = {Kind.SUSPEND, Kind.SUSPEND_ADDON, Kind.TERMINATE, Kind.DELETE_BACKUPS}
    assert {s.kind for s in plan.refused} == gone
    assert {s.kind for s in plan.steps} == set(Kind) - gone
    assert [s.code for s in plan.stops] == ["paused"]


def test_a_termination_over_its_limit_leaves_suspensions() -> None:
    plan = a_plan(*EVERYTHING, *many(Kind.TERMINATE, 6), services=100_000)
    kept = {s.kind for s in stopped(plan, stops_for(plan, LIMITS, {}, {}, {})).steps}
    assert Kind.SUSPEND in kept
    assert not kept & {Kind.TERMINATE, Kind.DELETE_BACKUPS}


def test_a_refused_kind_is_refused_whole() -> None:
    """ "Limits refuse a *kind* of step, before its first one."""
    plan = a_plan(*many(Kind.SUSPEND, 26), services=100_000)
    cut = stopped(plan, stops_for(plan, LIMITS, {}, {}, {}))
    assert cut.steps == ()
    assert len(cut.refused) == 26


def test_no_stop_changes_nothing() -> None:
    plan = a_plan(*EVERYTHING)
    assert stopped(plan, []) is plan
