"""The presets and the example: what a new house starts from."""

import pytest

from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.settings import from_mapping, parse
from whmcs_bridge.settings.presets import PRESETS, preset_text


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_without_a_warning_and_changes_nothing_yet(name: str) -> None:
    settings = from_mapping(parse(preset_text(name).encode(), name))
    assert settings.warnings == ()
    assert settings.mode == "shadow"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_warns_before_it_suspends(name: str) -> None:
    policy = from_mapping(parse(preset_text(name).encode(), name)).policy
    for one in policy.classes:
        notices = {**policy.defaults, **one.layer}["notices"]
        assert "suspension-warning" in [notice.message for notice in notices]


@pytest.mark.parametrize("name", PRESETS)
def test_address_and_time_zone_are_filled_in(name: str) -> None:
    text = preset_text(name, url='https://b.example.com/"\\', timezone="America/Sao_Paulo")
    tables = parse(text.encode(), name)
    assert tables["whmcs"]["url"] == 'https://b.example.com/"\\'
    assert tables["calendar"]["timezone"] == "America/Sao_Paulo"


def test_an_unknown_preset_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageProblem, match='expected "strict", "reminders-3-4-5" or "patient-8-30"'):
        preset_text("lenient")
