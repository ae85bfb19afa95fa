"""What single keys cannot see: settings that contradict each other, or give service away."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whmcs_bridge.policy.rules import SUSPENSION_WARNING, ClassRules, Layer, Policy, ReleaseTier, Rules
from whmcs_bridge.settings.model import BackupStoreSettings, PanelSettings
from whmcs_bridge.settings.report import Place, Report, group_place, show, show_text, table_place

MESSAGE_KEYS = ("on_suspend_message", "on_release_message", "on_end_message")
BILLING_PERIOD_DAYS = 31
"""A courtesy longer than this spans a renewal."""


@dataclass(frozen=True, slots=True)
class Over:
    """A layer over every class: one client group, client or service."""

    at: Place
    layer: Layer
    is_group: bool


def cross_check(policy: Policy, report: Report, prefix: str = "") -> None:
    """Report every contradiction as a problem, and what is hardly meant as a warning."""
    _claims(policy, report, prefix)
    for one in policy.classes:
        _class(policy, one, report, prefix)
    for over in _layers(policy, prefix):
        _layer(policy, over, report)
    _vip(policy, report, prefix)
    _tiers(policy.trust_release.tiers, report, table_place("trust_release", prefix=prefix))
    _requests(policy, report, prefix)
    _limits(policy, report, prefix)
    if not policy.classes and not prefix:
        report.warn(Place("[class.NAME]"), "no class is defined, so no service is ever suspended, ended or erased")


def warn_of_machines(
    policy: Policy, stores: Sequence[BackupStoreSettings], panels: Sequence[PanelSettings], report: Report
) -> None:
    """Say of a store of machines' backups why nothing in it can be proved: nobody records which machines are whose."""
    for number, store in enumerate(stores, 1):
        if store.driver != "proxmox":
            continue
        at = Place("[[backup_store]]").item(number)
        shows = [p for p in panels if p.driver == "proxmox" and (not store.servers or {*store.servers} & {*p.servers})]
        if not shows:
            why = 'no [[panel]] with driver "proxmox" serves them: no machine\'s uuid is recorded, and backups stay'
            report.warn(at.to("servers"), why)
        if "vmid" not in policy.backups.id_fields:
            why = "[backups] id_fields names no vmid: machines are known by WHMCS's user name only"
            report.warn(at, why)


def message_names(policy: Policy, prefix: str = "") -> Iterator[tuple[Place, str]]:
    """Yield every message that a rule names, with the place that names it."""
    stacked = [(table_place("policy", prefix=prefix), policy.defaults)]
    stacked += [(table_place("class", one.name, prefix=prefix), one.layer) for one in policy.classes]
    stacked += [(over.at, over.layer) for over in _layers(policy, prefix)]
    for at, layer in stacked:
        for number, notice in enumerate(layer.get("notices", ()), 1):
            yield at.to("notices").item(number).to("message"), notice.message
        for key in MESSAGE_KEYS:
            if layer.get(key):
                yield at.to(key), layer[key]


def _layers(policy: Policy, prefix: str) -> Iterator[Over]:
    for name, layer in policy.groups.items():
        yield Over(group_place(name, prefix), layer, True)
    for kind, layers in (("client", policy.clients), ("service", policy.services)):
        for number, layer in layers.items():
            yield Over(table_place(kind, str(number), prefix=prefix), layer, False)


# --- classes ----------------------------------------------------------------------------------------


def _claims(policy: Policy, report: Report, prefix: str) -> None:
    """Two classes must not claim the same products with equal right."""
    owners: dict[tuple[str, object], str] = {}
    for one in policy.classes:
        at = table_place("class", one.name, prefix=prefix)
        claims: list[tuple[str, Any]] = [("product_ids", claim) for claim in sorted(one.product_ids)]
        claims += [("product_groups", claim) for claim in sorted(one.product_groups)]
        claims += [("product_types", claim) for claim in sorted(one.product_types)]
        if not claims:
            report.warn(at, "selects no products (product_types, product_groups or product_ids), so it is never used")
        for key, claim in claims:
            folded = (key, claim.casefold() if isinstance(claim, str) else claim)
            other = owners.setdefault(folded, one.name)
            if other != one.name:
                report.refuse(
                    at.to(key), f"found {show(claim)}, which [{prefix}class.{other}] has too, expected it in one class"
                )


def _class(policy: Policy, one: ClassRules, report: Report, prefix: str) -> None:
    """Check the days of a class by itself, over [policy]."""
    own = table_place("class", one.name, prefix=prefix)
    base = table_place("policy", prefix=prefix)
    rules = Rules(**{**policy.defaults, **one.layer})

    def at(key: str) -> Place:
        return (own if key in one.layer else base).to(key)

    if rules.suspend_after_days is None and rules.terminate_after_days is not None:
        report.warn(at("terminate_after_days"), _no_suspension(one.name))
        return
    waiting = rules.waiting_days
    if waiting is not None and waiting < 1:
        report.refuse(
            at("terminate_after_days"),
            f"found {rules.terminate_after_days}, expected more than suspend_after_days, "
            f"which is {rules.suspend_after_days} in class {one.name}",
        )
    elif waiting is not None and rules.final_warning_days is not None and rules.final_warning_days > waiting:
        report.refuse(at("final_warning_days"), _too_long_a_warning(rules, waiting, one.name))
    for number in _late_warnings(rules):
        report.refuse(at("notices").item(number), _late_warning(rules, number, one.name))


def _no_suspension(name: str) -> str:
    return (
        f"has no effect in class {name}: suspend_after_days is never, and what is never suspended is never terminated"
    )


def _too_long_a_warning(rules: Rules, waiting: int, name: str) -> str:
    return f"found {rules.final_warning_days}, expected no more than the waiting time of class {name}, {_days(waiting)}"


def _late_warnings(rules: Rules) -> Iterator[int]:
    """Yield the numbers of the suspension warnings that go out on or after the suspension day."""
    if rules.suspend_after_days is None:
        return
    for number, notice in enumerate(rules.notices, 1):
        if notice.message == SUSPENSION_WARNING and notice.day >= rules.suspend_after_days:
            yield number


def _late_warning(rules: Rules, number: int, name: str) -> str:
    day = rules.notices[number - 1].day
    return (
        f"found a {SUSPENSION_WARNING} on day {day}, expected it before the suspension "
        f"on day {rules.suspend_after_days} in class {name}"
    )


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


# --- layers -----------------------------------------------------------------------------------------


def _layer(policy: Policy, over: Over, report: Report) -> None:
    """Check a layer over each class. What fails over every class is an error, over some a warning.

    Which classes a client has is not known here, and the stage machine copes: it waits longer.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for one in policy.classes:
        base = {**policy.defaults, **one.layer}
        for key, text in _layer_faults(Rules(**base), Rules(**{**base, **over.layer}), over.layer, one.name):
            found.setdefault(key, []).append((one.name, text))
    for key, faults in found.items():
        at = over.at.to(key)
        if key in ("final_warning_days", "notices") and len(faults) == len(policy.classes):
            report.refuse(at, faults[0][1])
        else:
            report.warn(at, faults[0][1] + _also([name for name, _ in faults[1:]]))
    _given_away(policy, over, report)


def _layer_faults(own: Rules, rules: Rules, layer: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Yield (key, text) for what the layer does wrong over one class."""
    changed = next((key for key in ("suspend_after_days", "terminate_after_days") if key in layer), "")
    waiting = rules.waiting_days
    if "terminate_after_days" in layer and rules.suspend_after_days is None and rules.terminate_after_days is not None:
        yield "terminate_after_days", _no_suspension(name)
    if changed and waiting is not None and waiting < 1:
        yield (
            changed,
            (
                f"leaves no day between suspension (day {rules.suspend_after_days}) and termination "
                f"(day {rules.terminate_after_days}) in class {name}; the class's own waiting time is used"
            ),
        )
        waiting = own.waiting_days
    wanted = rules.final_warning_days
    if (changed or "final_warning_days" in layer) and wanted is not None and waiting is not None and wanted > waiting:
        yield "final_warning_days", _too_long_a_warning(rules, waiting, name)
    if "suspend_after_days" in layer or "notices" in layer:
        for number in _late_warnings(rules):
            yield "notices", _late_warning(rules, number, name)


def _also(names: list[str]) -> str:
    return f" (also in class {', '.join(names)})" if names else ""


def _given_away(policy: Policy, over: Over, report: Report) -> None:
    """Refuse a group that is never suspended and gets no invoices while one is open."""
    for one in policy.classes:
        base = {**policy.defaults, **one.layer}
        own, rules = Rules(**base), Rules(**{**base, **over.layer})
        if own.suspend_after_days is None or rules.suspend_after_days is not None:
            continue
        if rules.invoices_while_suspended != "none":
            continue
        text = (
            f'found "never" together with invoices_while_suspended = "none" in class {one.name}: '
            "no new invoices while one is open and no suspension is service given away"
        )
        at = over.at.to("suspend_after_days")
        if over.is_group:
            report.refuse(at, text + ', expected a number of days, or "fee" or "continue"')
        else:
            report.warn(at, text)
        return


# --- the rest ---------------------------------------------------------------------------------------


def _vip(policy: Policy, report: Report, prefix: str) -> None:
    vip = policy.vip
    if vip is None:
        return
    at = table_place("vip", prefix=prefix)
    unbilled = _unbilled(policy)
    if vip.group not in vip.managed_groups and unbilled:
        report.refuse(
            at.to("managed_groups"),
            f'lacks {show_text(vip.group)} together with invoices_while_suspended = "none" in class {unbilled[0]}: '
            "who owes is never taken out and gets no new invoices, which is service given away, "
            f"expected {show_text(vip.group)} in it",
        )
    elif vip.group not in vip.managed_groups:
        report.warn(
            at.to("managed_groups"), f"lacks {show_text(vip.group)}, so nobody is ever taken out of the VIP group"
        )
    if vip.exempt_max_debt is not None or vip.exempt_max_days <= BILLING_PERIOD_DAYS:
        return
    if unbilled:
        report.refuse(
            at.to("exempt_max_days"),
            f'found {vip.exempt_max_days} together with invoices_while_suspended = "none" in class {unbilled[0]}: '
            "no new invoices while one is open is service given away, "
            f"expected {BILLING_PERIOD_DAYS} or less, or exempt_max_debt",
        )


def _unbilled(policy: Policy) -> list[str]:
    """Classes that suspend, and make no new invoices while one is open."""
    rules = {one.name: Rules(**{**policy.defaults, **one.layer}) for one in policy.classes}
    return [
        name for name, r in rules.items() if r.suspend_after_days is not None and r.invoices_while_suspended == "none"
    ]


def _requests(policy: Policy, report: Report, prefix: str) -> None:
    """Ways to ask that lead to nothing."""
    asked = policy.requests.link or policy.requests.ticket_phrases
    if asked and not policy.trust_release.on_request and not policy.promises.on_request:
        wanted = "on_request = true in [trust_release] or [promises]"
        report.warn(table_place("requests", prefix=prefix), f"clients may ask for nothing: that takes {wanted}")


def _tiers(tiers: tuple[ReleaseTier, ...], report: Report, at: Place) -> None:
    for number, tier in enumerate(tiers, 1):
        low, high = tier.min_tenure_months, tier.max_tenure_months
        if low is not None and high is not None and low > high:
            here = at.to("tiers").item(number).to("max_tenure_months")
            report.refuse(here, f"found {high}, expected at least min_tenure_months, which is {low}")


def _limits(policy: Policy, report: Report, prefix: str) -> None:
    for step, limit in policy.limits.by_kind.items():
        at = table_place("limits", prefix=prefix).to(step)
        if limit.max is not None and limit.always_allowed > limit.max:
            report.refuse(
                at.to("always_allowed"), f"found {limit.always_allowed}, expected no more than max, {limit.max}"
            )
        if limit.max_announced is not None and step != "suspend":
            report.refuse(
                at.to("max_announced"), "found it here, expected it under suspend only: nothing else is announced"
            )
