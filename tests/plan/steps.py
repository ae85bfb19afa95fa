"""Steps and plans for the tests of this folder."""

from collections.abc import Iterable
from datetime import date

from tests.builders import DUE
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.plan.build import build, key_of
from whmcs_bridge.plan.model import Held, Plan, Step
from whmcs_bridge.policy.decision import Kind


def a_step(
    kind: Kind = Kind.SUSPEND,
    service: int | None = 10,
    *,
    client: int = 1,
    today: date = DUE,
    digest: str = "d",
    announced: bool = False,
    message: str = "",
    target: int = 0,
) -> Step:
    about = None if service is None else ServiceId(service)
    key = key_of(kind, about, ClientId(client), target, message)
    return Step(
        f"{key}@{today}",
        kind,
        ClientId(client),
        about,
        today,
        "overdue",
        message=message,
        target=target,
        digest=digest,
        announced=announced,
    )


def many(kind: Kind, count: int, *, announced: bool = False) -> list[Step]:
    """So many steps of one kind, each for a service and a client of its own."""
    start = 5000 if announced else 1000
    return [a_step(kind, start + n, client=start + n, announced=announced) for n in range(count)]


def a_plan(*steps: Step, services: int = 10_000, withheld: Iterable[Held] = (), today: date = DUE) -> Plan:
    return build(today, "v1", steps, withheld, complete=True, problems=(), services_seen=services)
