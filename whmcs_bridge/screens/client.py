"""What a client reads on the home page of the client area: what is owed, what happens when, how to stop it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.ask import held_for_all
from whmcs_bridge.jobs.explain import ClientExplanation
from whmcs_bridge.jobs.pause import standing
from whmcs_bridge.policy import view_of
from whmcs_bridge.policy.debt import Entry
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.forecast import foresee
from whmcs_bridge.screens.page import fill
from whmcs_bridge.screens.words import Speaker, speaker

FRESH: Final = timedelta(hours=26)
"""An older reading may say of somebody who has paid that he owes: then nothing is said."""
FORESEEN: Final = timedelta(days=120)
OVERDUE_FIRST: Final = 5
"""Place among WHMCS's own panels, which count in hundreds."""
SAID_OF_UP: Final = (Kind.SUSPEND,)
SAID_OF_DOWN: Final = (Kind.TERMINATE, Kind.DELETE_BACKUPS)
"""Of a service that is up only the next thing is said; what may come of it in a month would be a threat."""
IN_ORDER: Final = {Kind.SUSPEND: 0, Kind.TERMINATE: 1, Kind.DELETE_BACKUPS: 2}


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
    found = bridge.explain_client(client)
    entries = _open(bridge, found)
    if not entries:
        return {}
    voice = speaker(str(event.vars.get("language") or event.facts.get("language") or ""))
    currency = found.book.currency
    overdue = any(entry.overdue for entry in entries)
    due = [entry for entry in entries if not entry.pending]
    owed = sum((entry.owed for entry in due or entries), Decimal(0))
    coming = _coming(bridge, found)
    html = fill(
        "panel.html",
        lang=voice.tag,
        lines=[_line(voice, entry, currency) for entry in entries],
        down=_down(voice, found),
        coming=[_said(voice, kind, day, names) for (day, kind), names in coming.items()],
        ways=list(_ways(voice, found, coming=bool(coming))) or ([] if overdue else [voice.say("in_time")]),
        tell_us=voice.say("tell_us") if coming else "",
        thanks=voice.say("thanks") if overdue else "",
    )
    return {
        "name": "whmcs-bridge",
        "label": voice.say("label", amount=voice.money(owed, currency)),
        "html": html,
        "footer": fill("footer.html", text=voice.say("pay")),
        "icon": "fa-exclamation-circle" if overdue else "fa-info-circle",
        "order": OVERDUE_FIRST,
        "children": [],
    }


def _speaks_to(bridge: Bridge, client: ClientId) -> bool:
    """The bridge acts for this client, and knows it freshly enough to say so to its face."""
    info, pause = bridge.mirror.last(), standing(bridge.ports)
    if not bridge.settings.enforcing or info is None or (pause is not None and pause.to_whmcs):
        return False
    if bridge.ports.now() - info.at > FRESH or bridge.mirror.book(client) is None:
        return False
    return bridge.acts_for(client)


def _open(bridge: Bridge, found: ClientExplanation) -> list[Entry]:
    """Open invoices that count under the rules of any of the services, oldest first."""
    policy, today = bridge.settings.policy, bridge.today()
    entries: dict[int, Entry] = {}
    for service in found.services:
        for entry in view_of(service.facts, policy, today)[0].ledger.entries:
            if entry.counts_for_standing:
                entries.setdefault(entry.invoice.id, entry)
    return sorted(entries.values(), key=lambda e: (e.due, e.invoice.id))


def _line(voice: Speaker, entry: Entry, currency: str) -> Line:
    key = "pending" if entry.pending else "overdue" if entry.overdue else "due"
    number, amount = entry.invoice.number or str(entry.invoice.id), voice.money(entry.owed, currency)
    return Line(
        entry.invoice.id, voice.say(key, number=number, amount=amount, date=voice.day(entry.due)), key == "overdue"
    )


def _coming(bridge: Bridge, found: ClientExplanation) -> Mapping[tuple[date, Kind], Sequence[str]]:
    """What happens next to which services if nothing is paid, by day; nothing while the house stands still."""
    if held_for_all(bridge.ports):
        return {}
    policy, today = bridge.settings.policy, bridge.today()
    steps: defaultdict[tuple[date, Kind], list[str]] = defaultdict(list)
    for service in found.services:
        if not service.decision.debts and not service.decision.holding:
            continue
        told = SAID_OF_DOWN if service.decision.stage is Stage.SUSPENDED else SAID_OF_UP
        for step in foresee(service.facts, policy, today, today + FORESEEN):
            if step.kind in told and not step.due.by_request:
                steps[(step.date, step.kind)].append(_name(service.facts.service.domain, service.facts.service.name))
    return dict(sorted(steps.items(), key=lambda item: (item[0][0], IN_ORDER[item[0][1]])))


def _said(voice: Speaker, kind: Kind, day: date, names: Sequence[str]) -> str:
    return voice.say(kind.value, date=voice.day(day), services=voice.listed(names))


def _down(voice: Speaker, found: ClientExplanation) -> str:
    """Services that are down for debt; whatever else is suspended has reasons that are not told here."""
    names = [
        _name(s.facts.service.domain, s.facts.service.name)
        for s in found.services
        if s.decision.stage is Stage.SUSPENDED and s.ours and s.decision.holding
    ]
    return voice.say("down", services=voice.listed(names)) if names else ""


def _ways(voice: Speaker, found: ClientExplanation, *, coming: bool) -> Iterator[str]:
    """Which payments bring back what is down, and which keep up what is up."""
    down = [s for s in found.services if s.decision.stage is Stage.SUSPENDED and s.ours]
    back = {d.invoice: d.number or str(d.invoice) for s in down for d in s.decision.holding}
    if back:
        yield voice.say("restores", invoices=voice.listed([back[i] for i in sorted(back)]))
    up = {d.invoice: d.number or str(d.invoice) for s in found.services if s not in down for d in s.decision.debts}
    if coming and set(up) - set(back):
        yield voice.say("prevents", invoices=voice.listed([up[i] for i in sorted(up)]))


def _name(domain: str, product: str) -> str:
    return domain or product
