"""whmcs-bridge backups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, Options, pass_app
from commands.backup_panels import panels
from commands.options import ID, all_option, json_option

if TYPE_CHECKING:
    from whmcs_bridge.domain.deletions import DeletionPlan
    from whmcs_bridge.jobs.backup_audit import StoreAudit
    from whmcs_bridge.jobs.backup_desk import Listing

service_argument = click.argument("service", type=ID, metavar="SERVICE")
because_option = click.option("--because", required=True, metavar="TEXT", help="Why; kept in the evidence.")
SHOWN = 40


class Group(Options, click.Group):
    """A group whose help names its commands."""


@click.group(cls=Group)
def backups() -> None:
    """Backups of ended services: what is where, what goes and when, and the proof that it is gone.

    \b
    Example:
        whmcs-bridge backups list 456
        whmcs-bridge backups plans
        whmcs-bridge backups evidence 456
    """


backups.add_command(panels)


# --- looking --------------------------------------------------------------------------------------


@backups.command("list", cls=Command)
@service_argument
@all_option
@json_option
@pass_app
def list_(app: App, service: int, everything: bool, as_json_: bool) -> None:
    """List what every store holds of a service now, and what may be the service's and is left alone.

    Reads the stores; changes nothing.

    \b
    Example:
        whmcs-bridge backups list 456
    """
    from commands.show import as_json, console, table
    from whmcs_bridge.domain.ids import ServiceId
    from whmcs_bridge.jobs.backup_desk import list_backups

    with app.bridge(offline=True) as bridge:
        found = list_backups(bridge.ports, ServiceId(service))
    if as_json_:
        as_json(_listing_json(found))
        return
    out = console()
    for account in found.subject.accounts:
        until = f" to {account.until}" if account.until else ""
        out.print(f"account {account.username or '-'} on server {account.server}, {account.since or '?'}{until}")
    if found.panels:
        out.print(f"panel: {found.panels}")
    rows = table("store", "item", "bytes", "made", "whose", right=("bytes",), keep=("made",))
    lines = [line for name in found.looks for line in _listed(found, name)]
    for line in lines if everything else lines[:SHOWN]:
        rows.add_row(*line)
    if lines:
        out.print(rows)
    if len(lines) > SHOWN and not everything:
        out.print(f"... and {len(lines) - SHOWN:,} more (--all)")
    for name, look in found.looks.items():
        if look.trouble or look.postponed:
            out.print(f"store {name}: {look.trouble or look.postponed}")
    if not lines:
        out.print("Nothing of it was found." if found.looks else "No store keeps backups of its servers.")
    if found.plan is not None:
        out.print(f"plan {found.plan.digest[:12]}: {found.plan.state.value}")


def _listed(found: Listing, store: str) -> list[tuple[str, str, str, str, str]]:
    one = found.found[store]
    lines = [(item, "its own: " + ", ".join(proofs)) for item, proofs in one.mine.values()]
    lines += [(u.item, f"{u.verdict}: {u.why}") for u in one.untouched]
    return [
        (
            store,
            i.locator,
            f"{i.size:,}" if i.size is not None else "",
            str(i.made_on or (i.at and i.at.date()) or ""),
            w,
        )
        for i, w in lines
    ]


def _listing_json(found: Listing) -> dict[str, Any]:
    from whmcs_bridge.jobs.backup_plan import item_json, untouched_json

    return {
        "service": found.service,
        "panel_trouble": found.panels,
        "accounts": [
            {"server": a.server, "username": a.username, "since": a.since, "until": a.until, "under": a.under}
            for a in found.subject.accounts
        ],
        "stores": [
            {
                "store": name,
                "trouble": look.trouble,
                "postponed": look.postponed,
                "listed": len(look.items),
                "items": [{**item_json(i), "proofs": list(p)} for i, p in found.found[name].mine.values()],
                "left_alone": [untouched_json(u) for u in found.found[name].untouched],
            }
            for name, look in found.looks.items()
        ],
        "plan": found.plan.digest if found.plan is not None else None,
    }


@backups.command("probe", cls=Command)
@click.option("--store", metavar="NAME", help="Only this store.")
@json_option
@pass_app
def probe(app: App, store: str | None, as_json_: bool) -> None:
    """Ask every store whether its view is complete, what it can do, and how far its clock is off.

    Below the table stands what a store cannot see, and what has to be proved first. Exits 1 where a store does not
    answer or does not show all it holds.

    \b
    Example:
        whmcs-bridge backups probe
        whmcs-bridge backups probe --store offsite
    """
    from commands.show import as_json, console, table
    from whmcs_bridge.errors import BridgeError
    from whmcs_bridge.jobs.backup_desk import probe_all

    with app.bridge(offline=True) as bridge:
        found = probe_all(bridge.ports, store)
        one_hand = {given.name for given in bridge.settings.backup_stores if given.one_hand}
        told = [_probe_json(one, said, trouble, one_hand) for one, said, trouble in found]
    if as_json_:
        as_json(told)
    elif not told:
        click.echo("No [[backup_store]] is configured.")
    else:
        rows = table("store", "kind", "where", "view", "can", "clock")
        for one in told:
            view = one["trouble"] or ("complete" if one["complete"] else f"not complete: {one['why']}")
            rows.add_row(one["store"], one["kind"], one["root"], view, ", ".join(one["can"]), one["clock_skew"] or "")
        console().print(rows)
        for one in told:
            for note in one["notes"]:
                click.echo(f"{one['store']}: {note}")
        alone = sorted(one["store"] for one in told if one["one_credential"])
        if alone:
            click.echo(f"One credential lists and deletes (no delete_with): {', '.join(alone)}")
    bad = [one["store"] for one in told if not one["complete"]]
    if bad:
        raise BridgeError(f"not every store shows all it holds: {', '.join(bad)}")


def _probe_json(store: Any, said: Any, trouble: str, one_hand: set[str]) -> dict[str, Any]:
    can = []
    if not trouble:
        can = [name for name in type(store.caps).__dataclass_fields__ if getattr(store.caps, name)]
    return {
        "store": store.name,
        "kind": store.kind,
        "root": store.root if not trouble else "",
        "complete": bool(said is not None and said.complete),
        "why": said.why if said is not None else "",
        "trouble": trouble,
        "can": can,
        "clock_skew": str(said.clock_skew) if said is not None and said.clock_skew is not None else None,
        "busy": list(said.busy) if said is not None else [],
        "keeps_for": str(said.keeps_for) if said is not None and said.keeps_for is not None else None,
        "notes": list(said.notes) if said is not None else [],
        "one_credential": store.name in one_hand,
    }


@backups.command("audit", cls=Command)
@click.option("--store", metavar="NAME", help="Only this store.")
@all_option
@json_option
@pass_app
def audit(app: App, store: str | None, everything: bool, as_json_: bool) -> None:
    """Sort everything in the stores by whose it is, and show what belongs to no living service.

    ended-known: every service that had the name has ended. unknown-to-whmcs: nobody ever had it.
    name-living-again: made while an ended service had a name that another has now. unparsable: its name follows no
    pattern. shared: it holds more than one account. Never deletes; exits 1 where something could not be read whole.

    \b
    Example:
        whmcs-bridge backups audit
        whmcs-bridge backups audit --store offsite --json
    """
    from commands.show import as_json
    from whmcs_bridge.errors import BridgeError
    from whmcs_bridge.jobs import backup_audit

    with app.bridge(offline=True) as bridge:
        found = backup_audit.audit(bridge.ports, store)
    if as_json_:
        as_json(backup_audit.audit_json(found))
    else:
        for one in found.stores:
            _show_audit(one, None if everything else SHOWN)
        for problem in found.problems:
            click.echo(problem)
        if found.back:
            click.echo(
                f"Accounts that were erased and have items again: {found.back:,}. Find out what brings them back."
            )
    if not found.whole:
        raise BridgeError("the audit is not complete: not everything could be read")


def _show_audit(found: StoreAudit, limit: int | None) -> None:
    from commands.show import console, heading, table
    from whmcs_bridge.jobs.backup_audit import Standing

    out = console()
    out.print(heading(f"{found.store} ({found.kind}), {found.items:,} items"))
    if found.trouble:
        out.print(f"  {found.trouble}")
    totals = table("class", "accounts", "items", "bytes", right=("accounts", "items", "bytes"))
    for standing, (accounts, items, size) in found.totals().items():
        totals.add_row(standing.value, f"{accounts:,}", f"{items:,}", f"{size:,}")
    out.print(totals)
    heaps = [heap for heap in found.heaps if heap.standing is not Standing.LIVE]
    if not heaps:
        return
    rows = table("class", "account", "services", "items", "bytes", "newest", right=("items", "bytes"), keep=("newest",))
    for heap in heaps if limit is None else heaps[:limit]:
        services = ", ".join(map(str, heap.services[:5])) + (" (erased before)" if heap.erased else "")
        newest = f"{heap.newest:%Y-%m-%d}" if heap.newest else ""
        name = heap.account or heap.example
        rows.add_row(heap.standing.value, name, services, f"{heap.items:,}", f"{heap.size:,}", newest)
    out.print(rows)
    if limit is not None and len(heaps) > limit:
        out.print(f"... and {len(heaps) - limit:,} more (--all)")


# --- deleting -------------------------------------------------------------------------------------


@backups.command("delete", cls=Command)
@service_argument
@click.option("--plan", "digest", metavar="HASH", help="Carry out this plan, which you have seen; approves it.")
@click.option("--override", default="", metavar="REASON", help="With --plan: why, although its name lives again.")
@json_option
@pass_app
def delete(app: App, service: int, digest: str | None, override: str, as_json_: bool) -> None:
    """Plan the deletion of an ended service's backups; with --plan, carry out the plan that was shown.

    WHMCS is asked first whether the service has ended; a hold, a promise or the days that backups are kept stand
    against a person too. Without --plan nothing is deleted. Where another service lives under its name by now, the plan
    holds only what is surely from before, and takes --override as well. Exits 1 where something is left, 3 where the
    stores hold something else than was shown.

    \b
    Example:
        whmcs-bridge backups delete 456
        whmcs-bridge backups delete 456 --plan 3f711c257cc1
        whmcs-bridge backups delete 456 --plan 3f711c257cc1 --override "ticket 12-345"
    """
    from commands.show import as_json
    from whmcs_bridge.domain.ids import ServiceId
    from whmcs_bridge.jobs import backup_desk

    with app.bridge() as bridge, bridge.journal.writer(), bridge.ports.one_day():
        if digest is None:
            plan = backup_desk.plan_by_hand(bridge.ports, ServiceId(service))
            done = ""
        else:
            done = backup_desk.delete_by_hand(bridge.ports, ServiceId(service), digest, override)
            plan = backup_desk.plan_by_name(bridge.ports, digest)
    if as_json_:
        as_json({**_plan_json(plan), "done": done})
        return
    if done:
        click.echo(done)
        click.echo(f"The proof: whmcs-bridge backups evidence {service}")
        return
    _show_plan(plan, limit=SHOWN)
    if plan.items:
        override = ' --override "why"' if plan.lives_again else ""
        click.echo(
            f"To carry out exactly this: whmcs-bridge backups delete {service} --plan {plan.digest[:12]}{override}"
        )


@backups.command("request", cls=Command)
@service_argument
@click.option("--handed-over", is_flag=True, help="The client has the data: the deletion goes on.")
@click.option("--withdrawn", is_flag=True, help="The client does not want it any more.")
@click.option("--note", default="", metavar="TEXT", help="What was agreed; kept in the evidence.")
@json_option
@pass_app
def request(app: App, service: int, handed_over: bool, withdrawn: bool, note: str, as_json_: bool) -> None:
    """Record that a client wants their data before it is deleted; it holds the deletion for handover_hold_days.

    What has to come first ([backups] handover: a payment, a fee, nothing) is said to staff as a task.

    \b
    Example:
        whmcs-bridge backups request 456 --note "asked by ticket 12-345"
        whmcs-bridge backups request 456 --handed-over
    """
    from dataclasses import asdict

    from commands.show import as_json
    from whmcs_bridge.domain.ids import ServiceId
    from whmcs_bridge.errors import UsageProblem
    from whmcs_bridge.jobs import backup_desk

    if handed_over and withdrawn:
        raise UsageProblem("--handed-over and --withdrawn are two different ends: give one")
    with app.bridge(offline=True) as bridge, bridge.journal.recording():  # a run asks for wishes before every item
        if handed_over or withdrawn:
            state = "handed-over" if handed_over else "withdrawn"
            wish = backup_desk.end_request(bridge.ports, ServiceId(service), state, note)
            said = f"service {service}: {state}; the deletion goes on"
        else:
            wish = backup_desk.request(bridge.ports, ServiceId(service), note)
            said = f"service {service}: nothing is deleted until {wish.until} ({wish.terms})"
    if as_json_:
        as_json(asdict(wish))
    else:
        click.echo(said)


# --- plans ----------------------------------------------------------------------------------------


class PlansGroup(Options, click.Group):
    """Lists the plans by itself; its commands are about single ones."""


@backups.group("plans", cls=PlansGroup, invoke_without_command=True)
@all_option
@json_option
@click.pass_context
def plans(ctx: click.Context, everything: bool, as_json_: bool) -> None:
    """List deletions that are planned, wait or are under way; --all adds those that are over.

    \b
    Example:
        whmcs-bridge backups plans
        whmcs-bridge backups plans show 3f711c257cc1
    """
    if ctx.invoked_subcommand is not None:
        return
    from commands.show import as_json, console, table
    from whmcs_bridge.jobs.backup_desk import open_plans
    from whmcs_bridge.jobs.backup_waits import halted

    with ctx.ensure_object(App).bridge(offline=True) as bridge:
        found = open_plans(bridge.ports, everything=everything)
        halts = halted(bridge.journal)
    if as_json_:
        as_json({"halted": halts, "plans": [_plan_json(plan) for plan in found]})
        return
    out = console()
    for store, why in halts.items():
        out.print(f"store {store} stands still: {why}")
    if not found:
        out.print("No deletion is planned or under way.")
        return
    rows = table("plan", "service", "state", "items", "bytes", "not before", "stores", right=("items", "bytes"))
    for plan in found:
        state = "waits for approval" if plan.waits_for_approval else plan.state.value
        stores = ", ".join(f"{s.store}: {s.state.value}" for s in plan.stores)
        size = f"{plan.size:,}"
        rows.add_row(
            plan.digest[:12], str(plan.service), state, f"{len(plan.items):,}", size, str(plan.not_before), stores
        )
    out.print(rows)


@plans.command("show", cls=Command)
@click.argument("digest", metavar="HASH")
@all_option
@json_option
@pass_app
def show(app: App, digest: str, everything: bool, as_json_: bool) -> None:
    """Show a plan: every item, what proves whose it is, how far it has come, and what is left alone.

    \b
    Example:
        whmcs-bridge backups plans show 3f711c257cc1
    """
    from commands.show import as_json
    from whmcs_bridge.jobs.backup_desk import plan_by_name

    with app.bridge(offline=True) as bridge:
        plan = plan_by_name(bridge.ports, digest)
    if as_json_:
        as_json(_plan_json(plan))
    else:
        _show_plan(plan, limit=None if everything else SHOWN)


@plans.command("approve", cls=Command)
@click.argument("digest", metavar="HASH")
@json_option
@pass_app
def approve(app: App, digest: str, as_json_: bool) -> None:
    """Approve exactly this list; the next run carries it out. If the stores hold something else by then, it does not.

    \b
    Example:
        whmcs-bridge backups plans approve 3f711c257cc1
    """
    from commands.show import as_json
    from whmcs_bridge.jobs.backup_desk import approve_plan

    with app.bridge(offline=True) as bridge, bridge.journal.writer():
        plan = approve_plan(bridge.ports, digest)
    if as_json_:
        as_json(_plan_json(plan))
    else:
        click.echo(f"plan {plan.digest[:12]} of service {plan.service}: {len(plan.items):,} items approved")


@plans.command("attest", cls=Command)
@click.argument("digest", metavar="HASH")
@click.option("--store", required=True, metavar="NAME", help="The store that only people can look into.")
@click.option("--because", required=True, metavar="TEXT", help="What was done; printed in the certificate.")
@click.option("--name", default="", metavar="NAME", help="Who answers for it, if it is not you.")
@click.option("--reference", default="", metavar="TEXT", help="Where the proof is kept: a ticket, a letter.")
@click.option(
    "--proof",
    "proofs",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="A file that proves it: its name, size and sha256 are kept, not its content. May be given again.",
)
@json_option
@pass_app
def attest(
    app: App, digest: str, store: str, because: str, name: str, reference: str, proofs: tuple[str, ...], as_json_: bool
) -> None:
    """Record a person's word that nothing of the account is left in a store where only people delete.

    The plan is then attested, never complete, and the certificate says whose word it rests on. A store that can be
    listed is listed first: what it still shows cannot be attested away.

    \b
    Example:
        whmcs-bridge backups plans attest 3f711c257cc1 --store tape --because "tape 12 shredded" --proof protocol.pdf
    """
    from pathlib import Path

    from commands.show import as_json
    from whmcs_bridge.jobs import backup_attest

    shown = [backup_attest.proof_of(Path(path)) for path in proofs]
    with app.bridge(offline=True) as bridge, bridge.journal.writer():
        plan = backup_attest.attest(bridge.ports, digest, store, because, name=name, reference=reference, proofs=shown)
    if as_json_:
        as_json(_plan_json(plan))
        return
    click.echo(f"plan {plan.digest[:12]} of service {plan.service}: store {store} is attested")
    left = [s.store for s in plan.stores if not s.settled]
    click.echo(f"still open: {', '.join(left)}" if left else "The plan is over; its verdict is attested, not complete.")


@plans.command("lift", cls=Command)
@click.argument("store", metavar="STORE")
@because_option
@pass_app
def lift(app: App, store: str, because: str) -> None:
    """Let deletions on a store go on that was halted because something vanished that was in no plan.

    \b
    Example:
        whmcs-bridge backups plans lift offsite --because "the panel's rotation removed it"
    """
    from whmcs_bridge.jobs import backup_desk

    with app.bridge(offline=True) as bridge, bridge.journal.writer():
        backup_desk.lift(bridge.ports, store, because)
    click.echo(f"store {store}: deletions go on")


@plans.command("close", cls=Command)
@click.argument("digest", metavar="HASH")
@because_option
@pass_app
def close(app: App, digest: str, because: str) -> None:
    """Close a plan with what it leaves (shared, locked, failed, doubtful): the certificate names it, never as complete.

    \b
    Example:
        whmcs-bridge backups plans close 3f711c257cc1 --because "the tape goes in May"
    """
    from whmcs_bridge.jobs import backup_desk

    with app.bridge(offline=True) as bridge, bridge.journal.writer():
        plan = backup_desk.close_plan(bridge.ports, digest, because)
    click.echo(f"plan {plan.digest[:12]} of service {plan.service}: closed")


def _plan_json(plan: DeletionPlan) -> dict[str, Any]:
    from whmcs_bridge.jobs.backup_certificate import mark_of
    from whmcs_bridge.jobs.backup_plan import item_json, untouched_json

    return {
        "plan": plan.digest,
        "service": plan.service,
        "client": plan.client,
        "state": plan.state.value,
        "why": plan.why,
        "made_at": plan.made_at,
        "not_before": plan.not_before,
        "needs": list(plan.needs),
        "lives_again": plan.lives_again,
        "waits_for_approval": plan.waits_for_approval,
        "approved_by": plan.approved_by,
        "bytes": plan.size,
        "complete": plan.complete,
        "attested": plan.attested,
        "stores": [
            {"store": s.store, "kind": s.kind, "root": s.root, "state": s.state.value, "why": s.why, "until": s.until}
            for s in plan.stores
        ],
        "items": [
            {**item_json(p.item), "proofs": list(p.proofs), "state": p.state.value, "note": p.note, "until": p.until}
            for p in plan.items
        ],
        "left_alone": [{**untouched_json(u), "mark": mark_of(u.item)} for u in plan.untouched],
    }


def _show_plan(plan: DeletionPlan, limit: int | None) -> None:
    from commands.show import console, heading, table
    from whmcs_bridge.jobs.backup_certificate import mark_of

    out = console()
    out.print(heading(f"Plan {plan.digest[:12]}  service {plan.service}  {plan.state.value}"))
    below = sum(1 for a in plan.accounts if a.under)
    names = ", ".join(f"{a.username} on server {a.server}" for a in plan.accounts if not a.under and a.username)
    out.print(f"  accounts    {names}" + (f", and {below} accounts below" if below else ""))
    out.print(f"  not before  {plan.not_before}")
    if plan.why:
        out.print(f"  why         {plan.why}")
    for need in plan.needs:
        out.print(f"  approval    {need}" + (f": approved by {plan.approved_by}" if plan.approved_by else ""))
    for store in plan.stores:
        until = f" until {store.until:%Y-%m-%d}" if store.until else ""
        out.print(f"  store       {store.store}: {store.state.value}{until}{': ' + store.why if store.why else ''}")
    rows = table("store", "item", "bytes", "made", "state", right=("bytes",))
    for row in plan.items if limit is None else plan.items[:limit]:
        made = row.item.made_on or (row.item.at.date() if row.item.at else "")
        size = f"{row.item.size:,}" if row.item.size is not None else ""
        rows.add_row(row.item.store, row.item.locator, size, str(made), row.state.value)
    if plan.items:
        out.print(rows)
    else:
        out.print("  nothing to delete was found")
    if limit is not None and len(plan.items) > limit:
        out.print(f"... and {len(plan.items) - limit:,} more (--all)")
    for one in plan.untouched[:limit]:
        where = f"{one.item.store} {one.item.locator} (mark {mark_of(one.item)})"
        out.print(f"  left alone  {where}: {one.verdict}, {one.why}")


# --- evidence -------------------------------------------------------------------------------------


@backups.command("evidence", cls=Command)
@click.argument("service", type=ID, metavar="[SERVICE]", required=False)
@click.option("--html", "as_html", is_flag=True, help="Print one page of HTML that needs nothing else.")
@click.option("--verify", is_flag=True, help="Check the chain of all evidence; exits 1 where it is broken.")
@click.option("--head", "kept", metavar="HEAD", help="With --verify: a head that you kept; is it still in the chain?")
@json_option
@pass_app
def evidence(app: App, service: int | None, as_html: bool, verify: bool, kept: str | None, as_json_: bool) -> None:
    """Print the certificate of a deletion: what was where, what went when, what proved it, and what is left.

    --verify checks that no record was changed, left out or put in between, and prints the chain's head. Whoever can
    write here could write the whole chain anew, or cut off its end: a head that was kept elsewhere shows it. The
    morning mail has one every day. Exits 1 where the chain is broken or a head is not in it any more.

    \b
    Example:
        whmcs-bridge backups evidence 456
        whmcs-bridge backups evidence 456 --html > certificate.html
        whmcs-bridge backups evidence --verify
        whmcs-bridge backups evidence --verify --head 2026-03-02:42:0f3c...
    """
    from commands.show import as_json
    from whmcs_bridge.domain.ids import ServiceId
    from whmcs_bridge.errors import BridgeError, UsageProblem
    from whmcs_bridge.jobs.backup_certificate import certificate, certificate_lines

    if kept is not None and (service is not None or not verify):
        raise UsageProblem("--head belongs to --verify: whmcs-bridge backups evidence --verify --head HEAD")
    if verify and service is None:
        _verify(app, kept, as_json_)
        return
    if service is None:
        raise UsageProblem("name a service, or check the whole chain: whmcs-bridge backups evidence --verify")
    with app.bridge(offline=True) as bridge:
        broken = bridge.journal.deletions.broken_at() if verify else ""
        found = certificate(bridge.ports, ServiceId(service))
    if as_json_:
        as_json(found)
    elif as_html:
        from whmcs_bridge.screens.page import fill

        click.echo(fill("certificate.html", it=found))
    else:
        click.echo("\n".join(certificate_lines(found)))
    if broken:
        raise BridgeError(f"the chain of evidence is broken: {broken}")


def _verify(app: App, kept: str | None, as_json_: bool) -> None:
    """Check the chain, and where a head is given, that it is still in it."""
    from commands.show import as_json
    from whmcs_bridge.errors import BridgeError, UsageProblem
    from whmcs_bridge.jobs.backup_chain import check_head, head_line

    standing, trouble = None, ""
    with app.bridge(offline=True) as bridge:
        broken = bridge.journal.deletions.broken_at()
        digest = bridge.journal.deletions.head()
        head, not_signed = head_line(bridge.ports)
        if kept is not None:
            try:
                standing = check_head(bridge.ports, kept)
            except UsageProblem:
                raise
            except BridgeError as error:
                trouble = str(error)
    wrong = [*([f"the chain of evidence is broken: {broken}"] if broken else []), *([trouble] if trouble else [])]
    if as_json_:
        told = {"whole": not broken, "trouble": broken, "head": digest, "today": head, "not_signed": not_signed}
        asked = {"stands": not trouble, "trouble": trouble}
        if standing is not None:
            asked |= {"number": standing.record.number, "at": standing.record.at, "since": standing.since}
            asked |= {"signed": standing.signed}
        as_json(told | ({"kept": asked} if kept is not None else {}))
    elif not wrong:
        click.echo("The chain of evidence is whole.")
        if standing is not None:
            click.echo(f"The head is in it: record {standing.record.number} of {standing.record.at[:10]}.")
            click.echo(f"Records since: {standing.since:,}.{_signed(standing.signed)}")
        click.echo(f"Head of today, to be kept elsewhere: {head or 'there is no record yet'}")
        if not_signed:
            click.echo(f"It is not signed: {not_signed}")
    if wrong:
        raise BridgeError("; ".join(wrong))


def _signed(signed: bool | None) -> str:
    return "" if signed is None else " Its signature is the house's."
