"""The command line: `cli`, and the table of its commands, each imported only when it runs."""

import sys
from typing import Any

import click

from commands.app import CONFIG_HELP, DEBUG_HELP, App
from commands.failures import guarded
from commands.lazy import Entry, LazyGroup
from whmcs_bridge import __version__

SECTIONS = {
    "Set up": {
        "init": Entry("commands.init:init", "Write bridge.toml, with comments, and test the connection."),
        "doctor": Entry("commands.doctor:doctor", "Check everything that a run needs; changes nothing."),
        "adopt": Entry("commands.adopt:adopt", "The first day: look at the book first, then begin with a few."),
        "policy": Entry("commands.policy:policy", "Check the settings; print their JSON Schema."),
        "hand-back": Entry("commands.hand_back:hand_back", "Leave: give what we suspended back to WHMCS."),
    },
    "Every day": {
        "plan": Entry("commands.plan:plan", "Show what a sync would do, to whom and why; changes nothing."),
        "apply": Entry("commands.apply:apply", "Carry out the plan you reviewed, and nothing else."),
        "sync": Entry("commands.sync:sync", "Read, plan and act inside the limits: what the timer runs."),
        "approve": Entry("commands.approve:approve", "Approve steps that wait for a person; list them."),
        "pause": Entry("commands.pause:pause", "Stop every harmful step at once, until told otherwise."),
        "service": Entry("commands.service:service", "Suspend, unsuspend or end services by hand, or a list."),
        "undo": Entry("commands.undo:undo", "Take back what a run did, as far as it can be."),
        "tasks": Entry("commands.tasks:tasks", "List what staff has to do; mark done, snooze."),
        "backups": Entry("commands.backups:backups", "Backups of ended services: what goes when, and the proof."),
    },
    "People": {
        "promise": Entry("commands.promise:promise", "A client says when they will pay: kept, broken, taken back."),
        "release": Entry("commands.release:release", "Put a suspended service back on for some days, on trust."),
        "arrangement": Entry("commands.arrangement:arrangement", "A client pays what is owed in parts."),
        "dispute": Entry("commands.dispute:dispute", "A client denies an invoice, a line, or a part of it."),
        "receipt": Entry("commands.receipt:receipt", "Somebody says that an invoice is paid."),
        "hold": Entry("commands.hold:hold", "Nothing harmful to a client or service until it is lifted."),
        "freeze": Entry("commands.freeze:freeze", "Clients could not pay: the clock stands still for those days."),
        "vip": Entry("commands.vip:vip", "Who is VIP and why; pins; where WHMCS differs from the rules."),
    },
    "Hooks": {
        "serve": Entry("commands.serve:serve", "Answer WHMCS's hooks: what it asks, and what it tells."),
        "hooks": Entry("commands.hooks:hooks", "Put the hook file into WHMCS; check it; take it out."),
        "hook": Entry("commands.hook:hook", "Take one event from standard input, where no daemon may run."),
    },
    "Ask": {
        "morning": Entry("commands.morning:morning", "Print the staff's mail of a day; send today's."),
        "status": Entry("commands.status:status", "Show how the house stands; a check for monitoring."),
        "shadow": Entry("commands.shadow:shadow", "Compare what would have been done with what others did."),
        "client": Entry("commands.client:client", "Show all about a client on one screen."),
        "explain": Entry("commands.explain:explain", "Explain a service or client: why, and what comes next."),
        "journal": Entry("commands.journal:journal", "Show what was done, to whom, when, by which rule."),
        "api": Entry("commands.api:api", "Call any action of WHMCS's API."),
    },
    "Try": {
        "demo": Entry("commands.demo:demo", "Watch a small hosting company live for two months."),
        "scenario": Entry("commands.scenario:scenario", "Test your rules on timelines."),
        "simulator": Entry("commands.simulator:simulator", "Serve a simulated WHMCS."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Cli(LazyGroup):
    """The root: turns every error into a line and an exit code."""

    def main(self, args: Any = None, prog_name: str | None = None, *more: Any, **options: Any) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        options["standalone_mode"] = False
        debug = "--debug" in given
        sys.exit(guarded(lambda: super(Cli, self).main(given, prog_name, *more, **options), debug=debug))


@click.group(name="whmcs-bridge", cls=Cli, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="PATH", help=CONFIG_HELP)
@click.option("--debug", is_flag=True, help=DEBUG_HELP)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, config: str | None, debug: bool) -> None:
    """House rules for WHMCS: strict suspension, earned VIP, backups gone when the service is gone.

    Exit codes: 0 done, 1 failed, 2 usage or settings, 3 refused by limits, sanity or a stale plan,
    4 the plan has steps (plan --detailed-exitcode).

    \b
    Example:
        whmcs-bridge init
        whmcs-bridge plan
        whmcs-bridge explain service:12
    """
    ctx.obj = App(config, debug)
