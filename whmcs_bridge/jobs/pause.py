"""A pause: no harmful step while it stands, wherever a run is. It is kept in the journal; a file does the same."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.plan.model import Step, Stop
from whmcs_bridge.policy.decision import ALL_BUT_LIFTING, HARMFUL, HARMFUL_SET, HELD, LIFTING, Kind

PAUSE = "pause"
"""Journal key: who paused, since when, until when, why; null or ended is none."""
GO_ON = "whmcs-bridge pause --off"
ACT_HOURS = "act-hours"
"""Code of the stop outside [calendar] act_hours."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause in the journal."""

    by: str
    since: datetime
    until: datetime | None
    """The moment at which it ends by itself; None: when somebody ends it."""
    reason: str = ""
    to_whmcs: bool = False
    """The house was handed back: the bridge holds itself, and WHMCS's own automation acts as it will."""

    @property
    def why(self) -> str:
        """One line for people."""
        end = f" until {self.until:%Y-%m-%d %H:%M}" if self.until is not None else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"paused by {self.by} since {self.since:%Y-%m-%d %H:%M}{end}{reason}"


def pause(ports: Ports, until: datetime | None = None, reason: str = "", *, to_whmcs: bool = False) -> Pause:
    """Hold every harmful step from now on, in place of an earlier pause; a run that is under way stops at it.

    WHMCS's own cron is held as well, unless the house is handed back `to_whmcs`: then the hooks refuse nothing.

    The journal's writer lock is not waited for: one value is written, and a run looks at it before each harmful step.
    Raises UsageProblem for an end that has passed, DatabaseTrouble or Locked where the journal cannot be written.
    """
    now = ports.now()
    if until is not None and until <= now:
        raise UsageProblem(f"--until {until:%Y-%m-%d %H:%M} has passed; it is {now:%Y-%m-%d %H:%M}")
    made = Pause(ports.actor, now, until, reason, to_whmcs)
    kept = {
        "by": made.by,
        "since": now.isoformat(),
        "until": until.isoformat() if until is not None else None,
        "reason": reason,
        "to_whmcs": to_whmcs,
    }
    ports.journal.put(PAUSE, kept)
    _write_down(ports, made.why)
    return made


def end_pause(ports: Ports) -> Pause | None:
    """End the journal's pause; return the one that stood, None for none. Like `pause`, it waits for no run."""
    stood = standing(ports)
    if stood is not None:
        ports.journal.put(PAUSE, None)
        _write_down(ports, f"pause ended by {ports.actor}; it was {stood.why}")
    return stood


def _write_down(ports: Ports, line: str) -> None:
    """Keep who paused and went on in the list of runs: the value itself only tells of now."""
    journal, now = ports.journal, ports.now()
    run = ports.begin_run("pause")
    journal.end_run(run, now, "ok", line)


def standing(ports: Ports) -> Pause | None:
    """Return the journal's pause, unless it has ended."""
    kept = ports.journal.get(PAUSE)
    if not kept:
        return None
    until = datetime.fromisoformat(kept["until"]) if kept["until"] else None
    if until is not None and until <= ports.now():
        return None
    since = datetime.fromisoformat(kept["since"])
    return Pause(kept["by"], since, until, kept["reason"], bool(kept.get("to_whmcs")))


def pause_stop(ports: Ports) -> Stop | None:
    """Return the stop of every harmful step that a pause or the PAUSE file makes; None while neither stands."""
    file, found = ports.settings.pause_file, standing(ports)
    why = [found.why] if found is not None else []
    way = [GO_ON] if found is not None else []
    if file.exists():
        why.append(f"{file} exists")
        way.append(f"rm {shlex.quote(str(file))}")
    kinds = ALL_BUT_LIFTING if found is not None and found.to_whmcs else HELD
    return Stop("paused", kinds, "; ".join(why), " && ".join(way)) if why else None


def handed_back(ports: Ports) -> bool:
    """The house is WHMCS's own again: nothing is begun, remembered or told any more, and what is paid comes back."""
    found = standing(ports)
    return found is not None and found.to_whmcs


def house_stops(ports: Ports) -> Iterator[Stop]:
    """A pause, in the journal or by its file, and the hours in which harmful steps may be taken."""
    paused = pause_stop(ports)
    if paused is not None:
        yield paused
    out_of_hours = hours_stop(ports)
    if out_of_hours is not None:
        yield out_of_hours


def hours_stop(ports: Ports) -> Stop | None:
    """Return the stop of harmful steps outside [calendar] act_hours; None within them."""
    now, hours = ports.now(), ports.settings.policy.calendar.act_hours
    if hours is None or hours[0] <= now.time().replace(tzinfo=None) <= hours[1]:
        return None
    why = f"harmful steps only from {hours[0]:%H:%M} to {hours[1]:%H:%M}; it is {now:%H:%M}"
    return Stop(ACT_HOURS, HARMFUL, why, "run the sync within [calendar] act_hours")


def held_up(ports: Ports, step: Step) -> bool:
    """Whether a step has to wait for a later run: asked right before each one."""
    if step.kind in LIFTING:
        return False
    if step.kind in HARMFUL_SET and ports.day_is_over():
        return True
    return any(step.kind in stop.kinds for stop in house_stops(ports) if not (stop.code == ACT_HOURS and _staffs(step)))


def _staffs(step: Step) -> bool:
    """A suspension for abuse, by hand: who does it is there, whatever the hour."""
    return step.by_hand is not None and step.by_hand.staffs and step.kind is Kind.SUSPEND
