"""What a client reads on the home page of the client area: what is owed, what happens when, how to stop it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.ask import held_for_all
from whmcs_bridge.jobs.explain import judged_now
from whmcs_bridge.jobs.hand import Now
from whmcs_bridge.jobs.pause import standing
from whmcs_bridge.policy import Ledgers, view_of
from whmcs_bridge.policy.debt import Entry
from whmcs_bridge.policy.decision import Decision, Kind
from whmcs_bridge.policy.forecast import foresee
from whmcs_bridge.policy.stages import is_ours
from whmcs_bridge.screens.page import fill
from whmcs_bridge.screens.wishing import answer, links
from whmcs_bridge.screens.words import Speaker, speaker

FRESH: Final = timedelta(hours=26)
"""An older reading may say of somebody who has paid that he owes: then nothing is said."""
FORESEEN: Final = timedelta(days=120)
LOOKED_AT: Final = 25
"""Services whose days are found out: WHMCS waits 800 ms for all of it."""
OVERDUE_FIRST: Final = 5
"""Place among WHMCS's own panels, which count in hundreds."""
SAID_OF_UP: Final = (Kind.SUSPEND,)
SAID_OF_DOWN: Final = (Kind.TERMINATE, Kind.DELETE_BACKUPS)
"""Of a service that is up only the next thing is said; what may come of it in a month would be a threat."""
IN_ORDER: Final = {Kind.SUSPEND: 0, Kind.TERMINATE: 1, Kind.DELETE_BACKUPS: 2}


@dataclass(frozen=True, slots=True)
class Served:
    """One service that the debt is about."""

    facts: ServiceFacts
    decision: Decision
    down: bool
    """Suspended, and by us for debt."""

    @property
    def name(self) -> str:
        return self.facts.service.domain or self.facts.service.name


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice, as a link to it."""

    invoice: int
    text: str
    overdue: bool


def panel(bridge: Bridge, event: HookEvent) -> dict[str, Any]:
    """The panel, in the client's language; {} for who owes nothing, and wherever the bridge does not act."""
    client = ClientId(event.number("userid"))
    if not _speaks_to(bridge, client):
        return {}
    book = bridge.mirror.book(client)
    if book is None:
        return {}
    now, _ = judged_now(bridge.ports, book)
    entries = _open(bridge, now)
    if not entries:
        return {}
    voice = speaker(str(event.vars.get("language") or event.facts.get("language") or ""))
    asked = answer(bridge, event, client, now.facts, voice)
    overdue = any(entry.overdue for entry in entries)
    due = [entry for entry in entries if not entry.pending]
    owed = sum((entry.owed for entry in due or entries), Decimal(0))
    served = _served(bridge, now)
    coming = _coming(bridge, served[:LOOKED_AT])
    html = fill(
        "panel.html",
        lang=voice.tag,
        answered=asked.said,
        lines=[_line(voice, entry, book.currency) for entry in entries],
        down=_down(voice, served),
        coming=[_said(voice, kind, day, names) for (day, kind), names in coming.items()],
        further=voice.say("further", count=len(served) - LOOKED_AT) if coming and len(served) > LOOKED_AT else "",
        ways=list(_ways(voice, served, coming=bool(coming))) or ([] if overdue else [voice.say("in_time")]),
        tell_us=voice.say("tell_us") if coming else "",
        thanks=voice.say("thanks") if overdue else "",
    )
    shown: dict[str, Any] = {
        "name": "whmcs-bridge",
        "label": voice.say("label", amount=voice.money(owed, book.currency)),
        "html": html,
        "footer": fill("footer.html", text=voice.say("pay")),
        "icon": "fa-exclamation-circle" if overdue else "fa-info-circle",
        "order": OVERDUE_FIRST,
        "children": [],
    }
    if asked.confirm is not None:
        shown["confirm"] = dict(asked.confirm)
    elif not asked.said:
        shown["children"] = links(bridge, client, [s.facts for s in served], voice)
    return shown


def _speaks_to(bridge: Bridge, client: ClientId) -> bool:
    """The bridge acts for this client, and knows it freshly enough to say so to its face."""
    info, pause = bridge.mirror.last(), standing(bridge.ports)
    if not bridge.settings.enforcing or info is None or (pause is not None and pause.to_whmcs):
        return False
    if bridge.ports.now() - info.at > FRESH:
        return False
    return bridge.acts_for(client)


def _open(bridge: Bridge, now: Now) -> list[Entry]:
    """Open invoices that count under the rules of any of the services, oldest first."""
    policy, today = bridge.settings.policy, bridge.today()
    facts = next((f.client for f in now.facts.values()), None)
    if facts is None or not facts.invoices:
        return []
    ledgers, entries = Ledgers(facts, policy, today), dict[int, Entry]()
    for service in now.facts.values():
        for entry in view_of(service, policy, today, ledgers)[0].ledger.entries:
            if entry.counts_for_standing:
                entries.setdefault(entry.invoice.id, entry)
    return sorted(entries.values(), key=lambda e: (e.due, e.invoice.id))


def _served(bridge: Bridge, now: Now) -> list[Served]:
    """Services whose own debt is overdue, or that debt keeps down; the oldest debt first."""
    policy, today = bridge.settings.policy, bridge.today()
    found = []
    for number, decision in now.decisions.items():
        if not decision.class_name or not (decision.debts or decision.holding):
            continue
        down = decision.stage is Stage.SUSPENDED and is_ours(view_of(now.facts[number], policy, today)[0])
        if down or decision.debts:  # what is held against an active service is other services' debt
            found.append(Served(now.facts[number], decision, down))
    return sorted(found, key=lambda s: min(d.due for d in s.decision.debts or s.decision.holding))


def _line(voice: Speaker, entry: Entry, currency: str) -> Line:
    key = "pending" if entry.pending else "overdue" if entry.overdue else "due"
    number, amount = entry.invoice.number or str(entry.invoice.id), voice.money(entry.owed, currency)
    return Line(
        entry.invoice.id, voice.say(key, number=number, amount=amount, date=voice.day(entry.due)), key == "overdue"
    )


def _coming(bridge: Bridge, served: Sequence[Served]) -> Mapping[tuple[date, Kind], Sequence[str]]:
    """What happens next to which services if nothing is paid, by day; nothing while the house stands still."""
    if held_for_all(bridge.ports):
        return {}
    policy, today = bridge.settings.policy, bridge.today()
    steps: defaultdict[tuple[date, Kind], list[str]] = defaultdict(list)
    for service in served:
        told = SAID_OF_DOWN if service.decision.stage is Stage.SUSPENDED else SAID_OF_UP
        for step in foresee(service.facts, policy, today, today + FORESEEN):
            if step.kind in told and not step.due.by_request:
                steps[(step.date, step.kind)].append(service.name)
    return dict(sorted(steps.items(), key=lambda item: (item[0][0], IN_ORDER[item[0][1]])))


def _said(voice: Speaker, kind: Kind, day: date, names: Sequence[str]) -> str:
    return voice.say(kind.value, date=voice.day(day), services=voice.listed(names))


def _down(voice: Speaker, served: Sequence[Served]) -> str:
    """Services that are down for debt; whatever else is suspended has reasons that are not told here."""
    names = [s.name for s in served if s.down and s.decision.holding]
    return voice.say("down", services=voice.listed(names)) if names else ""


def _ways(voice: Speaker, served: Sequence[Served], *, coming: bool) -> Iterator[str]:
    """Which payments bring back what is down, and which keep up what is up."""
    back = {d.invoice: d.number or str(d.invoice) for s in served if s.down for d in s.decision.holding}
    up = {d.invoice: d.number or str(d.invoice) for s in served if not s.down for d in s.decision.debts}
    if back:
        yield voice.say("restores", invoices=voice.listed([back[i] for i in sorted(back)]))
    if coming and set(up) - set(back):
        yield voice.say("prevents", invoices=voice.listed([up[i] for i in sorted(up)]))
