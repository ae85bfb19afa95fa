"""The units in deploy/ are ones that systemd takes, and start what the program has."""

import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from commands import cli
from tests.needs import needs

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))


def words_of(unit: Path) -> list[str]:
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    return shlex.split(line.removeprefix("ExecStart="))


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    program, name, *options = words_of(unit)
    assert program == "/usr/local/bin/whmcs-bridge"
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_parser(click.Context(command, resilient_parsing=True)).parse_args(options)


def test_the_manual_shows_where_they_are_put() -> None:
    text = (UNITS.parents[1] / "docs" / "how-to" / "install.md").read_text("utf-8")
    for unit in UNITS.iterdir():
        assert unit.name in text


@needs("systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With a program that is there in place of ours."""
    copies = []
    for unit in sorted(UNITS.iterdir()):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/usr/local/bin/whmcs-bridge", sys.executable))
        copies.append(str(copy))
    done = subprocess.run(
        ["systemd-analyze", "verify", *copies], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
