"""`doctor`: each finding is provoked once, and a house in order gets a clean bill of health."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from commands.checkups import house as looks
from commands.checkups import whmcs
from tests.house import House
from tests.journeys.town import CREDENTIALS, Town, a_town
from whmcs_bridge import storage
from whmcs_bridge.api.actions import ACTIONS
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.errors import Locked
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.ports import Panel
from whmcs_bridge.settings.load import load
from whmcs_bridge.simulator.faults import Fault, Kind
from whmcs_bridge.simulator.records import Group, Ticket
from whmcs_bridge.wiring import HouseClock, open_bridge


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The databases of a house in order, made once."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch, a_town(folder, patch) as town:
        settle(town)
        adopted(town)
        assert town.run("sync").exit_code == 0
        yield folder


@pytest.fixture
def town(town: Town, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A house in order: adopted, enforced, synced today, beside a WHMCS that does nothing by itself."""
    settle(town)
    for path in kept.glob("*.db"):
        shutil.copy2(path, town.folder)
    monkeypatch.setattr("importlib.metadata.packages_distributions", dict)  # a second each time
    return town


def settle(town: Town) -> None:
    world = town.house.world
    world.settings |= {"AutoCancellationRequests": "on", "ContinuousInvoiceGeneration": "on"}
    world.settings["lastDailyCronInvocationTime"] = f"{world.clock:%Y-%m-%d %H:%M:%S}"
    del world.groups[2]
    _, service, _ = town.house.a_debtor(overdue=-20)
    service.next_due = town.house.day(20)
    town.settle(mode="enforce")


def adopted(town: Town) -> None:
    with the_bridge(town) as bridge, bridge.journal.writer():
        version = bridge.settings.policy.version
        bridge.journal.add_adoption(bridge.today(), bridge.clock.now(), "ana", version, {})


def the_bridge(town: Town, *, days: int = 0) -> Bridge:
    """The bridge of the town, without WHMCS; `days`: on another day."""
    settings = load(town.config, CREDENTIALS)
    day = date.today() + timedelta(days=days)  # noqa: DTZ011 (the town lives today)
    return open_bridge(settings, clock=HouseClock("UTC", day if days else None), offline=True)


def findings(town: Town, *options: str, **more: Any) -> list[dict[str, str]]:
    """What doctor found that is not in order, or a note worth reading."""
    found = town.run("doctor", "--json", *options, **more)
    assert found.exit_code in (0, 1), found.output
    return [one for one in json.loads(found.stdout)["findings"] if one["grade"] != "ok"]


def the(town: Town, grade: str, area: str, words: str, **more: Any) -> dict[str, str]:
    """The one finding of this grade and area that contains these words."""
    all_of = findings(town, **more)
    found = [one for one in all_of if (one["grade"], one["area"]) == (grade, area) and words in one["text"]]
    assert len(found) == 1, f"{len(found)} of {all_of}"
    return found[0]


def test_a_house_in_order_gets_a_clean_bill_of_health(town: Town) -> None:
    result = town.run("doctor", "--strict")
    assert result.exit_code == 0, result.output
    assert "0 failed, 0 warnings" in result.stdout
    assert {one["grade"] for one in findings(town)} <= {"info"}


def test_it_reads_well_at_a_hundred_columns_and_tears_no_command_apart(town: Town) -> None:
    for number in range(7):
        town.house.a_debtor(overdue=10 + number)
    town.run("sync")
    town.house.world.settings["AutoSuspension"] = "on"
    town.house.world.switches.role_denied_actions = {"modulesuspend"}
    shown = town.run("doctor").stdout
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert "whmcs-bridge sync --allow suspend=7" in shown
    assert shown.index("Connection") < shown.index("Permissions") < shown.index("Databases")


def test_whatever_is_wrong_says_why_it_matters_and_what_to_do(town: Town) -> None:
    world = town.house.world
    world.switches.role_denied_actions = {name.lower() for name in (*whmcs.WRITES, *whmcs.USEFUL)}
    world.settings |= {"AutoSuspension": "on", "AutoTermination": "on", "MaintenanceMode": "on"}
    for one in findings(town):
        if one["grade"] in ("warn", "fail"):
            assert one["why"], one
            assert one["todo"], one


@pytest.mark.parametrize(
    ("options", "code"), [((), 0), (("--strict",), 1)], ids=["warnings-pass", "warnings-count-with-strict"]
)
def test_the_exit_code_is_that_of_the_worst_finding(town: Town, options: tuple[str, ...], code: int) -> None:
    town.house.world.settings["MaintenanceMode"] = "on"
    assert town.run("doctor", *options).exit_code == code
    town.house.world.switches.role_denied_actions = {"getclients"}
    assert town.run("doctor", *options).exit_code == 1


# --- connection, permissions ----------------------------------------------------------------------

REFUSALS = [
    pytest.param(Kind.BAD_CREDENTIALS, "credential", "identifier and secret", id="credentials"),
    pytest.param(Kind.IP_DENIED, "address", "API IP Access Restriction", id="address"),
    pytest.param(Kind.ADMIN_DISABLED, "credential", "administrator", id="administrator"),
    pytest.param(Kind.ADMIN_REQUIRED, "An admin user is required", "root", id="doubled-path"),
    pytest.param(Kind.WAF, "firewall", "firewall", id="firewall"),
]


@pytest.mark.parametrize(("kind", "what", "todo"), REFUSALS)
def test_a_refused_connection_says_by_what_and_ends_the_asking(town: Town, kind: Kind, what: str, todo: str) -> None:
    town.faults(Fault("*", kind, count=0))
    found = the(town, "fail", "connection", "")
    assert what.casefold() in (found["text"] + found["todo"]).casefold()
    assert todo.casefold() in (found["text"] + found["todo"]).casefold()
    assert not [one for one in findings(town) if one["area"] in ("permission", "whmcs", "clock")]


def test_who_we_are_is_told(town: Town) -> None:
    assert "as administrator Example Admin" in town.run("doctor").stdout


def test_each_action_that_a_run_needs_and_the_role_lacks_is_a_failure(town: Town) -> None:
    needed = {*whmcs.READS, *whmcs.WRITES}
    town.house.world.switches.role_denied_actions = {name.lower() for name in needed}
    found = [one for one in findings(town) if (one["grade"], one["area"]) == ("fail", "permission")]
    assert {one["text"].removeprefix("the API role lacks ") for one in found} == needed
    assert all(one["why"].startswith("needed for: ") and "API Roles" in one["todo"] for one in found)


def test_an_action_that_only_a_check_needs_is_a_warning(town: Town) -> None:
    town.house.world.switches.role_denied_actions = {"getmodulequeue"}
    the(town, "warn", "permission", "lacks GetModuleQueue")
    the(town, "warn", "module queue", "cannot be read")


def test_every_action_the_bridge_can_call_is_asked_for() -> None:
    """Each method of the panel is called once; what arrives in WHMCS has to be on the lists."""
    with House.of() as house:
        client, service, invoice = house.a_debtor()
        addon = house.an_addon(service)
        opened = house.world.clock
        ticket = house.world.add_ticket(Ticket(0, "T1", "c", 1, client.id, "x", "x", opened, opened))
        panel: Any = house.bridge.panel
        call: dict[str, Callable[[], Any]] = {
            "invoice_heads": lambda: panel.invoice_heads(InvoiceStatus.UNPAID),
            "invoices": lambda: panel.invoices([invoice.id]),
            "emails": lambda: panel.emails(client.id, house.today),
            "suspend": lambda: panel.suspend(service.id, "x"),
            "set_service_status": lambda: panel.set_service_status(service.id, ServiceStatus.ACTIVE, ""),
            "set_addon_status": lambda: panel.set_addon_status(addon.id, ServiceStatus.ACTIVE),
            "set_group": lambda: panel.set_group(client.id, 1),
            "cancel_invoice": lambda: panel.cancel_invoice(invoice.id),
            "send_template": lambda: panel.send_template("Client Signup Email", client.id),
            "send_text": lambda: panel.send_text("general", client.id, "x", "x"),
            "template_subjects": lambda: panel.template_subjects("x"),
            "setting": lambda: panel.setting("SystemURL"),
            "send_staff": lambda: panel.send_staff("x", "x"),
            "log": lambda: panel.log("x", client.id),
            "note": lambda: panel.note(client.id, "x"),
            "ticket_subject": lambda: panel.ticket_subject(ticket.id),
        }
        of_client = {"client", "services_of", "addons_of", "invoice_heads_of", "contacts"}
        of_service = {"service", "unsuspend", "terminate"}
        for name in [name for name in vars(Panel) if not name.startswith("_")]:
            if name in of_client or name in of_service:
                found = getattr(panel, name)(client.id if name in of_client else service.id)
            else:
                found = call.get(name, getattr(panel, name))()
            if isinstance(found, Iterator) or hasattr(type(found), "end"):
                list(found)
        called = {ACTIONS[name].name for name in house.adapter.front.calls}
    listed = {*whmcs.READS, *whmcs.WRITES, *whmcs.USEFUL}
    assert called == listed


# --- clocks and cron ------------------------------------------------------------------------------


def test_clocks_that_are_minutes_apart_are_named(town: Town) -> None:
    town.house.world.clock += timedelta(minutes=12)
    assert "NTP" in the(town, "warn", "clock", "12 min apart")["todo"]


def test_a_time_zone_apart_is_named(town: Town) -> None:
    town.house.world.clock -= timedelta(hours=3)
    assert "timezone" in the(town, "warn", "time zone", "3 h behind UTC")["todo"]


def test_a_clock_that_cannot_be_read_is_named(town: Town) -> None:
    town.faults(Fault("GetAutomationLog", Kind.DENIED, count=0))
    the(town, "warn", "clock", "cannot be read")


def test_a_late_cron_and_one_that_never_ran_are_named(town: Town) -> None:
    world = town.house.world
    world.settings["lastDailyCronInvocationTime"] = f"{world.clock - timedelta(hours=30):%Y-%m-%d %H:%M:%S}"
    assert "crontab" in the(town, "warn", "cron", "last ran")["todo"]
    world.settings["lastDailyCronInvocationTime"] = ""
    the(town, "warn", "cron", "does not say")


# --- WHMCS's own automation -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("AutoSuspension", "on", "AutoSuspension is on, 5 days"),
        ("AutoTermination", "on", "AutoTermination is on, 30 days"),
        ("AutoCancellationRequests", "", "AutoCancellationRequests is off"),
    ],
)
def test_automation_that_fights_ours_is_named_with_its_value(town: Town, setting: str, value: str, words: str) -> None:
    town.house.world.settings[setting] = value
    found = the(town, "warn", "whmcs", words)
    assert "set it to " in found["todo"]
    assert "Automation Settings" in found["todo"]


def test_what_nobody_does_if_the_bridge_stops_is_said(town: Town) -> None:
    town.house.world.settings["AutoSuspension"] = "on"
    assert "if the bridge stops then: who owes stays up" in the(town, "warn", "whmcs", "AutoSuspension")["why"]


def test_a_setting_that_whmcs_does_not_tell_is_a_note(town: Town) -> None:
    del town.house.world.settings["AutoUnsuspend"]
    assert the(town, "info", "whmcs", "AutoUnsuspend")["todo"] == "look by hand"


def test_whmcs_own_unsuspension_is_a_note(town: Town) -> None:
    town.house.world.settings["AutoUnsuspend"] = "on"
    assert "blank" in the(town, "info", "whmcs", "AutoUnsuspend is on")["text"]


def test_service_given_away_to_vip_is_named(town: Town) -> None:
    """No new invoice while one is open, and a group that is not suspended: served and never billed again."""
    town.settle(mode="enforce", more='[vip]\ngroup = "VIP"\n')
    town.house.world.settings["ContinuousInvoiceGeneration"] = ""
    assert "the group VIP" in the(town, "warn", "whmcs", "ContinuousInvoiceGeneration is off")["why"]


def test_exempt_groups_are_named_and_worse_without_new_invoices(town: Town) -> None:
    town.house.world.add_group(Group(2, "Charity", exempt=True))
    the(town, "info", "groups", "Charity")
    town.house.world.settings["ContinuousInvoiceGeneration"] = ""
    assert "never billed again" in the(town, "warn", "groups", "Charity")["why"]


def test_the_vip_group_is_missing_exempt_or_suspended_by_whmcs(town: Town) -> None:
    town.settle(mode="enforce", more='[vip]\ngroup = "VIP"\n')
    world = town.house.world
    assert [one for one in findings(town) if one["area"] == "vip"] == []
    world.settings["AutoSuspension"] = "on"
    the(town, "warn", "vip", "is not exempt in WHMCS")
    world.groups[1].exempt = True
    assert "stay up for good" in the(town, "info", "vip", "is exempt from suspension")["why"]
    del world.groups[1]
    assert "the API cannot" in the(town, "fail", "vip", "no client group called VIP")["todo"]


def test_a_vip_group_that_is_exempt_and_never_left_fails(town: Town) -> None:
    """Exempt in WHMCS, and the rules take nobody out: a blank cheque."""
    town.settle(mode="enforce", more='[vip]\ngroup = "VIP"\nmanaged_groups = [""]\n')
    world = town.house.world
    world.groups[1].exempt = True
    assert "never billed" not in the(town, "fail", "vip", "is exempt from suspension")["why"]
    world.settings["ContinuousInvoiceGeneration"] = ""
    assert "never billed again" in the(town, "fail", "vip", "is exempt from suspension")["why"]


def test_groups_that_whmcs_does_not_have_are_named(town: Town) -> None:
    more = '[vip]\ngroup = "VIP"\nmanaged_groups = ["VIP", "Silver", ""]\n[group."Gold"]\nsuspend_after_days = 9\n'
    town.settle(mode="enforce", more=more)
    for name in ('[group."Gold"]', "[vip] managed_groups Silver"):
        assert "correct the name" in the(town, "warn", "groups", f"{name}: WHMCS has no such client group")["todo"]


def test_what_the_vip_group_brings_besides_is_a_note(town: Town) -> None:
    town.settle(mode="enforce", more='[vip]\ngroup = "VIP"\n')
    town.house.world.groups[1] = Group(1, "VIP", discount_percent="10.00", separate_invoices=True)
    the(town, "info", "vip", "10.00 % off")
    the(town, "info", "vip", "separate invoices")


# --- the catalogue --------------------------------------------------------------------------------


def test_products_without_a_class_are_named(town: Town) -> None:
    assert "VPS Small" in the(town, "info", "classes", "no class takes")["text"]
    town.settle(mode="enforce", more='[class.other]\nproduct_groups = ["Hosting"]\nsuspend_after_days = 1\n')
    assert [one for one in findings(town) if "no class takes" in one["text"]] == []  # the group's name is not told


def test_products_without_a_module_are_named(town: Town) -> None:
    assert "Advice" in the(town, "info", "classes", "without a module")["text"]


def test_a_template_that_whmcs_does_not_have_is_a_failure(town: Town) -> None:
    town.settle(mode="enforce", more='[messages.service-suspended]\ntemplate = "No such mail"\n')
    the(town, "fail", "messages", "no e-mail template called No such mail")


def test_a_catalogue_that_cannot_be_read_is_named(town: Town) -> None:
    town.faults(Fault("GetProducts", Kind.HTTP_500, count=0))
    the(town, "warn", "catalogue", "cannot be read")


# --- which installation it is ---------------------------------------------------------------------


def test_maintenance_a_copy_and_an_upgrade_are_named(town: Town) -> None:
    settings = town.house.world.settings
    settings["MaintenanceMode"] = "on"
    the(town, "warn", "installation", "maintenance")
    settings["SystemURL"] = "https://staging.example.com/"
    the(town, "warn", "installation", "https://staging.example.com/")
    settings["Version"] = "9.0.1-release.1"
    found = the(town, "warn", "installation", "is 9.0.1-release.1")
    assert found["todo"].endswith("whmcs-bridge sync --accept-sanity version")


def test_an_address_that_a_person_has_accepted_is_a_note(town: Town) -> None:
    town.house.world.settings["SystemURL"] = "https://www.example.com/"
    keep(town, "sanity:seen", system_url="https://www.example.com")
    the(town, "info", "installation", "a person has accepted that")


def test_another_instance_of_the_bridge_is_named_with_when_it_was_heard_of(town: Town) -> None:
    keep(town, "panel", others={"0badcafe": "2026-03-01T09:30:00"})
    found = the(town, "warn", "installation", "0badcafe")
    assert found["text"].endswith("last heard of on 2026-03-01 09:30")
    assert "--accept-sanity other-instance" in found["todo"]
    keep(town, "sanity:seen", others={"0badcafe": "2026-03-01T09:30:00"})
    the(town, "info", "installation", "0badcafe")


def keep(town: Town, key: str, **values: object) -> None:
    """Let the journal remember this beside what it knows."""
    with the_bridge(town) as bridge, bridge.journal.writer():
        bridge.journal.put(key, {**(bridge.journal.get(key) or {}), **values})


def test_a_restored_whmcs_is_a_failure(town: Town) -> None:
    """Its newest invoice is older than one that a run has seen."""
    newest = max(town.house.world.invoices)
    del town.house.world.invoices[newest]
    assert "Book what is missing".casefold() in the(town, "fail", "installation", "was restored")["todo"].casefold()


def test_module_actions_that_wait_are_counted_with_the_oldest(town: Town) -> None:
    world = town.house.world
    service = town.house.a_service()
    world.queue_module_failure(service, "SuspendAccount", "server does not answer")
    found = the(town, "warn", "module queue", "1 module action")
    assert f"SuspendAccount of service {service.id} (server does not answer)" in found["text"]
    assert f"{world.today}" in found["text"]
    assert "does not retry" in found["why"]


# --- files ----------------------------------------------------------------------------------------


def test_a_damaged_file_is_a_failure_and_the_mirror_may_be_deleted(town: Town) -> None:
    (town.folder / "mirror.db").write_text("no database at all " * 50)
    assert the(town, "fail", "database", "mirror.db")["todo"].startswith("delete it")


def test_a_damaged_journal_is_restored_and_nothing_else_of_it_is_asked(town: Town) -> None:
    for name in ("journal.db-wal", "journal.db-shm"):
        (town.folder / name).unlink(missing_ok=True)
    (town.folder / "journal.db").write_text("no database at all " * 50)
    assert "backup" in the(town, "fail", "database", "journal.db")["todo"]
    assert not [one for one in findings(town) if one["area"] in ("runs", "adoption")]


def test_a_file_that_cannot_be_opened_is_not_called_damaged(town: Town) -> None:
    """Deleting or restoring a sound file would not help where the permissions are wrong."""
    for path in town.folder.glob("mirror.db*"):
        path.unlink()
    (town.folder / "mirror.db").mkdir()
    assert "writable" in the(town, "fail", "database", "mirror.db")["todo"]


def test_files_of_another_program_or_a_newer_version_are_failures(town: Town) -> None:
    mark(town.folder / "journal.db", "user_version", 99)
    assert the(town, "fail", "database", "newer whmcs-bridge")["todo"] == "upgrade whmcs-bridge"
    mark(town.folder / "mirror.db", "application_id", 4711)
    the(town, "fail", "database", "is not a mirror of ours")


def test_an_older_shape_is_a_note_and_stays_as_it_is(town: Town) -> None:
    mark(town.folder / "journal.db", "user_version", 1)
    assert "back-up" in the(town, "info", "database", "has shape 1")["todo"]
    with closing(sqlite3.connect(town.folder / "journal.db")) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (1,)


def mark(path: Path, name: str, value: int) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA {name}={value}")


def test_files_that_others_can_read_are_named(town: Town) -> None:
    (town.folder / "journal.db").chmod(0o644)
    assert the(town, "warn", "database", "mode 644")["todo"].startswith("chmod 600")


def test_files_that_we_cannot_write_are_named(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not hold root back, so the system's answer is played."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and real(path, mode))
    found = [one["text"] for one in findings(town, "--offline") if "cannot be written" in one["text"]]
    assert [Path(text.split()[0]).name for text in found] == ["journal.db", "mirror.db", town.folder.name]


@pytest.mark.parametrize(("free", "grade"), [(100_000_000, "warn"), (1_000_000, "fail")])
def test_little_room_is_named(town: Town, monkeypatch: pytest.MonkeyPatch, free: int, grade: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free})())
    assert "free some space" in the(town, grade, "database", "MB are left")["todo"]


def test_a_network_file_system_is_a_failure(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "network_file_system", lambda _: "nfs4 at /srv")
    the(town, "fail", "database", "network file system (nfs4 at /srv)")


# --- what the journal remembers -------------------------------------------------------------------


def test_a_house_without_a_sync_is_told_to_begin(town: Town) -> None:
    for path in town.folder.glob("*.db*"):
        path.unlink()
    before = sorted(town.folder.iterdir())
    the(town, "info", "runs", "no sync has run yet")
    assert sorted(town.folder.iterdir()) == before


def test_enforcing_without_adoption_is_a_warning(town: Town) -> None:
    for path in town.folder.glob("*.db*"):
        path.unlink()
    town.run("sync")
    assert the(town, "warn", "adoption", "without adoption")["todo"] == "whmcs-bridge adopt"
    town.settle(mode="shadow")
    the(town, "info", "adoption", "never adopted, mode shadow")
    adopted(town)
    the(town, "info", "adoption", "mode shadow: nothing is changed yet")
    town.settle(mode="shadow", more='[policy]\nmin_debt = "3.00"\n')
    the(town, "info", "adoption", "the rules have changed since")


def test_a_few_clients_first_is_a_note(town: Town) -> None:
    with the_bridge(town) as bridge:
        bridge.enforce_only(["VIP"], [], "ana")
    the(town, "info", "adoption", "enforced only for group VIP")


def test_a_handed_back_house_is_a_warning(town: Town) -> None:
    town.run("hand-back", "--yes")
    assert "pause --off" in the(town, "warn", "adoption", "handed back to WHMCS")["todo"]


def test_a_missed_sync_is_a_warning(town: Town) -> None:
    played: dict[str, str | None] = {"WHMCS_BRIDGE_TODAY": f"{datetime.now(UTC).date() + timedelta(days=3)}"}
    assert "check the timer" in the(town, "warn", "runs", "no sync has succeeded for", env=played)["todo"]


def test_a_sync_that_breaks_its_habit_is_a_warning(town: Town) -> None:
    """Hourly until five hours ago: long before any age would tell, something has stopped."""
    with the_bridge(town) as bridge:
        for path in town.folder.glob("journal.db*"):
            path.unlink()
        now = bridge.clock.now()
    with closing(SqliteJournal(town.folder / "journal.db")) as journal:
        for hours in (9, 8, 7, 6, 5):
            at = now - timedelta(hours=hours)
            run = journal.begin_run("sync", "enforce", at.date(), at, "v")
            journal.end_run(run, at, "ok", "nothing to do")
    the(town, "warn", "runs", "a sync was missed")


def test_a_sync_that_failed_and_a_reading_that_was_not_whole_are_warnings(town: Town) -> None:
    town.faults(Fault("GetInvoices", Kind.HTTP_500, count=0))
    town.run("sync")
    town.faults()
    the(town, "warn", "runs", "ended failed")
    the(town, "warn", "runs", "was not complete")


def test_a_run_that_was_cut_short_is_a_note_and_one_under_way_is_not(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with the_bridge(town) as bridge, bridge.journal.writer():
        bridge.journal.begin_run("sync", "enforce", bridge.today(), bridge.clock.now(), "v")
    the(town, "info", "runs", "was cut short")

    def busy(_: object) -> None:
        raise Locked("journal.db is being written by process 1")

    monkeypatch.setattr(SqliteJournal, "writer", busy)
    assert [one for one in findings(town) if "cut short" in one["text"]] == []


def test_steps_without_a_known_outcome_are_a_warning(town: Town) -> None:
    town.house.a_debtor(overdue=10)
    town.faults(Fault("ModuleSuspend", Kind.RESET_AFTER_SEND))
    town.run("sync")
    town.faults()
    assert "nothing is sent twice" in the(town, "warn", "runs", "outcome of 1 step")["why"]


def test_a_pause_says_how_to_end_it(town: Town) -> None:
    (town.folder / "PAUSE").touch()
    assert the(town, "warn", "stops", "PAUSE exists")["todo"].startswith("rm ")


def test_stops_of_the_last_run_say_how_to_go_past_them(town: Town) -> None:
    for _ in range(7):
        town.house.a_debtor(overdue=10)
    town.house.world.settings["MaintenanceMode"] = "on"
    town.run("sync")
    assert "--allow suspend=7" in the(town, "warn", "stops", "limit:suspend")["todo"]
    assert "--accept-sanity maintenance" in the(town, "warn", "stops", "sanity:maintenance")["todo"]


def test_tasks_that_nobody_does_are_a_warning(town: Town) -> None:
    spam = town.house.a_service(status="Suspended", suspend_reason="sends spam")
    town.house.an_invoice(spam, due=-20)
    town.run("sync")
    the(town, "info", "tasks", "1 task open")
    with closing(sqlite3.connect(town.folder / "journal.db")) as conn, conn:
        conn.execute("UPDATE tasks SET opened_on='2020-01-01'")
    assert the(town, "warn", "tasks", "since 2020-01-01")["todo"] == "whmcs-bridge tasks"


def test_what_waits_for_approval_is_a_note(town: Town) -> None:
    town.settle(mode="enforce", more='[approval]\nsuspend = "required"\n')
    town.house.a_debtor(overdue=10)
    town.run("sync")
    assert the(town, "info", "tasks", "waiting for approval")["todo"] == "whmcs-bridge approve"


# --- settings, secrets, packages, calendar --------------------------------------------------------


def test_secrets_that_are_missing_or_open_to_others_are_named(town: Town) -> None:
    the(town, "fail", "credentials", "TOWN_SECRET", env={"TOWN_SECRET": None})
    kept = town.folder / "secret"
    kept.write_text("simulator-secret")
    kept.chmod(0o644)
    town.config.write_text(town.config.read_text().replace("env:TOWN_SECRET", f"file:{kept}"))
    assert the(town, "warn", "credentials", "can be read by others")["todo"] == f"chmod 600 {kept}"


def test_an_address_without_encryption_is_named(town: Town) -> None:
    text = town.config.read_text().replace(town.url, "http://billing.example.com")
    town.config.write_text(text)
    found = [one for one in findings(town, "--offline") if "not encrypted" in one["text"]]
    assert [one["grade"] for one in found] == ["warn"]


def test_our_packages_are_our_own() -> None:
    assert [one.grade for one in looks.packages()] == ["ok"]


def test_another_programs_package_of_our_name_is_a_failure(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"hooks": ["whmcs-bridge", "other-thing"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    assert the(town, "fail", "packages", "hooks is also brought by other-thing")["todo"].startswith("pip uninstall")


def test_old_time_zone_data_are_named(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "zone_data_version", lambda: "2019c")
    assert "tzdata" in the(town, "warn", "calendar", "2019c")["todo"]


def test_the_release_of_the_time_zone_data_is_found() -> None:
    found = looks.zone_data_version()
    assert found == "" or found[:4].isdigit()


def test_holidays_that_are_not_known_are_named(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.config.write_text(town.config.read_text().replace('"UTC"', '"UTC"\nholidays = "BR"'))
    assert [one for one in findings(town) if one["area"] == "calendar"] == []
    monkeypatch.setattr("whmcs_bridge.settings.days._holidays_of", lambda _spec, _year: frozenset())
    assert the(town, "warn", "calendar", "no holidays of BR")["todo"] == "pip install -U holidays"


def test_what_is_set_to_never_is_a_note(town: Town) -> None:
    assert "delete_backups_after_days" in the(town, "info", "never", "is never")["text"]


def test_a_never_says_which_setting_of_which_layer_and_what_it_means(town: Town) -> None:
    rules = '[class.vps]\nproduct_types = ["server"]\nsuspend_after_days = "never"\n'
    town.settle(more=rules)
    said = [one for one in findings(town) if one["area"] == "never" and one["text"].startswith("[class.vps]")]
    assert [one["text"] for one in said] == [
        "[class.vps]: nobody is suspended for debt, because suspend_after_days is never "
        "(it is set so there or in [defaults])",
        "[class.vps]: nothing is ended for debt, because terminate_after_days is never "
        "(the default: neither it nor [defaults] sets it)",
        "[class.vps]: no backup is deleted, because delete_backups_after_days is never "
        "(the default: neither it nor [defaults] sets it)",
    ]
    assert said[0]["why"] == "who owes keeps the service, however much it is"
    assert said[0]["todo"] == "if that is not meant, set suspend_after_days in [class.vps]"


def test_offline_asks_nobody(town: Town) -> None:
    town.faults(Fault("*", Kind.BAD_CREDENTIALS, count=0))
    assert not [one for one in findings(town, "--offline") if one["grade"] == "fail"]
