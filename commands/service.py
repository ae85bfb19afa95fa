"""whmcs-bridge service."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, Options, login_name, pass_app
from commands.options import ID, accept_option, all_option, allow_option, codes_of, counts_of, json_option
from whmcs_bridge.errors import BridgeError, UsageProblem

if TYPE_CHECKING:
    from rich.console import Console

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.plan.model import Plan, Step

LONGEST_REASON = 200
REFUSED = 3
FAILED = 1
NOT_CONFIRMED = "not confirmed: nothing was done"

Decorated = Callable[..., Any]


class ServiceGroup(Options, click.Group):
    """Its commands act on single services, or on a list of them."""


def _shared(command: Decorated) -> Decorated:
    """The options that all three commands take."""
    for option in reversed(
        (
            click.argument("number", required=False, type=ID, metavar="[SERVICE]"),
            click.option("--from", "source", metavar="FILE", help="A list: one service a line; - is standard input."),
            click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the journal with your name."),
            click.option("--by", metavar="NAME", help="Who asks for it; by default your login name."),
            click.option("--yes", is_flag=True, help="Do not ask; for a single service only."),
            allow_option,
            accept_option,
            all_option,
            json_option,
            pass_app,
        )
    ):
        command = option(command)
    return command


@click.group(cls=ServiceGroup)
def service() -> None:
    """Suspend, unsuspend or end services by hand, under the same checks as a run.

    A single service is shown, and done when you agree. A list (--from FILE) only becomes a plan with a fingerprint:
    read it, then carry it out with `whmcs-bridge apply --fingerprint HASH`.

    Either way money and status are read live right before each step, limits, pause, sanity stops, holds, promises and
    approvals hold as they do for a run, there is one suspension or end per service and day, and every step is in the
    journal with your name and reason. What is withheld is said, and nothing is done by halves.

    \b
    Example:
        whmcs-bridge service suspend 34 --abuse --reason "sends spam"
        whmcs-bridge service unsuspend 34 --abuse --reason "cleaned up"
        whmcs-bridge service terminate --from ended.txt --early --reason "left without a word"
    """


@service.command("suspend", cls=Command)
@click.option("--abuse", is_flag=True, help="For abuse, or another reason of yours: no payment lifts it.")
@click.option("--for-debt", is_flag=True, help="For what it owes: it comes back when that is paid.")
@click.option("--early", is_flag=True, help="For debt, before the rules would.")
@_shared
def suspend(app: App, abuse: bool, for_debt: bool, early: bool, **given: Any) -> None:
    """Suspend a service by hand: say whether a payment lifts it.

    --abuse writes your reason into WHMCS. No payment lifts such a suspension, no run and no undo of another run
    touches it; you lift it with `service unsuspend --abuse`. Quiet days and act hours do not hold it.

    --for-debt writes the bridge's own reason: the service comes back by itself when everything that counts is paid, and
    the days until its end count from today. It needs a debt that counts, and whatever protects the client from the
    rules protects from this, too (a promise, a hold, a quiet day, WHMCS's override). Before the day that the rules
    name, or before their warning went out, it takes --early.

    Exits 0 when done, 1 when it failed, 2 when it is not allowed (the reason says why), 3 when a limit, a pause, a
    sanity stop or a missing approval refuses it.

    \b
    Example:
        whmcs-bridge service suspend 34 --abuse --reason "phishing, ticket 881"
        whmcs-bridge service suspend 34 --for-debt --early --reason "card taken back" --yes
        whmcs-bridge service suspend --from hacked.txt --abuse --reason "hacked"
    """
    from whmcs_bridge.policy.rules import MARK

    if abuse == for_debt:
        raise UsageProblem("say --for-debt (it comes back when paid) or --abuse (no payment lifts it)")
    if abuse and early:
        raise UsageProblem("--early is for --for-debt; --abuse asks no rule for its day")
    if abuse and MARK in given["reason"]:
        raise UsageProblem(f"--reason: {MARK} marks the bridge's own suspensions; leave it out")
    _act(app, "suspend", staffs=abuse, early=early, **given)


@service.command("unsuspend", cls=Command)
@click.option("--abuse", is_flag=True, help="It was suspended for abuse, or another reason of the staff's: lift that.")
@click.option("--override", is_flag=True, help="Although something that counts is owed.")
@click.option("--days", type=click.IntRange(1, 90), metavar="N", help="With --override: it stays up for so many days.")
@_shared
def unsuspend(app: App, abuse: bool, override: bool, days: int | None, **given: Any) -> None:
    """Unsuspend a service by hand.

    What is paid comes back without more. While something that counts is owed, the next run would take the service down
    again: release it on trust (`whmcs-bridge release`, which asks the rules), or go past them with --override. That
    is recorded with your name and reason, as a trust release past the rules, and keeps the service up for --days,
    or else for as long as the rules give on trust. The days until the end go on meanwhile.

    A suspension that is not for debt is lifted with --abuse only, so that no list lifts one by accident.

    Exits 0 when done, 1 when it failed, 2 when it is not allowed (the reason says why).

    \b
    Example:
        whmcs-bridge service unsuspend 34 --reason "paid in cash, booked"
        whmcs-bridge service unsuspend 34 --override --days 2 --reason "the bank is down"
        whmcs-bridge service unsuspend 34 --abuse --reason "cleaned up"
    """
    if days is not None and not override:
        raise UsageProblem("--days goes with --override: what the rules bring back stays up")
    _act(app, "unsuspend", staffs=abuse, override=override, days=days, **given)


@service.command("terminate", cls=Command)
@click.option("--early", is_flag=True, help="Before the rules would: its warnings and waiting time are not over.")
@click.option("--paid-up", is_flag=True, help="Although nothing is owed for it; asks you to type its number.")
@_shared
def terminate(app: App, early: bool, paid_up: bool, **given: Any) -> None:
    """End a service by hand: the account is removed from its server. This cannot be undone.

    Whose account it was is written down first. Where [approval] asks for a person's word (the default for ends), the
    end is proposed: `whmcs-bridge approve` lists it with your name, and when it is approved the same command, or the
    same fingerprint on the same day, carries it out. A proposal stands for 7 days.

    A service that owes ends without more only if the rules name it as due today; before that it takes --early. One for
    which nothing is owed takes --paid-up, one service at a time, and you type its number, --yes or not.

    Exits 0 when done, 1 when it failed or was not confirmed, 2 when it is not allowed (the reason says why), 3 when a
    limit, a pause, a sanity stop or a missing approval refuses it.

    \b
    Example:
        whmcs-bridge service terminate 34 --early --reason "fraud, ticket 902"
        whmcs-bridge service terminate 34 --paid-up --reason "asked for by phone"
        whmcs-bridge service terminate --from gone.txt --early --reason "left without a word"
    """
    if paid_up and given["source"] is not None:
        raise UsageProblem("--paid-up ends one service at a time: name it, instead of --from")
    _act(app, "terminate", early=early, paid_up=paid_up, **given)


# --- doing it -------------------------------------------------------------------------------------


def _act(
    app: App,
    kind: str,
    *,
    number: int | None,
    source: str | None,
    reason: str,
    by: str | None,
    yes: bool,
    allow: tuple[str, ...],
    accept_sanity: tuple[str, ...],
    everything: bool,
    as_json_: bool,
    days: int | None = None,
    **more: Any,
) -> None:
    from datetime import timedelta

    from commands.lists import services_in
    from whmcs_bridge.domain.ids import ServiceId
    from whmcs_bridge.policy.by_hand import ByHand
    from whmcs_bridge.policy.decision import Kind

    reason = checked_reason(reason)
    if (number is None) == (source is None):
        raise UsageProblem("name one service, or a list with --from FILE")
    if source is not None and yes:
        raise UsageProblem("--yes is for a single service; a list is planned, then: whmcs-bridge apply --fingerprint")
    if number is not None and not yes and (as_json_ or not at_a_terminal()):
        raise UsageProblem("this changes WHMCS, and nobody is here to be asked: add --yes")
    if source is not None and accept_sanity:
        raise UsageProblem("a list is only planned here: give --accept-sanity to whmcs-bridge apply")
    numbers = [number] if number is not None else services_in(source or "")
    counts, codes = counts_of(allow), codes_of(accept_sanity)
    with app.bridge() as bridge:
        until = bridge.today() + timedelta(days=days) if days is not None else None
        asked = replace(ByHand(by or login_name(), reason, until=until), **more)
        if number is not None:
            bridge.refuse_in_shadow()
            if asked.paid_up:
                _type_it(bridge, number)
        plan = bridge.plan_by_hand(Kind(kind), [ServiceId(n) for n in numbers], asked, allow=counts)
        if number is None:
            _show_list(bridge, plan, everything=everything, as_json_=as_json_)
            return
        plan = _passing(plan, codes)
        _refused_at_once(bridge, plan, number, as_json_=as_json_)
        _agree(bridge, plan.steps[0], yes=yes)
        _carry_out(bridge, plan, counts, codes, everything=everything, as_json_=as_json_)


def checked_reason(reason: str) -> str:
    """Return the reason on one line; raises UsageProblem for none, and for one that WHMCS would not keep."""
    plain = " ".join(reason.split())
    if not plain:
        raise UsageProblem('--reason: say why in a few words, as in --reason "phishing, ticket 881"')
    if len(plain) > LONGEST_REASON:
        raise UsageProblem(f"--reason: {len(plain)} characters; {LONGEST_REASON} are allowed")
    if not plain.isprintable():
        raise UsageProblem("--reason: it has characters that cannot be printed")
    return plain


def at_a_terminal() -> bool:
    """Somebody is there to be asked."""
    return sys.stdin.isatty()


def _passing(plan: Plan, accepted: frozenset[str]) -> Plan:
    """Leave to `apply` what only a sanity stop refuses that is accepted: it looks again."""
    stops = tuple(stop for stop in plan.stops if stop.code.removeprefix("sanity:") not in accepted)
    if len(stops) == len(plan.stops) or stops:
        return plan
    return replace(plan, steps=plan.refused, refused=(), stops=())


def _refused_at_once(bridge: Bridge, plan: Plan, number: int, *, as_json_: bool) -> None:
    """End here where nothing of a single service's plan can be done, saying why."""
    if plan.problems:
        raise BridgeError(f"{plan.problems[0]}; nothing was done")
    if not plan.steps and not plan.refused:
        why = dict.fromkeys(held.withheld.why for held in plan.withheld)
        raise UsageProblem(f"service {number}: {'; '.join(why)}; nothing was done")
    if plan.steps:
        return
    from commands.show import as_json, console, show_stop
    from whmcs_bridge.plan.render import to_json

    if as_json_:
        as_json(to_json(plan))
    else:
        out = console()
        _say(out, bridge, plan.refused[0])
        for stop in plan.stops:
            show_stop(out, stop)
    sys.exit(REFUSED)


TITLES = {"suspend": "Suspend", "unsuspend": "Unsuspend", "terminate": "End"}


def _say(out: Console, bridge: Bridge, step: Step) -> None:
    from commands.show import heading, names_from, wrapped

    client, name = names_from(bridge)(step.client, step.service)
    out.print(heading(f"{TITLES[step.kind.value]} service {step.service} {name}".rstrip()))
    wrapped(out, f"{step.client} {client}".rstrip(), lead="  client  ")
    wrapped(out, step.reason, lead="  why     ")
    if step.amount is not None:
        wrapped(out, f"{step.amount} since {step.since}", lead="  owes    ")


def _type_it(bridge: Bridge, number: int) -> None:
    """An end that nobody owes for is typed, --yes or not; raises BridgeError where it is not, UnknownId."""
    from whmcs_bridge.domain.ids import ServiceId

    found = bridge.explain_service(ServiceId(number)).facts
    service, client = found.service, found.client.client
    name = f"service {number} {service.domain or service.name} of client {client.id} {client.name}"
    click.echo(f"This ends {name}, although nothing is owed for it. It cannot be undone.", err=True)
    try:
        typed = click.prompt(f"Type {number} to end it", default="", show_default=False, err=True)
    except click.Abort:
        raise BridgeError(NOT_CONFIRMED) from None
    if typed.strip() != str(number):
        raise BridgeError(NOT_CONFIRMED)


def _agree(bridge: Bridge, step: Step, *, yes: bool) -> None:
    """Ask; raises BridgeError where nobody agrees."""
    from rich.console import Console

    if yes or (step.by_hand is not None and step.by_hand.paid_up):
        return
    _say(Console(stderr=True, highlight=False, markup=False, emoji=False), bridge, step)
    if not click.confirm("Do it?", default=False, err=True):
        raise BridgeError(NOT_CONFIRMED)


def _carry_out(
    bridge: Bridge,
    plan: Plan,
    counts: Any,
    codes: frozenset[str],
    *,
    everything: bool,
    as_json_: bool,
) -> None:
    from commands.running import finish, finishing, show_report
    from commands.show import as_json

    with finishing(bridge) as signalled:
        report = bridge.apply(plan.fingerprint, allow=counts, accept_sanity=codes)
        if as_json_:
            as_json(report.to_json())
        else:
            show_report(bridge, report, everything=everything)
        if report.gone and not report.results:
            sys.exit(FAILED)
        finish(report, signalled())


def _show_list(bridge: Bridge, plan: Plan, *, everything: bool, as_json_: bool) -> None:
    """Print the plan of a list, and each service that is left out with the reason; exit 1 where one was not read."""
    from commands.show import as_json, console, show_plan
    from whmcs_bridge.plan.render import to_json

    if as_json_:
        as_json(to_json(plan))
    else:
        out = console()
        left_out(out, plan)
        show_plan(out, bridge, replace(plan, withheld=()), everything=everything)
    if plan.problems:
        sys.exit(FAILED)


def left_out(out: Console, plan: Plan) -> None:
    """Print what is not in the plan, a line each."""
    from rich.text import Text

    why: dict[int, list[str]] = {}
    for held in plan.withheld:
        if held.service is not None:
            why.setdefault(int(held.service), []).append(held.withheld.why)
    for number, said in why.items():
        out.print(Text(f"Left out: service {number}: {'; '.join(dict.fromkeys(said))}", style="yellow"), soft_wrap=True)
