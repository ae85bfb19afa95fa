"""The first act: a ten-year-old book is taken over. Two weeks of shadow, somebody else acts as well, then enforce."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator

from whmcs_bridge.demo.company import OPERATOR, OPERATOR_AT, Company
from whmcs_bridge.demo.plugin import REASON, OldPlugin
from whmcs_bridge.demo.story import Day, FirstAct, Line, counted
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.whmcs_settings import SUSPENSION, TERMINATION, Weight
from whmcs_bridge.ports import Actor, ForeignAct, ShadowStep
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor as Who
from whmcs_bridge.simulator.records import ServiceStatus
from whmcs_bridge.simulator.seed_messy import MessyBook

NIGHT_AT = dt.time(3, 30)
PLUGIN_FOUND_AFTER_DAYS = 5
ABUSE = "abuse, confirmed by support"
"""What staff writes into a suspension that had no reason."""
ODDITIES = 4
"""So many of the oddest things about the book are told."""
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
            last = number == self.days - 1
            lines = list(self._switch_off(SUSPENSION)) if last else []
            book = self.company.live(day)
            lines += [*self._would(day), *self._others(day)]
            if number == min(PLUGIN_FOUND_AFTER_DAYS, self.days) - 1:
                lines += self._find_plugin(day)
            if last:
                lines += self._enforce(day)
            lines += [Line(trouble, "harm") for trouble in book.troubles]
            yield Day(day, tuple(lines), act=1)

    # --- the eve ----------------------------------------------------------------------------------

    def _adopt(self) -> Day:
        """Adopt looks at the book; people settle what it cannot tell, and switch off what must not wait."""
        eve = self.first - dt.timedelta(days=1)
        self.company.at(eve, OPERATOR_AT)
        found = self.company.bridge.adopt()
        self.act.found = found.to_json()
        whose = {one: len(found.of(one)) for one in Adoption}
        past, coming = found.hindsight.whole, Counter[str]()
        for counts in found.coming.by_day.values():
            coming.update(counts)
        soon = past.paid_after["1-3"] + past.paid_after["4-7"]
        lines = [
            f"adopt looks at {counted(found.clients, 'client')} and {counted(found.services, 'service')}, "
            f"{found.in_debt} of them in debt, and changes nothing.",
            f"{len(found.down)} are suspended: {whose[Adoption.WHMCS]} by WHMCS for debt, {whose[Adoption.STAFF]} by "
            f"staff; {len(found.doubtful)} of these are doubtful.",
            f"If nobody paid, the rules would warn {coming['warning']} and suspend {coming['suspend']} within 30 days, "
            f"and end {coming['terminate']}; today they would suspend {found.coming.by_kind_today[Kind.SUSPEND]}.",
            f"Last year, under these rules: {past.suspended} of {past.invoices} invoices paid so late that a service "
            f"would have gone down; {soon} of them were paid within a week of that.",
            *(f"Odd: {o.count} {o.text}." for o in sorted(found.oddities, key=lambda o: -o.count)[:ODDITIES]),
        ]
        told = [Line(text, "quiet") for text in lines]
        told += [
            Line(f"Fights the rules: {s.setting} ({s.value}). Advised: {s.set_to}.", "warn")
            for s in found.settings
            if s.weight is Weight.FIGHTS
        ]
        return Day(eve, (*told, *self._switch_off(TERMINATION), *self._settle()), act=1)

    def _switch_off(self, setting: str) -> Iterator[Line]:
        """Do in WHMCS what adopt advised."""
        self.company.world.settings[setting] = ""
        yield Line(f"As adopt advised, the {OPERATOR} switches {setting} off in WHMCS.", "staff")

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
            yield Line(self._unknown(act), "warn")

    def _unknown(self, act: ForeignAct) -> str:
        when = f" at {act.at:%H:%M}" if act.at is not None else ""
        rules = "the same" if act.ours_too else act.why_not
        return f"{self.company.name_of(act.service)} was {_DID[act.kind]}{when} by nobody we know. The rules: {rules}."

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
            f"Support looks up the {counted(kept + ours, 'suspension')} without reason and debt: {kept} for abuse, "
            f"{ours} for debts paid since, to be given back once the rules are enforced.",
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
            for number, reason in self.plugin.released:
                service = world.services[number]
                meant = bool(reason) or number in self.book.abuse_blank
                if meant and service.status == ServiceStatus.ACTIVE:
                    down += not modules.run_module(world, service, modules.SUSPEND, reason=reason or ABUSE)
        self.company.deliver()
        self.act.put_right = up + down
        yield Line(
            f"The {OPERATOR} finds a plugin of years ago that suspends with the reason {REASON!r}, and switches it "
            f"off: of what it did, {counted(up, 'service')} are given back, and {counted(down, 'suspension')} by staff "
            "made again.",
            "staff",
        )

    def _enforce(self, day: dt.date) -> Iterator[Line]:
        """The report says how it stands; a person decides."""
        self.company.at(day, OPERATOR_AT)
        report = self.company.bridge.shadow_report(self.days)
        holding = [check for check in report.checks if check.ok]
        yield Line(
            f"shadow report: {len(holding)} of {len(report.checks)} conditions hold"
            + ("; it is reasonable to enforce." if report.ready else "."),
            "good" if report.ready else "warn",
        )
        for check in report.checks:
            if not check.ok:
                yield Line(f"Open: {check.text}; {check.todo}.", "warn")
        self.act.ready, self.act.open_conditions = report.ready, [check.code for check in report.checks if not check.ok]
        self.act.harmed = len(report.harmed)
        self.company.enforcing(True)
        yield Line(f'The {OPERATOR} sets mode = "enforce". Every case begins at its first stage.', "staff")


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
