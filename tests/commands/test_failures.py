"""Errors become a line and an exit code."""

import errno

import click
import pytest

from commands.failures import explain, gathered, guarded
from whmcs_bridge.errors import DatabaseTrouble, SettingsProblem, StalePlan, UnknownId

FULL = OSError(errno.ENOSPC, "No space left on device", "/var/lib/journal.db")
FORMS = [
    pytest.param(UnknownId("no service 7"), ["no service 7"], 2, id="unknown-id"),
    pytest.param(StalePlan("of yesterday"), ["of yesterday"], 3, id="stale"),
    pytest.param(DatabaseTrouble("it is damaged"), ["it is damaged"], 1, id="database"),
    pytest.param(SettingsProblem(["one", "two"]), ["one", "two"], 2, id="settings"),
    pytest.param(click.ClickException("port taken"), ["port taken"], 1, id="click"),
]


@pytest.mark.parametrize(("error", "lines", "code"), FORMS)
def test_our_own_errors_say_what_they_say(error: Exception, lines: list[str], code: int) -> None:
    assert explain(error) == (lines, code)


def test_one_cause_is_said_once_however_much_it_concerns() -> None:
    """A role without GetInvoice fails once an open invoice: thousands of lines would hide everything else."""
    lacks = "the credential's API role lacks GetInvoice: tick it"
    seen = [f"invoice {number}: {lacks}" for number in (12, 13, 14)] + ["clients: out of order", "plain"]
    assert gathered(seen) == [f"invoice 12 and 2 others: {lacks}", "clients: out of order", "plain"]
    assert gathered(seen[:2]) == [f"invoice 12 and invoice 13: {lacks}"]


def test_a_full_disk_is_named_with_the_way_out() -> None:
    (line,), code = explain(FULL)
    assert code == 1
    assert "no room left on the disk for /var/lib/journal.db" in line
    assert "free some space" in line


def test_a_file_that_cannot_be_read_is_named() -> None:
    (line,), _ = explain(PermissionError(errno.EACCES, "Permission denied", "faults.json"))
    assert line == "faults.json: Permission denied"


def test_what_nobody_expected_is_one_line_that_points_to_debug(capsys: pytest.CaptureFixture[str]) -> None:
    def breaks() -> None:
        raise KeyError("first line\nsecond line")

    assert guarded(breaks, debug=False) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: unexpected KeyError")
    assert "--debug" in said
    assert len(said.splitlines()) == 1
    with pytest.raises(KeyError):
        guarded(breaks, debug=True)


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert guarded(interrupted, debug=False) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_exit_codes_pass_through() -> None:
    def leaves(code: object) -> None:
        raise SystemExit(code)

    assert guarded(lambda: leaves(3), debug=False) == 3
    assert guarded(lambda: leaves(None), debug=False) == 0
    assert guarded(lambda: 0, debug=False) == 0
