"""`hooks install`, `check` and `uninstall` as an operator types them."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.hook_files import SETTINGS, SHIM, Owner, settings_in, settings_php, shim
from tests.journeys.town import Town, error_of
from tests.needs import needs
from tests.php.receiver import SECRET, Receiver, receiving

HOOKS = '\n[hooks]\nsecret = "file:hook-secret"\n'


@pytest.fixture
def root(town: Town) -> Path:
    """A folder that looks like WHMCS, and settings with a secret."""
    root = town.folder / "whmcs"
    (root / "includes" / "hooks").mkdir(parents=True)
    for name in ("configuration.php", "init.php"):
        (root / name).write_text("<?php\n")
    (town.folder / "hook-secret").write_text(f"{SECRET}\n")
    town.settle(more=HOOKS)
    return root


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as found:
        yield found


def files(root: Path) -> dict[str, Path]:
    return {path.name: path for path in (root / "includes" / "hooks").iterdir()}


def said_in(root: Path) -> dict[str, object]:
    return dict(settings_in(files(root)[SETTINGS].read_text()))


# --- install ----------------------------------------------------------------------------------------


def test_both_files_are_there_and_the_secret_is_shown_nowhere(town: Town, root: Path) -> None:
    result = town.run("hooks", "install", "--whmcs", str(root))
    assert result.exit_code == 0, result.output
    assert SECRET not in result.output
    assert files(root)[SHIM].read_bytes() == shim()
    assert files(root)[SETTINGS].stat().st_mode & 0o777 == 0o600
    assert said_in(root)["secret"] == SECRET
    assert said_in(root)["url"] == "http://127.0.0.1:8765"
    assert "whmcs-bridge hooks check --whmcs" in result.stdout
    assert (town.folder / "spool").stat().st_mode & 0o777 == 0o700


def test_machines_get_what_was_done_without_the_secret(town: Town, root: Path) -> None:
    found = town.json("hooks", "install", "--whmcs", str(root))
    assert len(found["written"]) == len(found["files"]) == 2
    assert found["settings"]["gate"] == str(town.folder / "gate.json")
    assert "secret" not in found["settings"]
    assert any("mode is shadow" in note for note in found["notes"])


def test_a_second_time_changes_nothing(town: Town, root: Path) -> None:
    town.run("hooks", "install", "--whmcs", str(root))
    found = town.json("hooks", "install", "--whmcs", str(root))
    assert (found["written"], found["backups"]) == ([], [])
    assert set(files(root)) == {SHIM, SETTINGS}


def test_what_is_replaced_is_kept_where_nobody_loads_or_reads_it(town: Town, root: Path) -> None:
    """WHMCS skips names with an underscore; anything but .php would be handed out to a browser."""
    old = root / "includes" / "hooks" / SHIM
    old.write_text("<?php // somebody's own")
    found = town.json("hooks", "install", "--whmcs", str(root))
    (kept,) = map(Path, found["backups"])
    assert kept.read_text() == "<?php // somebody's own"
    assert kept.name.startswith("_whmcs_bridge.")
    assert kept.suffix == ".php"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert old.read_bytes() == shim()


@pytest.mark.parametrize("missing", ["configuration.php", "init.php", "includes/hooks"])
def test_a_folder_that_is_no_whmcs_is_refused(town: Town, root: Path, missing: str) -> None:
    (root / missing).rename(town.folder / "away")
    result = town.run("hooks", "install", "--whmcs", str(root))
    assert result.exit_code == 2
    assert f"it has no {missing}" in error_of(result)
    assert not (town.folder / "spool").exists()


def test_without_a_folder_it_asks_for_one(town: Town, root: Path) -> None:
    result = town.run("hooks", "install")
    assert result.exit_code == 2
    assert "--whmcs PATH" in error_of(result)


def test_without_a_secret_it_says_how_to_make_one(town: Town, root: Path) -> None:
    town.settle()
    result = town.run("hooks", "install", "--whmcs", str(root))
    assert result.exit_code == 2
    assert "openssl rand -hex 32" in error_of(result)


def test_a_secret_that_can_be_guessed_is_refused(town: Town, root: Path) -> None:
    (town.folder / "hook-secret").write_text("hello")
    result = town.run("hooks", "install", "--whmcs", str(root))
    assert result.exit_code == 2
    assert "too short" in error_of(result)
    assert "hello" not in result.output


@pytest.mark.parametrize("option", ["--spool", "--gate"])
def test_what_a_browser_could_read_is_no_place_for_events(town: Town, root: Path, option: str) -> None:
    result = town.run("hooks", "install", "--whmcs", str(root), option, str(root / "attachments" / "x"))
    assert result.exit_code == 2
    assert "inside WHMCS" in error_of(result)
    assert files(root) == {}


def test_for_copying_by_hand_both_files_are_printed_and_nothing_is_written(town: Town, root: Path) -> None:
    result = town.run("hooks", "install", "--print")
    assert result.exit_code == 0
    head, first, second = result.stdout.split("=== includes/hooks/")
    assert head == ""
    assert settings_in(first.partition("\n")[2])["secret"] == SECRET
    assert second.partition("\n")[2] == shim().decode()
    assert files(root) == {}
    assert not (town.folder / "spool").exists()


def test_what_an_administrator_set_by_hand_stays(town: Town, root: Path) -> None:
    town.run("hooks", "install", "--whmcs", str(root))
    path = files(root)[SETTINGS]
    text = path.read_text().replace("'timeout_ms' => 1500", "'timeout_ms' => 900")
    text = text.replace("'screens' => true", "'screens' => false,\n    'defaults' => ['PreModuleUnsuspend' => 'abort']")
    path.write_text(text)
    town.run("hooks", "install", "--whmcs", str(root), "--url", "https://bridge.example.com")
    after = said_in(root)
    assert after["timeout_ms"] == 900
    assert after["screens"] is False
    assert after["defaults"] == {"PreModuleUnsuspend": "abort"}
    assert after["url"] == "https://bridge.example.com"


def test_a_new_secret_takes_the_place_of_the_old_one(town: Town, root: Path) -> None:
    town.run("hooks", "install", "--whmcs", str(root))
    (town.folder / "hook-secret").write_text("another-0123456789abcdef0123456789")
    found = town.json("hooks", "install", "--whmcs", str(root))
    assert said_in(root)["secret"] == "another-0123456789abcdef0123456789"
    assert [Path(name).name for name in found["written"]] == [SETTINGS]


def test_where_no_daemon_may_run_a_command_is_asked(town: Town, root: Path) -> None:
    """No secret is needed for it, so none lies there."""
    town.settle()
    assert town.run("hooks", "install", "--whmcs", str(root), "--transport", "command").exit_code == 0
    said = said_in(root)
    words = said["command"]
    assert isinstance(words, list)
    assert words[1:] == ["-P", "-m", "whmcs_bridge", "--config", str(town.config)]
    assert "secret" not in said
    assert said["timeout_ms"] == 5000


def test_an_owner_that_does_not_exist_is_refused(town: Town, root: Path) -> None:
    result = town.run("hooks", "install", "--whmcs", str(root), "--owner", "nobody-of-that-name")
    assert result.exit_code == 2
    assert "no such user" in error_of(result)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_files_belong_to_whom_php_runs_as(town: Town, root: Path) -> None:
    os.chown(root / "includes" / "hooks", 12345, 12345)
    found = town.json("hooks", "install", "--whmcs", str(root), "--spool", str(town.folder / "for-php"))
    for path in (*files(root).values(), town.folder / "for-php"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)
    assert not any("belongs to root" in note for note in found["notes"])


def test_a_user_who_cannot_get_there_is_noticed(tmp_path: Path) -> None:
    stranger, ours = Owner(12345, 12345), Owner(os.geteuid(), os.getegid())
    (tmp_path / "closed" / "inside").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not stranger.may(tmp_path / "closed" / "inside", 1)
    assert not stranger.may(tmp_path / "missing", 1)
    assert ours.may(tmp_path / "closed" / "inside", 7)


def edit(root: Path, before: str, after: str) -> None:
    path = files(root)[SETTINGS]
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_whatever_php_reads_as_plain_values_stays(town: Town, root: Path) -> None:
    """As people write it: long arrays, other quotes, comments, all on one line."""
    town.run("hooks", "install", "--whmcs", str(root))
    edit(
        root,
        "    'screens' => true,",
        """
        # ours
        "screens"=>FALSE, 'defaults' => array('PreModuleSuspend' => "allow", /* and */ 'PreModuleTerminate'=>'abort',),
        'most_open_invoices'    =>  45 , 'own' => array(1, -2.5, null, ["it's \\$5", 'a\\b']), 'empty' => array()""",
    )
    found = town.json("hooks", "install", "--whmcs", str(root), "--url", "https://bridge.example.com")
    after = said_in(root)
    assert after["screens"] is False
    assert after["defaults"] == {"PreModuleSuspend": "allow", "PreModuleTerminate": "abort"}
    assert after["most_open_invoices"] == 45
    assert after["own"] == [1, -2.5, None, ["it's $5", "a\\b"]]
    assert after["empty"] == []
    assert [note for note in found["notes"] if "# ours" in note]
    assert town.json("hooks", "install", "--whmcs", str(root))["written"] == []


@needs("php")
def test_php_reads_what_was_kept_as_it_was(town: Town, root: Path) -> None:
    town.run("hooks", "install", "--whmcs", str(root))
    own = r"""'own' => array('a' => "tab\t\"\$x", 'b' => [1.50, 'it\'s \\ \n'], 'c' => NULL),"""
    edit(root, "=> true,", f"=> FALSE, {own}")
    path = files(root)[SETTINGS]

    def read() -> str:
        code = f"define('WHMCS', true); echo json_encode(include '{path}');"
        return subprocess.run(["php", "-r", code], capture_output=True, text=True, check=True).stdout

    before = json.loads(read())
    town.run("hooks", "install", "--whmcs", str(root), "--url", "https://bridge.example.com")
    assert json.loads(read()) == before | {"url": "https://bridge.example.com"}


@pytest.mark.parametrize(
    ("put", "found"),
    [
        ("'timeout_ms' => 2 * 700,", "'*'"),
        ("'timeout_ms' => 0x5DC,", "'0x5DC'"),
        ("'gate' => __DIR__ . '/gate.json',", "'__DIR__'"),
        ("'gate' => '/srv/' . 'gate.json',", "'.'"),
        ("'gate' => \"/srv/$me/gate.json\",", "'\"'"),
        ("'defaults' => ['a', 'b' => 'c'],", '"\'"'),
        ("'defaults' => [5 => 'a'],", "'5'"),
        ("'screens' => true", '"\'"'),
        ("getenv('X') => 1,", "'getenv'"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_left_as_it_is(town: Town, root: Path, put: str, found: str) -> None:
    town.run("hooks", "install", "--whmcs", str(root))
    edit(root, "    'connect_timeout_ms'", f"    {put}\n    'connect_timeout_ms'")
    before = {name: path.read_bytes() for name, path in files(root).items()}
    result = town.run("hooks", "install", "--whmcs", str(root), "--url", "https://bridge.example.com")
    assert result.exit_code == 2
    assert f"expected a plain value, found {found}" in error_of(result)
    assert f"{SETTINGS}: line 1" in error_of(result)
    assert {name: path.read_bytes() for name, path in files(root).items()} == before
    assert town.json("hooks", "uninstall", "--whmcs", str(root))["waiting"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no PHP",
        "<?php\n$settings = [];\nreturn $settings;\n",
        "<?php\nrequire 'other.php';\nreturn ['a' => 1];\n",
        "<?php return ['a' => 1]; echo 'b';",
        "<?php return ['a' => 1",
        "<?php return 7;",
        "<?php return ['a', 'b'];",
        b"<?php return ['a' => '\xff'];",
    ],
)
def test_a_settings_file_that_does_more_is_refused(town: Town, root: Path, text: str | bytes) -> None:
    path = root / "includes" / "hooks" / SETTINGS
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = path.read_bytes()
    result = town.run("hooks", "install", "--whmcs", str(root))
    assert result.exit_code == 2
    assert "or move the file away" in error_of(result)
    assert path.read_bytes() == before
    assert [text for text in failed(town, root) if f"{SETTINGS} cannot be read" in text]


def test_a_file_with_other_ways_of_saying_the_same_is_read(town: Town) -> None:
    head = "\ufeff<?PHP declare(strict_types=1); /* a */ if (!defined(\"WHMCS\")) die('no');"
    text = f"{head}\nReturn Array ( 'a' => True ) ; ?>\n"
    assert settings_in(text) == {"a": True}


def test_a_command_of_ones_own_stays(town: Town, root: Path) -> None:
    town.run("hooks", "install", "--whmcs", str(root), "--transport", "command")
    path = files(root)[SETTINGS]
    ours = said_in(root)["command"]
    assert isinstance(ours, list)
    path.write_text(settings_php(dict(settings_in(path.read_text())) | {"command": ["/old/python", *ours[1:]]}))
    town.run("hooks", "install", "--whmcs", str(root))
    assert said_in(root)["command"] == ours
    own = ["/usr/local/bin/with-secrets", "whmcs-bridge"]
    path.write_text(settings_php(dict(settings_in(path.read_text())) | {"command": own}))
    town.run("hooks", "install", "--whmcs", str(root))
    assert said_in(root)["command"] == own


plain = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
values = st.one_of(
    plain,
    st.integers(min_value=-(10**9), max_value=10**9),
    st.booleans(),
    st.none(),
    st.floats(min_value=-1000, max_value=1000).map(lambda value: round(value, 3)),
    st.lists(plain | st.booleans(), max_size=3),
    st.dictionaries(plain, plain | st.lists(plain, max_size=2), min_size=1, max_size=3),
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), values, max_size=5))
def test_what_the_settings_file_says_can_be_read_again(given_: dict[str, str]) -> None:
    assert settings_in(settings_php(given_)) == given_


def test_the_gate_file_lies_where_it_was_asked_for(town: Town, root: Path) -> None:
    """What a sync writes is what PHP is told to read."""
    town.settle(more=HOOKS + 'gate_file = "for-php.json"\n')
    assert town.run("sync").exit_code == 0
    assert json.loads((town.folder / "for-php.json").read_text())["mode"] == "shadow"
    assert not (town.folder / "gate.json").exists()
    found = town.json("hooks", "install", "--whmcs", str(root))
    assert found["settings"]["gate"] == str(town.folder / "for-php.json")


# --- check ------------------------------------------------------------------------------------------


def gate(town: Town, hours: float) -> None:
    made = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    (town.folder / "gate.json").write_text(json.dumps({"made_at": made}))


@pytest.fixture
def installed(town: Town, root: Path, receiver: Receiver) -> Path:
    """Everything in order: installed, a bridge that answers, a gate file of an hour ago."""
    receiver.answers["gate"] = (200, {"made_at": "2026-01-01T00:00:00+00:00"})
    town.run("hooks", "install", "--whmcs", str(root), "--url", receiver.url)
    gate(town, hours=1)
    return root


def failed(town: Town, root: Path) -> list[str]:
    """Return what `hooks check` finds at fault; its exit code agrees."""
    result = town.run("hooks", "check", "--whmcs", str(root), "--json")
    found = json.loads(result.stdout)
    bad = [row["text"] for row in found["findings"] if row["grade"] == "fail"]
    assert (result.exit_code, found["ok"]) == ((1, False) if bad else (0, True))
    assert SECRET not in result.output
    return bad


def test_all_in_order_exits_0(town: Town, installed: Path, receiver: Receiver) -> None:
    result = town.run("hooks", "check", "--whmcs", str(installed))
    assert result.exit_code == 0, result.output
    assert "is the one of this version" in result.stdout
    assert "signs its answers" in result.stdout
    assert "the clocks agree" in result.stdout
    assert receiver.heard[0].signed


def test_a_file_of_another_version_is_noticed(town: Town, installed: Path) -> None:
    with files(installed)[SHIM].open("a") as file:
        file.write("// edited\n")
    (said,) = failed(town, installed)
    assert "is not the one of this version" in said


@pytest.mark.parametrize("name", [SHIM, SETTINGS])
def test_a_missing_file_is_noticed(town: Town, installed: Path, name: str) -> None:
    files(installed)[name].unlink()
    assert [text for text in failed(town, installed) if f"{name} is missing" in text]


def test_another_secret_is_noticed(town: Town, installed: Path) -> None:
    (town.folder / "hook-secret").write_text("another-0123456789abcdef0123456789")
    (said,) = failed(town, installed)
    assert "another secret than [hooks] secret" in said


def test_a_bridge_that_refuses_us_says_why(town: Town, installed: Path) -> None:
    path = files(installed)[SETTINGS]
    path.write_text(path.read_text().replace(SECRET, "stolen-0123456789abcdef0123456789"))
    assert any("refuses us: wrong signature" in text for text in failed(town, installed))


@pytest.mark.parametrize(("seconds", "refused"), [(150, False), (-200, False), (4000, True)])
def test_clocks_that_disagree_are_noticed(
    town: Town, installed: Path, receiver: Receiver, seconds: float, refused: bool
) -> None:
    receiver.clock_ahead = seconds
    assert bool(failed(town, installed)) is refused
    found = town.run("hooks", "check", "--whmcs", str(installed), "--json")
    texts = [row["text"] for row in json.loads(found.stdout)["findings"] if row["grade"] != "ok"]
    (apart,) = re.findall(r"the clocks are (\d+) seconds apart", "\n".join(texts))
    assert abs(int(apart) - abs(seconds)) < 60


def test_somebody_else_on_our_port_is_noticed(town: Town, installed: Path, receiver: Receiver) -> None:
    receiver.signs = False
    (said,) = failed(town, installed)
    assert "is not the bridge, or has another secret" in said


def test_a_bridge_that_is_away_is_noticed(town: Town, installed: Path) -> None:
    town.run("hooks", "install", "--whmcs", str(installed), "--url", "http://127.0.0.1:9")
    (said,) = failed(town, installed)
    assert "http://127.0.0.1:9 does not answer" in said


def test_an_old_gate_file_is_noticed(town: Town, installed: Path) -> None:
    gate(town, hours=30)
    (said,) = failed(town, installed)
    assert "is 30 hours old" in said


def test_what_waits_and_what_was_refused_is_counted(town: Town, installed: Path) -> None:
    spool = town.folder / "spool"
    (spool / f"{int((time.time() - 7200) * 1000):015d}-00.json").write_text("{}")
    (spool / "000000000000001-01.bad").write_text("{}")
    assert failed(town, installed) == []
    found = town.json("hooks", "check", "--whmcs", str(installed))["findings"]
    refused, waiting = (row["text"] for row in found if row["area"] == "spool")
    assert refused.startswith("1 event refused for good")
    assert waiting == f"1 event in {spool}, the oldest for 2.0 hours"


def test_a_settings_file_that_others_can_read_is_a_warning(town: Town, installed: Path) -> None:
    files(installed)[SETTINGS].chmod(0o644)
    assert failed(town, installed) == []
    assert "is open to others" in town.run("hooks", "check", "--whmcs", str(installed)).stdout


def test_only_the_custom_fields_of_the_settings_are_told_and_another_list_is_found(town: Town, root: Path) -> None:
    town.settle(more=HOOKS + '[backups]\nid_fields = { vmid = ["VM ID", "vmid"], uuid = ["UUID"] }\n')
    town.run("hooks", "install", "--whmcs", str(root))
    assert said_in(root)["id_fields"] == ["UUID", "VM ID", "vmid"]
    assert "custom fields" not in town.run("hooks", "check", "--whmcs", str(root)).stdout
    town.settle(more=HOOKS)
    assert "the custom fields that WHMCS tells are not those" in town.run("hooks", "check", "--whmcs", str(root)).stdout
    town.run("hooks", "install", "--whmcs", str(root))
    assert "id_fields" not in said_in(root)


def test_the_command_that_php_runs_is_tried(town: Town, root: Path) -> None:
    town.run("hooks", "install", "--whmcs", str(root), "--transport", "command")
    gate(town, hours=1)
    assert failed(town, root) == []
    path = files(root)[SETTINGS]
    path.write_text(path.read_text().replace("whmcs_bridge'", "whmcs_bridge_of_yore'"))
    (said,) = failed(town, root)
    assert "exits 1" in said


def test_a_command_that_finds_no_settings_is_noticed(town: Town, root: Path) -> None:
    """As PHP would meet it: the program is there, and what it needs is not."""
    town.run("hooks", "install", "--whmcs", str(root), "--transport", "command")
    gate(town, hours=1)
    edit(root, str(town.config), "/nowhere/bridge.toml")
    (said,) = failed(town, root)
    assert "exits 2: " in said
    assert "/nowhere/bridge.toml" in said.partition("exits 2: ")[2]


# --- uninstall ----------------------------------------------------------------------------------------


def test_both_files_go_and_stay_beside(town: Town, installed: Path) -> None:
    result = town.run("hooks", "uninstall", "--whmcs", str(installed))
    assert result.exit_code == 0
    assert len(files(installed)) == 2
    assert all(name.startswith("_") and name.endswith(".php") for name in files(installed))
    assert SETTINGS not in files(installed)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files(installed).values())
    assert "There is no hook file of ours" in town.run("hooks", "uninstall", "--whmcs", str(installed)).stdout


def test_what_still_waits_is_said(town: Town, installed: Path) -> None:
    (town.folder / "spool" / "000000000000001-00.json").write_text("{}")
    assert town.json("hooks", "uninstall", "--whmcs", str(installed))["waiting"] == 1


def test_handing_back_comes_first(town: Town, root: Path) -> None:
    town.settle(mode="enforce", more=HOOKS)
    town.run("hooks", "install", "--whmcs", str(root))
    _, service, _ = town.house.a_debtor(overdue=10)
    assert town.run("sync").exit_code == 0
    assert "[whmcs-bridge]" in service.suspend_reason
    unasked = town.run("hooks", "uninstall", "--whmcs", str(root), "--hand-back")
    assert unasked.exit_code == 2
    assert SHIM in files(root)
    result = town.run("hooks", "uninstall", "--whmcs", str(root), "--hand-back", "--yes")
    assert result.exit_code == 0, result.output
    assert (service.status, service.suspend_reason) == ("Suspended", "")
    assert SHIM not in files(root)


def test_the_file_stays_while_not_all_is_handed_back(town: Town, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    town.settle(mode="enforce", more=HOOKS)
    town.run("hooks", "install", "--whmcs", str(root))
    town.house.a_debtor(overdue=10)
    town.run("sync")
    monkeypatch.setattr("commands.hand_back.at_a_terminal", lambda: True)
    result = town.run("hooks", "uninstall", "--whmcs", str(root), "--hand-back", answers="n\n")
    assert result.exit_code == 1
    assert "so the hook file stays" in result.stderr
    assert SHIM in files(root)
