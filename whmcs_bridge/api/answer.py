"""An HTTP answer, apart from how it was fetched: reading one must not load what fetches it."""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, unread."""

    status: int
    body: bytes
    location: str = ""
    retry_after: str = ""


def status_text(status: int) -> str:
    """Return "404 Not Found" for 404."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
