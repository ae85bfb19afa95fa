"""Checks that hold every harmful step until a person has looked: something about the whole book is not plausible."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import TYPE_CHECKING

from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.plan.limits import SANITY
from whmcs_bridge.plan.model import Stop
from whmcs_bridge.policy.decision import HARMFUL, Kind

if TYPE_CHECKING:
    from whmcs_bridge.jobs.plan import Judged

SEEN = "sanity:seen"
CLOCK = frozenset({"clock-back", "long-gap", "clock-apart"})
"""Codes that say: perhaps today is not today."""
NOT_BY_THIS_CLOCK = (*HARMFUL, *(k for k in Kind if k not in (*HARMFUL, Kind.UNSUSPEND, Kind.UNSUSPEND_ADDON)))
"""Held while the clock is in doubt: mails would give wrong days, and members would be out who owe nothing yet."""
SMALL_BOOK = 20
"""Under so many suspensions due, or so many overdue invoices, shares and factors mean nothing."""


def sanity_stops(ports: Ports, judged: "Judged", accepted: Collection[str]) -> Iterator[Stop]:
    """Yield a stop for each implausible thing that nobody has accepted for this run."""
    if not ports.settings.policy.sanity.enabled:
        return
    for code, why in _findings(ports, judged):
        if code not in accepted:
            flag = f"--accept-sanity {code}"
            kinds = NOT_BY_THIS_CLOCK if code in CLOCK else HARMFUL
            yield Stop(f"{SANITY}{code}", kinds, why, f"whmcs-bridge sync {flag}", flag)


def clock_in_doubt(ports: Ports, accepted: Collection[str]) -> bool:
    """Our clock may be wrong and nobody has said that it is right: nothing that rests on today may be kept or told."""
    found = _about_the_house(ports) if ports.settings.policy.sanity.enabled else ()
    return any(code in CLOCK and code not in accepted for code, _ in found)


def _findings(ports: Ports, judged: "Judged") -> Iterator[tuple[str, str]]:
    yield from _about_the_house(ports)
    yield from _same_age(ports, judged)


def _about_the_house(ports: Ports) -> Iterator[tuple[str, str]]:
    rules, today = ports.settings.policy.sanity, ports.today()
    seen = ports.journal.get(SEEN) or {}
    if seen.get("day"):
        last = date.fromisoformat(seen["day"])
        if today < last:
            yield "clock-back", f"today is {today}, the last run was on {last}: the clock went backwards"
        elif (today - last).days > rules.max_days_since_run:
            yield (
                "long-gap",
                f"the last run was {(today - last).days} days ago ({last}), {rules.max_days_since_run} allowed",
            )
    info = ports.mirror.last()
    if info is not None and seen:
        for what, now in (
            ("client", info.highest_client),
            ("service", info.highest_service),
            ("invoice", info.highest_invoice),
        ):
            before = int(seen.get(what, 0))
            if now < before:
                yield f"ids-back-{what}", f"the highest {what} id was {before} and is {now}: WHMCS was restored?"
        overdue = int(seen.get("overdue", 0))
        if info.overdue_invoices > SMALL_BOOK and info.overdue_invoices > rules.new_overdue_factor * max(overdue, 1):
            yield "new-overdue", f"{info.overdue_invoices} invoices are overdue, {overdue} at the last run"
    panel = ports.journal.get("panel") or {}
    if panel.get("today") and abs((date.fromisoformat(panel["today"]) - today).days) > 1:
        yield "clock-apart", f"today is {today} here and {panel['today']} in WHMCS: one of the clocks is wrong"
    if panel.get("system_url_differs"):
        yield "system-url", f"WHMCS calls itself {panel['system_url_differs']}: a copy of the installation?"
    if seen.get("version") and panel.get("version") and seen["version"] != panel["version"]:
        yield "version", f"WHMCS was {seen['version']} at the last run and is {panel['version']}"
    if panel.get("maintenance"):
        yield "maintenance", "WHMCS is in maintenance mode"


def _same_age(ports: Ports, judged: "Judged") -> Iterator[tuple[str, str]]:
    due = [s for s in judged.steps if s.kind is Kind.SUSPEND]  # announced or not: the stop holds on the next day too
    living = ports.mirror.count_living()
    share = ports.settings.policy.sanity.same_age_percent
    if len(due) > SMALL_BOOK and living and len(due) * 100 > share * living:
        yield "same-age", f"{len(due)} of {living} services became due for suspension at once, {share} % allowed"


def remember(ports: Ports, stops: Collection[Stop]) -> None:
    """Keep what the next run compares with; not while a stop stands, or the next run would find nothing amiss."""
    info = ports.mirror.last()
    if info is None or any(stop.code.startswith(SANITY) for stop in stops):
        return
    seen = {
        "day": ports.today().isoformat(),
        "client": info.highest_client,
        "service": info.highest_service,
        "invoice": info.highest_invoice,
        "overdue": info.overdue_invoices,
        "version": (ports.journal.get("panel") or {}).get("version", ""),
    }
    ports.journal.put(SEEN, seen)
