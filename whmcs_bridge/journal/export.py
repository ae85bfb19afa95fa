"""Everything that happened, as JSON objects: streamed whole for `journal export`, or about one service or client.

The shapes are documented in docs/reference/journal-export.md. Fields are added, never renamed.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec

from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.deletions import DeletionPlan, GoneRecord, Handover, PlannedItem, Tombstone
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record
from whmcs_bridge.jobs.staff import task_json
from whmcs_bridge.journal import tasks
from whmcs_bridge.plan.model import Step
from whmcs_bridge.plan.render import step_json
from whmcs_bridge.ports import ForeignAct, ShadowStep
from whmcs_bridge.storage import Store

VERSION: Final = 1
CHUNK: Final = 500
"""So many rows are held at a time: between two chunks others may write."""

Row = tuple[Any, ...]
Json = dict[str, Any]

_step: Final = msgspec.json.Decoder(Step).decode
_shadow: Final = msgspec.json.Decoder(ShadowStep).decode
_act: Final = msgspec.json.Decoder(ForeignAct).decode
_record: Final = msgspec.json.Decoder(Record).decode
_plan: Final = msgspec.json.Decoder(DeletionPlan).decode
_items: Final = msgspec.json.Decoder(list[PlannedItem]).decode
_account: Final = msgspec.json.Decoder(AccountIdentity).decode
_handover: Final = msgspec.json.Decoder(Handover).decode
_tombstone: Final = msgspec.json.Decoder(Tombstone).decode
_gone: Final = msgspec.json.Decoder(GoneRecord).decode
_load: Final = msgspec.json.Decoder().decode


def run_json(row: Row) -> Json:
    """One run."""
    number, job, mode, day, started_at, ended_at, outcome, policy, summary = row
    told = {"number": number, "job": job, "mode": mode, "date": day, "started_at": started_at, "ended_at": ended_at}
    return {"type": "run", **told, "outcome": outcome, "policy": policy, "summary": summary}


def _step_json(row: Row) -> Json:
    number, run, day, state, begun_at, ended_at, note, policy, actor, body = row
    told = {"number": number, "run": run, "date": day, "state": state, "begun_at": begun_at, "ended_at": ended_at}
    return {"type": "step", **told, "note": note, "actor": actor, "policy": policy, "step": step_json(_step(body))}


def _record_json(row: Row) -> Json:
    number, state, note, body = row
    kept = _record(body)
    return {
        "type": "record",
        "number": number,
        "kind": kept.kind.value,
        "state": state,
        "author": kept.author,
        "reason": kept.reason,
        "made_on": kept.made_on.isoformat(),
        "since": kept.since.isoformat(),
        "until": _iso(kept.until),
        "closed_on": _iso(kept.closed_on),
        "note": note,
        "client": kept.client_id,
        "service": kept.service_id,
        "invoice": kept.invoice_id,
        "line": kept.line_id,
        "amount": str(kept.amount) if kept.amount is not None else None,
        "sort": kept.sort,
        "gateway": kept.gateway,
        "parts": [{"amount": str(part.amount), "on": part.on.isoformat()} for part in kept.parts],
        "discount": str(kept.discount) if kept.discount is not None else None,
        "how": kept.how,
        "against": kept.against,
        "closed_by": kept.closed_by,
        "closed_why": kept.closed_why,
        "owed": [{"invoice": invoice, "amount": str(amount)} for invoice, amount in kept.owed],
        "leaving": kept.leaving,
    }


def _task_json(row: Row) -> Json:
    *columns, said = row
    comments = [{"at": at, "author": author, "text": text} for at, author, text in _load(said)]
    return {"type": "task", **task_json(tasks.task_of(tuple(columns), None)), "comments": comments}


def _act_json(row: Row) -> Json:
    number, run, body = row
    return {"type": "foreign_act", "number": number, "run": run, **_plain(_act(body))}


def _shadow_json(row: Row) -> Json:
    number, run, day, body = row
    kept = _shadow(body)
    return {"type": "shadow_step", "number": number, "run": run, "date": day, "over": kept.over} | {
        "step": step_json(kept.step)
    }


def _approval_json(row: Row) -> Json:
    number, service, kind, author, day = row
    return {"type": "approval", "number": number, "service": service, "kind": kind, "author": author, "date": day}


def _adoption_json(row: Row) -> Json:
    number, day, at, author, policy, payload = row
    told = {"number": number, "date": day, "at": at, "author": author, "policy": policy}
    return {"type": "adoption", **told, "findings": json.loads(zlib.decompress(payload))}


def _policy_json(row: Row) -> Json:
    version, first, last, text = row
    return {"type": "policy", "version": version, "first_used_on": first, "last_used_on": last, "text": text}


def _mail_json(row: Row) -> Json:
    day, run, state, begun_at, ended_at, note, subject, text = row
    told = {"date": day, "run": run, "state": state, "begun_at": begun_at, "ended_at": ended_at, "note": note}
    return {"type": "morning_mail", **told, "subject": subject, "text": text}


def _evidence_json(row: Row) -> Json:
    number, service, at, payload = row
    return {"type": "evidence", "number": number, "service": service, "at": at, "payload": _load(payload)}


def _link_json(row: Row) -> Json:
    """A record of the chain as it was hashed: `body` is the text, so that whoever has the export can check it."""
    number, service, plan, at, kind, body, previous, digest = row
    told = {"number": number, "service": service, "plan": plan, "at": at, "kind": kind, "body": body}
    return {"type": "evidence_record", **told, "previous": previous, "digest": digest}


def _plan_json(row: Row) -> Json:
    from whmcs_bridge.jobs.backup_plan import untouched_json  # most journals are opened for something else

    number, body, items = row
    kept = _plan(body)
    return {
        "type": "deletion_plan",
        "number": number,
        "plan": kept.digest,
        "service": kept.service,
        "client": kept.client,
        "state": kept.state.value,
        "why": kept.why,
        "made_at": kept.made_at.isoformat(),
        "not_before": kept.not_before.isoformat(),
        "needs": list(kept.needs),
        "approved_by": kept.approved_by,
        "approved_at": kept.approved_at.isoformat() if kept.approved_at is not None else None,
        "complete": kept.complete,
        "attested": kept.attested,
        "accounts": [_plain(account) for account in kept.accounts],
        "stores": [_plain(store) for store in kept.stores],
        "items": [_item_json(one) for one in _items(items)],
        "left_alone": [untouched_json(one) for one in kept.untouched],
    }


def _item_json(one: PlannedItem) -> Json:
    from whmcs_bridge.jobs.backup_plan import item_json

    until = one.until.isoformat() if one.until is not None else None
    return {**item_json(one.item), "proofs": list(one.proofs), "state": one.state.value, "note": one.note} | {
        "until": until
    }


def _account_json(row: Row) -> Json:
    number, body = row
    return {"type": "account", "number": number, **_plain(_account(body))}


def _handover_json(row: Row) -> Json:
    return {"type": "handover", **_plain(_handover(row[0]))}


def _tombstone_json(row: Row) -> Json:
    return {"type": "tombstone", **_plain(_tombstone(row[0]))}


def _gone_json(row: Row) -> Json:
    return {"type": "gone_record", **_plain(_gone(row[0]))}


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of line: where its rows are, on which days they happened, and what is made of them."""

    name: str
    columns: str
    table: str
    key: str
    within: str
    """Condition on `:since` and `:until`, house days."""
    shape: Callable[[Row], Json]
    chunk: int = CHUNK
    """So many rows are held at a time."""


_COMMENTS: Final = (
    "(SELECT json_group_array(json_array(at, author, text)) FROM task_comments WHERE task=tasks.number) AS said"
)
_TASKS: Final = f"{tasks.COLUMNS}, {_COMMENTS}"
_OF_DAY: Final = "day BETWEEN :since AND :until"
STEPS: Final = Kind(
    "step",
    "number, run, day, state, begun_at, ended_at, note, policy_version, actor, body",
    "steps",
    "number",
    _OF_DAY,
    _step_json,
)
RECORDS: Final = Kind(
    "record",
    "id, state, note, body",
    "records",
    "id",
    "json_extract(body, '$.made_on') <= :until AND coalesce(closed_on, '9999') >= :since",
    _record_json,
)
TASKS: Final = Kind(
    "task",
    _TASKS,
    "tasks",
    "number",
    "opened_on <= :until AND iif(state IN ('done','closed'), coalesce(closed_on, last_seen_on), '9999') >= :since",
    _task_json,
)
ACTS: Final = Kind("foreign_act", "number, run, body", "foreign_acts", "number", _OF_DAY, _act_json)
SHADOW: Final = Kind("shadow_step", "number, run, day, body", "shadow_steps", "number", _OF_DAY, _shadow_json)
APPROVALS: Final = Kind(
    "approval",
    "number, service_id, kind, approved_by, approved_on",
    "approvals_given",
    "number",
    "approved_on BETWEEN :since AND :until",
    _approval_json,
)
RUNS: Final = Kind(
    "run",
    "number, job, mode, today, started_at, ended_at, outcome, policy_version, summary",
    "runs",
    "number",
    "today BETWEEN :since AND :until",
    run_json,
)
EVIDENCE: Final = Kind(
    "evidence",
    "number, service_id, at, payload",
    "evidence",
    "number",
    "substr(at, 1, 10) BETWEEN :since AND :until",
    _evidence_json,
)
KINDS: Final = (
    Kind(
        "policy",
        "version, first_used_on, last_used_on, text",
        "policies",
        "rowid",
        "first_used_on <= :until AND last_used_on >= :since",
        _policy_json,
    ),
    RUNS,
    STEPS,
    SHADOW,
    ACTS,
    RECORDS,
    APPROVALS,
    TASKS,
    Kind(
        "adoption", "number, day, at, author, policy_version, payload", "adoptions", "number", _OF_DAY, _adoption_json
    ),
    Kind(
        "morning_mail",
        "day, run, state, begun_at, ended_at, note, subject, text",
        "morning_mails",
        "rowid",
        _OF_DAY,
        _mail_json,
    ),
    EVIDENCE,
    Kind(
        "account",
        "number, body",
        "accounts",
        "number",
        "(coalesce(json_extract(body, '$.since'), '0000-01-01') BETWEEN :since AND :until "
        "OR json_extract(body, '$.until') BETWEEN :since AND :until)",
        _account_json,
    ),
    Kind(
        "deletion_plan",
        "number, body, (SELECT json_group_array(json(body)) FROM "
        "(SELECT body FROM deletion_items WHERE plan=deletion_plans.number ORDER BY position))",
        "deletion_plans",
        "number",
        "substr(made_at, 1, 10) <= :until AND (substr(made_at, 1, 10) >= :since OR state IN ('open', 'frozen') "
        "OR EXISTS (SELECT 1 FROM evidence_chain AS e WHERE e.service_id=deletion_plans.service_id "
        "AND e.plan=deletion_plans.digest AND substr(e.at, 1, 10) BETWEEN :since AND :until))",
        _plan_json,
        chunk=10,  # each with its items, which may be many thousands
    ),
    Kind(
        "evidence_record",
        "number, service_id, plan, at, kind, body, previous, digest",
        "evidence_chain",
        "number",
        "substr(at, 1, 10) BETWEEN :since AND :until",
        _link_json,
    ),
    Kind(
        "handover",
        "body",
        "handovers",
        "service_id",
        "json_extract(body, '$.asked_on') <= :until AND json_extract(body, '$.until') >= :since",
        _handover_json,
    ),
    Kind(
        "tombstone",
        "body",
        "tombstones",
        "service_id",
        "json_extract(body, '$.erased_on') BETWEEN :since AND :until",
        _tombstone_json,
    ),
    Kind(
        "gone_record",
        "body",
        "gone_records",
        "service_id",
        "json_extract(body, '$.told_on') <= :until AND (open OR json_extract(body, '$.told_on') >= :since)",
        _gone_json,
    ),
)
"""In the order of the export."""
_SETTLED: Final = "json_extract(payload, '$.kind')='adoption'"
"""A person said whose a suspension is; other evidence stands beside the step that it is about."""


def export(store: Store, since: date | None, until: date | None) -> Iterator[Json]:
    """Yield every line; a few hundred rows are in memory at a time, and nothing is locked in between."""
    days = {"since": _iso(since) or "0000-01-01", "until": _iso(until) or "9999-12-31"}
    yield {"type": "export", "version": VERSION, "since": _iso(since), "until": _iso(until)}
    for kind in KINDS:
        last = 0
        while True:
            with store.looking as conn:
                rows = conn.execute(
                    f"SELECT {kind.key}, {kind.columns} FROM {kind.table} WHERE {kind.key} > :last AND {kind.within} "
                    f"ORDER BY {kind.key} LIMIT {kind.chunk}",
                    {**days, "last": last},
                ).fetchall()
            for _, *row in rows:
                yield kind.shape(tuple(row))
            if len(rows) < kind.chunk:
                break
            last = rows[-1][0]


# --- about one service or client ----------------------------------------------------------------------


def history(
    conn: sqlite3.Connection,
    client: ClientId | None,
    service: ServiceId | None,
    since: date | None,
    until: date | None,
    limit: int,
) -> list[Json]:
    """The newest of all that concerns a service (its client's records and tasks included), or a client; newest first.

    What somebody said about a task is a line of its own. With neither: what was done on these days, by runs and others.
    """
    asked = {
        "client": client,
        "service": service,
        "since": _iso(since) or "0000-01-01",
        "until": _iso(until) or "9999-12-31",
        "limit": limit,
    }
    wanted = _DONE if service is None and client is None else _of_one(service)
    found: list[Json] = []
    for kind, where, order in wanted:
        rows = conn.execute(
            f"SELECT {kind.columns} FROM {kind.table} WHERE {where} AND {kind.within} ORDER BY {order} LIMIT :limit",
            asked,
        )
        found.extend(_only(kind.shape(row), client, service) for row in rows)
    return _newest(found, str(asked["since"]), str(asked["until"]), limit)


_DONE: Final = (
    (RUNS, "1", "today DESC, number DESC"),
    (STEPS, "1", "day DESC, number DESC"),
    (ACTS, "1", "day DESC, number DESC"),
    (APPROVALS, "1", "number DESC"),
    (EVIDENCE, _SETTLED, "number DESC"),
)
"""Of whole days: kind, condition, order."""


def _of_one(service: ServiceId | None) -> tuple[tuple[Kind, str, str], ...]:
    """What tells of a service, or (None) of a client: kind, condition, order."""
    by = "service_id=:service" if service is not None else "client_id=:client"
    mine = "client_id=:client"
    if service is not None:
        mine += " AND json_extract(body, '$.service_id') IS NULL OR json_extract(body, '$.service_id')=:service"
    wanted: tuple[tuple[Kind, str, str], ...] = (
        (STEPS, by, "day DESC, number DESC"),
        (ACTS, by, "day DESC, number DESC"),
        (SHADOW, by, "day DESC, number DESC"),
        (RECORDS, f"({mine})", "id DESC"),
        (TASKS, _about(service), "number DESC"),
    )
    if service is not None:
        wanted += ((APPROVALS, by, "number DESC"), (EVIDENCE, f"{by} AND {_SETTLED}", "number DESC"))
    return wanted


def _about(service: ServiceId | None) -> str:
    """Tasks about the subject itself, about its client as a whole, or that have it among many."""
    what = "client" if service is None else "service"
    own = "client_id=:client" if service is None else "service_id=:service OR client_id=:client AND service_id IS NULL"
    among = f"SELECT 1 FROM json_each(members) WHERE json_extract(value, '$.{what}')=:{what}"
    return f"({own} OR size>1 AND EXISTS ({among}))"


def _only(line: Json, client: ClientId | None, service: ServiceId | None) -> Json:
    """A task of many is about one of them here."""
    what, number = ("client", client) if service is None else ("service", service)
    members = [member for member in line.get("members", ()) if member[what] == number]
    return {**line, "members": members} if members else line


def _newest(found: Iterable[Json], since: str, until: str, limit: int) -> list[Json]:
    lines: list[tuple[str, str, Json]] = []
    for line in found:
        lines.append((*_when(line), line))
        for said in line.get("comments", ()):
            if since <= said["at"][:10] <= until:
                more = {"type": "task_comment", "task": line["number"], "code": line["code"], **said}
                lines.append((said["at"][:10], said["at"], more))
    lines.sort(key=lambda one: one[:2], reverse=True)
    return [line for _, _, line in lines[:limit]]


def _when(line: Mapping[str, Any]) -> tuple[str, str]:
    """House day and instant of a line; "" for an instant that nobody noted."""
    day = line.get("date") or line.get("day") or line.get("made_on") or line.get("opened_on") or ""
    at = str(line.get("begun_at") or line.get("started_at") or line.get("at") or "")
    return str(day) or at[:10], at


def _plain(value: object) -> Json:
    found: Json = msgspec.to_builtins(value)
    return found


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
