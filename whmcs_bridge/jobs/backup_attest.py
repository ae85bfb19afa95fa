"""A person's word where no listing can tell: recorded with name, reason and proof, and never taken for evidence."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from whmcs_bridge.domain.deletions import Attestation, DeletionPlan, ItemState, PlanState, ProofFile, StoreVerdict
from whmcs_bridge.errors import MovedOn, StoreTrouble, UnknownId, UsageProblem
from whmcs_bridge.jobs import backup_carry
from whmcs_bridge.jobs.backup_desk import one_line, open_plan, remember_erased
from whmcs_bridge.jobs.backup_look import ask_panels, look_at, search
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import subject_for_accounts

BLOCK = 1 << 20
"""Bytes of a proof that are read at a time."""


def attest(
    ports: Ports,
    digest: str,
    store: str,
    because: str,
    *,
    name: str = "",
    reference: str = "",
    proofs: Sequence[ProofFile] = (),
) -> DeletionPlan:
    """Record a person's word that nothing of the account is left in a store that only people can delete in.

    The plan is settled once every other store is proved gone, but never complete. `name`: who answers for it, if not
    the one who types. The caller holds the writer. Raises UnknownId for a store that is not in the plan, UsageProblem
    where the bridge deletes itself, or the store still shows something; StalePlan, StoreTrouble.
    """
    plan = open_plan(ports, digest)
    old = plan.store(store)
    if old is None:
        there = ", ".join(s.store for s in plan.stores)
        raise UnknownId(f"plan {digest} has no store {store}; it has: {there}")
    if not old.by_hand:
        raise UsageProblem(f"the bridge itself deletes in store {store}, and lists it: that cannot be attested")
    if old.state.gone:
        raise UsageProblem(f"store {store} was listed and holds nothing of it any more: there is nothing to attest")
    given = Attestation(
        one_line("--name", name or ports.actor),
        ports.actor,
        ports.now(),
        one_line("--because", because),
        one_line("--reference", reference) if reference else "",
        tuple(proofs),
    )
    trouble = _must_not_show(ports, plan, store)
    kept = _with_attestation(ports, plan, old, given, trouble)
    done = backup_carry.conclude(ports, kept)
    if done.state is PlanState.DONE:
        remember_erased(ports, plan.service)
    return done


def proof_of(path: Path) -> ProofFile:
    """Return a file's name and hash; raises UsageProblem where it cannot be read."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise UsageProblem(f"--proof {path}: {error.strerror}; give a file that can be read") from None
    return ProofFile(one_line("--proof", path.name), digest.hexdigest(), size)


def _must_not_show(ports: Ports, plan: DeletionPlan, name: str) -> str:
    """Look once more: a listing goes before a person's word. Return why the store cannot be listed."""
    store = next((s for s in ports.stores if s.name == name), None)
    if store is None:
        return "it is not in the settings any more"
    subject = subject_for_accounts(ports, plan.service, plan.client, plan.accounts)
    with contextlib.suppress(StoreTrouble, MovedOn):
        ask_panels(ports, subject)
    rules = ports.settings.policy.backups
    look = look_at(store, subject.accounts, rules)
    if look.trouble:
        return look.trouble
    found = search(look, subject, rules)
    listed = set(look.keys)
    still = {*found.mine, *(p.key for p in plan.items if p.item.store == name and p.key in listed)}
    if still:
        first = sorted(locator for _, locator, _ in still)[0]
        raise UsageProblem(f"store {name} still lists {len(still)} items of it, such as {first}: delete them first")
    if not found.untouched:
        raise UsageProblem(f"store {name} lists nothing of it any more: the next run says so, nobody has to attest it")
    return ""


def _with_attestation(
    ports: Ports, plan: DeletionPlan, old: StoreVerdict, given: Attestation, trouble: str
) -> DeletionPlan:
    deletions, rules = ports.journal.deletions, ports.settings.policy.backups
    rows = {
        n: replace(p, state=ItemState.ATTESTED, note=f"attested by {given.by}", changed_at=given.at)
        for n, p in enumerate(plan.items)
        if p.item.store == old.store and not p.state.gone
    }
    if rows:
        deletions.save_items(plan.number, rows)
    seen_once = bool(old.digest)
    verdict = replace(
        old,
        state=ItemState.ATTESTED,
        why=f"attested by {given.by} on {given.at.date()}: {given.because}",
        until=None,
        checks=1,
        next_check_at=backup_carry.next_check(ItemState.ATTESTED, 1, None, given.at, rules) if seen_once else None,
        attested=given,
    )
    kept = replace(
        plan,
        items=tuple(rows.get(n, p) for n, p in enumerate(plan.items)),
        stores=tuple(verdict if s.store == old.store else s for s in plan.stores),
    )
    body = {
        "store": old.store,
        "kind": old.kind,
        "root": old.root,
        "by": given.by,
        "recorded_by": given.recorded_by,
        "because": given.because,
        "reference": given.reference,
        "proofs": [{"name": p.name, "sha256": p.sha256, "bytes": p.size} for p in given.proofs],
        "not_listed": trouble,
        "items": [p.item.locator for p in rows.values()],
    }
    deletions.save_plan(kept, [(plan.service, plan.digest, given.at, "attested", body)])
    return kept
