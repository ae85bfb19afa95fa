"""Which class takes a product, which layer wins a key, and what may not come out of it (design sections 3 to 5)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import (
    a_case,
    a_client,
    a_group,
    a_policy,
    a_product,
    a_service,
    day,
    due_kinds,
    facts,
    judged,
    kinds,
    suspended,
)
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy.rules import ClassRules, MinDebt, Policy, Resolved, Rules, choose_class, resolve


def classes(**layers: dict[str, Any]) -> tuple[ClassRules, ...]:
    """By id 50, by group "Hosting", by type hostingaccount, by type server; those that are named."""
    selectors: dict[str, Any] = {
        "by_id": {"product_ids": frozenset({50})},
        "by_group": {"product_groups": frozenset({"Hosting"})},
        "by_type": {"product_types": frozenset({"hostingaccount"})},
        "servers": {"product_types": frozenset({"server"})},
    }
    return tuple(ClassRules(name, **selectors[name.rstrip("2")], layer=layer) for name, layer in layers.items())


def resolved(policy: Policy, *, group: str = "", client: int = 1, service: int = 10) -> Resolved:
    found = a_group(5, group) if group else None
    return resolve(policy, a_service(service), a_product(), a_client(client, group=5 if group else 0), found)


@pytest.mark.parametrize(
    ("named", "chosen"),
    [
        (("by_type", "by_group", "by_id"), ("by_id",)),
        (("by_type", "by_group"), ("by_group",)),
        (("by_type", "servers"), ("by_type",)),
        (("servers",), ()),
        (("by_type", "by_type2"), ("by_type", "by_type2")),
        (("by_group", "by_group2", "by_type"), ("by_group", "by_group2")),
        (("by_id", "by_group", "by_group2"), ("by_id",)),
    ],
)
def test_product_id_beats_group_beats_type_and_a_tie_is_a_tie(named: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    """ "product id beats group beats type; a tie is an error"."""
    policy = Policy(classes=classes(**{name: {} for name in named}))
    assert choose_class(policy, 50, "Hosting", "hostingaccount") == chosen


def test_group_names_are_compared_without_case() -> None:
    assert choose_class(Policy(classes=classes(by_group={})), 1, "hosting", "other") == ("by_group",)


def test_a_product_without_group_or_type_is_nobodys() -> None:
    assert choose_class(Policy(classes=classes(by_group={}, by_type={})), 1, "", "") == ()


@pytest.mark.parametrize("named", [("servers",), ("by_type", "by_type2")])
def test_without_one_class_there_is_no_step_and_a_report(named: tuple[str, ...]) -> None:
    """ "a tie is an error; no class means no step, reported"."""
    policy = Policy(classes=classes(**{name: {"suspend_after_days": 1} for name in named}))
    decision = judged(facts(), policy, day(60))
    assert kinds(decision) == []
    assert [n.code for n in decision.notes] == ["no-class:50"]
    assert decision.class_name == ""


def test_a_product_that_exists_no_more_is_reported_by_its_number() -> None:
    """Deleted in WHMCS, with services left: neither the list of products nor the service has a name for it."""
    known = facts()
    lost = replace(known, product=None, service=replace(known.service, name=""))
    (note,) = judged(lost, Policy(), day(60)).notes
    assert note.text.startswith(f"no class takes product {known.service.product_id} (without a name);")


def test_several_classes_for_one_client_each_judge_their_own() -> None:
    policy = Policy(
        classes=(
            ClassRules("hosting", product_types=frozenset({"hostingaccount"}), layer={"suspend_after_days": 3}),
            ClassRules("vps", product_types=frozenset({"server"}), layer={"suspend_after_days": 1}),
        )
    )
    box = facts(a_service(10, product=60), product=a_product(60, type="server"))
    assert due_kinds(box, policy, day(1)) == ["suspend"]
    assert due_kinds(facts(), policy, day(1)) == []


# --- layers -------------------------------------------------------------------------------------------------


LAYERED = Policy(
    defaults={"min_debt": MinDebt(Decimal("1.00")), "suspend_after_days": 2},
    classes=classes(by_type={"suspend_after_days": 3, "terminate_after_days": 15}),
    groups={"Resellers": {"suspend_after_days": 5, "terminate_after_days": 20}},
    clients={7: {"terminate_after_days": None}},
    services={456: {"suspend_after_days": 10}},
)


@pytest.mark.parametrize(
    ("group", "client", "service", "suspend", "terminate", "layers"),
    [
        ("", 1, 10, 3, 15, ("[class.by_type]", "[class.by_type]")),
        ("Resellers", 1, 10, 5, 20, ('[group."Resellers"]', '[group."Resellers"]')),
        ("Other", 1, 10, 3, 15, ("[class.by_type]", "[class.by_type]")),
        ("Resellers", 7, 10, 5, None, ('[group."Resellers"]', "[client.7]")),
        ("Resellers", 7, 456, 10, None, ("[service.456]", "[client.7]")),
        ("", 1, 456, 10, 15, ("[service.456]", "[class.by_type]")),
    ],
)
def test_later_layers_win_per_key(
    group: str, client: int, service: int, suspend: int, terminate: int | None, layers: tuple[str, str]
) -> None:
    """ "defaults, then class, then client group, client, service; later layers win per key"."""
    found = resolved(LAYERED, group=group, client=client, service=service)
    assert (found.rules.suspend_after_days, found.rules.terminate_after_days) == (suspend, terminate)
    assert (found.layers["suspend_after_days"], found.layers["terminate_after_days"]) == layers
    assert found.layers["min_debt"] == "[policy]"
    assert found.layers["scope"] == "defaults"


def test_layers_are_resolved_anew_for_every_client() -> None:
    """ "Layers are resolved anew every day": one client's rules are never another's."""
    policy = Policy(classes=LAYERED.classes, clients={7: {"suspend_after_days": 9}})
    assert [resolved(policy, client=n).rules.suspend_after_days for n in (1, 7, 1, 7)] == [3, 9, 3, 9]


@pytest.mark.parametrize(
    ("own", "layer", "terminate"),
    [
        ((3, 15), {"terminate_after_days": 3}, 15),
        ((3, 15), {"terminate_after_days": 2}, 15),
        ((3, 15), {"suspend_after_days": 20}, 32),
        ((3, 15), {"terminate_after_days": 4}, 4),
        ((3, 15), {"suspend_after_days": 14}, 15),
        ((3, None), {"terminate_after_days": 2}, None),
        ((3, None), {"terminate_after_days": 4}, 4),
        ((3, 15), {"suspend_after_days": None}, None),
        ((None, None), {"suspend_after_days": 5, "terminate_after_days": 5}, None),
    ],
)
def test_a_waiting_time_of_less_than_a_day_becomes_the_classs_own(
    own: tuple[int | None, int | None], layer: dict[str, Any], terminate: int | None
) -> None:
    """ "if layers make it less than 1 the class's own is used", never included; "never suspend implies never
    terminate"."""
    by_type = {"suspend_after_days": own[0], "terminate_after_days": own[1]}
    policy = Policy(classes=classes(by_type=by_type), clients={7: layer})
    assert resolved(policy, client=7).rules.terminate_after_days == terminate


def test_min_debt_by_currency() -> None:
    """ "a currency not named: 0"."""
    limit = MinDebt(Decimal("1.00"), {"BRL": Decimal("5.00")})
    assert limit.of("BRL") == Decimal("5.00")
    assert limit.of("USD") == Decimal(0)
    assert MinDebt(Decimal("1.00")).of("USD") == Decimal("1.00")


def test_the_defaults_are_those_of_the_specification() -> None:
    """ "`scope` service, `release` all-paid, `min_debt` 0.00, ...; day counts never"."""
    rules = Rules()
    assert (rules.scope, rules.release, rules.min_debt.default) == ("service", "all-paid", Decimal("0.00"))
    assert rules.suspend_after_days is rules.terminate_after_days is rules.delete_backups_after_days is None
    assert rules.release_counts == ("service", "addon", "overage")
    assert rules.payment_order == ("service", "addon", "domain", "overage", "fee")
    assert (rules.old_debt, rules.overdue_addon_suspends, rules.recent_contact_days) == ("report", "parent", 0)
    assert rules.contact_signs == ("ticket", "payment", "login")
    assert Policy().approval == {"terminate": "required", "delete_backups": "automatic"}


def test_a_service_of_ours_whose_product_no_class_takes_any_more_is_reported_when_paid() -> None:
    """ "no class means no step, reported": a paid-up client must not stay down unseen."""
    policy = Policy(classes=classes(servers={}))
    down = facts(suspended(), invoices=[], case=a_case(suspended_on=day(3)))
    decision = judged(down, policy, day(9))
    assert kinds(decision) == []
    assert [n.code for n in decision.notes] == ["no-class:50"]
    foreign = facts(suspended("Abuse"), invoices=[])
    assert judged(foreign, policy, day(9)).notes == ()


def test_a_layer_for_a_service_that_ended_changes_nothing_else() -> None:
    policy = a_policy(services={11: {"suspend_after_days": 1}})
    other = a_service(11, ServiceStatus.TERMINATED)
    assert due_kinds(facts(others=[other]), policy, day(1)) == []


# --- a policy that is changed by replace ------------------------------------------------------------------------


def test_a_policy_with_other_classes_resolves_them() -> None:
    """What was resolved under one policy is not remembered by its changed copy."""
    first = a_policy(3, 15)
    assert due_kinds(facts(), first, day(3)) == ["suspend"]
    other = replace(first, classes=a_policy(9, 30).classes)
    assert due_kinds(facts(), other, day(3)) == []
