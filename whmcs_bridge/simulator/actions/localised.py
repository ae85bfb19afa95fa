"""Dates in the localised format that WHMCS is set to (setting `DateFormat`)."""

from datetime import datetime

from whmcs_bridge.simulator.actions.base import to_moment
from whmcs_bridge.simulator.state import World

_PATTERNS = {"DD/MM/YYYY": "%d/%m/%Y", "DD.MM.YYYY": "%d.%m.%Y", "DD-MM-YYYY": "%d-%m-%Y"} | {
    "MM/DD/YYYY": "%m/%d/%Y",
    "YYYY/MM/DD": "%Y/%m/%d",
    "YYYY-MM-DD": "%Y-%m-%d",
}


def local_moment(world: World, text: str) -> datetime | None:
    """A localised day (with or without a time behind it); ISO days are understood as well."""
    day, _, clock = text.strip().partition(" ")
    pattern = _PATTERNS.get(world.settings.get("DateFormat", ""), "%d/%m/%Y")
    for form in (pattern, pattern.replace("/", "-").replace(".", "-")):
        try:
            moment = datetime.strptime(day, form)  # noqa: DTZ007 (wall clock)
        except ValueError:
            continue
        hours = to_moment(f"{moment:%Y-%m-%d} {clock}") if clock else None
        return hours or moment
    return to_moment(text)


def local_day(world: World, text: str) -> str:
    """A localised day as `YYYY-MM-DD`; the zero date when it is unreadable."""
    moment = local_moment(world, text)
    return f"{moment:%Y-%m-%d}" if moment else "0000-00-00"
