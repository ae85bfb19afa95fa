"""What people asked for by hand and somebody has to approve: what stands, and for which wish an approval counts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.by_hand import ByHand, approval_by_hand
from whmcs_bridge.policy.decision import Debt, Decision, Kind

PROPOSED = "by-hand:proposed"
"""Journal key: what was asked for by hand and waits for approval."""
VALID_DAYS = 7
"""So long a proposal by hand stands, and with it its approval."""


def proposals(ports: Ports) -> dict[str, dict[str, Any]]:
    """Return what stands: neither used nor too old."""
    oldest = (ports.today() - timedelta(days=VALID_DAYS)).isoformat()
    kept: Mapping[str, dict[str, Any]] = ports.journal.get(PROPOSED) or {}
    return {key: proposal for key, proposal in kept.items() if proposal["on"] >= oldest}


def mark_of(kind: Kind, asked: ByHand) -> str:
    """Return what was asked for, whoever asks: kind, reason and flags."""
    return blake2b(repr((kind.value, replace(asked, by=""))).encode(), digest_size=8).hexdigest()


def for_this_wish(ports: Ports, facts: ServiceFacts, decision: Decision, kind: Kind, asked: ByHand) -> ServiceFacts:
    """Return the facts without an approval by hand that was given for another wish, person or debt."""
    name = approval_by_hand(kind)
    if name not in facts.approved:
        return facts
    proposal = proposals(ports).get(f"{facts.service.id}:{kind.value}", {})
    same = proposal.get("wish") == mark_of(kind, asked) and asked.by in proposal["by"]
    if same and (asked.staffs or _still_owed(proposal, decision.debts)):
        return facts
    return replace(facts, approved=facts.approved - {name})


def _still_owed(proposal: Mapping[str, Any], debts: Sequence[Debt]) -> bool:
    """What was owed when it was proposed is owed still; where nothing was, nothing is."""
    rested = set(proposal["invoices"])
    if not rested:
        return not debts
    left = [debt for debt in debts if debt.invoice in rested]
    owed = sum((debt.amount.amount for debt in left), ZERO)
    return {debt.invoice for debt in left} == rested and owed >= Decimal(proposal["amount"])
