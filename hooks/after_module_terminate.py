"""AfterModuleTerminate: a module has ended a service: its end is noted on this day."""

from dataclasses import replace

from hooks.about import addon_of, service_of
from hooks.looking_again import look_again_unless_ours
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.hookpoints import HookEvent


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Read the client again; a service that had ended before has ended once more, and its backups are kept anew."""
    look_again_unless_ours(event, bridge)
    service = service_of(event)
    if service is not None and not addon_of(event):
        with bridge.journal.writer():
            _ended_later(event, bridge, service)


def _ended_later(event: HookEvent, bridge: Bridge, service: ServiceId) -> None:
    """It lived between two ends while nobody looked: the days of grace count from the second."""
    case, day = bridge.journal.cases([service]).get(service), min(event.at.date(), bridge.today())
    if case is None or case.ended_on is None or case.erased_on is not None or day <= case.ended_on:
        return
    bridge.journal.save_cases((replace(case, ended_on=day, ended_by="elsewhere"),))
