"""What WHMCS's pages show of the bridge: for staff on a client and a service, for the client in the client area."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.screens import client, recording, staff

Screen = Callable[[Bridge, HookEvent], dict[str, Any]]

SAVE: Final = "AdminClientServicesTabFieldsSave"
SCREENS: Final[Mapping[str, Screen]] = {
    "AdminAreaClientSummaryPage": staff.summary,
    "AdminAreaClientSummaryActionLinks": staff.links,
    "AdminClientServicesTabFields": staff.tab,
    "AdminHomeWidgets": staff.widget,
    "ClientAreaHomepagePanels": client.panel,
}
POINTS: Final = frozenset({*SCREENS, SAVE})
"""Hook points that have a screen, or take what was written into one."""
_LOG: Final = logging.getLogger(__name__)


def render(bridge: Bridge, point: str, event: HookEvent, fields: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return what the page of this hook point shows; {} shows nothing.

    Nothing is ever raised, and nothing is asked of WHMCS: mirror and journal have to do. `fields` is what was written
    into the form on the services tab, for its Save; that alone changes something, a record in the journal.
    """
    try:
        if point == SAVE:
            return recording.save(bridge, event, fields or {})
        screen = SCREENS.get(point)
        return screen(bridge, event) if screen is not None else {}
    except Exception as error:  # a page of WHMCS must not break because of us
        _LOG.warning("screen %s: %s", point if point in POINTS else "(unknown)", type(error).__name__)
        return {"message": "not recorded: something went wrong, see the log of the bridge"} if point == SAVE else {}


def _served(point: str, event: HookEvent, payload: Mapping[str, Any], bridge: Bridge) -> Mapping[str, Any]:
    fields = payload.get("fields")
    return render(bridge, point, event, fields if isinstance(fields, Mapping) else None)


SERVED: Final[Mapping[str, Callable[[HookEvent, Mapping[str, Any], Bridge], Mapping[str, Any]]]] = {
    point: partial(_served, point) for point in sorted(POINTS)
}
"""The same for whoever has the event's whole payload: hook point -> what fills its page."""
