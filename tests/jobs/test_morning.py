"""The morning mail: once a house day, at most; a file in any case; nothing of it ever fails a sync."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import CredentialsRefused, UsageProblem
from whmcs_bridge.policy import decide
from whmcs_bridge.policy.decision import Decision
from whmcs_bridge.ports import MorningMail, StepState
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.faults import Kind as Trouble

ALWAYS = {"morning_mail": "always"}
RULES: dict[str, Any] = {"class": {"hosting": WARNED}, "staff": ALWAYS}


def sent(house: House) -> list[str]:
    """Subjects of the mails to the staff, oldest first."""
    return [event.detail for event in house.events("email:staff")]


def kept(house: House) -> MorningMail:
    mail = house.bridge.journal.morning_mail(house.today)
    assert mail is not None
    return mail


def section(mail: MorningMail, title: str) -> list[str]:
    """Lines of one block of the mail; empty where it has none."""
    for block in mail.text.split("\n\n"):
        head, *lines = block.splitlines()
        if head.startswith(title):
            return [line.strip() for line in lines]
    return []


def counts(lines: list[str]) -> dict[str, int]:
    """What -> how many, of lines such as `suspend: 3 (service 1 ...)`."""
    return {what: int(count) for what, count in re.findall(r"^([\w -]+): (\d+)", "\n".join(lines), re.MULTILINE)}


# --- when it goes ------------------------------------------------------------------------------------


def test_the_first_sync_of_a_day_mails_the_staff_and_no_other() -> None:
    with House.of(RULES) as house:
        house.a_debtor(overdue=2)
        for _ in range(3):
            house.sync()
        assert len(sent(house)) == 1
        house.next_day()
        assert len(sent(house)) == 2
        assert [kept(house).state, kept(house).day] == ["sent", house.today]
        assert house.mails(about="whmcs-bridge") == [], "it is no mail to a client"


def test_in_shadow_mode_nothing_is_written_to_whmcs_unless_the_house_says_always(tmp_path: Path) -> None:
    with House.of({"class": {"hosting": WARNED}, "staff": {"morning_mail": "enforce"}}, folder=tmp_path) as house:
        house.a_debtor(overdue=2)
        house.enforcing(False)
        house.sync()
        assert sent(house) == []
        assert kept(house).state == "kept"
        assert "shadow mode, nothing is changed" in (tmp_path / "morning" / f"{house.today}.txt").read_text("utf-8")
        house.reconfigure(RULES)
        house.enforcing(False)
        house.next_day()
        assert len(sent(house)) == 1


def test_the_file_is_there_whatever_becomes_of_the_mail(tmp_path: Path) -> None:
    with House.of(RULES, folder=tmp_path) as house:
        house.faults(Fault(action="SendAdminEmail", kind=Trouble.DENIED, count=0))
        report = house.sync()
        path = tmp_path / "morning" / f"{house.today}.txt"
        assert kept(house).subject in path.read_text("utf-8")
        assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
        assert (report.exit_code, report.problems) == (0, []), "the sync does not fail because of it"


def test_old_files_go_and_others_stay(tmp_path: Path) -> None:
    with House.of(RULES, folder=tmp_path) as house:
        folder = tmp_path / "morning"
        folder.mkdir()
        for name in (f"{house.day(-91)}.txt", f"{house.day(-90)}.txt", "notes.txt"):
            (folder / name).write_text("old", "utf-8")
        house.sync()
        assert sorted(p.name for p in folder.iterdir()) == [f"{house.day(-90)}.txt", f"{house.today}.txt", "notes.txt"]


def test_a_folder_that_cannot_be_written_is_a_task_and_no_failure(tmp_path: Path) -> None:
    with House.of(RULES, folder=tmp_path) as house:
        (tmp_path / "morning").write_text("a file is in the way", "utf-8")
        assert house.sync().exit_code == 0
        assert "morning-file" in house.task_codes()
        assert len(sent(house)) == 1
        (tmp_path / "morning").unlink()
        house.next_day()
        assert "morning-file" not in house.task_codes()


# --- what goes wrong on the way ----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [Trouble.CONNECTION_REFUSED, Trouble.DENIED, Trouble.ERROR])
def test_a_mail_that_provably_never_arrived_is_tried_again_by_the_next_sync(trouble: Trouble) -> None:
    with House.of(RULES) as house:
        house.faults(Fault(action="SendAdminEmail", kind=trouble, count=0, text="no"))
        house.sync()
        assert (kept(house).state, sent(house)) == ("failed", [])
        assert "morning-mail" in house.task_codes()
        house.faults()
        house.sync()
        assert (kept(house).state, len(sent(house))) == ("sent", 1)
        assert "morning-mail" not in house.task_codes()


@pytest.mark.parametrize(
    "trouble", [Trouble.TIMEOUT_AFTER, Trouble.TIMEOUT_BEFORE, Trouble.EMPTY_BODY, Trouble.HTTP_500]
)
def test_a_mail_whose_answer_was_lost_is_never_sent_again(trouble: Trouble) -> None:
    with House.of(RULES) as house:
        house.faults(Fault(action="SendAdminEmail", kind=trouble))
        house.sync()
        house.faults()
        before = len(sent(house))
        house.sync()
        assert (kept(house).state, len(sent(house))) == ("begun", before)
        assert "morning-mail" in house.task_codes()
        house.next_day()
        house.sync()
        assert (len(sent(house)), "morning-mail" in house.task_codes()) == (before + 1, False)


def test_a_run_killed_between_writing_down_and_answer_sends_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with House.of(RULES) as house:
        real = house.bridge.panel.send_staff

        def killed(subject: str, html: str) -> None:
            real(subject, html)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(type(house.bridge.panel), "send_staff", lambda _, subject, html: killed(subject, html))
            with pytest.raises(KeyboardInterrupt):
                house.sync()
        house.sync()
        assert (kept(house).state, len(sent(house))) == ("begun", 1)
        assert house.bridge.journal.runs(2)[1].outcome == "ok", "the run had ended before its mail"


def test_while_whmcs_is_away_the_file_says_so_and_the_mail_waits(tmp_path: Path) -> None:
    with House.of(RULES, folder=tmp_path) as house:
        house.sync()
        house.pass_days()
        house.faults(Fault(kind=Trouble.CONNECTION_REFUSED, count=0))
        house.sync()
        assert kept(house).state == "failed"
        assert "could not be read" in (tmp_path / "morning" / f"{house.today}.txt").read_text("utf-8")
        house.faults()
        house.sync()
        assert (kept(house).state, len(sent(house))) == ("sent", 2)


def test_credentials_that_are_refused_leave_a_file_that_says_so(tmp_path: Path) -> None:
    with House.of(RULES, folder=tmp_path) as house:
        house.faults(Fault(kind=Trouble.BAD_CREDENTIALS, count=0))
        with pytest.raises(CredentialsRefused):
            house.sync()
        assert "WHMCS could not be read" in (tmp_path / "morning" / f"{house.today}.txt").read_text("utf-8")
        assert kept(house).state == "failed"


def test_a_person_may_send_it_once_and_no_second_time() -> None:
    with House.of({"class": {"hosting": HOSTING}}) as house:
        house.sync()
        assert sent(house) == [], "this house mails nobody"
        letter = house.bridge.morning_letter()
        house.bridge.send_morning(letter)
        assert sent(house) == [letter.subject]
        with pytest.raises(UsageProblem, match="none is sent twice"):
            house.bridge.send_morning(letter)


# --- what it says ------------------------------------------------------------------------------------


def test_an_empty_day_is_one_line() -> None:
    with House.of(RULES) as house:
        house.a_service()
        house.sync()
        line = f"Monday {house.today}: nothing was done, nothing is due today or tomorrow, nothing waits.\n"
        assert kept(house).text == line
        assert kept(house).subject.endswith(": nothing to do")


def test_it_says_what_was_done_yesterday_and_what_failed() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS}) as house:
        owing = [house.a_debtor(overdue=3)[1] for _ in range(6)]
        house.world.failing_services[owing[5].id] = "cPanel: connection refused"
        house.sync()
        house.world.failing_services.clear()
        house.next_day()
        yesterday = section(kept(house), "Yesterday")
        assert yesterday[0].startswith("suspended: 5 (service ")
        assert yesterday[0].endswith(", and 1 more)")
        assert "connection refused" in yesterday[1]
        assert section(kept(house), "Today") == [f"suspended: 1 (service {owing[5].id} {owing[5].domain})"]


def test_a_server_that_is_down_is_one_line_whatever_fails_on_it() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS}) as house:
        for _ in range(30):
            _, service, _ = house.a_debtor(overdue=3)
            house.world.failing_services[service.id] = "cPanel: connection refused"
        report = house.sync()
        failed = len(report.of(StepState.FAILED))
        (line, *rest) = section(kept(house), "Today")
        assert line.startswith("failed: suspend of service ")
        assert line.endswith(f" and {failed - 4} more: {report.results[0].note}")
        assert rest == []
        assert len(section(kept(house), "Tasks")) == 4, (
            "one for the server, one for the run that broke off, each a command"
        )


def test_after_days_without_a_run_it_goes_back_to_the_last_mail_and_says_that_runs_were_missed() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS}) as house:
        house.a_debtor(overdue=3)
        house.sync()
        before = house.today
        house.pass_days(3)
        house.next_day()
        assert f"No run between {before} 12:00 and {house.today} 12:00." in kept(house).text
        assert section(kept(house), f"Since Monday {before}")[0].startswith("suspended: 1")
        house.next_day()
        assert "No run between" not in kept(house).text


def test_what_waits_for_approval_comes_with_the_command() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS, "approval": {"terminate": "required"}}) as house:
        _, one, _ = house.a_debtor(overdue=3)
        _, other, _ = house.a_debtor(overdue=3)
        house.next_day(20)
        lines = section(kept(house), "Waiting for approval")
        assert lines == ["terminate: 2", f"whmcs-bridge approve {one.id} {other.id}"]
        assert "2 to approve" in kept(house).subject


def test_what_a_limit_refused_comes_with_the_exact_command() -> None:
    limits = {"suspend": {"always_allowed": 1, "max": 2}}
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS, "limits": limits}) as house:
        for _ in range(4):
            house.a_debtor(overdue=3)
        report = house.sync()
        (why, command) = section(kept(house), "Refused")
        assert why.endswith(": 4 steps not taken")
        assert command == report.plan.stops[0].way_past
        assert "4 refused" in kept(house).subject


def test_what_is_withheld_says_why_and_until_when() -> None:
    with House.of(RULES) as house:
        house.a_debtor(overdue=5)
        house.sync()
        (line,) = section(kept(house), "Withheld")
        assert line.startswith("suspend: 1, no suspension warning has gone out yet")


def test_new_tasks_come_first_and_many_of_a_kind_are_one_line() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS}) as house:
        for _ in range(6):
            house.a_service(status="Suspended")
        house.sync()
        house.next_day()
        _, abused, _ = house.a_debtor(overdue=2)
        abused.status, abused.suspend_reason = "Suspended", "Abuse"
        house.next_day()
        lines = section(kept(house), "Tasks")
        assert lines[0].startswith(f"new: service {abused.id}: suspended by others (Abuse)")
        assert lines[2].startswith("6 times: suspended with a blank reason")
        assert lines[3] == "whmcs-bridge tasks --code blank-suspension"


def test_a_big_day_is_cut_with_counts() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS}) as house:
        for number in range(120):
            house.a_debtor(overdue=3, firstname=f"Client number {number}")
        house.sync()
        assert counts(section(kept(house), "Today")) == {"suspended": 120}
        assert "and 116 more" in kept(house).text
        assert len(kept(house).text) < 1500


def test_nothing_in_it_is_markup_or_a_tag_to_whmcs() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS}) as house:
        _, service, _ = house.a_debtor(overdue=3)
        service.domain = "<b>{$system_url}</b>.example.net\n"
        house.world.failing_services[service.id] = "<script> {literal}"
        house.sync()
        (mail,) = house.world.shelf["staff_mail"].values()
        for raw in ("<b>", "<script>", "{", "}"):
            assert raw not in mail["message"].replace("<br>", ""), raw
        assert "&#123;literal&#125;" in mail["message"]
        assert "{" not in mail["subject"]


# --- tomorrow ----------------------------------------------------------------------------------------


def done_today(house: House) -> dict[str, int]:
    """Steps of today in the words of tomorrow."""
    found: dict[str, int] = {}
    for entry in house.bridge.journal.steps(day=house.today, limit=1000):
        name = f"send {entry.step.message}" if entry.step.kind == "notice" else str(entry.step.kind.value)
        found[name] = found.get(name, 0) + (entry.state == "done")
    return {name: count for name, count in found.items() if count}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="plain"),
        pytest.param({"calendar": {"quiet_days": ["friday", "saturday", "sunday"]}}, id="quiet-days"),
    ],
)
def test_what_it_says_of_tomorrow_is_what_the_next_run_does_if_nobody_pays(change: dict[str, Any]) -> None:
    with House.of({**RULES, **change}) as house:
        for due in range(-12, 9, 2):
            _, service, _ = house.a_debtor(overdue=-due)
            house.a_service(house.world.clients[service.client])
        house.sync()
        for _ in range(30):
            foreseen = counts(section(kept(house), "Tomorrow"))
            house.next_day()
            assert done_today(house) == foreseen, house.today


def test_in_shadow_mode_tomorrow_follows_from_what_was_imagined() -> None:
    with House.of(RULES) as house:
        for due in range(-6, 7, 2):
            house.a_debtor(overdue=-due)
        house.enforcing(False)
        house.sync()
        for _ in range(20):
            foreseen = counts(section(kept(house), "Tomorrow"))
            house.next_day()
            assert counts(section(kept(house), "Would have been done today")) == foreseen, house.today


def test_asked_for_in_shadow_mode_before_a_sync_it_says_what_would_be_done() -> None:
    with House.of(RULES) as house:
        house.a_debtor(overdue=2)
        house.sync()
        house.enforcing(False)
        _, later, _ = house.a_debtor(overdue=2)
        house.bridge.snapshot()
        text = house.bridge.morning_letter().text()
        assert f"Would have been done today\n  send suspension-warning: 1 (service {later.id}" in text


def test_who_pays_is_not_told_of_again() -> None:
    with House.of({"class": {"hosting": HOSTING}, "staff": ALWAYS}) as house:
        _, _, invoice = house.a_debtor(overdue=2)
        house.sync()
        assert counts(section(kept(house), "Tomorrow")) == {"suspend": 1}
        house.pay(invoice)
        house.next_day()
        assert section(kept(house), "Tomorrow") == []


def test_only_those_about_whom_something_may_come_are_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ServiceId] = []

    def noting(facts: ServiceFacts, *more: Any, **named: Any) -> Decision:
        asked.append(facts.service.id)
        return decide(facts, *more, **named)

    monkeypatch.setattr("whmcs_bridge.jobs.tomorrow.decide", noting)
    with House.of(RULES) as house:
        _, owing, _ = house.a_debtor(overdue=1)
        for _ in range(10):
            house.an_invoice(house.a_service(), due=20)
        house.sync()
        assert set(asked) <= {owing.id}
