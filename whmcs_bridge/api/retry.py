"""When a call to WHMCS is tried again. The only module that imports tenacity."""

import time
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_random_exponential

from whmcs_bridge.errors import (
    BlockedByFirewall,
    InsecureConnection,
    NotDelivered,
    OutcomeUnknown,
    Unavailable,
    UnreadableReply,
)

ATTEMPTS = 4
MAX_RETRY_AFTER_SECONDS = 60.0
"""A server may ask us to wait; longer than this the run does not wait for it."""

_backoff = wait_random_exponential(multiplier=0.5, max=30)  # seconds


def retrying(*, reads: bool, sleep: Callable[[float], None] = time.sleep) -> Retrying:
    """Return the retry loop for reading or for writing actions; it may be shared by threads.

    WHMCS takes every action as POST and knows no idempotency key, so the action's name, not the
    HTTP method, tells which loop it gets. A write is repeated only if it provably never arrived.
    """
    return Retrying(
        retry=_repeat_read if reads else _repeat_write,
        wait=_wait,
        stop=stop_after_attempt(ATTEMPTS),
        sleep=sleep,
        reraise=True,
    )


def _repeat_write(state: RetryCallState) -> bool:
    error = _error(state)
    return isinstance(error, NotDelivered) and not isinstance(error, InsecureConnection)


def _repeat_read(state: RetryCallState) -> bool:
    error = _error(state)
    if isinstance(error, NotDelivered | OutcomeUnknown | Unavailable):
        return not isinstance(error, InsecureConnection)
    # A reply that cannot be read, or a flagged connection (a new one is used), is worth one more look, not four.
    return isinstance(error, UnreadableReply | BlockedByFirewall) and state.attempt_number < 2


def _wait(state: RetryCallState) -> float:
    error = _error(state)
    asked = error.retry_after_seconds if isinstance(error, Unavailable) else None
    return max(_backoff(state), min(asked or 0.0, MAX_RETRY_AFTER_SECONDS))


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
