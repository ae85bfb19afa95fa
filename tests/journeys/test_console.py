"""The installed command itself: signals, pipes, a server that is started and ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.journeys.town import CREDENTIALS, SETTINGS

COMMAND = [sys.executable, "-m", "whmcs_bridge"]
ENV = {**os.environ, **CREDENTIALS, "COLUMNS": "100"}
PATIENCE_SECONDS = 60


def run(*args: str, cwd: Path, env: Mapping[str, str] = ENV) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


@contextmanager
def a_simulator(*args: str) -> Iterator[dict[str, str]]:
    """`simulator serve --json` in a process of its own; ended with SIGTERM."""
    command = [*COMMAND, "simulator", "serve", "--json", *args]
    with subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0


def test_a_served_simulator_is_read_by_a_sync_and_ends_on_sigterm(tmp_path: Path) -> None:
    with a_simulator("--clients", "40", "--seed", "3") as known:
        assert set(known) == {"url", "identifier", "secret"}
        form = {"identifier": known["identifier"], "secret": known["secret"], "responsetype": "json"}
        asked = {**form, "action": "GetClients", "limitnum": "1"}
        reply = requests.post(known["url"] + "includes/api.php", data=asked, timeout=30).json()
        assert reply["totalresults"] in (40, "40")
        (tmp_path / "bridge.toml").write_text(SETTINGS.format(mode="shadow", url=known["url"]), "utf-8")
        planned = run("plan", "--json", cwd=tmp_path)
        assert planned.returncode == 0, planned.stderr
        assert json.loads(planned.stdout)["complete"] is True
        assert planned.stderr == ""


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with a_simulator("--clients", "1") as known:
        port = known["url"].rstrip("/").rpartition(":")[2]
        taken = run("simulator", "serve", "--clients", "1", "--port", port, cwd=tmp_path)
    assert taken.returncode == 1
    assert "choose another --port" in taken.stderr
    assert len(taken.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_trouble(tmp_path: Path) -> None:
    """`policy schema | head -1`: no traceback, no complaint when Python closes its output."""
    command = f"{sys.executable} -m whmcs_bridge policy schema | head -1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "policy", "schema"]
        done = subprocess.run(
            command, cwd=tmp_path, env=ENV, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no room left on the disk")
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_ends_with_130_and_without_a_traceback(tmp_path: Path) -> None:
    """WHMCS takes its time; the operator does not."""
    with a_simulator("--clients", "30", "--latency-ms", "3000") as known:
        (tmp_path / "bridge.toml").write_text(SETTINGS.format(mode="enforce", url=known["url"]), "utf-8")
        with subprocess.Popen(
            [*COMMAND, "sync"], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            wait_for(tmp_path / "journal.db-wal")
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in said


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def test_a_foreign_package_named_commands_is_named(tmp_path: Path) -> None:
    """Another project's `commands` comes first on the path."""
    foreign = tmp_path / "commands"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("cli = 'theirs'\n", "utf-8")
    done = run("--help", cwd=tmp_path, env={**ENV, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert str(foreign) in done.stderr
    assert "is not ours" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (foreign / "__init__.py").write_text("", "utf-8")
    assert "is not ours" in run("--help", cwd=tmp_path, env={**ENV, "PYTHONPATH": str(tmp_path)}).stderr


def test_a_missing_dependency_is_named(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError('no click', name='click')\n", "utf-8")
    done = run("--help", cwd=tmp_path, env={**ENV, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "click is missing or broken" in done.stderr
    assert "Traceback" not in done.stderr
