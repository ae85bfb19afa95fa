"""The policy's version: the same for the same rules, another for other rules."""

import pytest

from tests.settings.files import CLASS, HEAD, settings_of

BASE = CLASS + "suspend_after_days = 3\n"


def version(text: str) -> str:
    return settings_of(text).policy.version


@pytest.mark.parametrize(
    "same",
    [
        'mode = "enforce"' + BASE,
        "# a comment" + BASE,
        BASE + '[[backup_store]]\nname = "a"\ndriver = "local"\nroot = "/backup"\nlayout = "hestia"',
        BASE + '[storage]\nfolder = "/elsewhere"',
        BASE + HEAD.replace("billing.example.com", "b.example.com").replace("env:SECRET", "env:OTHER"),
        CLASS.replace('["', '[ "') + "suspend_after_days = 0x3\n",
    ],
)
def test_spelling_addresses_secrets_and_paths_are_no_part_of_the_policy(same: str) -> None:
    assert version(same) == version(BASE)


@pytest.mark.parametrize(
    "other",
    [
        CLASS + "suspend_after_days = 4\n",
        BASE + 'on_end_message = "service-ended"',
        BASE + "[client.7]\nsuspend_after_days = 4",
        BASE + '[calendar]\ntimezone = "UTC"\nholidays = "BR"',
        BASE + '[calendar]\ntimezone = "Europe/Lisbon"',
        BASE + "[limits]\nsuspend = { max = 6 }",
        BASE + '[messages."payment-reminder"]\nsubject = "Hello"\ntext = "<p>Pay</p>"',
        BASE + '[vip]\ngroup = "VIP"',
    ],
)
def test_every_rule_is_part_of_it(other: str) -> None:
    assert version(other) != version(BASE)


def test_the_order_of_tables_and_words_does_not_matter() -> None:
    one = '[class.a]\nproduct_types = ["server", "other"]\n[class.b]\nproduct_ids = [1]\n'
    two = '[class.a]\nproduct_types = ["other", "server"]\n[class.b]\nproduct_ids = [1]\n'
    assert version(one) == version(two)
    assert len(version(one)) == 64
