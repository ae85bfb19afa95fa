"""What is installed is what was written: three packages, their data, one version, names that are ours."""

import os
import subprocess
import sys
import zipfile
from importlib import metadata, resources
from pathlib import Path

import pytest

import commands
import hooks
import whmcs_bridge

ROOT = Path(__file__).parents[1]
PACKAGES = ("whmcs_bridge", "hooks", "commands")
INSTALLED = bool(os.environ.get("WHMCS_BRIDGE_TEST_INSTALLED"))
"""The packages come from a wheel, and the tests stand elsewhere (.ci/run)."""


def our_dependencies() -> set[str]:
    """Every distribution that comes along with an installation, without the development tools."""
    waiting, seen = ["whmcs-bridge"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python
        for line in wanted:
            if "extra ==" not in line:
                waiting.append("".join(c if c.isalnum() or c in "-_." else " " for c in line).split()[0].lower())
    return seen - {"whmcs-bridge"}


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the wheel: built here from a checkout, or the one that was installed."""
    if INSTALLED:
        return {str(file) for file in metadata.files("whmcs-bridge") or ()}
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_three_packages_with_their_types(wheel_files: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel_files
    assert {f"{package}/__init__.py" for package in PACKAGES} <= wheel_files
    tops = {name.split("/")[0] for name in wheel_files if not name.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_every_file_that_lies_beside_the_code(wheel_files: set[str]) -> None:
    """The builder leaves out what is git-ignored without a word."""
    for package in (whmcs_bridge, hooks, commands):
        folder = Path(str(package.__file__)).parent
        written = {
            file.relative_to(folder.parent).as_posix()
            for file in folder.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        assert written
        assert not written - wheel_files


def test_presets_can_be_read_where_they_are_installed() -> None:
    starters = resources.files("whmcs_bridge.settings") / "starters"
    for name in ("example", "strict", "reminders-3-4-5", "patient-8-30"):
        assert "[class." in (starters / f"{name}.toml").read_text("utf-8")


def test_what_is_tested_is_what_was_installed() -> None:
    folders = {Path(str(package.__file__)).parents[1].resolve() for package in (whmcs_bridge, hooks, commands)}
    assert len(folders) == 1
    assert (folders == {ROOT}) is not INSTALLED


def test_there_is_one_version() -> None:
    assert metadata.version("whmcs-bridge") == whmcs_bridge.__version__
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_no_dependency_of_ours_owns_our_names() -> None:
    """pip would let it write over our files without a word."""
    owners = metadata.packages_distributions()
    dependencies = our_dependencies()
    assert {"click", "flask", "waitress", "sqlite-utils"} <= dependencies
    for package in PACKAGES:
        assert not {owner.lower() for owner in owners.get(package, ())} & dependencies
        assert {owner.lower() for owner in owners.get(package, ())} <= {"whmcs-bridge"}


def test_the_command_is_installed() -> None:
    (script,) = (e for e in metadata.entry_points(group="console_scripts") if e.name == "whmcs-bridge")
    assert script.value == "whmcs_bridge.__main__:main"
