"""whmcs-bridge hooks check."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.hooks_install import whmcs_help
from commands.options import json_option

if TYPE_CHECKING:
    from commands.checkups import Finding
    from commands.hook_files import Owner
    from commands.php_values import Value
    from whmcs_bridge.settings import Settings

FAILED = 1
GATE_MAX_HOURS = 26
"""As in the hook file: an older gate file decides nothing."""
WAITED_LONG_HOURS = 1
ANSWER_SECONDS = 10.0
CLOCK_WARN_SECONDS = 60


@click.command(cls=Command)
@click.option("--whmcs", "root", required=True, type=click.Path(path_type=Path), metavar="PATH", help=whmcs_help)
@json_option
@pass_app
def check(app: App, root: Path, as_json_: bool) -> None:
    """Tell whether the hook file in WHMCS is current and reaches the bridge, and what waits.

    Looked at: both files; that the bridge answers, with the same secret and the same time of day; events that wait in
    the spool; the age of the gate file. Changes nothing. Run it as root or as the user whom PHP runs as: nobody
    else can read the secret in WHMCS's settings file.

    Exits 0 when all of it is in order, 1 when something is not, 2 for a folder that is no WHMCS root.

    \b
    Example:
        whmcs-bridge hooks check --whmcs /var/www/whmcs
    """
    from commands.checkups import Grade
    from commands.doctor import show_findings
    from commands.hook_files import hooks_folder
    from commands.show import as_json

    root = root.absolute()
    found = list(_findings(app.settings(), root, hooks_folder(root)))
    bad = any(finding.grade is Grade.FAIL for finding in found)
    if as_json_:
        rows = [{"area": f.area, "grade": f.grade.value, "text": f.text, "why": f.why, "todo": f.todo} for f in found]
        as_json({"ok": not bad, "findings": rows})
    else:
        show_findings(found)
    sys.exit(FAILED if bad else 0)


def _findings(settings: Settings, root: Path, folder: Path) -> Iterator[Finding]:
    from commands.checkups import Finding, Grade
    from commands.hook_files import SETTINGS, owner_of, settings_in
    from commands.php_values import Unreadable

    install = f"whmcs-bridge hooks install --whmcs {root}"
    yield _hook_file(folder, install)
    path = folder / SETTINGS
    try:
        values = settings_in(path.read_text("utf-8"))
    except FileNotFoundError:
        yield Finding("files", Grade.FAIL, f"{path} is missing", install, "the hook file does nothing without it")
        return
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror}"
        yield Finding("files", Grade.FAIL, text, "run this as root or as PHP's user")
        return
    except (UnicodeDecodeError, Unreadable) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        todo = f"give plain values there, or move it away, then {install}"
        yield Finding("files", Grade.FAIL, f"{path} cannot be read: {why}", todo, "hooks install can neither")
        return
    yield _settings_file(path)
    yield from _id_fields(settings, values, install)
    yield from _reaching(settings, values, owner_of(path), install)
    yield from _waiting(values)
    yield _gate(values)


def _hook_file(folder: Path, install: str) -> Finding:
    from commands.checkups import Finding, Grade
    from commands.hook_files import SHIM, shim

    path = folder / SHIM
    try:
        current = path.read_bytes() == shim()
    except FileNotFoundError:
        return Finding("files", Grade.FAIL, f"{path} is missing", install, "WHMCS asks and tells nothing")
    except OSError as error:
        return Finding("files", Grade.FAIL, f"{path} cannot be read: {error.strerror}", "run this as root")
    if current:
        return Finding("files", Grade.OK, f"{path} is the one of this version")
    why = "another version may not tell what this one needs to know"
    return Finding("files", Grade.FAIL, f"{path} is not the one of this version", install, why)


def _settings_file(path: Path) -> Finding:
    from commands.checkups import Finding, Grade

    if path.stat().st_mode & 0o077:
        return Finding("files", Grade.WARN, f"{path} is open to others", f"chmod 600 {path}", "it holds the secret")
    return Finding("files", Grade.OK, f"{path} is there, and closed to others")


def _id_fields(settings: Settings, values: Mapping[str, Value], install: str) -> Iterator[Finding]:
    from commands.checkups import Finding, Grade

    wanted = {name for names in settings.policy.backups.id_fields.values() for name in names}
    told = values.get("id_fields")
    if wanted != {str(name) for name in (told if isinstance(told, list) else ())}:
        text = "the custom fields that WHMCS tells are not those of [backups] id_fields"
        yield Finding("files", Grade.WARN, text, install, "modules blank them before the bridge can read them")


# --- does it reach the bridge? ---------------------------------------------------------------------------


def _reaching(settings: Settings, values: Mapping[str, Value], user: Owner, install: str) -> Iterator[Finding]:
    from commands.checkups import Finding, Grade

    if values.get("transport") == "command":
        yield _command(values, user, install)
        return
    ours = settings.hooks.secret
    secret = str(values.get("secret", ""))
    if ours is None:
        yield Finding("bridge", Grade.FAIL, "[hooks] secret is missing", f"set it in {settings.source}, then {install}")
    elif ours.reveal() != secret:
        yield Finding("bridge", Grade.FAIL, "WHMCS signs with another secret than [hooks] secret", install)
    else:
        yield Finding("bridge", Grade.OK, "both sides have the same secret")
    yield from _over_http(str(values.get("url", "")), secret)


def _command(values: Mapping[str, Value], user: Owner, install: str) -> Finding:
    """Run what PHP runs, as whom PHP runs it where we may choose: files that it makes are to be that user's."""
    import os
    import subprocess

    from commands.checkups import Finding, Grade

    given = values.get("command")
    words = [str(word) for word in given] if isinstance(given, list) else []
    said = " ".join(words) or "no command"
    theirs = os.geteuid() == 0
    try:
        done = subprocess.run(
            [*words, "hook", "--screen", TRIED],
            input=_look(),
            capture_output=True,
            timeout=60,
            check=False,
            cwd="/",
            user=user.uid if theirs else None,
            group=user.gid if theirs else None,
            extra_groups=user.groups() if theirs else None,
        )
    except (OSError, IndexError, subprocess.TimeoutExpired) as error:
        return Finding("bridge", Grade.FAIL, f"{said} cannot be run: {type(error).__name__}", install, ASIDE)
    if done.returncode:
        why = f": {_error(done.stdout)}" if done.stdout else ""
        return Finding("bridge", Grade.FAIL, f"{said} exits {done.returncode}{why}", install, ASIDE)
    who = f"run as {user.name}" if theirs else "run as you"
    return Finding("bridge", Grade.OK, f"{said} answers, {who}")


TRIED = "AdminHomeWidgets"
"""A part of a page: it needs settings and both databases, and changes nothing."""


def _look() -> bytes:
    """The event with which WHMCS would ask for it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    event = {"v": 1, "point": TRIED, "at": now, "actor": "admin", "who": "", "vars": {}, "facts": {}}
    return json.dumps(event).encode()


@dataclass(frozen=True, slots=True)
class Said:
    """An answer over HTTP."""

    status: int
    body: bytes
    ours: bool
    """Signed by somebody who has the secret."""
    date: str


def _over_http(url: str, secret: str) -> Iterator[Finding]:
    from commands.checkups import Finding, Grade

    try:
        said = _ask(url, secret.encode())
    except (OSError, ValueError) as error:
        why = str(getattr(error, "reason", error)) or type(error).__name__
        yield Finding("bridge", Grade.FAIL, f"{url} does not answer: {why}", "whmcs-bridge serve", ASIDE)
        return
    if said.status == 401:
        yield Finding("bridge", Grade.FAIL, f"{url} refuses us: {_error(said.body)}", "compare clocks and secrets")
        yield _clock(said.date)
    elif not said.ours:
        text = f"what answers at {url} is not the bridge, or has another secret (status {said.status})"
        yield Finding("bridge", Grade.FAIL, text, "see who listens there", ASIDE)
    elif said.status not in (200, 404):
        yield Finding("bridge", Grade.FAIL, f"{url} answers {said.status}: {_error(said.body)}", "whmcs-bridge doctor")
    else:
        yield Finding("bridge", Grade.OK, f"{url} answers, and signs its answers")
        yield _clock(said.date)


ASIDE = "without it WHMCS goes by the gate file, then by defaults"


def _ask(url: str, secret: bytes) -> Said:
    """Fetch the gate file, signed; raises OSError or ValueError where nobody answers."""
    import hmac
    import secrets
    import urllib.error
    import urllib.request

    from whmcs_bridge.receiver.signature import SIGNATURE, reply_signature, signed

    nonce = secrets.token_hex(16)
    request = urllib.request.Request(f"{url.rstrip('/')}/gate", headers=signed(secret, b"", nonce, time.time()))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(request, timeout=ANSWER_SECONDS)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        status, body, headers = int(answer.status), answer.read(), answer.headers
    ours = hmac.compare_digest(reply_signature(secret, nonce, status, body), headers.get(SIGNATURE) or "")
    return Said(status, body, ours, headers.get("Date") or "")


def _error(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _clock(date: str) -> Finding:
    from email.utils import parsedate_to_datetime

    from commands.checkups import Finding, Grade

    try:
        apart = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    except (TypeError, ValueError):
        return Finding("bridge", Grade.INFO, "the answer does not say its time")
    if apart > CLOCK_WARN_SECONDS:
        why = "events with a wrong time are refused"
        return Finding("bridge", Grade.WARN, f"the clocks are {apart:.0f} seconds apart", "set both by NTP", why)
    return Finding("bridge", Grade.OK, "the clocks agree")


# --- what waits -----------------------------------------------------------------------------------------


def _waiting(values: Mapping[str, Value]) -> Iterator[Finding]:
    from commands.checkups import Finding, Grade
    from commands.checkups.finding import plural

    folder = Path(str(values.get("spool") or ""))
    if not values.get("spool"):
        why = "what happens while the bridge is away is known only to the next sync"
        yield Finding("spool", Grade.WARN, "no spool is set", "whmcs-bridge hooks install --spool PATH", why)
        return
    try:
        names = sorted(file.name for file in folder.iterdir())
    except OSError as error:
        yield Finding("spool", Grade.FAIL, f"{folder} cannot be read: {error.strerror}", "run this as PHP's user")
        return
    refused = [name for name in names if name.endswith(".bad")]
    if refused:
        text = f"{plural(len(refused), 'event')} refused for good: {folder / refused[0]}"
        yield Finding("spool", Grade.WARN, text, "look at them, then delete them")
    waiting = [name for name in names if name.endswith(".json") and name[0].isdigit()]
    if not waiting:
        yield Finding("spool", Grade.OK, "nothing waits in the spool")
        return
    first = int(waiting[0].partition("-")[0]) / 1000
    hours = (time.time() - first) / 3600
    text = f"{plural(len(waiting), 'event')} in {folder}, the oldest for {hours:.1f} hours"
    grade = Grade.WARN if hours > WAITED_LONG_HOURS else Grade.INFO
    yield Finding("spool", grade, text, "whmcs-bridge hooks drain", "the next hook that gets through takes some along")


def _gate(values: Mapping[str, Value]) -> Finding:
    from commands.checkups import Finding, Grade

    path = Path(str(values.get("gate") or ""))
    try:
        made = datetime.fromisoformat(json.loads(path.read_bytes())["made_at"])
    except OSError as error:
        text = f"the gate file {path} cannot be read: {error.strerror}"
        return Finding("gate", Grade.WARN, text, "whmcs-bridge sync; it writes one", "without it defaults decide")
    except (ValueError, KeyError, TypeError):
        return Finding("gate", Grade.FAIL, f"{path} is no gate file", "delete it; the next sync writes one")
    hours = (datetime.now(UTC) - made).total_seconds() / 3600
    if hours > GATE_MAX_HOURS:
        text = f"the gate file {path} is {hours:.0f} hours old"
        return Finding("gate", Grade.FAIL, text, "whmcs-bridge sync, and see why its timer does not run it")
    return Finding("gate", Grade.OK, f"the gate file {path} is {hours:.1f} hours old")
