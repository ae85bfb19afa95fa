"""The settings file as a whole: where it is found, how it is read, what a good one becomes."""

from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.settings.files import CLASS, HEAD, settings_of
from whmcs_bridge.errors import SettingsProblem, UsageProblem
from whmcs_bridge.policy.rules import KindLimit, MinDebt, Notice, ReleaseTier, Rules
from whmcs_bridge.settings import find, from_mapping, load, scenario_policy
from whmcs_bridge.settings.kinds import address_of
from whmcs_bridge.settings.model import HookSettings
from whmcs_bridge.settings.presets import example_settings

CLASSES = {"class": {"hosting": {"product_types": ["server"], "suspend_after_days": 3}}}


def test_a_file_that_only_names_whmcs_is_in_shadow_mode_with_every_default() -> None:
    settings = settings_of(HEAD)
    assert settings.mode == "shadow"
    assert not settings.enforcing
    assert settings.policy.classes == ()
    assert settings.policy.vip is None
    assert settings.policy.approval["terminate"] == "required"
    assert settings.policy.limits.by_kind["suspend"] == KindLimit(5, 25, Decimal("2.0"), 100)
    assert settings.policy.sanity.enabled
    assert not settings.policy.promises.not_on_eve


def test_the_example_becomes_the_policy_it_describes() -> None:
    policy = example_settings().policy
    hosting = policy.classes[0]
    assert hosting.product_types == {"hostingaccount", "reselleraccount"}
    assert hosting.layer["notices"] == (Notice(-4, "payment-reminder"), Notice(2, "suspension-warning"))
    assert policy.defaults["min_debt"] == MinDebt(by_currency={"BRL": Decimal("5.00"), "USD": Decimal("1.00")})
    assert policy.groups == {"Resellers": {"suspend_after_days": 5, "terminate_after_days": 20}}
    assert policy.clients == {123: {"terminate_after_days": None}}
    assert policy.services == {456: {"suspend_after_days": 10, "terminate_after_days": 30}}
    assert policy.calendar.quiet_weekdays == {4, 5, 6}
    assert policy.calendar.quiet_holidays
    assert policy.calendar.act_hours == (time(9), time(16))
    assert policy.promises.not_on_eve
    assert policy.trust_release.tiers[1] == ReleaseTier(days=3, min_tenure_months=12)
    assert policy.messages["welcome-back"].subject == "Welcome back"
    assert example_settings().warnings == ()


def test_every_layer_of_the_example_builds_rules() -> None:
    policy = example_settings().policy
    for one in policy.classes:
        assert Rules(**{**policy.defaults, **one.layer}).suspend_after_days is not None


def test_products_is_another_spelling_of_product_ids() -> None:
    assert settings_of("[class.a]\nproducts = [12]").policy.classes[0].product_ids == {12}


def test_the_vip_group_and_no_group_are_managed_unless_the_file_says_otherwise() -> None:
    vip = settings_of('[vip]\ngroup = "Gold"').policy.vip
    assert vip is not None
    assert vip.managed_groups == ("Gold", "")


def test_promises_and_releases_avoid_the_eve_of_a_quiet_day_where_there_are_quiet_days() -> None:
    quiet = '[calendar]\ntimezone = "UTC"\nquiet_days = ["sunday"]\n'
    assert settings_of(quiet).policy.promises.not_on_eve
    assert settings_of(quiet).policy.trust_release.not_on_eve
    assert not settings_of(quiet + "[promises]\nnot_on = []").policy.promises.not_on_eve


def test_a_limit_that_is_given_in_part_keeps_the_rest_of_its_default() -> None:
    limit = settings_of("[limits]\nsuspend = { max = 40 }").policy.limits.by_kind["suspend"]
    assert limit == KindLimit(5, 40, Decimal("2.0"), 100)


def test_a_maximum_below_the_default_floor_lowers_the_floor() -> None:
    """max = 2 means two, not the five that always pass by default."""
    limit = settings_of("[limits]\nsuspend = { max = 2 }").policy.limits.by_kind["suspend"]
    assert (limit.always_allowed, limit.max) == (2, 2)


def test_a_limit_that_is_off_is_gone_and_warned_about() -> None:
    settings = settings_of('[limits]\nnotice = "off"' + CLASS)
    assert "notice" not in settings.policy.limits.by_kind
    assert settings.warnings[0].startswith("bridge.toml: [limits] notice: no limit")


def test_sanity_false_switches_the_checks_off() -> None:
    assert not settings_of("sanity = false").policy.sanity.enabled
    assert settings_of("sanity = true").policy.sanity.enabled
    assert settings_of("[sanity]\nmax_days_since_run = 3").policy.sanity.max_days_since_run == 3


@pytest.mark.parametrize(
    "written",
    [
        "https://billing.example.com/whmcs",
        "https://billing.example.com/whmcs/",
        "https://billing.example.com/whmcs/includes/api.php",
        "https://billing.example.com/whmcs/includes/api.php/includes/api.php",
    ],
)
def test_the_address_is_whmcs_root_however_much_of_it_is_written(written: str) -> None:
    text = HEAD.replace("https://billing.example.com", written)
    assert settings_of(text).whmcs.url == "https://billing.example.com/whmcs"


def test_plain_http_is_warned_about_except_on_this_machine() -> None:
    far = settings_of(HEAD.replace("https", "http") + CLASS)
    near = settings_of(HEAD.replace("https://billing.example.com", "http://127.0.0.1:8080") + CLASS)
    assert "plain http" in far.warnings[0]
    assert near.warnings == ()
    assert near.whmcs.url == "http://127.0.0.1:8080"


# --- scenarios -----------------------------------------------------------------------------------


def test_a_scenario_enforces_approves_by_itself_and_has_no_limits_and_no_sanity_stops() -> None:
    settings = scenario_policy(CLASSES, {}, {})
    assert settings.enforcing
    assert settings.policy.approval == {"terminate": "automatic", "delete_backups": "automatic"}
    assert settings.policy.limits.by_kind == {}
    assert not settings.policy.sanity.enabled


def test_what_a_scenario_gives_is_kept_and_nothing_is_added_to_it() -> None:
    config = {**CLASSES, "limits": {"suspend": {"max": 2}}, "approval": {"terminate": "required"}, "sanity": {}}
    policy = scenario_policy(config, {}, {}).policy
    assert policy.limits.by_kind == {"suspend": KindLimit(max=2)}
    assert policy.approval["terminate"] == "required"
    assert policy.sanity.enabled


def test_a_scenario_names_clients_services_and_products_by_label() -> None:
    config = {
        "class": {"hosting": {"product_ids": ["basic"], "suspend_after_days": 3}},
        "client": {"ana": {"suspend_after_days": 5}},
        "service": {"site": {"suspend_after_days": 9}},
    }
    policy = scenario_policy(config, {"ana": 7}, {"site": 8}, product_ids={"basic": 3}).policy
    assert policy.clients == {7: {"suspend_after_days": 5}}
    assert policy.services == {8: {"suspend_after_days": 9}}
    assert policy.classes[0].product_ids == {3}


def test_a_label_that_a_scenario_lacks_is_told_with_the_scenario_s_own_key() -> None:
    with pytest.raises(SettingsProblem) as caught:
        scenario_policy({"client": {"bob": {}}, "whmcs": {}, "mode": "no"}, {"ana": 7}, {}, source="s.toml: vip")
    assert caught.value.problems[1:] == [
        's.toml: vip: [config] mode: found "no", expected "shadow" or "enforce"',
        's.toml: vip: [config.client.bob]: found a client that the file does not have, expected "ana"',
    ]
    assert caught.value.problems[0].startswith("s.toml: vip: [config] whmcs: found an unknown key; expected one of")


# --- files ---------------------------------------------------------------------------------------


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_the_file_is_found_in_the_documented_order(tmp_path: Path) -> None:
    cwd, home = tmp_path / "cwd", tmp_path / "home"
    cwd.mkdir()
    usual = write(home / ".config" / "whmcs-bridge" / "bridge.toml", "")
    assert find(None, {}, cwd, home) == usual
    elsewhere = write(tmp_path / "xdg" / "whmcs-bridge" / "bridge.toml", "")
    assert find(None, {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, cwd, home) == elsewhere
    here = write(cwd / "bridge.toml", "")
    assert find(None, {}, cwd, home) == here
    by_variable = write(tmp_path / "b.toml", "")
    assert find(None, {"WHMCS_BRIDGE_CONFIG": str(by_variable)}, cwd, home) == by_variable
    by_option = write(cwd / "c.toml", "")
    assert find("c.toml", {"WHMCS_BRIDGE_CONFIG": str(by_variable)}, cwd, home) == by_option
    assert find("", {"WHMCS_BRIDGE_CONFIG": ""}, cwd, home) == here


@pytest.mark.parametrize(
    ("config", "env", "told"),
    [
        (None, {}, "no settings: neither {cwd}/bridge.toml nor {cwd}/.config/whmcs-bridge/bridge.toml is there"),
        ("x.toml", {}, "x.toml: no such file, named by --config"),
        (None, {"WHMCS_BRIDGE_CONFIG": "y.toml"}, "y.toml: no such file, named by WHMCS_BRIDGE_CONFIG"),
    ],
)
def test_no_file_is_one_line_that_says_how_to_make_one(
    tmp_path: Path, config: str | None, env: dict[str, str], told: str
) -> None:
    with pytest.raises(UsageProblem) as caught:
        find(config, env, tmp_path, tmp_path)
    assert str(caught.value) == told.format(cwd=tmp_path) + "; `whmcs-bridge init` makes one"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"mode = \n", "line 1, column 8: not valid TOML: Invalid value"),
        (b"[policy]\nscope = 1\nscope = 2\n", "line 3, column 10: not valid TOML: Cannot overwrite a value"),
        (b'[whmcs]\nurl = "https://', "line 2: not valid TOML: "),
        (b"[policy]\nscope = \xff\n", "line 2: found bytes that are not UTF-8, expected TOML"),
        (b"a = " + b"[" * 5000, "not valid TOML: "),
        (b"a = " + b"9" * 5000, "not valid TOML: "),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_the_line(tmp_path: Path, raw: bytes, told: str) -> None:
    path = tmp_path / "bridge.toml"
    path.write_bytes(raw)
    with pytest.raises(SettingsProblem) as caught:
        load(path, {})
    [line] = caught.value.problems
    assert line.startswith(f"{path}: {told}")
    assert len(line.splitlines()) == 1


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").mkdir()
    with pytest.raises(UsageProblem, match=r"bridge\.toml: cannot be read: Is a directory"):
        load(tmp_path / "bridge.toml", {})


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load(path, {}).whmcs.url == "https://billing.example.com"


def test_the_databases_lie_beside_the_file_or_where_storage_says(tmp_path: Path) -> None:
    path = write(tmp_path / "bridge.toml", HEAD)
    settings = load(path, {"HOME": str(tmp_path)})
    assert settings.journal == tmp_path / "journal.db"
    assert settings.mirror == tmp_path / "mirror.db"
    assert settings.pause_file == tmp_path / "PAUSE"
    write(path, '[storage]\nfolder = "data"' + HEAD)
    assert load(path, {}).journal == tmp_path / "data" / "journal.db"


def test_settings_in_the_configuration_folder_keep_their_databases_in_the_state_folder(tmp_path: Path) -> None:
    path = write(tmp_path / ".config" / "whmcs-bridge" / "bridge.toml", HEAD)
    assert load(path, {"HOME": str(tmp_path)}).folder == tmp_path / ".local" / "state" / "whmcs-bridge"
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "s")}
    assert load(path, env).folder == tmp_path / "s" / "whmcs-bridge"


@pytest.mark.parametrize(
    ("said", "mode", "mails"),
    [
        ({}, "enforce", True),
        ({}, "shadow", False),
        ({"staff": {"morning_mail": "always"}}, "shadow", True),
        ({"staff": {"morning_mail": "never"}}, "enforce", False),
    ],
)
def test_staff_gets_a_mail_in_enforce_mode_unless_told_otherwise(said: dict[str, Any], mode: str, mails: bool) -> None:
    """A mail changes nothing for clients, but shadow mode writes nothing to WHMCS unasked."""
    whmcs = {"url": "https://billing.example.com", "identifier": "env:A", "secret": "env:B"}
    assert from_mapping({"mode": mode, "whmcs": whmcs, **said}).mails_staff is mails


def test_a_timeline_mails_no_staff_unless_it_says_so() -> None:
    assert not scenario_policy({}, {}, {}).mails_staff
    assert scenario_policy({"staff": {"morning_mail": "always"}}, {}, {}).mails_staff


def test_hooks_have_their_defaults_and_the_gate_file_lies_beside_the_databases(tmp_path: Path) -> None:
    settings = load(write(tmp_path / "bridge.toml", HEAD), {})
    assert (settings.hooks, settings.gate) == (HookSettings(), tmp_path / "gate.json")
    own = '[hooks]\nlisten = "[::1]:0"\nsecret = "env:S"\ngate_file = "g/gate.json"\nadmin_clicks = "refuse"\n'
    hooks = load(write(tmp_path / "bridge.toml", HEAD + own), {"S": "hush"}).hooks
    assert (hooks.admin_clicks, hooks.gate_file) == ("refuse", tmp_path / "g" / "gate.json")
    assert hooks.secret is not None
    assert hooks.secret.reveal() == "hush"
    assert address_of(hooks.listen) == ("::1", 0)
