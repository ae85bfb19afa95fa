"""For whom the bridge acts: everyone, or only the clients and groups that were named for a start."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from whmcs_bridge.domain.book import Client, ClientGroup
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.policy.decision import Due, Kind
from whmcs_bridge.policy.stages import carries_our_reason
from whmcs_bridge.ports import Journal

SCOPE_KEY = "enforce:only"
OUTSIDE = "only"
"""Code of a step that is withheld because its client is not among the first."""
WHY_OUTSIDE = "the bridge acts for a few clients first, and this one is not among them"


@dataclass(frozen=True, slots=True)
class Scope:
    """Clients for whom enforced runs act and hooks are answered in earnest; all others are as in shadow mode."""

    groups: frozenset[str] = frozenset()
    clients: frozenset[ClientId] = frozenset()
    since: date | None = None
    by: str = ""

    @property
    def everyone(self) -> bool:
        """Nobody was named: the bridge acts for all."""
        return not self.groups and not self.clients

    def takes(self, client: Client, group: ClientGroup | None) -> bool:
        """The bridge acts for this client."""
        if self.everyone:
            return True
        return client.id in self.clients or (group is not None and group.name in self.groups)

    def parts(self, facts: ServiceFacts, dues: Iterable[Due]) -> tuple[list[Due], list[Due]]:
        """Part what is due for a service into what is done now and what waits.

        What we suspended ourselves is given back whoever the bridge acts for: a release after a payment waits for
        nothing.
        """
        dues = list(dues)
        if self.takes(facts.client.client, facts.client.group):
            return dues, []
        ours = carries_our_reason(facts.service.suspension_reason)
        down = facts.case.addons_down
        now = [
            d
            for d in dues
            if (d.kind is Kind.UNSUSPEND and ours) or (d.kind is Kind.UNSUSPEND_ADDON and d.target in down)
        ]
        return now, [d for d in dues if d not in now]

    def said(self) -> str:
        """Say it in a few words: `client 12, 34 and group Resellers`."""
        named = [f"group {name}" for name in sorted(self.groups)]
        if self.clients:
            named.insert(0, f"client {', '.join(str(c) for c in sorted(self.clients))}")
        return " and ".join(named) or "everyone"


def scope_of(journal: Journal) -> Scope:
    """Return whom the bridge acts for."""
    kept: Mapping[str, Any] | None = journal.get(SCOPE_KEY)
    if not kept:
        return Scope()
    return Scope(
        frozenset(kept["groups"]),
        frozenset(ClientId(c) for c in kept["clients"]),
        date.fromisoformat(kept["since"]),
        str(kept["by"]),
    )


def keep_scope(journal: Journal, groups: Sequence[str], clients: Sequence[ClientId], today: date, by: str) -> Scope:
    """Remember whom the bridge acts for; nobody named is everyone."""
    scope = Scope(frozenset(groups), frozenset(clients), today, by)
    kept = {"groups": sorted(groups), "clients": sorted(clients), "since": today.isoformat(), "by": by}
    journal.put(SCOPE_KEY, None if scope.everyone else kept)
    return scope
