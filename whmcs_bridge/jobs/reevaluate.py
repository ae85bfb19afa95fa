"""Look at one client again because something happened: releases and VIP moves at once, nothing harmful ever."""

from collections.abc import Collection
from dataclasses import replace

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked, WhmcsError
from whmcs_bridge.jobs.carry import carry_out
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import ClientMemory, Memory, client_facts
from whmcs_bridge.jobs.hand import Hand, Now
from whmcs_bridge.jobs.membership import is_first_look, seen_membership, with_effects
from whmcs_bridge.jobs.pause import handed_back
from whmcs_bridge.jobs.plan import limit_stops
from whmcs_bridge.jobs.records import settle_paid
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.jobs.sanity import clock_in_doubt
from whmcs_bridge.jobs.settle import settle
from whmcs_bridge.jobs.tell_whmcs import tell_whmcs
from whmcs_bridge.plan.build import build, client_step, step_of
from whmcs_bridge.plan.limits import stopped
from whmcs_bridge.plan.model import Plan, Step
from whmcs_bridge.policy import Ledgers, view_of
from whmcs_bridge.policy.cases import observe
from whmcs_bridge.policy.decision import LIFTING, Kind
from whmcs_bridge.policy.vip import decide_client

PROMPT = frozenset({Kind.UNSUSPEND, Kind.UNSUSPEND_ADDON, Kind.VIP_ADD, Kind.VIP_REMOVE})
"""What may happen between two runs: it lifts, or moves a client's group. Harm begins in a sync only."""


def reevaluate(ports: Ports, client: ClientId, cause: str, memory: Memory | None = None) -> RunReport:
    """Read the client live and do what lifts; in shadow mode nothing is done.

    What cannot be read is a problem of the report: the next sync makes it true. `memory`: of the run in whose midst
    this happens.
    """
    with ports.journal.writer(), ports.turns.of(client), ports.one_day():
        today, settings = ports.today(), ports.settings
        run = ports.begin_run("hook")
        plan = Plan(today, settings.policy.version, ())
        report = RunReport(run, "hook", settings.mode, today, plan)
        try:
            memory = memory or ClientMemory(ports.journal, today, client)
            report.problems += settle(ports, memory, client)  # or what we did ourselves looks like somebody else's
            hand = Hand(ports, memory, run, report.results)
            now = _look(hand, client)
            lifts_only = clock_in_doubt(ports) or handed_back(ports)
            if settings.enforcing and not lifts_only and memory.scope.takes(now.book.client, now.book.group):
                remember(ports, memory, now)
            report.plan = _prompt_plan(ports, now, memory, LIFTING if lifts_only else PROMPT)
            if settings.enforcing:
                for step in report.plan.steps:
                    carry_out(hand, step)
                if not lifts_only:
                    with ports.journal.recording():
                        settle_paid(ports, client)
                    tell_whmcs(ports, memory.scope, client)
        except (DatabaseTrouble, Locked):
            raise
        except BridgeError as error:
            report.problems.append(f"client {client} after {cause}: {error}")
        finally:
            ports.journal.end_run(run, ports.now(), report.outcome, f"{cause}: {report.summary()}")
        return report


def members_to_remove(ports: Ports) -> list[ClientId]:
    """VIPs whom the rules take out of their group today, by mirror and journal; nothing is read from WHMCS."""
    policy, today = ports.settings.policy, ports.today()
    group = ports.mirror.group_named(policy.vip.group) if policy.vip is not None else None
    found: list[ClientId] = []
    if clock_in_doubt(ports) or handed_back(ports):
        return found
    for client in ports.mirror.members(group.id) if group is not None else ():
        book = ports.mirror.book(client)
        if book is not None and any(invoice.due is not None and invoice.due < today for invoice in book.invoices):
            facts = client_facts(book, ClientMemory(ports.journal, today, client))
            decision = decide_client(facts, policy, group, today, Ledgers(facts, policy, today))
            if any(due.kind is Kind.VIP_REMOVE for due in decision.due):
                found.append(client)
    return found


def _look(hand: Hand, client: ClientId) -> Now:
    """Read the client live, its group too where membership matters; a release does not wait for the group."""
    if hand.ports.settings.policy.vip is None:
        return hand.look(client)
    try:
        return hand.look(client, credit=True)
    except WhmcsError:
        now = hand.look(client)
        now.membership = None
        return now


def remember(ports: Ports, memory: Memory, now: Now) -> None:
    """Keep what a look at a client shows: an ending, an adoption, a membership. No stage moves forward by it."""
    policy, today = ports.settings.policy, ports.today()
    for service, facts in now.facts.items():
        view, _ = view_of(facts, policy, today)
        case = observe(view, now.decisions[service], today, adopting=False)
        if case != facts.case:
            memory.keep(case)
    group = ports.mirror.group_named(policy.vip.group) if policy.vip and now.membership is not None else None
    if group is not None:
        client = now.book.client
        if is_first_look(ports.journal, group):
            return  # the first run notes who was a member before we came
        known = memory.membership(client.id)
        seen = seen_membership(known, member=client.group_id == group.id, today=today, first_run=False)
        if seen != known:
            memory.keep_membership(client.id, seen)


def _prompt_plan(ports: Ports, now: Now, memory: Memory, kinds: Collection[Kind]) -> Plan:
    today, policy, scope = ports.today(), ports.settings.policy, memory.scope
    group = ports.mirror.group_named(policy.vip.group) if policy.vip is not None else None
    steps: list[Step] = []
    for service, decision in now.decisions.items():
        due, _ = scope.parts(now.facts[service], decision.due)
        steps.extend(step_of(d, decision, today, {}, warned=False) for d in due if d.kind in kinds)
    if now.membership is not None and group is not None and scope.takes(now.book.client, now.book.group):
        client, known = now.book.client, memory.membership(now.book.client.id)
        dues = (with_effects(ports.mirror, due, client, known, group) for due in now.membership.due)
        steps.extend(client_step(due, now.membership, today) for due in dues)
    plan = build(
        today,
        policy.version,
        steps,
        (),
        complete=True,
        problems=(),
        services_seen=len(now.facts),
    )
    plan = replace(plan, steps=tuple(s for s in plan.steps if s.kind in kinds))
    if not plan.steps:
        return plan
    # limits count a house day over all runs, and this is one; a release is among none of them
    plan = replace(plan, services_seen=ports.mirror.count_living())
    return stopped(plan, limit_stops(ports, plan, {}))
