"""Files in the wrong place, of the wrong kind, or with a page gone bad: one line that says what to do."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.journal.values import AT, TODAY, a_note, a_record, a_step
from tests.mirror import values
from whmcs_bridge import storage
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import BridgeError, DatabaseTrouble
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.mirror import SqliteMirror

Opener = Callable[[Path], SqliteMirror | SqliteJournal]
BOTH = pytest.mark.parametrize("opener", [SqliteMirror, SqliteJournal], ids=["mirror", "journal"])
PAGE = 4096


def said(error: BaseException) -> str:
    """The message, which is one line."""
    assert "\n" not in str(error)
    return str(error)


# --- network file systems ---------------------------------------------------------------------


def mounted(folder: Path, sort: str, options: str = "rw", where: str = "/srv/bridge") -> str:
    """A mount table in which the folder's device is of this type."""
    device = folder.stat().st_dev
    return (
        "22 27 0:1 / /proc rw,relatime - proc proc rw\n"
        f"41 27 {os.major(device)}:{os.minor(device)} / {where} rw,relatime shared:1 - {sort} host:/export {options}\n"
        "42 27 0:2 / /mnt/other rw - nfs4 host:/other rw\n"
    )


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(storage, "MOUNTS", table)
    return table


@BOTH
@pytest.mark.parametrize(
    ("sort", "options"),
    [
        *((sort, "rw") for sort in ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.rclone", "ceph", "vboxsf")),
        ("9p", "rw,access=client,trans=virtio,version=9p2000.L"),
        ("9p", r"rw,aname=drvfs;path=C:\;uid=0;gid=0,mmap,trans=fd,rfd=8,wfd=8"),
    ],
)
def test_a_file_on_a_network_is_refused(opener: Opener, sort: str, options: str, mounts: Path, tmp_path: Path) -> None:
    mounts.write_text(mounted(tmp_path, sort, options))
    with pytest.raises(DatabaseTrouble, match="network file system") as error:
        opener(tmp_path / "deep" / "file.db")
    assert f"({sort} at /srv/bridge)" in said(error.value)
    assert "set [storage] folder to a folder on a local disk" in said(error.value)
    assert not (tmp_path / "deep").exists()


@BOTH
@pytest.mark.parametrize(
    ("sort", "options"), [("ext4", "rw"), ("tmpfs", ""), ("fuseblk", "rw"), ("9p", "rw,trans=fd,rfdno=4,wfdno=4")]
)
def test_a_file_on_a_local_disk_is_not(opener: Opener, sort: str, options: str, mounts: Path, tmp_path: Path) -> None:
    mounts.write_text(mounted(tmp_path, sort, options))
    opener(tmp_path / "file.db").close()


@BOTH
def test_without_a_mount_table_nothing_is_refused(opener: Opener, mounts: Path, tmp_path: Path) -> None:
    opener(tmp_path / "file.db").close()


def test_a_link_counts_where_it_leads(mounts: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/self")
    mounts.write_text(mounted(Path("/proc"), "nfs4"))
    assert storage.network_file_system(tmp_path / "link" / "file.db") == "nfs4 at /srv/bridge"
    assert storage.network_file_system(tmp_path / "file.db") == ""


# --- permissions --------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that any user may reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def said_to_nobody(work: Callable[[], Any]) -> str:
    """Do the work in a child that is not root, which permissions do not hold; return the error's line, "" for none."""
    listen, tell = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            if not os.getuid():
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            try:
                work()
            except DatabaseTrouble as error:
                os.write(tell, said(error).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(tell)
    with open(listen, encoding="utf-8") as pipe:
        text = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return text


def write_into(opener: Opener, path: Path) -> None:
    with closing(opener(path)) as opened:
        opened.begin(AT) if isinstance(opened, SqliteMirror) else opened.put("key", 1)


@BOTH
def test_a_file_that_may_only_be_read_says_so_when_it_is_written_to(opener: Opener, public: Path) -> None:
    path = public / "file.db"
    opener(path).close()
    path.chmod(0o444)
    public.chmod(0o777)
    text = said_to_nobody(lambda: write_into(opener, path))
    assert text == f"{path} cannot be written to; make the file and its folder writable for this user"


@BOTH
def test_a_folder_that_may_only_be_read_says_so(opener: Opener, public: Path) -> None:
    path = public / "file.db"
    opener(path).close()
    path.chmod(0o666)
    public.chmod(0o555)
    text = said_to_nobody(lambda: write_into(opener, path))
    assert text == f"{path} cannot be written to; make the file and its folder writable for this user"


@BOTH
def test_a_folder_in_which_no_file_may_be_made_says_so(opener: Opener, public: Path) -> None:
    public.chmod(0o555)
    text = said_to_nobody(lambda: write_into(opener, public / "file.db"))
    assert text == f"cannot open {public / 'file.db'}: Permission denied; check the path and its permissions"


@BOTH
def test_a_file_of_somebody_else_says_so(opener: Opener, public: Path) -> None:
    path = public / "file.db"
    opener(path).close()
    path.chmod(0)
    public.chmod(0o777)
    text = said_to_nobody(lambda: write_into(opener, path))
    assert text.startswith(f"cannot open {path}")
    assert "check the path and its permissions" in text


# --- pages gone bad -------------------------------------------------------------------------------


def fill_journal(path: Path) -> None:
    with closing(SqliteJournal(path)) as journal:
        journal.begin_run("sync", "enforce", TODAY, AT, "v1")
        for n in range(1, 40):
            journal.begin(1, a_step(service=n), AT, "sync", "v1")
            journal.save_cases([Case(ServiceId(n), opened_on=TODAY)])
            journal.add_task(a_note(service=n), TODAY)
        journal.add_record(a_record())
        journal.save_plan(TODAY, "f", "{}" * 2000, {"a": "b"})


def read_journal(path: Path) -> None:
    with closing(SqliteJournal(path)) as journal:
        for read in (journal.cases, journal.records, journal.steps, journal.tasks, journal.runs, journal.open_steps):
            read()
        journal.plan("f")
        journal.announced(TODAY + timedelta(days=1))
        journal.put("key", 1)


def fill_mirror(path: Path) -> None:
    with closing(SqliteMirror(path)) as mirror:
        number = mirror.begin(AT)
        mirror.save_groups([values.VIP])
        mirror.save_products([values.BASIC])
        mirror.save_clients([values.a_client(n) for n in range(1, 40)], number)
        mirror.save_services([values.a_service(n, n) for n in range(1, 40)], number)
        mirror.save_heads([values.a_head(n, n) for n in range(1, 40)], number, TODAY)
        for n in range(1, 40):
            mirror.save_invoice(values.an_invoice(n, n, lines=[values.a_line(n)]), AT)
        mirror.finish(number, AT, True, (), TODAY)


def read_mirror(path: Path) -> None:
    with closing(SqliteMirror(path)) as mirror:
        list(mirror.books(TODAY, (), everyone=True))
        mirror.last()
        mirror.client_groups()
        mirror.begin(AT)


def zeroes(page: bytes, chance: Random) -> bytes:
    return bytes(len(page))


def noise(page: bytes, chance: Random) -> bytes:
    return chance.randbytes(len(page))


def flipped(page: bytes, chance: Random) -> bytes:
    """Some bytes of it are others: SQLite finds nothing wrong with the page."""
    bad = bytearray(page)
    for _ in range(30):
        bad[chance.randrange(len(bad))] ^= chance.randrange(1, 256)
    return bytes(bad)


@pytest.mark.parametrize("spoil", [zeroes, noise, flipped])
@pytest.mark.parametrize(
    ("fill", "read", "way_out"),
    [
        (fill_journal, read_journal, "put the latest backup"),
        (fill_mirror, read_mirror, "the next sync fills a new one"),
    ],
    ids=["journal", "mirror"],
)
def test_a_page_gone_bad_is_named_with_the_way_out(
    fill: Callable[[Path], None],
    read: Callable[[Path], None],
    way_out: str,
    spoil: Callable[[bytes, Random], bytes],
    tmp_path: Path,
) -> None:
    """Each page in turn, whether SQLite notices it or what comes out of it makes no sense."""
    chance = Random(7)
    sound, path = tmp_path / "sound.db", tmp_path / "file.db"
    fill(sound)
    whole = sound.read_bytes()
    noticed = 0
    for start in range(0, len(whole), PAGE):
        for old in tmp_path.glob("file.db*"):
            old.unlink()
        path.write_bytes(whole[:start] + spoil(whole[start : start + PAGE], chance) + whole[start + PAGE :])
        error = error_of(read, path)
        noticed += error is not None
        if error is not None:
            assert way_out in said(error), f"page {start // PAGE + 1}: {error}"
            assert "example.com" not in str(error)
    assert noticed >= 10


def error_of(read: Callable[[Path], None], path: Path) -> BridgeError | None:
    try:
        read(path)
    except BridgeError as error:
        return error
    return None


def test_a_mistake_of_ours_is_not_blamed_on_a_sound_file(tmp_path: Path) -> None:
    """Nobody is sent to put a backup in place for a wrong argument."""
    path = tmp_path / "file.db"
    fill_journal(path)
    with closing(SqliteJournal(path)) as journal, pytest.raises(TypeError), journal._store.looking:
        raise TypeError("no value where one must be")
    with closing(sqlite3.connect(path)) as conn:
        root = conn.execute("SELECT rootpage FROM sqlite_master WHERE name='steps'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(bytes(PAGE))
    with closing(SqliteJournal(path)) as journal, pytest.raises(DatabaseTrouble) as error, journal._store.looking:
        raise TypeError("no value where one must be")
    assert "put the latest backup" in said(error.value)
