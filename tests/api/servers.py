"""Small WHMCS stand-ins for the client's tests: scripted answers, and a list that changes while it is read."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import requests
from requests.adapters import BaseAdapter

from whmcs_bridge.api.answer import Answer
from whmcs_bridge.api.client import WhmcsApi

REPLIES = Path(__file__).parent.parent / "replies"
URL = "https://billing.example.com"
IDENTIFIER = "identifier-of-the-bridge"
SECRET = "secret-of-the-bridge"
ACCESS_KEY = "access-key-of-the-bridge"

Form = dict[str, str]
Response = bytes | dict[str, Any] | Answer | Exception
Responder = Callable[[Form], Response]


def reply(action: str) -> bytes:
    """The example reply of the public API reference."""
    return (REPLIES / f"{action}.json").read_bytes()


def reply_of(action: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(reply(action))
    return decoded


class Scripted(BaseAdapter):
    """Answers each request with the next response; the last one for ever. A function is asked each time."""

    def __init__(self, *responses: Response | Responder) -> None:
        super().__init__()
        self.responses = list(responses)
        self.requests: list[requests.PreparedRequest] = []
        self.forms: list[Form] = []
        self.timeouts: list[Any] = []
        self._lock = threading.Lock()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = request.body
        form = dict(parse_qsl(body.decode() if isinstance(body, bytes) else str(body), keep_blank_values=True))
        with self._lock:
            self.requests.append(request)
            self.forms.append(form)
            self.timeouts.append(kwargs.get("timeout"))
            turn = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        answer = turn(form) if callable(turn) else turn
        if isinstance(answer, Exception):
            if isinstance(answer, requests.RequestException):
                answer.request = request
            raise answer
        return _response(request, answer)

    def close(self) -> None:
        """Nothing is open."""


def _response(request: requests.PreparedRequest, answer: bytes | dict[str, Any] | Answer) -> requests.Response:
    if isinstance(answer, dict):
        answer = json.dumps(answer).encode()
    if isinstance(answer, bytes):
        answer = Answer(200, answer)
    response = requests.Response()
    response.status_code = answer.status
    response.url = request.url or ""
    response.request = request
    response.headers["Location"] = answer.location
    response.headers["Retry-After"] = answer.retry_after
    response._content = answer.body
    return response


class Naps:
    """Stands in for time.sleep: remembers how long it was asked to wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def an_api(adapter: BaseAdapter, *, page_size: int = 250, connections: int = 1, sleep: Naps | None = None) -> WhmcsApi:
    return WhmcsApi(
        URL,
        IDENTIFIER,
        SECRET,
        ACCESS_KEY,
        adapter=adapter,
        page_size=page_size,
        connections=connections,
        sleep=sleep or Naps(),
    )


def asked(*responses: Response | Responder) -> WhmcsApi:
    """An API client that gets these responses."""
    return an_api(Scripted(*responses))


def client_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": number,
        "firstname": "Client",
        "lastname": str(number),
        "companyname": "",
        "email": f"client{number}@example.com",
        "datecreated": "2024-01-31",
        "groupid": 0,
        "status": "Active",
    }
    return row | changes


class ClientBook:
    """GetClients and GetOrders (which knows no order) over a list of ids that tests change while it is read.

    `before` is called with the number of the request before it is answered; `mangle` gets the reply last.
    """

    def __init__(
        self,
        ids: Sequence[int],
        *,
        before: Callable[["ClientBook", int], None] | None = None,
        mangle: Callable[[int, dict[str, Any]], Response] | None = None,
    ) -> None:
        self.ids = list(ids)
        self.before = before
        self.mangle = mangle
        self.answered = 0
        self.offsets: list[int] = []
        self.limits: list[int] = []

    def __call__(self, form: Form) -> Response:
        self.answered += 1
        if self.before:
            self.before(self, self.answered)
        start, limit = int(form["limitstart"]), int(form["limitnum"])
        self.offsets.append(start)
        self.limits.append(limit)
        ids = self.ids[start : start + limit]
        answer = page_of([client_row(number) for number in ids], len(self.ids), start)
        if form["action"] == "GetOrders":
            answer["orders"] = {"order": [{"id": number} for number in ids]}
        return self.mangle(self.answered, answer) if self.mangle else answer


def page_of(rows: Sequence[dict[str, Any]], total: int, start: int = 0) -> dict[str, Any]:
    return {
        "result": "success",
        "totalresults": total,
        "startnumber": start,
        "numreturned": len(rows),
        "clients": {"client": list(rows)},
    }
