"""Two credentials for one store: one only reads, the other is taken up when something has to be deleted."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.backups.contract import BOB
from tests.backups.ftpd import PASSWORD, Ftpd, running_ftpd
from tests.backups.test_through_the_bridge import AGES_AGO
from tests.house import HOSTING, House, service_id
from tests.jobs.shelves import Names, Shelf
from tests.jobs.test_deletions import end, plan_of, tasks
from tests.settings.files import CLASS, problems_of, settings_of
from whmcs_bridge.backups import open_stores
from whmcs_bridge.backups.names import SENTINEL
from whmcs_bridge.backups.two_handed import TwoHanded
from whmcs_bridge.domain.backups import Outcome, Receipt, Verdict
from whmcs_bridge.domain.deletions import ItemState, PlanState
from whmcs_bridge.errors import StoreAuthFailed
from whmcs_bridge.jobs import backup_audit, backup_desk
from whmcs_bridge.ports import BackupStore

FTP = """
[[backup_store]]
name = "box"
driver = "ftp"
servers = [1]
host = "backup.example.com"
user = "auditor"
password = "env:READ_PASSWORD"
root = "/backup"
layout = "cpanel"
"""
HAND = '[backup_store.delete_with]\nuser = "deleter"\npassword = "env:DELETE_PASSWORD"\n'
S3 = """
[[backup_store]]
name = "bucket"
driver = "s3"
servers = [1]
bucket = "backups"
prefix = "panel1"
access_key = "env:A"
secret_key = "env:B"
layout = "cpanel"
"""


# --- settings ---------------------------------------------------------------------------------------


def test_the_deleting_hand_is_named_whole_and_takes_no_secret_of_the_other() -> None:
    [box] = settings_of(FTP + HAND).backup_stores
    assert box.options["user"] == "auditor"
    acting = box.acting_options
    assert (acting["user"], acting["password"].reference) == ("deleter", "env:DELETE_PASSWORD")
    assert acting["root"] == "/backup"
    assert not box.one_hand


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (FTP + "[backup_store.delete_with]\n", "[[backup_store]] #1.delete_with: found"),
        (FTP + 'delete_with = "env:X"', '#1.delete_with: found "env:X", expected a table of the driver\'s credentials'),
        (FTP + 'delete_with = "hunter2"', "found a text that is not a reference (not shown)"),
        (FTP + 'delete_with = { user = "deleter" }', "#1.delete_with.password: missing"),
        (FTP + 'delete_with = { password = "hunter2" }', "#1.delete_with.password: found a text that is not a ref"),
        (FTP + HAND + 'root = "/other"', "#1.delete_with.root: found an unknown key; expected one of user, password"),
        (S3 + 'delete_with = { access_key = "env:C" }', "#1.delete_with.secret_key: missing"),
        (
            '[[backup_store]]\nname = "d"\ndriver = "local"\nroot = "/backup"\nlayout = "hestia"\n'
            'delete_with = { user = "root" }',
            "#1.delete_with: found credentials, but this driver takes none",
        ),
        (
            '[[backup_store]]\nname = "b"\ndriver = "borg"\nrepository = "/repo"\ntemplate = "{user}"\n'
            'passphrase = "env:P"\nappend_only = true\ndelete_with = { passphrase = "env:Q" }',
            "#1.delete_with: found credentials to delete with, but this store only lists",
        ),
    ],
)
def test_mistakes_are_named_and_no_secret_is_repeated(text: str, line: str) -> None:
    problems = problems_of(text)
    assert any(line in problem for problem in problems), problems
    assert "hunter2" not in str(problems)


def test_one_credential_for_both_is_said_in_one_line_and_the_same_twice_as_well() -> None:
    both = "#1.delete_with: not set, so one credential lists and deletes in this store"
    assert [w for w in settings_of(CLASS + FTP).warnings if both in w]
    assert settings_of(CLASS + FTP + HAND).warnings == ()
    [same] = settings_of(CLASS + FTP + HAND.replace("DELETE", "READ")).warnings
    assert "the same secret as the one that lists" in same
    only_lists = (
        'driver = "borg"\nrepository = "/repo"\ntemplate = "{user}"\npassphrase = "env:P"\nappend_only = true\n'
    )
    warned = settings_of('[[backup_store]]\nname = "b"\nservers = [1]\n' + only_lists).warnings
    assert not any("delete_with" in warning for warning in warned)


# --- the wrapper --------------------------------------------------------------------------------------


class Deaf:
    """A credential that must not be taken up."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"it was asked for {name}")


def test_looking_never_takes_up_the_deleting_hand() -> None:
    shelf = Shelf()
    shelf.put("site1", "full", date(2025, 1, 10))
    deaf: Any = Deaf()
    store: BackupStore = TwoHanded(shelf, deaf)
    assert (store.name, store.kind, store.root, store.caps) == (shelf.name, "shelf", shelf.root, shelf.caps)
    assert store.serves(1)
    assert store.probe().complete
    assert len(list(store.items())) == 1
    assert not list(store.residue(BOB))
    assert store.capture(BOB) == {}
    assert [store.claim(item, BOB).verdict for item in store.items()] == [Verdict.NOT_MINE]


def test_acting_never_takes_up_the_reading_hand() -> None:
    shelf = Shelf(quarantine=True)
    item = shelf.put("site1", "full", date(2025, 1, 10))
    deaf: Any = Deaf()
    store = TwoHanded(deaf, shelf)
    moved = store.quarantine(item, "f00d").item
    assert moved is not None
    back = store.put_back(moved)
    assert back.outcome is Outcome.PUT_BACK
    assert back.item is not None
    assert store.delete(back.item).outcome is Outcome.DELETED
    assert store.poll(Receipt(Outcome.ACCEPTED, task="none")).outcome is Outcome.DELETED


def test_secrets_of_the_deleting_hand_are_read_when_something_is_deleted() -> None:
    """On a machine that has only the reading ones: lists and audits, and a deletion fails in one line."""
    [store] = open_stores(
        settings_of(S3 + 'delete_with = { access_key = "env:C", secret_key = "env:D" }', {"A": "a", "B": "b"})
    )
    assert store.root.startswith("s3://") or "panel1" in store.root
    assert store.caps.deletes
    item = Shelf("bucket").put("site1", "full", date(2025, 1, 10))
    with pytest.raises(StoreAuthFailed, match=r"store bucket: .*env:C is not set in the environment"):
        store.delete(item)


# --- a real server with two users ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def ftpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ftpd]:
    with running_ftpd(tmp_path_factory.mktemp("ftpd")) as running:
        running.handler.authorizer.add_user("auditor", "only-looking", str(running.home), perm="elr")
        yield running


class Box:
    """A house whose backups lie on that server, in a folder of their own."""

    def __init__(self, ftpd: Ftpd, name: str, hand: str) -> None:
        self.folder = ftpd.home / name / "backup"
        self.folder.mkdir(parents=True)
        (self.folder / SENTINEL).touch()
        text = FTP.replace("backup.example.com", "127.0.0.1").replace('"/backup"', f'"/{name}/backup"')
        text += f'port = {ftpd.port}\nca_file = "{ftpd.ca_file}"\n{hand}'
        self.env = {"READ_PASSWORD": "only-looking", "DELETE_PASSWORD": PASSWORD}
        self.text = text

    def house(self, **env: str | None) -> House:
        known = {name: value for name, value in (self.env | env).items() if value is not None}
        stores = open_stores(settings_of(self.text, known))
        house = House.of({"class": {"hosting": HOSTING}, "backups": {"max_percent_of_store": 100}}, stores=list(stores))
        house.bridge.ports.account_panels = [Names()]
        return house

    def backup(self, user: str, on: date) -> Path:
        path = self.folder / on.isoformat() / "accounts" / f"{user}.tar.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(user)
        os.utime(path, (AGES_AGO, AGES_AGO))
        return path


DELETER = '[backup_store.delete_with]\nuser = "bridge"\npassword = "env:DELETE_PASSWORD"\n'


def test_the_reading_user_lists_and_the_other_one_deletes(ftpd: Ftpd) -> None:
    box = Box(ftpd, "both", DELETER)
    with box.house() as house:
        service = house.a_service()
        mine, other = (box.backup(user, house.today - timedelta(days=3)) for user in (service.username, "other"))
        end(house, service)
        house.next_day()
        assert not mine.exists()
        assert other.exists()
        assert plan_of(house, service).complete


def test_where_the_deleting_hand_is_not_readable_audit_and_plan_work_and_the_plan_stays_open(ftpd: Ftpd) -> None:
    box = Box(ftpd, "audit", DELETER)
    with box.house(DELETE_PASSWORD=None) as house:
        service = house.a_service()
        mine = box.backup(service.username, house.today - timedelta(days=3))
        end(house, service)
        [seen] = backup_audit.audit(house.bridge.ports).stores
        assert (seen.trouble, seen.items) == ("", 1)
        assert backup_desk.list_backups(house.bridge.ports, service_id(service)).found["box"].mine
        house.next_day()
        plan = plan_of(house, service)
        assert (plan.state, len(plan.items), mine.exists()) == (PlanState.OPEN, 1, True)
        [store] = plan.stores
        assert store.state is not ItemState.GONE_VERIFIED
        assert "env:DELETE_PASSWORD is not set in the environment" in store.why
        assert tasks(house) & {"not-done:delete_backups"}


def test_credentials_that_can_read_but_not_delete_are_told_in_one_line(ftpd: Ftpd) -> None:
    box = Box(ftpd, "weak", "")
    with box.house() as house:
        service = house.a_service()
        mine = box.backup(service.username, house.today - timedelta(days=3))
        end(house, service)
        house.next_day()
        plan = plan_of(house, service)
        assert (plan.state, mine.exists()) == (PlanState.OPEN, True)
        [store] = plan.stores
        assert "\n" not in store.why
        assert "denied" in store.why.casefold() or "privileges" in store.why.casefold()
