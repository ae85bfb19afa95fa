"""What `doctor` makes of the two database files: looked at without being opened for writing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from commands.checkups.finding import Finding, Grade

if TYPE_CHECKING:
    from whmcs_bridge.settings import Settings
    from whmcs_bridge.storage import FileKind

LITTLE_ROOM_BYTES = 200 * 1024 * 1024
NO_ROOM_BYTES = 20 * 1024 * 1024
MUCH = {"journal": "it is the record of what was done to people's services", "mirror": "every decision rests on it"}


def databases(settings: Settings) -> Iterator[Finding]:
    """Both files are sound, ours, private and writable; there is room for them on a disk of this machine."""
    from whmcs_bridge.journal.schema import JOURNAL
    from whmcs_bridge.mirror.schema import MIRROR

    for path, kind in ((settings.journal, JOURNAL), (settings.mirror, MIRROR)):
        yield from _one(path, kind)
    folder = next(p for p in (settings.folder, *settings.folder.parents) if p.exists())
    yield from _folder(settings, folder)


def openable(settings: Settings) -> bool:
    """The journal is there, sound and of our shape: opening it changes nothing."""
    from whmcs_bridge.journal.schema import JOURNAL
    from whmcs_bridge.mirror.schema import MIRROR
    from whmcs_bridge.storage import network_file_system

    kinds = ((settings.journal, JOURNAL), (settings.mirror, MIRROR))
    if not settings.journal.exists() or network_file_system(settings.journal):
        return False
    return all(not path.exists() or all(f.grade is Grade.OK for f in _inside(path, kind)) for path, kind in kinds)


def _one(path: Path, kind: FileKind) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("database", Grade.INFO, f"{path} is not there yet", "the first run makes it")
        return
    yield from _inside(path, kind)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        why = "it holds clients' names and addresses"
        yield Finding("database", Grade.WARN, f"{path} is open to others (mode {mode:o})", f"chmod 600 {path}", why)
    if not os.access(path, os.R_OK | os.W_OK):
        text = f"{path} cannot be written by this user"
        todo = f"run doctor as the user of the timer, or: chown that user {path}"
        yield Finding("database", Grade.WARN, text, todo, "a run of this user would fail at its first step")


def _inside(path: Path, kind: FileKind) -> Iterator[Finding]:
    from whmcs_bridge.storage import fault_in, marks_of

    said = fault_in(path)
    if said:
        todo = "delete it: the next sync makes it anew" if kind.name == "mirror" else "restore it from its backup"
        if "unable to open" in said or "disk I/O" in said:  # nothing says that the file itself is damaged
            todo = "check the disk, and that the file and its folder are writable for this user"
        yield Finding("database", Grade.FAIL, f"{path}: {said}", todo, MUCH[kind.name])
        return
    identity, version = marks_of(path)
    if identity != kind.application_id and (identity or path.stat().st_size):
        text = f"{path} is not a {kind.name} of ours"
        yield Finding("database", Grade.FAIL, text, "set [storage] folder to a folder of our own", MUCH[kind.name])
    elif version > kind.version:
        text = f"{path} was written by a newer whmcs-bridge (shape {version}, this one knows {kind.version})"
        yield Finding("database", Grade.FAIL, text, "upgrade whmcs-bridge", "no run begins with a file it cannot read")
    elif version < kind.version:
        text = f"{path} has shape {version}; the next run brings it to {kind.version}"
        yield Finding("database", Grade.INFO, text, "copy it first (docs/how-to/back-up.md)", "there is no way back")
    else:
        size = path.stat().st_size / 1e6
        yield Finding("database", Grade.OK, f"{path} is sound ({size:.1f} MB, shape {version})")


def _folder(settings: Settings, folder: Path) -> Iterator[Finding]:
    from whmcs_bridge.storage import network_file_system

    free = shutil.disk_usage(folder).free
    wanted = max(LITTLE_ROOM_BYTES, _size(settings.journal) + _size(settings.mirror))
    if free < wanted:
        grade = Grade.FAIL if free < NO_ROOM_BYTES else Grade.WARN
        text = f"{free / 1e6:.0f} MB are left for {settings.folder}"
        why = "with a full disk no step can be written down, and so none is taken, releases included"
        yield Finding("database", grade, text, f"free some space: {wanted / 1e6:.0f} MB should be there", why)
    if not os.access(folder, os.W_OK | os.X_OK):
        text = f"{folder} cannot be written by this user"
        todo = "run doctor as the user of the timer, or give that user the folder"
        yield Finding("database", Grade.WARN, text, todo, "SQLite makes files beside its own: a run would fail")
    network = network_file_system(settings.journal)
    if network:
        text = f"{folder} lies on a network file system ({network})"
        why = "locks are not reliable there: two runs may write at once and damage the journal"
        yield Finding("database", Grade.FAIL, text, "set [storage] folder to a disk of this machine", why)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
