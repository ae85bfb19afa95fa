"""A warning that WHMCS took and could not deliver is staff's business until one went out."""

import pytest

from tests.builders import a_case, a_notice, an_invoice, day, facts, judged
from whmcs_bridge.domain.case import SentNotice

FAILED = a_notice(on=day(2), delivered=False)


def tasks(*notices: SentNotice) -> list[str]:
    found = facts(invoices=(an_invoice(),), case=a_case(notices=notices))
    return [note.code for note in judged(found, today=day(3)).notes if note.code.startswith("mail-failed")]


def test_a_failed_warning_becomes_a_task() -> None:
    assert tasks(FAILED) == ["mail-failed:suspension-warning"]


@pytest.mark.parametrize("delivered", [None, True], ids=["sent", "delivered"])
def test_the_task_ends_when_the_warning_was_sent_again(delivered: bool | None) -> None:
    assert tasks(FAILED, a_notice(on=day(3), delivered=delivered)) == []


def test_a_warning_of_an_earlier_case_is_history() -> None:
    assert tasks(a_notice(on=day(-40), delivered=False)) == []
