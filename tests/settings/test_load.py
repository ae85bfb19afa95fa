"""The settings file as a whole: what a good one becomes."""

from whmcs_bridge.settings import from_mapping, scenario_policy

WHMCS = {"url": "https://billing.example.com", "identifier": "env:ID", "secret": "env:SECRET"}


def test_a_file_that_only_names_whmcs_is_in_shadow_mode_with_every_default() -> None:
    settings = from_mapping({"whmcs": WHMCS})
    assert settings.mode == "shadow"
    assert settings.policy.classes == ()
    assert settings.policy.vip is None
    assert settings.policy.approval["terminate"] == "required"
    assert settings.policy.limits.by_kind["suspend"].max == 25


def test_a_scenario_enforces_approves_by_itself_and_has_no_limits_and_no_sanity_stops() -> None:
    settings = scenario_policy({"class": {"hosting": {"product_types": ["server"], "suspend_after_days": 3}}}, {}, {})
    assert settings.enforcing
    assert settings.policy.approval == {"terminate": "automatic", "delete_backups": "automatic"}
    assert settings.policy.limits.by_kind == {}
    assert not settings.policy.sanity.enabled
