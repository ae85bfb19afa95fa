"""A small house on the simulator with the real bridge, for handlers to be called in: ana owes, bob does not.

Suspended on day 3, ended on day 15. Ana's `site` (101) owes invoice 1001 since 10 March 2026; bob's `shop` (102) is
paid up. The house stands on the morning of the day that a test asks for, after that day's sync.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hooks import HANDLERS
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.hookpoints import Actor, Answer, Ask, HookEvent, Tell
from whmcs_bridge.scenarios import load
from whmcs_bridge.scenarios.events import happen
from whmcs_bridge.scenarios.stage import Stage

SITE, SHOP, UNKNOWN = ServiceId(101), ServiceId(102), ServiceId(999)
ANA, BOB = ClientId(1), ClientId(2)
INVOICE = 1001
STORY = """
id = "house"
clients = [{ id = "ana" }, { id = "bob" }]
services = [{ id = "site", client = "ana", class = "hosting" }, { id = "shop", client = "bob", class = "hosting" }]
events = [
  { date = 2026-03-09, type = "invoice_issued", invoice = "I1", client = "ana", due = 2026-03-10, amount = "40.00" },
  { date = 2026-03-09, type = "backup_made", service = "site", name = "nightly" },
]
[config.class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
terminate_after_days = 15
"""


@contextmanager
def house(today: dt.date, mode: str = "enforce") -> Iterator[Stage]:
    """Yield the stage after the sync of `today`."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "house.toml")
        file.write_text(f'config.mode = "{mode}"\n{STORY}', encoding="utf-8")
        (scenario,) = load([file])
    with Stage(scenario) as stage:
        day = scenario.first
        while day <= today:
            stage.world.clock = dt.datetime.combine(day, dt.time(6))
            stage.run_sync()
            for event in scenario.events:
                if event.date == day:
                    happen(stage, event)
            stage.deliver()
            day += dt.timedelta(days=1)
        yield stage


def event(stage: Stage, point: str, actor: str = Actor.CRON, /, **variables: object) -> HookEvent:
    """A hook event as the shim sends it, now."""
    facts = variables.pop("facts", {})
    assert isinstance(facts, dict)
    return HookEvent(point, variables, stage.now(), actor, facts=facts)


def module_event(stage: Stage, point: str, service: ServiceId, actor: str = Actor.CRON, **facts: object) -> HookEvent:
    """A module hook: it names its service in `params`."""
    return event(stage, point, actor, params={"serviceid": str(service)}, facts=facts)


def ask(stage: Stage, asked: HookEvent) -> Answer:
    handler = HANDLERS[asked.point]
    assert isinstance(handler, Ask)
    return handler.handle(asked, stage.bridge)


def tell(stage: Stage, told: HookEvent) -> None:
    handler = HANDLERS[told.point]
    assert isinstance(handler, Tell)
    handler.handle(told, stage.bridge)


def open_tasks(stage: Stage, code: str) -> list[str]:
    return [task.text for task in stage.bridge.journal.tasks() if task.code == code]
