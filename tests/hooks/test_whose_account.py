"""Ids in custom fields: kept from what a module was called with, before it blanks them."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from hooks import HANDLERS
from hooks.whose_account import ids_in, keep_account
from tests.hooks.house import SHOP, UNKNOWN, ask, event, house, module_event, tell
from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.hookpoints import Actor, Ask, HookEvent
from whmcs_bridge.jobs.erase import IDENTITY
from whmcs_bridge.scenarios.stage import Stage

DAY = date(2026, 3, 12)
ID_FIELDS = {"vmid": ("VM ID",)}


def wanting_ids(stage: Stage) -> None:
    settings = stage.bridge.settings
    rules = replace(settings.policy.backups, id_fields=ID_FIELDS)
    stage.bridge.ports.settings = replace(settings, policy=replace(settings.policy, backups=rules))


def called_with(stage: Stage, point: str, fields: object, actor: str = Actor.ADMIN, **params: object) -> HookEvent:
    return event(stage, point, actor, params={"serviceid": str(SHOP), "customfields": fields, **params})


def shops(stage: Stage) -> list[AccountIdentity]:
    return list(stage.bridge.journal.deletions.accounts([SHOP]))


def test_what_a_module_is_about_to_blank_is_kept_before_it_does() -> None:
    with house(DAY) as stage:
        wanting_ids(stage)
        assert not ask(stage, called_with(stage, "PreModuleTerminate", {"VM ID": "104", "Senha": "secret"})).abort
        [account] = shops(stage)
        assert (account.username, account.proofs["vmid"], account.until) == ("104", "104", None)
        assert "secret" not in str(account)
        [kept] = [e for e in stage.bridge.journal.evidence(SHOP) if e["kind"] == IDENTITY]
        assert (kept["username"], kept["proofs"]["vmid"]) == ("104", "104")


def test_a_blank_field_takes_nothing_away() -> None:
    with house(DAY) as stage:
        wanting_ids(stage)
        ask(stage, called_with(stage, "PreModuleTerminate", {"VM ID": "104"}))
        ask(stage, called_with(stage, "PreModuleTerminate", {"VM ID": ""}))
        assert [account.username for account in shops(stage)] == ["104"]


def test_an_end_while_the_bridge_was_away_keeps_the_ids_that_were_told_with_it() -> None:
    with house(DAY) as stage:
        wanting_ids(stage)
        handler = HANDLERS["PreModuleTerminate"]
        assert isinstance(handler, Ask)
        assert handler.note is not None
        handler.note(called_with(stage, "PreModuleTerminate", {"VM ID": "104"}), stage.bridge)
        assert [account.username for account in shops(stage)] == ["104"]


@pytest.mark.parametrize("point", ["AfterModuleSuspend", "AfterModuleUnsuspend", "AfterModuleTerminate"])
def test_what_any_module_was_called_with_is_kept_where_no_machine_is_known(point: str) -> None:
    with house(DAY) as stage:
        wanting_ids(stage)
        tell(stage, called_with(stage, point, {"VM ID": "104"}, Actor.CRON))
        assert [account.username for account in shops(stage)] == ["104"]
        tell(stage, called_with(stage, point, {"VM ID": "205"}, Actor.CRON))  # late: whoever is known is known better
        assert [account.username for account in shops(stage)] == ["104"]


def test_what_an_addon_s_module_was_called_with_is_not_the_service_s() -> None:
    with house(DAY) as stage:
        wanting_ids(stage)
        before = shops(stage)
        tell(stage, called_with(stage, "AfterModuleSuspend", {"VM ID": "104"}, addonId="7"))
        ask(stage, called_with(stage, "PreModuleTerminate", {"VM ID": "104"}, addonId="7"))
        assert shops(stage) == before


@pytest.mark.parametrize("fields", [None, [], "", {}, {"VM ID": ["104"]}, {"other": "104"}, {"VM ID": "0"}])
def test_what_holds_no_id_names_no_machine(fields: Any) -> None:
    with house(DAY) as stage:
        wanting_ids(stage)
        before = shops(stage)
        asked = called_with(stage, "PreModuleTerminate", fields)
        assert ids_in(asked, stage.bridge) == {}
        ask(stage, asked)
        assert [a.username for a in shops(stage)] == [a.username for a in before]


def test_without_the_setting_no_field_is_looked_at() -> None:
    with house(DAY) as stage:
        assert ids_in(called_with(stage, "PreModuleTerminate", {"VM ID": "104", "vmid": "104"}), stage.bridge) == {}
        assert ids_in(module_event(stage, "PreModuleTerminate", SHOP), stage.bridge) == {}


def test_a_service_that_was_never_seen_has_no_identity() -> None:
    with house(DAY) as stage:
        before = list(stage.bridge.journal.deletions.accounts())
        keep_account(stage.bridge, UNKNOWN, ids={"vmid": "104"})
        assert list(stage.bridge.journal.deletions.accounts()) == before
