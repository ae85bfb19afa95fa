"""Whether an expectation holds: what was expected, what was found, and the bridge's own explanation."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whmcs_bridge.domain.case import Stage as CaseStage
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs.explain import Explanation
from whmcs_bridge.scenarios import actions
from whmcs_bridge.scenarios.actions import Action
from whmcs_bridge.scenarios.model import Expectation
from whmcs_bridge.scenarios.stage import Stage
from whmcs_bridge.simulator.records import ServiceStatus

NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold."""

    date: dt.date
    expected: str
    found: str
    explanation: str
    reason: str = ""
    """The remark of the file, for the reader."""


def judge(stage: Stage, wanted: Expectation, since: int) -> list[Failure]:
    """Check one expectation now; `since` is where its actions begin in the stage's list."""
    failures = []
    for expected, found in _mismatches(stage, wanted, stage.actions[since:]):
        subject = _subject(stage, wanted)
        failures.append(
            Failure(wanted.date, f"{subject}{expected}", found, explanation_of(stage, wanted), wanted.reason)
        )
    return failures


def _mismatches(stage: Stage, wanted: Expectation, happened: Sequence[Action]) -> Iterator[tuple[str, str]]:
    if wanted.state:
        accepted = (wanted.state, *wanted.also_ok)
        found = state_of(stage, wanted.service)
        if found not in accepted:
            yield f"state {' or '.join(accepted)}", f"state {found}{_with_status(stage, wanted.service)}"
    for check in _CHECKS:
        found_pair = check(stage, wanted)
        if found_pair is not None and found_pair[0] != found_pair[1]:
            yield found_pair
    yield from _actions(stage, wanted, happened)


def state_of(stage: Stage, label: str) -> str:
    """The state of a service as scenarios see it."""
    service = stage.world.services.get(stage.number("service", label))
    if service is None or service.status in (
        ServiceStatus.TERMINATED,
        ServiceStatus.CANCELLED,
        ServiceStatus.FRAUD,
    ):
        return "terminated"
    if service.status == ServiceStatus.SUSPENDED:
        return "suspended"
    explained = _explained(stage, service.id)
    noticed = explained is not None and explained.decision.stage is CaseStage.NOTICED
    return "warned" if noticed else "active"


def _explained(stage: Stage, service: int) -> Explanation | None:
    try:
        return stage.bridge.explain_service(ServiceId(service))
    except BridgeError:
        return None


def _with_status(stage: Stage, label: str) -> str:
    service = stage.world.services.get(stage.number("service", label))
    if service is None:
        return " (deleted)"
    reason = f": {service.suspend_reason}" if service.suspend_reason else ""
    return f" ({service.status}{reason})"


# --- one check a key; each returns (expected, found) or None where the key is not given ---------------

Pair = tuple[str, str] | None


def _status(stage: Stage, wanted: Expectation) -> Pair:
    if not wanted.status:
        return None
    service = stage.world.services.get(stage.number("service", wanted.service))
    return f"status {wanted.status}", f"status {service.status if service else 'deleted'}"


def _reason(stage: Stage, wanted: Expectation) -> Pair:
    if wanted.reason_contains is None:
        return None
    text = _with_numbers(stage, wanted.reason_contains)
    service = stage.world.services.get(stage.number("service", wanted.service))
    stored = service.suspend_reason if service else ""
    expected = f'a suspension reason with "{text}"'
    return expected, expected if text in stored else f'the suspension reason "{stored}"'


def _with_numbers(stage: Stage, text: str) -> str:
    """Replace {label} by WHMCS's number: of an invoice, else of a service, client, product or group."""
    tables = [*stage.scenario.numbers.values(), stage.invoices]
    for table in tables[::-1]:
        for label, number in table.items():
            text = text.replace("{" + label + "}", str(number))
    return text


def _vip(stage: Stage, wanted: Expectation) -> Pair:
    if wanted.vip is None:
        return None
    group = stage.scenario.number("group", stage.scenario.vip_group) if stage.scenario.vip_group else -1
    return f"vip {_yes(wanted.vip)}", f"vip {_yes(_client(stage, wanted).group == group)}"


def _group(stage: Stage, wanted: Expectation) -> Pair:
    if wanted.group is None:
        return None
    number = _client(stage, wanted).group
    found = stage.world.groups[number].name if number else ""
    return f'group "{wanted.group}"', f'group "{found}"'


def _standing(stage: Stage, wanted: Expectation) -> Pair:
    if not wanted.standing:
        return None
    try:
        found = stage.bridge.explain_client(ClientId(_client(stage, wanted).id)).standing
    except BridgeError as error:
        found = str(error)
    return f"standing {wanted.standing}", f"standing {found}"


def _invoice_status(stage: Stage, wanted: Expectation) -> Pair:
    if not wanted.invoice_status:
        return None
    number = stage.invoices.get(wanted.invoice, 0)
    invoice = stage.world.invoices.get(number)
    shown = f"invoice {wanted.invoice} ({number or 'not issued yet'})"
    return f"{shown} {wanted.invoice_status}", f"{shown} {invoice.status if invoice else 'deleted'}"


def _backups(stage: Stage, wanted: Expectation) -> Pair:
    if wanted.backups is None:
        return None
    found = stage.backups_of(stage.number("service", wanted.service))
    return f"{wanted.backups} backups", f"{found} backups"


def _next(stage: Stage, wanted: Expectation) -> Pair:
    if wanted.next is None:
        return None
    explained = _explained(stage, stage.number("service", wanted.service))
    following = explained.next if explained is not None else None
    step, day = (following[0].kind.value, following[1]) if following is not None else (NOTHING, None)
    expected, found = f"next {wanted.next.step}", f"next {step}"
    if wanted.next.date is not None:
        return f"{expected} on {wanted.next.date}", f"{found} on {day}"
    return expected, found


_CHECKS: tuple[Callable[[Stage, Expectation], Pair], ...] = (
    _status,
    _reason,
    _vip,
    _group,
    _standing,
    _invoice_status,
    _backups,
    _next,
)


def _client(stage: Stage, wanted: Expectation) -> Any:
    if wanted.client:
        return stage.world.clients[stage.number("client", wanted.client)]
    return stage.world.clients[stage.world.services[stage.number("service", wanted.service)].client]


def _yes(value: bool) -> str:
    return "true" if value else "false"


# --- actions --------------------------------------------------------------------------------------


def _actions(stage: Stage, wanted: Expectation, happened: Iterable[Action]) -> Iterator[tuple[str, str]]:
    if not wanted.actions and not wanted.no_actions:
        return
    service = stage.number("service", wanted.service) if wanted.service else 0
    client = stage.number("client", wanted.client) if wanted.client else 0
    known = stage.world.services.get(service)
    owner = known.client if known else 0
    mine = [action for action in happened if actions.matches(action, service, client, owner)]
    names = {action.name for action in mine}
    shown = _list(dict.fromkeys(action.name.removesuffix(" again") for action in mine))
    if any(actions.is_review_of(action, mine) for action in happened):
        reviewed = {*names, actions.REVIEW}
    else:
        reviewed = names
    for name in wanted.actions:
        if name not in reviewed:
            yield f"{name} to happen", shown
    for name in wanted.no_actions:
        if name in names:
            yield f"{name} not to happen", shown


def _list(names: Iterable[str]) -> str:
    return "happened: " + (", ".join(names) or "nothing")


# --- explaining -----------------------------------------------------------------------------------


def _subject(stage: Stage, wanted: Expectation) -> str:
    for kind in ("service", "client"):
        label = getattr(wanted, kind)
        if label:
            return f"{stage.scenario.shown(kind, label)}: "
    return ""


def explanation_of(stage: Stage, wanted: Expectation) -> str:
    """The bridge's own account of the service, or of every service of the client, on this day."""
    label = wanted.client
    if wanted.service:
        services = [stage.number("service", wanted.service)]
    elif label:
        services = list(stage.world.services_by_client.get(stage.number("client", label), ()))
    else:
        invoice = stage.world.invoices.get(stage.invoices.get(wanted.invoice, 0))
        services = list(stage.world.services_by_client.get(invoice.client, ())) if invoice else []
    lines = [_explain(stage, number) for number in services]
    lines += [f"run of {day}: {problem}" for day, problem in stage.problems if day == stage.today]
    return "\n".join(lines)


def _explain(stage: Stage, number: int) -> str:
    try:
        explained = stage.bridge.explain_service(ServiceId(number))
    except BridgeError as error:
        return f"service {number}: {error}"
    decision = explained.decision
    said = [f"service {number}: {decision.stage}", f"client {decision.standing}", f"class {decision.class_name or '-'}"]
    said += [f"owes {debt.amount} since {debt.due} (invoice {debt.number})" for debt in decision.debts]
    said += [f"due: {due.kind} ({due.reason})" for due in decision.due]
    for held in decision.withheld:
        said.append(f"withheld: {held.kind} ({held.why}{f', until {held.until}' if held.until else ''})")
    if explained.next is not None:
        said.append(f"next: {explained.next[0].kind} on {explained.next[1]}")
    return "; ".join(said)
