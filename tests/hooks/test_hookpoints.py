"""The contract: which hook points there are, what an event tells, what is answered without the bridge."""

from datetime import UTC, datetime

import pytest

from hooks import HANDLERS
from whmcs_bridge.hookpoints import Actor, Ask, HookEvent, Tell, default_answer

ASKS = {"PreModuleSuspend", "PreModuleUnsuspend", "PreModuleTerminate", "PreInvoiceAutomaticCancellation"}
TELLS = {
    "InvoicePaid",
    "InvoiceUnpaid",
    "InvoiceRefunded",
    "AddInvoicePayment",
    "InvoiceCreated",
    "InvoiceCancelled",
    "AfterModuleSuspend",
    "AfterModuleUnsuspend",
    "AfterModuleTerminate",
    "AfterModuleSuspendFailed",
    "AfterModuleUnsuspendFailed",
    "AfterModuleTerminateFailed",
    "CancellationRequest",
    "ServiceDelete",
    "ServiceEdit",
    "ClientEdit",
    "ClientClose",
    "PreDeleteClient",
    "AfterClientMerge",
    "TicketOpen",
    "TicketUserReply",
    "UserLogin",
    "PreCronJob",
    "DailyCronJob",
}
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def test_every_ask_waits_and_every_tell_does_not() -> None:
    assert {point for point, handler in HANDLERS.items() if isinstance(handler, Ask)} == ASKS
    assert {point for point, handler in HANDLERS.items() if isinstance(handler, Tell)} == TELLS


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({"serviceid": 12}, 12),
        ({"serviceid": "12"}, 12),
        ({"serviceid": " 12 "}, 12),
        ({"params": {"serviceid": "12"}}, 12),
        ({"serviceid": "", "params": {"serviceid": 12}}, 12),
        ({"relid": "7", "serviceid": "0"}, 7),
        ({"serviceid": "-12"}, 0),
        ({"serviceid": "12; DROP"}, 0),
        ({"serviceid": "٣"}, 0),
        ({"serviceid": None}, 0),
        ({"serviceid": [12]}, 0),
        ({"params": "serviceid=12"}, 0),
        ({}, 0),
    ],
)
def test_a_number_is_read_wherever_whmcs_puts_it_and_nothing_else_is_one(
    variables: dict[str, object], number: int
) -> None:
    assert HookEvent("ServiceEdit", variables, NOON).number("serviceid", "relid") == number


@pytest.mark.parametrize(
    ("point", "actor", "abort"),
    [
        ("PreModuleUnsuspend", Actor.ADMIN, False),
        ("PreModuleUnsuspend", Actor.CRON, False),
        ("PreModuleUnsuspend", Actor.PAYMENT, False),
        ("PreModuleSuspend", Actor.ADMIN, False),
        ("PreModuleSuspend", Actor.CRON, True),
        ("PreModuleTerminate", Actor.ADMIN, False),
        ("PreModuleTerminate", Actor.CRON, True),
        ("PreModuleTerminate", Actor.PAYMENT, True),
        ("PreInvoiceAutomaticCancellation", Actor.CLIENT, False),
    ],
)
def test_without_the_bridge_a_person_passes_and_nothing_harmful_does(point: str, actor: str, abort: bool) -> None:
    """Unsuspend allow; suspend abort, it returns tomorrow; terminate abort."""
    assert default_answer(HookEvent(point, {}, NOON, actor)).abort is abort
