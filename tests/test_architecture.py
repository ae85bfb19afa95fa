"""The arrows point inwards, and each thing from outside is met in one place."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import commands
import hooks
import whmcs_bridge
from tests.needs import REQUIRE_ALL, stop_without

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGES = {package.__name__: Path(str(package.__file__)).parent for package in (whmcs_bridge, hooks, commands)}
PURE = ("whmcs_bridge.domain", "whmcs_bridge.policy", "whmcs_bridge.plan")


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of ours by its dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in sorted(folder.rglob("*.py")):
            parts = (package, *file.relative_to(folder).with_suffix("").parts)
            name = ".".join(parts).removesuffix(".__init__")
            found[name] = ast.parse(file.read_text("utf-8"), str(file))
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def importers_of(*wanted: str) -> set[str]:
    return {
        name
        for name, tree in modules().items()
        if any(one == root or one.startswith(f"{root}.") for one in imports(tree) for root in wanted)
    }


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_the_import_contracts_hold() -> None:
    """The contracts in pyproject.toml, as `make lint` checks them."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--no-logo"],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken" in done.stdout


def test_only_the_way_in_imports_commands() -> None:
    assert {name for name in importers_of("commands") if not inside(name, "commands")} <= {"whmcs_bridge.__main__"}


def test_retrying_is_one_module() -> None:
    assert importers_of("tenacity") == {"whmcs_bridge.api.retry"}


def test_only_the_two_databases_and_what_they_share_know_sqlite() -> None:
    users = importers_of("sqlite3", "sqlite_utils")
    assert users
    assert {name for name in users if not inside(name, "whmcs_bridge.mirror", "whmcs_bridge.journal")} <= {
        "whmcs_bridge.storage"
    }


@pytest.mark.parametrize("package", PURE)
def test_what_is_pure_reads_no_clock_no_file_and_no_environment(package: str) -> None:
    """A rule is a function of facts, settings and today."""
    looked_at = 0
    for name, tree in modules().items():
        if not inside(name, package):
            continue
        looked_at += 1
        assert not {"os", "pathlib", "time", "random", "subprocess", "socket", "logging"} & set(imports(tree)), name
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "open", f"{name}:{node.lineno}"
                assert not called.endswith((".now", ".utcnow", "date.today", ".read_text")), f"{name}:{node.lineno}"
    assert looked_at


def test_only_commands_print() -> None:
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "input", "breakpoint"), f"{name}:{node.lineno}"


def test_money_is_never_a_float() -> None:
    """Decimal all the way: nothing becomes a float and nothing is rounded where amounts are worked on."""
    for name, tree in modules().items():
        if not inside(name, *PURE, "whmcs_bridge.jobs"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("float", "round"), f"{name}:{node.lineno}"


def test_every_module_opens_with_one_sentence() -> None:
    for name, tree in modules().items():
        opening = (ast.get_docstring(tree) or "").split("\n\n")[0]
        assert opening, f"{name} has no docstring"
        assert opening.rstrip().endswith((".", "?", '."')), f"{name}: {opening}"


def test_tests_are_a_package_all_the_way_down() -> None:
    """Otherwise tests/hooks would shadow the real hooks."""
    folders = {file.parent for file in TESTS.rglob("*.py")}
    between = {parent for folder in folders for parent in folder.parents if TESTS in (parent, *parent.parents)}
    assert all((folder / "__init__.py").is_file() for folder in folders | between)


def test_a_missing_program_skips_its_test_and_fails_where_everything_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(REQUIRE_ALL, raising=False)
    stop_without(["sh"])
    with pytest.raises(pytest.skip.Exception, match="no such-program here"):
        stop_without(["sh", "such-program"])
    monkeypatch.setenv(REQUIRE_ALL, "1")
    with pytest.raises(pytest.fail.Exception, match="there is no such-program here"):
        stop_without(["such-program"])
