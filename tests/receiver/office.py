"""A house with its receiver: events are signed as the file in WHMCS does it, and go straight into the application."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hooks import HANDLERS
from tests.house import HOSTING, House
from whmcs_bridge.api.told import told_of
from whmcs_bridge.receiver.opening import Receiver
from whmcs_bridge.receiver.signature import signed
from whmcs_bridge.simulator.records import Client, Invoice, Service

SECRET = b"a shared secret"
NOW = 1_741_608_000.0
"""Unix seconds of the senders' clocks and ours."""


def event(point: str, *, actor: str = "cron", event_id: str = "", **variables: Any) -> dict[str, Any]:
    """An event as the file in WHMCS makes it; module hooks name their service in `params`."""
    facts = variables.pop("facts", {})
    if "serviceid" in variables and "Module" in point:
        variables = {"params": {name: str(value) for name, value in variables.items()}}
    return {
        "v": 1,
        "id": event_id or uuid4().hex,
        "point": point,
        "at": "2025-03-10T12:00:00+00:00",
        "actor": actor,
        "who": "7" if actor == "admin" else "",
        "vars": {name: value if isinstance(value, dict) else str(value) for name, value in variables.items()},
        "facts": facts,
    }


def body_of(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode()


@dataclass
class Office:
    """A house, its receiver, and short words for what is sent to it."""

    house: House
    receiver: Receiver
    now: float = NOW
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.receiver.app.test_client()

    def send(self, told: dict[str, Any], **more: Any) -> TestResponse:
        """Send an event to its point, signed."""
        return self.send_body(told["point"], body_of(told), **more)

    def send_body(
        self, point: str, body: bytes, *, nonce: str = "", secret: bytes = SECRET, at: float | None = None
    ) -> TestResponse:
        headers = signed(secret, body, nonce or uuid4().hex, self.now if at is None else at)
        return self.http.post(f"/hooks/{point}", data=body, headers=headers)

    def get_signed(self, path: str) -> TestResponse:
        return self.http.get(path, headers=signed(SECRET, b"", uuid4().hex, self.now))

    def work_off(self) -> None:
        self.house.bridge.work_off()

    def suspended(self) -> tuple[Client, Service, Invoice]:
        """A client whose service the bridge has suspended for the invoice."""
        client, service, invoice = self.house.a_debtor(overdue=3)
        self.house.sync()
        assert service.status == "Suspended"
        return client, service, invoice

    @property
    def inbox(self) -> list[str]:
        """Ids of everything in the inbox, oldest first."""
        return [entry.event_id for entry in reversed(self.house.bridge.journal.events(limit=100_000))]


@contextmanager
def office(folder: Path | None = None, *, nonces: Path | None = None, house: House | None = None) -> Iterator[Office]:
    with house or House.of({"class": {"hosting": HOSTING}}, folder=folder) as owner:
        receiver = Receiver(
            owner.bridge, owner.bridge, HANDLERS, SECRET, facts=told_of, nonces=nonces, now=lambda: opened.now
        )
        opened = Office(owner, receiver)
        try:
            yield opened
        finally:
            receiver.close()


def log_of(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged, at any level."""
    return "\n".join(record.getMessage() for record in caplog.records)


def hear_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
