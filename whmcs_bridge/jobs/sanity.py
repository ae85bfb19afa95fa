"""Checks that hold every harmful step until a person has looked: something about the whole book is not plausible."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from whmcs_bridge.errors import BridgeError, WhmcsError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.plan.limits import SANITY
from whmcs_bridge.plan.model import Stop
from whmcs_bridge.policy.decision import ALL_BUT_LIFTING, HELD, Kind
from whmcs_bridge.ports import Actor, ForeignAct, Journal, SnapshotInfo

if TYPE_CHECKING:
    from whmcs_bridge.jobs.plan import Judged

SEEN = "sanity:seen"
"""Journal key: what the last run that no sanity stop stood in the way of saw."""
PANEL = "panel"
"""Journal key: what WHMCS said about itself when it was last read."""
STANDING = "sanity:standing"
"""Journal key: code and reason of the sanity stops that the last run left standing."""
INSTANCE = "instance"
"""Journal key: the name of this instance of the bridge, and the day on which WHMCS's log last heard of it."""

CODES = (
    "clock-back",
    "long-gap",
    "another-year",
    "clock-apart",
    "clock-jumped",
    "clock-stood-still",
    "ids-back-client",
    "ids-back-service",
    "ids-back-invoice",
    "clients-jump",
    "services-jump",
    "new-overdue",
    "same-age",
    "system-url",
    "version",
    "maintenance",
    "other-instance",
)
"""Every code that a person can accept, beside the silence of a gateway."""
CLOCK = frozenset({"clock-back", "long-gap", "another-year", "clock-apart", "clock-jumped", "clock-stood-still"})
"""Codes that say: perhaps today is not today. Everything but a release is held then: mails would give wrong days, and
members would be out who owe nothing yet."""
WORST_DAY_OF = 35
"""A day of the month that many invoices fall due on is among so many days."""
WORST_DAY_NEEDS = 14
"""Before so many days with a run nobody knows what the worst day of a month is."""
SMALL_BOOK = 20
"""Of so few suspensions due, overdue invoices, clients or services, shares and factors mean nothing."""
CLOCKS_DRIFT = timedelta(hours=3)
"""The clocks of WHMCS and ours may go apart by so much between two runs: summer time comes on different days."""
STANDSTILL = timedelta(minutes=1)
"""A clock that moved less than this while the other went on for longer than CLOCKS_DRIFT stands still."""
OTHERS_LOOK_BACK = timedelta(days=3)
"""An instance that has not been heard of for longer is none any more."""

SHOWN = 5
"""So many services of another instance's making are named."""

_LINE = "whmcs-bridge instance"
_INSTANCE = re.compile(rf"\b{_LINE} ([0-9a-f]{{8}}) enforces\b")
_LINES = 50


def sanity_stops(ports: Ports, judged: "Judged", accepted: Collection[str]) -> Iterator[Stop]:
    """Yield a stop for each implausible thing that nobody has accepted for this run."""
    if not ports.settings.policy.sanity.enabled:
        return
    for code, why in _findings(ports, judged):
        if code not in accepted:
            flag = f"--accept-sanity {code}"
            kinds = ALL_BUT_LIFTING if code in CLOCK else HELD
            yield Stop(f"{SANITY}{code}", kinds, why, f"whmcs-bridge sync {flag}", flag)


def clock_in_doubt(ports: Ports, accepted: Collection[str] = ()) -> bool:
    """Our clock may be wrong and nobody has said that it is right: nothing that rests on today may be kept or told."""
    found = _about_the_house(ports) if ports.settings.policy.sanity.enabled else ()
    return any(code in CLOCK and code not in accepted for code, _ in found)


def latest_day(ports: Ports) -> date:
    """The latest of the days that our clock, WHMCS's and the last run have named: ours may be behind."""
    said = ((ports.journal.get(SEEN) or {}).get("day"), (ports.journal.get(PANEL) or {}).get("today"))
    return max([ports.today(), *(date.fromisoformat(day) for day in said if day)])


def _findings(ports: Ports, judged: "Judged") -> Iterator[tuple[str, str]]:
    yield from _about_the_house(ports)
    yield from _same_age(ports, judged)


Finding = tuple[str, str]
"""Code, and why in one line."""
Said = Mapping[str, Any]
"""A remembered value of the journal."""


def _about_the_house(ports: Ports) -> Iterator[Finding]:
    seen, panel = ports.journal.get(SEEN) or {}, ports.journal.get(PANEL) or {}
    yield from _our_day(ports, seen)
    yield from _clocks(ports, seen, panel)
    info = ports.mirror.last()
    if info is not None and seen:
        yield from _ids(info, seen)
        yield from _sizes(ports, info, seen)
    yield from _installation(seen, panel)
    yield from _other_instances(ports, seen, panel)


def _our_day(ports: Ports, seen: Said) -> Iterator[Finding]:
    """Our own day against that of the last run."""
    if not seen.get("day"):
        return
    allowed, today, last = (
        ports.settings.policy.sanity.max_days_since_run,
        ports.today(),
        date.fromisoformat(seen["day"]),
    )
    gap = (today - last).days
    if gap < 0:
        yield "clock-back", f"today is {today}, the last run was on {last}: the clock went backwards"
    elif gap > allowed:
        yield "long-gap", f"the last run was {gap} days ago ({last}), {allowed} allowed"
    elif today.year != last.year and not (last.month == 12 and today.month == 1 and today.year == last.year + 1):
        yield "another-year", f"today is {today}, the last run was on {last}, in another year"


def _clocks(ports: Ports, seen: Said, panel: Said) -> Iterator[Finding]:
    """Our clock against WHMCS's, now and since the last run."""
    today = ports.today()
    if panel.get("today") and abs((date.fromisoformat(panel["today"]) - today).days) > 1:
        yield "clock-apart", f"today is {today} here and {panel['today']} in WHMCS: one of the clocks is wrong"
    ours, theirs = _passed(seen, panel, "ours"), _passed(seen, panel, "theirs")
    if ours is None or theirs is None or abs(ours - theirs) <= CLOCKS_DRIFT:
        return
    since = f"since the last run {_span(ours)} passed here and {_span(theirs)} in WHMCS"
    if abs(ours) < STANDSTILL:
        yield "clock-stood-still", f"{since}: our clock stands still"
    elif abs(theirs) < STANDSTILL:
        yield "clock-stood-still", f"{since}: WHMCS's clock stands still"
    else:
        yield "clock-jumped", f"{since}: one of the clocks jumped"


def _passed(seen: Said, panel: Said, clock: str) -> timedelta | None:
    """How far a clock has gone since the last run; None where it was not read both times."""
    before, now = seen.get(clock), panel.get(clock)
    return datetime.fromisoformat(now) - datetime.fromisoformat(before) if before and now else None


def _span(passed: timedelta) -> str:
    hours = passed.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if abs(hours) >= 48 else f"{hours:.1f} hours"


def _ids(info: SnapshotInfo, seen: Said) -> Iterator[Finding]:
    for what, now in (
        ("client", info.highest_client),
        ("service", info.highest_service),
        ("invoice", info.highest_invoice),
    ):
        before = int(seen.get(what, 0))
        if now < before:
            yield f"ids-back-{what}", f"the highest {what} id was {before} and is {now}: WHMCS was restored?"


def _sizes(ports: Ports, info: SnapshotInfo, seen: Said) -> Iterator[Finding]:
    """How many there are against how many there were, up and down; only what was read whole can be counted."""
    rules = ports.settings.policy.sanity
    if info.complete:
        for what, now in (("clients", info.clients), ("services", info.services)):
            before = seen.get(what)
            if before is not None and _jumped(int(before), now, rules.book_change_percent):
                why = f"WHMCS had {before} {what} at the last run and has {now}, {rules.book_change_percent} % more or"
                yield f"{what}-jump", f"{why} less allowed"
    yield from _new_debts(ports, info, seen)


def _new_debts(ports: Ports, info: SnapshotInfo, seen: Said) -> Iterator[Finding]:
    """Overdue invoices against those at the last run; and those that are new, against the worst day of five weeks."""
    factor, before = ports.settings.policy.sanity.new_overdue_factor, int(seen.get("overdue", 0))
    if info.overdue_invoices > SMALL_BOOK and info.overdue_invoices > factor * max(before, 1):
        yield "new-overdue", f"{info.overdue_invoices} invoices are overdue, {before} at the last run"
        return
    today = ports.today()
    days = {day: count for day, count in seen.get("new_overdue", []) if day < today.isoformat()}
    if len(days) < WORST_DAY_NEEDS or not seen.get("day"):
        return
    new = _newly_overdue(ports, seen)
    gap = max((today - date.fromisoformat(seen["day"])).days, 1)
    worst = max(*days.values(), 1)
    if new > SMALL_BOOK and new > factor * worst * gap:
        since = f"{new} invoices became overdue since the last run on {seen['day']}"
        yield "new-overdue", f"{since}; the worst day of the last {WORST_DAY_OF} had {worst}"


def _newly_overdue(ports: Ports, seen: Said) -> int:
    """Invoices that are overdue and were not at the last run: they came due since then, or did not exist."""
    if not seen.get("day"):
        return 0
    return ports.mirror.newly_overdue(ports.today(), date.fromisoformat(seen["day"]), int(seen.get("invoice", 0)))


def _jumped(before: int, now: int, percent: Any) -> bool:
    changed = abs(now - before)
    return changed > SMALL_BOOK and changed * 100 > percent * before


def _installation(seen: Said, panel: Said) -> Iterator[Finding]:
    """WHMCS as it describes itself; what a person has accepted is what the next run expects."""
    url = panel.get("system_url_differs")
    if url and url != seen.get("system_url"):
        yield "system-url", f"WHMCS calls itself {url}: a copy of the installation?"
    if seen.get("version") and panel.get("version") and seen["version"] != panel["version"]:
        yield "version", f"WHMCS was {seen['version']} at the last run and is {panel['version']}"
    if panel.get("maintenance") and not seen.get("maintenance"):
        yield "maintenance", "WHMCS is in maintenance mode"


def _other_instances(ports: Ports, seen: Said, panel: Said) -> Iterator[Finding]:
    """What another instance said in WHMCS's log, and suspensions with our reason that this journal does not know."""
    known = seen.get("others") or {}
    signs = [
        f"{name} said so on {at[:10]}"
        for name, at in sorted((panel.get("others") or {}).items())
        if at > known.get(name, "")
    ]
    acts = [act for act in _acts_in_our_name(ports) if _seen_at(act) > seen.get("acts", "")]
    if acts:
        shown = ", ".join(f"{act.service}" for act in acts[:SHOWN]) + (", ..." if len(acts) > SHOWN else "")
        signs.append(f"suspended with our reason, and not by us: service {shown}")
    if signs:
        why = "another whmcs-bridge (or this one with another journal) acts on this WHMCS"
        yield "other-instance", f"{why}: {'; '.join(signs)}"


def _acts_in_our_name(ports: Ports) -> list[ForeignAct]:
    since = ports.today() - OTHERS_LOOK_BACK
    return [act for act in ports.journal.foreign_acts(since) if act.actor is Actor.BRIDGE]


def _seen_at(act: ForeignAct) -> str:
    return act.by_reading.isoformat() if act.by_reading is not None else act.day.isoformat()


def _same_age(ports: Ports, judged: "Judged") -> Iterator[Finding]:
    due = [s for s in judged.steps if s.kind is Kind.SUSPEND]  # announced or not: the stop holds on the next day too
    living = ports.mirror.count_living()
    share = ports.settings.policy.sanity.same_age_percent
    if len(due) > SMALL_BOOK and living and len(due) * 100 > share * living:
        yield "same-age", f"{len(due)} of {living} services became due for suspension at once, {share} % allowed"


# --- what is looked at, and what is kept of it ------------------------------------------------------


def look_at_panel(ports: Ports) -> None:
    """Keep what WHMCS says about itself, for the checks; what cannot be read stays as it was last said."""
    if not ports.settings.policy.sanity.enabled:
        return
    try:
        state = ports.panel.state()
    except BridgeError:
        return
    ours = ports.settings.whmcs.url.rstrip("/").casefold()
    theirs = state.system_url.rstrip("/").casefold()
    differs = theirs if theirs and theirs.split("://")[-1] != ours.split("://")[-1] else ""
    # A day that is only played has no time of day that could be held against WHMCS's.
    played = getattr(ports.clock, "played", False)
    known = {
        "version": state.version,
        "system_url_differs": differs,
        "maintenance": state.maintenance,
        "today": state.now.date().isoformat() if state.now is not None else "",
        "ours": ports.now().astimezone(UTC).isoformat() if not played else "",
        "theirs": state.now.isoformat() if state.now is not None else "",
        "others": _others(ports, state.now or ports.now().replace(tzinfo=None)),
    }
    ports.journal.put(PANEL, known)


def _others(ports: Ports, now: datetime) -> dict[str, str]:
    """Instances that told WHMCS's log lately that they act, this one aside, with when they last did."""
    own = (ports.journal.get(INSTANCE) or {}).get("name")
    found: dict[str, str] = {}
    for entry in ports.panel.activity(text=_LINE, limit=_LINES):
        said = _INSTANCE.search(entry.description)
        if said is None or said[1] == own or entry.at is None or entry.at.replace(tzinfo=None) < now - OTHERS_LOOK_BACK:
            continue
        found[said[1]] = max(found.get(said[1], ""), entry.at.replace(tzinfo=None).isoformat())
    return found


def announce(ports: Ports, stops: Collection[Stop]) -> None:
    """Tell WHMCS's log once a house day that this instance acts, so that another one can see it.

    One that is stopped because of another instance keeps quiet: it must not stop the one that was there before.
    """
    if not ports.settings.policy.sanity.enabled or any(s.code == f"{SANITY}other-instance" for s in stops):
        return
    known, today = ports.journal.get(INSTANCE) or {}, ports.today().isoformat()
    if known.get("announced") == today:
        return
    name = known.get("name") or token_hex(4)
    ports.journal.put(INSTANCE, {"name": name, "announced": known.get("announced", "")})  # before anybody reads it
    try:
        ports.panel.log(f"{_LINE} {name} enforces its house rules here", None)
    except WhmcsError:
        return  # tried again by the next run
    ports.journal.put(INSTANCE, {"name": name, "announced": today})


def remember(ports: Ports, stops: Collection[Stop]) -> None:
    """Keep what the next run compares with; not while a stop stands, or the next run would find nothing amiss."""
    journal = ports.journal
    info = ports.mirror.last()
    left = [[stop.code, stop.why] for stop in stops if stop.code.startswith(SANITY)]
    if left != (journal.get(STANDING) or []):
        journal.put(STANDING, left)
    if info is None or left:
        return
    panel, before = journal.get(PANEL) or {}, journal.get(SEEN) or {}
    seen = {
        "day": ports.today().isoformat(),
        "client": info.highest_client,
        "service": info.highest_service,
        "invoice": info.highest_invoice,
        "clients": info.clients,
        "services": info.services,
        "overdue": info.overdue_invoices,
        "new_overdue": _with_today(ports, before),
        # not told this time is not another one
        "version": panel.get("version") or before.get("version", ""),
        "system_url": panel.get("system_url_differs") or before.get("system_url", ""),
        "maintenance": before.get("maintenance") if panel.get("maintenance") is None else panel["maintenance"],
        "ours": panel.get("ours", ""),
        "theirs": panel.get("theirs", ""),
        "others": panel.get("others", {}),
        "acts": max((_seen_at(act) for act in _acts_in_our_name(ports)), default=before.get("acts", "")),
    }
    journal.put(SEEN, seen)


def _with_today(ports: Ports, before: Said) -> list[list[Any]]:
    """Return how many became overdue on each house day with a run, of the last WORST_DAY_OF, today included."""
    today = ports.today()
    oldest = (today - timedelta(days=WORST_DAY_OF)).isoformat()
    days = {day: count for day, count in before.get("new_overdue", []) if day >= oldest}
    days[today.isoformat()] = days.get(today.isoformat(), 0) + _newly_overdue(ports, before)
    return [[day, count] for day, count in sorted(days.items())]


def why_not_sane(journal: Journal) -> str:
    """Return why the last run stopped every harmful step, in one line; "" where no sanity stop stands."""
    return "; ".join(why for _, why in journal.get(STANDING) or [])
