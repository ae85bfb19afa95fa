"""Bridge: the ports bundled, one short method a job; all that hooks and commands hold."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

from whmcs_bridge.domain.case import Adoption, Case
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.told import Told
from whmcs_bridge.errors import BridgeError, Locked, UnknownId, UsageProblem
from whmcs_bridge.jobs import approvals, explain, records, wishes
from whmcs_bridge.jobs.adopt import AHEAD_DAYS, adopt
from whmcs_bridge.jobs.approvals import Waiting
from whmcs_bridge.jobs.ask import Verdict, may, may_cancel
from whmcs_bridge.jobs.by_hand import (
    BY_HAND,
    apply_by_hand,
    made_by_hand,
    plan_by_hand,
    refuse_in_shadow,
    todays_plan_of,
    wishes_for,
)
from whmcs_bridge.jobs.client_sheet import HISTORY, ClientSheet, client_sheet
from whmcs_bridge.jobs.confirm import confirm_suspension
from whmcs_bridge.jobs.context import Ports, Progress
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.findings import Findings
from whmcs_bridge.jobs.gate import refresh_gate, refresh_head
from whmcs_bridge.jobs.hand_back import Agree, HandBack, hand_back
from whmcs_bridge.jobs.inbox import Deliver, Worked, work_off
from whmcs_bridge.jobs.letter import Letter
from whmcs_bridge.jobs.looks import leave_look, take_looks
from whmcs_bridge.jobs.morning import letter_of_today, send_by_hand
from whmcs_bridge.jobs.pause import Pause, end_pause, pause
from whmcs_bridge.jobs.reevaluate import members_to_remove, reevaluate
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.jobs.scope import Scope, keep_scope, scope_of
from whmcs_bridge.jobs.shadow_report import DAYS as SHADOW_DAYS
from whmcs_bridge.jobs.shadow_report import ShadowReport, compare
from whmcs_bridge.jobs.status import Status, status
from whmcs_bridge.jobs.sync import apply, plan_only, read_book, sync
from whmcs_bridge.jobs.undo import Undo, plan_undo
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import HARMFUL, Kind
from whmcs_bridge.ports import Approval, BackupStore, Clock, Journal, Mirror, Panel, SnapshotInfo
from whmcs_bridge.settings.messages import APOLOGY
from whmcs_bridge.settings.model import Settings


@dataclass(slots=True)
class Bridge:
    """Everything wired. Use as a context manager: it closes files and connections."""

    ports: Ports
    on_close: Sequence[Callable[[], None]] = ()
    deliver: Deliver | None = None
    """How an event of the inbox is handled; None: this process leaves them to others."""
    _running: bool = False
    _waiting: dict[ClientId, str] = field(default_factory=dict)

    # --- what it holds ------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self.ports.settings

    @property
    def panel(self) -> Panel:
        return self.ports.panel

    @property
    def mirror(self) -> Mirror:
        return self.ports.mirror

    @property
    def journal(self) -> Journal:
        return self.ports.journal

    @property
    def stores(self) -> Sequence[BackupStore]:
        return self.ports.stores

    @property
    def clock(self) -> Clock:
        return self.ports.clock

    @property
    def progress(self) -> Progress:
        return self.ports.progress

    def today(self) -> date:
        """The house day."""
        return self.ports.today()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for close in self.on_close:
            close()

    # --- runs ---------------------------------------------------------------------------------

    def snapshot(self) -> SnapshotInfo:
        """Read WHMCS into the mirror and decide nothing."""
        with self.journal.writer():
            read_book(self.ports, Memory(self.journal, self.today()))
        info = self.mirror.last()
        if info is None:
            raise BridgeError("the snapshot left nothing in the mirror")
        return info

    def plan(self, *, offline: bool = False, allow: Mapping[str, int] | None = None) -> Plan:
        """Return what a sync would do now; changes nothing in WHMCS. `offline`: from the mirror only."""
        return plan_only(self.ports, offline=offline, allow=allow)

    def sync(
        self,
        *,
        allow: Mapping[str, int] | None = None,
        accept_sanity: Collection[str] = (),
        on_planned: Callable[[Plan], None] | None = None,
    ) -> RunReport:
        """Read, plan, and in enforce mode carry out; what hooks tell meanwhile is handled in between and at the end."""
        self._running = True
        try:
            with self.journal.writer():
                self.work_off()
                return sync(
                    self.ports, allow=allow, accept_sanity=accept_sanity, on_planned=on_planned, deliver=self.deliver
                )
        finally:
            self._running = False
            self._catch_up()

    def apply(
        self, fingerprint: str, *, allow: Mapping[str, int] | None = None, accept_sanity: Collection[str] = ()
    ) -> RunReport:
        """Carry out the plan that was reviewed, made by `plan` or by hand, and nothing else."""
        self._running = True
        by_hand = made_by_hand(self.ports, fingerprint)
        carry_out = apply_by_hand if by_hand else partial(apply, deliver=self.deliver)
        try:
            return carry_out(self.ports, fingerprint, allow=allow, accept_sanity=accept_sanity)
        finally:
            self._running = False
            self._catch_up()

    def plan_by_hand(
        self, kind: Kind, services: Sequence[ServiceId], asked: ByHand, *, allow: Mapping[str, int] | None = None
    ) -> Plan:
        """Look at each service live and plan what a person asks for; `apply` with its fingerprint carries it out.

        What is withheld is left out, with the reason. Raises UnknownId naming every service that is not known.
        """
        wishes = wishes_for(self.ports, kind, services, asked)
        return plan_by_hand(self.ports, BY_HAND, wishes, allow=allow)

    def refuse_in_shadow(self) -> None:
        """Raise UsageProblem in shadow mode, before anybody is asked anything."""
        refuse_in_shadow(self.ports)

    def plan_undo(
        self,
        run: int,
        *,
        by: str,
        reason: str,
        days: int = 3,
        apologise: bool = False,
        allow: Mapping[str, int] | None = None,
    ) -> Undo:
        """Plan to take back what a run did, as far as it can be; `apply` with the plan's fingerprint does it.

        What comes up again although it owes stays up for `days` (0: the next run does what the rules say). Raises
        UnknownId, UsageProblem for a run that did nothing.
        """
        until = self.today() + timedelta(days=days) if days else None
        message = APOLOGY if apologise else ""
        return plan_undo(self.ports, run, by=by, reason=reason, until=until, message=message, allow=allow)

    def hand_back(self, *, by: str, dry_run: bool = False, agree: Agree | None = None) -> HandBack:
        """Leave: release who has paid, blank our reasons for WHMCS's own automation, and leave a pause behind."""
        self._running = True
        try:
            return hand_back(self.ports, by=by, dry_run=dry_run, agree=agree)
        finally:
            refresh_head(self.ports)
            self._running = False
            self._waiting.clear()  # what hooks told meanwhile is WHMCS's to answer now

    def reevaluate(self, client: ClientId, cause: str) -> RunReport | None:
        """Look at one client again and do what lifts; while a run is under way it waits until that has ended."""
        if self._running:
            self._waiting.setdefault(client, cause)
            return None
        self._running = True
        try:
            report = reevaluate(self.ports, client, cause)
            refresh_gate(self.ports, [client])
            return report
        finally:
            self._running = False

    def look_again(self, client: ClientId, cause: str) -> RunReport | None:
        """Look at one client again now; None where a run is under way: whoever runs looks when that has ended."""
        try:
            return self._look_now(client, cause)
        except Locked:
            leave_look(self.ports, client, cause)
        try:  # the run may have ended before it could see what was left
            return self._look_now(client, cause)
        except Locked:
            return None

    def _look_now(self, client: ClientId, cause: str) -> RunReport | None:
        report = self.reevaluate(client, cause)
        if not self._running:
            for other, why in take_looks(self.ports).items():
                if other != client:
                    self.reevaluate(other, why)
        return report

    def noting(self) -> "Bridge":
        """Return a bridge over the same ports that only notes whom it is asked to look at again (`noted`)."""
        return Bridge(self.ports, _running=True)

    @property
    def noted(self) -> Mapping[ClientId, str]:
        """Whom it was asked to look at while that had to wait, and why."""
        return self._waiting

    def work_off(self) -> Worked:
        """Handle what WHMCS's hooks told and nobody has handled yet; raises Locked while another process runs.

        Each client is looked at again once, however much was told of it.
        """
        return work_off(self.ports, self.deliver) if self.deliver is not None else Worked()

    def members_to_remove(self) -> list[ClientId]:
        """VIPs whom the rules take out of their group today, as far as the mirror knows."""
        return members_to_remove(self.ports)

    def _catch_up(self) -> None:
        waiting, self._waiting = take_looks(self.ports) | self._waiting, {}
        for client, cause in waiting.items():
            self.look_again(client, cause)
        with suppress(Locked):  # another process has taken over
            self.work_off()

    def may(
        self,
        kind: Kind,
        service: ServiceId,
        *,
        paying: InvoiceId | None = None,
        told: Told | None = None,
        by_person: bool = False,
    ) -> Verdict:
        """Answer WHMCS: may this be done to the service now?

        `paying` is the invoice that is being paid right now, `told` what WHMCS said about the client when it asked.
        """
        return may(self.ports, kind, service, paying=paying, told=told, by_person=by_person)

    def may_cancel(self, client: ClientId, invoice: InvoiceId, told: Told | None = None) -> Verdict:
        """Answer WHMCS: may this invoice be cancelled because its service's cancellation was requested?"""
        return may_cancel(self.ports, client, invoice, told)

    def pause(self, until: datetime | None = None, reason: str = "") -> Pause:
        """Hold every harmful step from now on, also of a run that is under way; raises UsageProblem."""
        made = pause(self.ports, until, reason)
        refresh_head(self.ports)
        return made

    def end_pause(self) -> Pause | None:
        """End the pause in the journal; return the one that stood. A PAUSE file still holds."""
        ended = end_pause(self.ports)
        refresh_head(self.ports)
        return ended

    # --- what people ask and tell -------------------------------------------------------------

    def morning_letter(self) -> Letter:
        """Write today's morning mail from mirror and journal; raises Locked while a run is under way."""
        return letter_of_today(self.ports)

    def send_morning(self, letter: Letter) -> None:
        """Send it, once a house day; raises UsageProblem where it may be out already, BridgeError where it fails."""
        send_by_hand(self.ports, letter)

    def status(self) -> Status:
        """How the house stands, from mirror and journal alone."""
        return status(self.ports)

    def explain_service(self, service: ServiceId) -> explain.Explanation:
        """Explain one service; raises UnknownId."""
        return explain.explain_service(self.ports, service)

    def explain_client(self, client: ClientId) -> explain.ClientExplanation:
        """Explain one client and all of its services; raises UnknownId."""
        return explain.explain_client(self.ports, client)

    def client_sheet(self, client: ClientId, *, services: int | None = None, history: int = HISTORY) -> ClientSheet:
        """All about one client, from mirror and journal; raises UnknownId. See jobs.client_sheet."""
        return client_sheet(self.ports, client, services=services, history=history)

    def shadow_report(self, days: int = SHADOW_DAYS) -> ShadowReport:
        """Compare what shadow mode recorded on the last `days` house days with what others did; asks WHMCS nothing."""
        return compare(self.ports, self.today() - timedelta(days=days - 1))

    # --- the first day ------------------------------------------------------------------------

    def adopt(self, *, offline: bool = False, days: int = AHEAD_DAYS) -> Findings:
        """Sort every suspension, foresee `days` days, look back a year; writes its findings to the journal only."""
        return adopt(self.ports, offline=offline, days=days)

    def acts_for(self, client: ClientId) -> bool:
        """Enforced runs act for this client; all are taken unless a few were named for a start."""
        scope = scope_of(self.journal)
        if scope.everyone:
            return True
        book = self.mirror.book(client)
        return book is not None and scope.takes(book.client, book.group)

    @property
    def scope(self) -> Scope:
        """For whom enforced runs act."""
        return scope_of(self.journal)

    def enforce_only(self, groups: Sequence[str], clients: Sequence[ClientId], by: str) -> Scope:
        """Let enforced runs act for these client groups and clients only; the others stay as in shadow mode.

        Raises UnknownId for a group or client that the mirror does not have, UsageProblem for nobody at all.
        """
        if not groups and not clients:
            raise UsageProblem("name a client group or a client to begin with")
        for group in groups:
            if self.mirror.group_named(group) is None:
                raise UnknownId(f"no client group {group!r} in the mirror; check the name, or run a sync first")
        for client in clients:
            if self.mirror.book(client) is None:
                raise UnknownId(f"no client {client} in the mirror; check the number, or run a sync first")
        return self._enforce(groups, clients, by)

    def enforce_everyone(self, by: str) -> Scope:
        """Let enforced runs act for every client."""
        return self._enforce((), (), by)

    def _enforce(self, groups: Sequence[str], clients: Sequence[ClientId], by: str) -> Scope:
        """Keep it, and in the list of runs who said so when: the value itself only tells of now."""
        journal = self.journal
        with journal.writer():
            run, before = self.ports.begin_run("scope"), self.scope.said()
            scope = keep_scope(journal, groups, clients, self.today(), by)
            line = f"{by}: acts for {scope.said()}; before for {before}"
            journal.end_run(run, self.ports.now(), "ok", line)
        refresh_head(self.ports)
        return scope

    def confirm_suspension(self, service: ServiceId, whose: Adoption, by: str) -> Case:
        """Settle whose a suspension with a blank reason is, as a person says; return what is remembered of it.

        `whose`: WHMCS (it was for billing: the bridge lifts it once nothing that counts is owed) or STAFF (never
        touched). Raises UnknownId, UsageProblem for a service that is up or whose reason already says whose it is,
        WhmcsError when the service cannot be read.
        """
        with self.journal.writer():
            return confirm_suspension(self.ports, service, whose, by)

    def approve(self, service: ServiceId, kind: str, by: str) -> None:
        """Record that a person approves this kind of step for the service; raises UnknownId, UsageProblem."""
        if kind not in HARMFUL:
            raise UsageProblem(f"{kind} needs no approval; only {', '.join(HARMFUL)} can")
        if self.mirror.book_of_service(service) is None:
            raise UnknownId(f"no service {service} in the mirror; check the number, or run a sync first")
        with self.journal.writer():
            self.journal.approve(Approval(kind, service, by, self.today()))

    def waiting(self, *, run: int | None = None) -> list[Waiting]:
        """What waits for approval now; `run`: what that run found waiting. Raises UnknownId."""
        return approvals.waiting(self.ports) if run is None else approvals.found_by(self.ports, run)

    def waiting_of(self, service: ServiceId) -> list[Waiting]:
        """What waits of one service; raises UnknownId."""
        return approvals.waiting_of(self.ports, service)

    def approve_waiting(self, chosen: Sequence[Waiting], by: str) -> None:
        """Approve all of these, or none; raises UsageProblem where `by` may not approve one, having proposed it."""
        approvals.approve(self.ports, chosen, by)

    def plan_that_has(self, kind: Kind, service: ServiceId) -> str:
        """Return the fingerprint of today's plan by hand that has this step; "" for none."""
        return todays_plan_of(self.ports, kind, service)

    def record(self, record: Record, *, override: bool = False) -> Record:
        """Admit and store a record; return it with its number. One that lifts something does so at once.

        `override`: staff goes past the house's rules, and the record says past which; what cannot be (a day gone by, an
        unknown id, more than is owed, a service that others suspended) is refused all the same. Raises RecordRefused,
        UnknownId.
        """
        with self.journal.recording():
            kept = records.add_record(self.ports, record, override=override)
        self._lift(kept)
        return kept

    def redeem_link(self, token: str, client: ClientId) -> Record:
        """Record what a client asks for by a signed link (jobs/wishes.py); raises RecordRefused, UnknownId."""
        with self.journal.recording():
            kept = wishes.redeem(self.ports, token, client)
        self._lift(kept)
        return kept

    def ask_by_ticket(self, client: ClientId, ticket: int, subject: str) -> Record | None:
        """Take a ticket for a client's own wish where its subject says so; raises RecordRefused."""
        with self.journal.recording():
            kept = wishes.ask_by_ticket(self.ports, client, ticket, subject)
        if kept is not None:
            self._lift(kept)
        return kept

    def _lift(self, kept: Record) -> None:
        if records.KINDS_THAT_LIFT.get(kept.kind) and kept.client_id is not None:
            self.look_again(kept.client_id, f"{kept.kind} {kept.id}")
        elif kept.client_id is not None:
            refresh_gate(self.ports, [kept.client_id])

    def end_record(self, number: int, kind: RecordKind, state: RecordState, *, author: str, reason: str = "") -> Record:
        """Close a record of this kind today, as a person says; return it closed. What it held back, the next run does;
        a dispute decided for the client may bring something back at once, and the end of a pin moves its client.

        Raises UnknownId for a number that no record of the kind has, RecordRefused where it is closed already or
        the kind cannot end like this (records.WAYS_TO_END).
        """
        with self.journal.recording():
            closed = records.end_record(self.ports, number, kind, state, author=author, reason=reason)
        if closed.client_id is not None and (state is RecordState.UPHELD or kind is RecordKind.PIN):
            self.look_again(closed.client_id, f"{kind} {number} {state}")
        elif closed.client_id is not None:
            refresh_gate(self.ports, [closed.client_id])
        return closed
