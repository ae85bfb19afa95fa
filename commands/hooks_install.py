"""whmcs-bridge hooks install."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, pass_app
from commands.options import json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from commands.hook_files import Owner
    from commands.php_values import Value
    from whmcs_bridge.settings import Settings

SYSTEM_SPOOL = Path("/var/spool/whmcs-bridge")
HTTP_MS = {"connect_timeout_ms": 250, "timeout_ms": 1500, "screen_timeout_ms": 800}
COMMAND_MS = {"timeout_ms": 5000, "screen_timeout_ms": 3000}
"""A Python has to start for each question."""

SHORTEST_SECRET = 24

whmcs_help = "The root of WHMCS: the folder that configuration.php is in."


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the command line says; None where it says nothing."""

    transport: str | None
    url: str | None
    spool: Path | None
    gate: Path | None


@dataclass(slots=True)
class Done:
    """What was done, for a person and for machines."""

    files: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@click.command(cls=Command)
@click.option("--whmcs", "root", type=click.Path(path_type=Path), metavar="PATH", help=whmcs_help)
@click.option("--transport", type=click.Choice(["http", "command"]), help="Ask `serve` (the default) or a command.")
@click.option("--url", metavar="URL", help="Where WHMCS reaches `serve`; by default [hooks] listen.")
@click.option("--spool", type=click.Path(path_type=Path), metavar="PATH", help="Folder for events that wait.")
@click.option("--gate", type=click.Path(path_type=Path), metavar="PATH", help="Gate file, as PHP sees it.")
@click.option("--owner", metavar="USER[:GROUP]", help="Whom PHP runs as; by default the owner of includes/hooks.")
@click.option("--print", "printed", is_flag=True, help="Print both files, for copying by hand; write nothing.")
@json_option
@pass_app
def install(
    app: App,
    root: Path | None,
    transport: str | None,
    url: str | None,
    spool: Path | None,
    gate: Path | None,
    owner: str | None,
    printed: bool,
    as_json_: bool,
) -> None:
    """Put the hook file into WHMCS's includes/hooks, with its settings beside it, or bring both up to date.

    What is replaced is kept beside it under a dated name that WHMCS does not load. What the installed settings say
    stays, where no option says otherwise; the secret comes from [hooks] secret. The spool has to be a folder that
    PHP can write and no browser can read. WHMCS loads the file with its next page: nothing else has to be switched on.

    Exits 0 when both files are there, 1 when one could not be written, 2 for a folder that is no WHMCS root.

    \b
    Example:
        whmcs-bridge hooks install --whmcs /var/www/whmcs
        whmcs-bridge hooks install --whmcs ~/public_html --transport command
        whmcs-bridge hooks install --print
    """
    from commands import hook_files as files
    from commands.show import as_json

    settings = app.settings()
    chosen = Chosen(transport, url, spool, gate)
    if printed:
        _print(_values(app, settings, chosen, {}, None))
        return
    if root is None:
        raise UsageProblem("--whmcs PATH is missing: the folder that configuration.php is in (or --print)")
    root = root.absolute()
    folder = files.hooks_folder(root)
    user = _php_user(folder, owner)
    done = Done()
    values = _values(app, settings, chosen, _installed(folder, done.notes), user)
    _outside(root, values)
    _write(folder, values, user, done)
    _hints(settings, folder, values, user, done.notes)
    if as_json_:
        secretless = {key: value for key, value in values.items() if key != "secret"}
        as_json(
            {"files": done.files, "written": done.written, "backups": done.backups, "notes": done.notes}
            | {"settings": secretless}
        )
        return
    _show(root, values, done)


# --- what goes into the settings file -------------------------------------------------------------------


def _installed(folder: Path, notes: list[str]) -> Mapping[str, Value]:
    """Return what the settings file says that lies there; raises UsageProblem where not all of it can be kept."""
    from commands.hook_files import HEAD, SETTINGS
    from commands.php_values import Unreadable, returned

    path = folder / SETTINGS
    way = "give plain values there, or move the file away: without it a new one is written"
    try:
        found = returned(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise UsageProblem(f"{path}: not UTF-8; {way}") from None
    except Unreadable as error:
        raise UsageProblem(f"{path}: {error}; {way}") from None
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}; run this as root or as PHP's user") from error
    own = [comment for comment in found.comments if comment not in HEAD]
    if own:
        notes.append(f"comments in {SETTINGS} are only in what was kept from before: {own[0][:60]}")
    return found.values


def _values(
    app: App, settings: Settings, chosen: Chosen, before: Mapping[str, Value], user: Owner | None
) -> dict[str, Value]:
    transport = chosen.transport or str(before.get("transport", "http"))
    values: dict[str, Value] = {"transport": transport}
    if transport == "http":
        values["url"] = chosen.url or str(before.get("url") or _url_of(settings))
        values["secret"] = _secret(settings)
    else:
        values["command"] = _command(app, before.get("command"))
    spool = str(chosen.spool.absolute()) if chosen.spool else str(before.get("spool") or _spool(settings, user))
    values["spool"] = spool
    gate = str(chosen.gate.absolute()) if chosen.gate else before.get("gate") or _gate(settings, user, transport, spool)
    values["gate"] = gate
    values["max_bytes"] = settings.hooks.max_body_kib * 1024
    same = before.get("transport", "http") == transport
    times = HTTP_MS if transport == "http" else COMMAND_MS
    values.update({key: before.get(key, usual) if same else usual for key, usual in times.items()})
    fields = sorted({name for names in settings.policy.backups.id_fields.values() for name in names})
    values.update({"id_fields": fields} if fields else {})
    ours = {"transport", "url", "secret", "command", "spool", "gate", "max_bytes", "id_fields", *HTTP_MS}
    return (
        values
        | {key: value for key, value in before.items() if key not in ours}
        | ({} if "screens" in before else {"screens": True})
    )


def _command(app: App, before: Value) -> Sequence[str]:
    """Return the words before `hook NAME`; what somebody else wrote there (a wrapper of their own) stays."""
    # -P: the folder that PHP runs it in is no place to import from.
    ours = ["-P", "-m", "whmcs_bridge", "--config"]
    if isinstance(before, list) and before and before[1:-1] != ours:
        return [str(word) for word in before]
    return [sys.executable, *ours, str(app.path().resolve())]


def _url_of(settings: Settings) -> str:
    host, _, port = settings.hooks.listen.rpartition(":")
    nowhere = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}
    return f"http://{nowhere.get(host, host)}:{port}"


def _secret(settings: Settings) -> str:
    if settings.hooks.secret is None:
        raise UsageProblem(
            f'{settings.source}: [hooks] secret is missing; make one with "openssl rand -hex 32 > hook-secret", '
            'then secret = "file:hook-secret"'
        )
    secret = settings.hooks.secret.reveal()
    if len(secret) < SHORTEST_SECRET:
        raise UsageProblem(f"{settings.source}: [hooks] secret is too short: at least {SHORTEST_SECRET} characters")
    return secret


def _spool(settings: Settings, user: Owner | None) -> Path:
    """Return a folder that PHP can write to: as set, beside the databases, else the system's place for it."""
    if settings.hooks.spool is not None:
        return settings.hooks.spool
    own = settings.folder.absolute() / "spool"
    if user is None or user.may(settings.folder, 1) or os.geteuid() != 0:
        return own
    return SYSTEM_SPOOL


def _gate(settings: Settings, user: Owner | None, transport: str, spool: str) -> str:
    """Return the bridge's own gate file where PHP can read it; else one that it fetches over HTTP."""
    own = gate_of(settings)
    if transport != "http" or user is None or _readable(own, user):
        return str(own)
    return str(Path(spool) / "gate.json")


def gate_of(settings: Settings) -> Path:
    """Return where the bridge writes its gate file."""
    return (settings.hooks.gate_file or settings.folder / "gate.json").absolute()


def _readable(path: Path, user: Owner) -> bool:
    if path.exists():
        return user.may(path, 4)
    return path.parent.exists() and user.may(path.parent, 1) and user.uid in (0, path.parent.stat().st_uid)


# --- doing it --------------------------------------------------------------------------------------------


def _php_user(folder: Path, owner: str | None) -> Owner:
    from commands.hook_files import Owner, owner_named, owner_of

    if owner is not None:
        return owner_named(owner)
    return owner_of(folder) if os.geteuid() == 0 else Owner(os.geteuid(), os.getegid())


def _outside(root: Path, values: Mapping[str, Value]) -> None:
    for name in ("spool", "gate"):
        if Path(str(values[name])).resolve().is_relative_to(root.resolve()):
            raise UsageProblem(f"--{name} {values[name]} lies inside WHMCS, where a browser can read it: say another")


def _write(folder: Path, values: Mapping[str, Value], user: Owner, done: Done) -> None:
    from datetime import datetime

    from commands import hook_files as files

    at = datetime.now().astimezone()
    owner = user if os.geteuid() == 0 else None
    _make_spool(Path(str(values["spool"])), owner)
    # Settings first: the hook file does nothing without them, and must not find old ones.
    for name, content, mode in (
        (files.SETTINGS, files.settings_php(values).encode(), 0o600),
        (files.SHIM, files.shim(), 0o644),
    ):
        changed, kept = files.put(folder / name, content, mode, owner, at)
        done.files.append(str(folder / name))
        if changed:
            done.written.append(str(folder / name))
        if kept is not None:
            done.backups.append(str(kept))


def _make_spool(folder: Path, owner: Owner | None) -> None:
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
            if owner is not None:
                os.chown(folder, owner.uid, owner.gid)
    except OSError as error:
        raise UsageProblem(f"the spool {folder} cannot be made ({error.strerror}): say --spool PATH") from error


def _hints(settings: Settings, folder: Path, values: Mapping[str, Value], user: Owner, notes: list[str]) -> None:
    """Say what may keep it from working."""
    spool, gate = Path(str(values["spool"])), Path(str(values["gate"]))
    if user.uid == 0:
        notes.append("includes/hooks belongs to root: if PHP runs as another user, say --owner USER")
    if not user.may(spool, 7):
        notes.append(f"{user.name}, whom PHP runs as, cannot write to {spool}: say --spool PATH, or --owner USER")
    if not user.may(folder, 5):
        notes.append(f"{user.name}, whom PHP runs as, cannot read {folder}: say --owner USER")
    if values["transport"] == "command" and not _readable(gate, user):
        notes.append(f"{user.name}, whom PHP runs as, cannot read {gate}: what it may do without the bridge")
    if settings.hooks.spool is None or settings.hooks.spool.absolute() != spool:
        notes.append(f'for hooks drain, put spool = "{spool}" into [hooks] of {settings.source}')
    if not settings.enforcing:
        notes.append("mode is shadow: WHMCS is asked and told, and nothing is refused")


# --- saying it -------------------------------------------------------------------------------------------


def _print(values: Mapping[str, Value]) -> None:
    from commands.hook_files import SETTINGS, SHIM, settings_php, shim

    click.echo(f"=== includes/hooks/{SETTINGS} (mode 0600, owned by whom PHP runs as)")
    click.echo(settings_php(values), nl=False)
    click.echo(f"=== includes/hooks/{SHIM}")
    click.echo(shim().decode(), nl=False)


def _show(root: Path, values: Mapping[str, Value], done: Done) -> None:
    from commands.show import command, console, wrapped

    out = console()
    for name in done.files:
        wrapped(out, name, lead="written: " if name in done.written else "as it was: ")
    for name in done.backups:
        wrapped(out, name, lead="kept from before: ")
    asked = values["url"] if values["transport"] == "http" else " ".join(_words(values["command"]))
    wrapped(out, f"asks {asked}", lead="WHMCS ")
    wrapped(out, str(values["spool"]), lead="what cannot be told waits in ")
    wrapped(out, str(values["gate"]), lead="without an answer, WHMCS goes by ")
    for note in done.notes:
        wrapped(out, note, lead="- ", style="yellow")
    out.print()
    if values["transport"] == "http":
        command(out, "Let the bridge listen: ", "whmcs-bridge serve")
    command(out, "Then see whether it works: ", f"whmcs-bridge hooks check --whmcs {root}")


def _words(value: Any) -> Sequence[str]:
    return [str(word) for word in value]
