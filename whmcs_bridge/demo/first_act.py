"""The first act: a ten-year-old book is taken over. Two weeks of shadow, somebody else acts as well, then enforce."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator

from whmcs_bridge.demo.company import OPERATOR, OPERATOR_AT, Company
from whmcs_bridge.demo.plugin import REASON, OldPlugin
from whmcs_bridge.demo.story import Day, FirstAct, Line, counted
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.ports import Actor, ForeignAct, ShadowStep
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor as Who
from whmcs_bridge.simulator.records import ServiceStatus
from whmcs_bridge.simulator.seed_messy import MessyBook

NIGHT_AT = dt.time(3, 30)
PLUGIN_FOUND_AFTER_DAYS = 7
ABUSE = "abuse, confirmed by support"
"""What staff writes into a suspension that had no reason."""
FIGHTING = ("AutoSuspension", "AutoTermination")
"""Settings of WHMCS that the operator switches off before the rules are enforced."""
_DID = {"suspend": "suspended", "unsuspend": "given back", "terminate": "ended"}


class Takeover:
    """Plays the first act on a company whose bridge has seen nothing yet."""

    def __init__(self, company: Company, book: MessyBook, first: dt.date, days: int) -> None:
        """`first` is the first day in shadow mode, the day after the adoption."""
        self.company, self.book = company, book
        self.first, self.days = first, days
        self.plugin = OldPlugin(company.world)
        self.act = FirstAct(days)

    def play(self) -> Iterator[Day]:
        """Yield the eve and the days in shadow mode; then the mode is enforce and WHMCS's own automation is off."""
        self.company.enforcing(False)
        yield self._adopt()
        for number in range(self.days):
            day = self.first + dt.timedelta(days=number)
            self.company.at(day, NIGHT_AT)
            self.plugin.night()
            book = self.company.live(day)
            lines = [*self._would(day), *self._others(day)]
            if number == min(PLUGIN_FOUND_AFTER_DAYS, self.days) - 1:
                lines += self._find_plugin(day)
            if number == self.days - 1:
                lines += self._enforce(day)
            lines += [Line(trouble, "harm") for trouble in book.troubles]
            yield Day(day, tuple(lines), act=1)

    def _adopt(self) -> Day:
        """The eve: the book is read for the first time, and people settle what it cannot tell."""
        eve = self.first - dt.timedelta(days=1)
        self.company.at(eve, OPERATOR_AT)
        self.company.bridge.snapshot()
        return Day(eve, tuple(self._settle()), act=1)

    # --- what a day in shadow mode shows ----------------------------------------------------------

    def _would(self, day: dt.date) -> Iterator[Line]:
        steps = [s for s in self.company.bridge.journal.shadow_steps(day) if s.step.date == day]
        for entry in steps:
            self.act.would[entry.step.kind.value] += 1
        yield Line(f"Shadow: {_told(steps)}. Nothing was changed.", "quiet")

    def _others(self, day: dt.date) -> Iterator[Line]:
        acts = [a for a in self.company.bridge.journal.foreign_acts(day) if a.kind in _DID]
        for act in acts:
            self.act.by_others[act.actor.value, act.kind] += 1
        for act in (a for a in acts if a.actor is Actor.UNKNOWN):
            self.act.not_ours += not act.ours_too
            yield Line(self._unknown(act), "warn")

    def _unknown(self, act: ForeignAct) -> str:
        when = f" at {act.at:%H:%M}" if act.at is not None else ""
        rules = "the rules would have, too" if act.ours_too else f"the rules would not have: {act.why_not}"
        return f"{self.company.name_of(act.service)} was {_DID[act.kind]}{when} by nobody we know; {rules}."

    # --- what the operator does -------------------------------------------------------------------

    def _settle(self) -> Iterator[Line]:
        """Support looks up the blank suspensions of people who owe nothing, and says whose they are."""
        bridge = self.company.bridge
        for whose, services in ((Adoption.WHMCS, self.book.paid_but_down), (Adoption.STAFF, self.book.abuse_blank)):
            for service in services:
                if self.company.world.services[service].status == ServiceStatus.SUSPENDED:
                    bridge.confirm_suspension(ServiceId(service), whose, OPERATOR)
                    self.act.confirmed[whose.value] += 1
        kept, ours = self.act.confirmed[Adoption.STAFF.value], self.act.confirmed[Adoption.WHMCS.value]
        yield Line(
            f"Support looks up the {kept + ours} suspensions without reason and debt: {kept} were for abuse, "
            f"{ours} were for debts since paid and may be given back.",
            "staff",
        )

    def _find_plugin(self, day: dt.date) -> Iterator[Line]:
        """The list of acts by nobody we know leads to the plugin; it goes, and what it did is put right by hand."""
        if not self.plugin.suspended and not self.plugin.released:
            return
        self.plugin.on = False
        self.company.at(day, OPERATOR_AT)
        world = self.company.world
        up = down = 0
        with world.acting(Who.ADMIN):
            for number in self.plugin.suspended:
                service = world.services[number]
                if service.status == ServiceStatus.SUSPENDED and service.suspend_reason == REASON:
                    up += not modules.run_module(world, service, modules.UNSUSPEND)
            abuse = {*self.book.abuse_blank, *self.book.abuse_named}
            for number, reason in self.plugin.released:
                service = world.services[number]
                if service.status == ServiceStatus.ACTIVE and number in abuse:
                    down += not modules.run_module(world, service, modules.SUSPEND, reason=reason or ABUSE)
        self.company.deliver()
        self.act.put_right = up + down
        yield Line(
            f"The {OPERATOR} finds a plugin of years ago that suspends with the reason {REASON!r}, and switches it "
            f"off: {counted(up, 'service')} it took down are given back, {counted(down, 'suspension')} for abuse "
            "made good.",
            "staff",
        )

    def _enforce(self, day: dt.date) -> Iterator[Line]:
        self.company.at(day, OPERATOR_AT)
        for name in FIGHTING:
            self.company.world.settings[name] = ""
        self.company.enforcing(True)
        yield Line(f'The {OPERATOR} switches {" and ".join(FIGHTING)} off in WHMCS and sets mode = "enforce".', "staff")


def _told(steps: list[ShadowStep]) -> str:
    counts = Counter(entry.step.kind.value for entry in steps)
    over = sum(bool(entry.over) for entry in steps)
    parts = [words.format(counted(counts[kind], noun)) for kind, words, noun in _WOULD if counts[kind]]
    said = "would have " + ", ".join(parts) if parts else "nothing was due"
    return said + (f"; a limit would have refused {over}" if over else "")


_WOULD = (
    ("notice", "sent {}", "notice"),
    ("suspend", "suspended {}", "service"),
    ("unsuspend", "given back {}", "service"),
    ("terminate", "ended {}", "service"),
    ("delete_backups", "deleted the backups of {}", "service"),
    ("vip_add", "made {} VIP", "client"),
    ("vip_remove", "taken {} out of VIP", "client"),
)
