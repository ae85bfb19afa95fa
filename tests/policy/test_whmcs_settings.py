"""WHMCS's own settings, judged against the house's rules."""

from collections.abc import Mapping

import pytest

from tests.house import HOSTING, settings_of
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.policy.whmcs_settings import NAMES, SettingFinding, Weight, judge_settings

OFF = dict.fromkeys(NAMES, "")


def a_policy(**tables: object) -> Policy:
    return settings_of({"class": {"hosting": HOSTING}, **tables}).policy


def found(values: Mapping[str, str | None], policy: Policy | None = None) -> dict[str, SettingFinding]:
    return {f.setting: f for f in judge_settings({**OFF, **values}, policy or a_policy())}


@pytest.mark.parametrize(
    ("name", "days"), [("AutoSuspension", "AutoSuspensionDays"), ("AutoTermination", "AutoTerminationDays")]
)
@pytest.mark.parametrize("ticked", ["on", "1", " On "])
def test_whmcs_own_cron_fights_our_rules_and_what_to_do_is_said(name: str, days: str, ticked: str) -> None:
    finding = found({name: ticked, days: "2"})[name]
    assert finding.weight is Weight.FIGHTS
    assert finding.value == "on, 2 days"
    assert finding.set_to.startswith("off")
    assert "class hosting" in finding.why
    assert finding.uncovered
    assert "Automation" in finding.where


def test_a_cron_that_comes_later_than_our_rules_is_not_said_to_come_sooner() -> None:
    assert "sooner" not in found({"AutoSuspension": "on", "AutoSuspensionDays": "30"})["AutoSuspension"].why


def test_a_class_that_is_never_suspended_is_named_where_whmcs_suspends_it() -> None:
    policy = a_policy(**{"class": {"office": {"product_types": ["other"]}}})
    assert "office (never)" in found({"AutoSuspension": "on", "AutoSuspensionDays": "30"}, policy)["AutoSuspension"].why


def test_everything_off_fights_nothing() -> None:
    assert Weight.FIGHTS not in {f.weight for f in found({}).values()}


def test_requests_that_nobody_carries_out_give_service_away() -> None:
    """End of the cycle, and WHMCS's cancellation setting off: the service stays up after its end."""
    finding = found({})["AutoCancellationRequests"]
    assert finding.weight is Weight.GIVES_AWAY
    assert "end of its cycle" in finding.why
    assert found({"AutoCancellationRequests": "on"})["AutoCancellationRequests"].weight is Weight.FINE


def test_a_value_that_whmcs_does_not_tell_is_neither_on_nor_off() -> None:
    findings = found(dict.fromkeys(NAMES))
    assert {f.weight for f in findings.values()} == {Weight.UNKNOWN}
    assert all(f.value == "" for f in findings.values())


def test_no_new_invoices_with_a_vip_courtesy_gives_service_away() -> None:
    policy = a_policy(vip={"group": "VIP"})
    finding = found({}, policy)["ContinuousInvoiceGeneration"]
    assert finding.weight is Weight.GIVES_AWAY
    assert "VIP" in finding.why


def test_continuous_invoices_fight_a_house_that_bills_no_suspended_time() -> None:
    policy = a_policy(policy={"invoices_while_suspended": "none"})
    assert found({"ContinuousInvoiceGeneration": "on"}, policy)["ContinuousInvoiceGeneration"].weight is Weight.FIGHTS
    assert found({"ContinuousInvoiceGeneration": "on"})["ContinuousInvoiceGeneration"].weight is Weight.FINE


def test_a_reminder_before_its_invoice_is_made_goes_out_late() -> None:
    policy = a_policy(**{"class": {"hosting": {**HOSTING, "notices": [{"day": -14, "message": "payment-reminder"}]}}})
    assert found({"CreateInvoiceDaysBefore": "7"}, policy)["CreateInvoiceDaysBefore"].weight is Weight.LOOK
    assert found({"CreateInvoiceDaysBefore": "14"}, policy)["CreateInvoiceDaysBefore"].weight is Weight.FINE


def test_the_worst_comes_first_and_each_setting_once() -> None:
    findings = judge_settings({**OFF, "AutoTermination": "on", "AutoUnsuspend": "on"}, a_policy())
    order = [list(Weight).index(f.weight) for f in findings]
    assert order == sorted(order)
    assert len({f.setting for f in findings}) == len(findings)


def test_shadow_mode_leaves_suspension_to_whmcs_until_it_ends() -> None:
    values = {**OFF, "AutoSuspension": "on"}
    (finding,) = (f for f in judge_settings(values, a_policy(), enforcing=False) if f.setting == "AutoSuspension")
    assert "enforce" in finding.set_to
