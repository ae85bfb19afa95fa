"""Two sentences that staff reads to a client who calls: how it stands, and what helps."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.jobs.explain import Explanation
from whmcs_bridge.policy.decision import Debt, Kind
from whmcs_bridge.policy.forecast import foresee
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.screens.client import FORESEEN
from whmcs_bridge.screens.offers import Offer
from whmcs_bridge.screens.words import SPEAKERS, Speaker


def sentences(found: Explanation, judged: Sequence[Offer], policy: Policy, today: date) -> list[tuple[str, str]]:
    """(language, both sentences), in every language we speak: nobody here knows which one the caller speaks."""
    coming = foresee(found.facts, policy, today, today + FORESEEN)
    suspended_on = next((step.date for step in coming if step.kind is Kind.SUSPEND), None)
    said = []
    for voice in SPEAKERS:
        said.append((voice.tag, f"{_state(voice, found, suspended_on)} {_way_out(voice, found, judged)}"))
    return said


def _state(voice: Speaker, found: Explanation, suspended_on: date | None) -> str:
    service, debts = _service(found), found.decision.debts
    down = found.decision.stage is Stage.SUSPENDED and found.ours
    owed = found.decision.holding or debts if down else debts
    if not owed:
        return voice.say("say_clear", service=service)
    values = {
        "service": service,
        "amount": _amount(voice, owed),
        "invoices": _numbers(voice, owed),
        "date": voice.day(min(debt.due for debt in owed)),
    }
    if down:
        return voice.say("say_down", **values)
    if suspended_on is not None:
        return voice.say("say_coming", day=voice.day(suspended_on), **values)
    return voice.say("say_overdue", **values)


def _way_out(voice: Speaker, found: Explanation, judged: Sequence[Offer]) -> str:
    down = found.decision.stage is Stage.SUSPENDED and found.ours
    owed = found.decision.holding or found.decision.debts if down else found.decision.debts
    if not owed:
        return voice.say("say_nothing")
    key = "say_restores" if down else "say_prevents"
    return voice.say(key, offer=_offer(voice, judged, down=down))


def _offer(voice: Speaker, judged: Sequence[Offer], *, down: bool) -> str:
    """The one offer that helps most: a suspended service is switched on, any other one is given time."""
    wanted = RecordKind.RELEASE if down else RecordKind.PROMISE
    for offer in judged:
        if offer.kind is wanted and not offer.why_not and offer.until is not None:
            return voice.say(f"offer_{wanted.value}", day=voice.day(offer.until))
    return ""


def _service(found: Explanation) -> str:
    return found.facts.service.domain or found.facts.service.name


def _numbers(voice: Speaker, debts: Sequence[Debt]) -> str:
    return voice.listed([debt.number or str(debt.invoice) for debt in debts])


def _amount(voice: Speaker, debts: Sequence[Debt]) -> str:
    return voice.money(sum((d.amount.amount for d in debts), Decimal(0)), debts[0].amount.currency)
