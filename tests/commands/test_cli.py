"""The group: light, complete, and helpful about every command."""

import inspect
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from commands import COMMANDS, cli
from commands.reference import every_command, markdown
from whmcs_bridge import __version__

EVERY = [pytest.param(path, command, id=path) for path, command in every_command()]


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_every_command_has_help_with_an_example_that_names_it(path: str, command: click.Command) -> None:
    text = inspect.cleandoc(command.help or "")
    assert "\b\nExample:\n" in text
    assert path.partition(" ")[2] in text.partition("Example:")[2]


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_every_option_says_what_it_does(path: str, command: click.Command) -> None:
    silent = [o.opts for o in command.params if isinstance(o, click.Option) and not o.help]
    assert silent == []


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_every_command_takes_the_settings_and_debug(path: str, command: click.Command) -> None:
    """They may stand before or behind the name; groups leave them to their commands."""
    if isinstance(command, click.Group) and path != "whmcs-bridge":
        return
    names = {name for param in command.params for name in param.opts}
    assert {"--config", "--debug"} <= names


def test_the_help_of_the_group_lists_every_command_and_imports_none() -> None:
    """The table knows the commands; their modules, and rich, wait until one runs."""
    code = (
        "import sys\n"
        "from commands import cli\n"
        "try: cli.main(['--help'], prog_name='whmcs-bridge')\n"
        "except SystemExit: pass\n"
        "ours = sorted(m for m in sys.modules if m.startswith(('commands.', 'whmcs_bridge.', 'hooks')))\n"
        "heavy = sorted(set(sys.modules) & {'rich', 'requests', 'sqlite3', 'flask', 'msgspec', 'importlib.metadata'})\n"
        "print(ours, heavy, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    loaded = "['commands.app', 'commands.failures', 'commands.lazy', 'whmcs_bridge.errors'] []"
    assert done.stderr.strip() == loaded


def test_the_table_says_what_the_commands_say() -> None:
    """Each line of the group's help is about the command it stands beside."""
    for name, entry in COMMANDS.items():
        module, _, attribute = entry.target.partition(":")
        assert (module, attribute) == (f"commands.{name.replace('-', '_')}", name.replace("-", "_"))
        assert entry.help.endswith(".")
        assert len(entry.help) <= 64


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(cli, ["--version"], prog_name="whmcs-bridge")
    assert result.output == f"whmcs-bridge {__version__}\n"


def test_help_is_h_as_well() -> None:
    """Also after the manual was made: click keeps the help option that a command was first asked for."""
    markdown()
    for args in (["-h"], ["plan", "-h"], ["simulator", "serve", "-h"]):
        result = CliRunner().invoke(cli, args)
        assert result.exit_code == 0
        assert result.output.startswith("Usage: ")


PLAYED = "whmcs-bridge simulator"
"""Its numbers are sizes of a book that is made up."""
NUMBERS = [
    pytest.param(param, id=f"{path} {param.name}")
    for path, command in every_command()
    for param in command.params
    if isinstance(param.type, click.IntRange) and param.type.max is None and not path.startswith(PLAYED)
]


@pytest.mark.parametrize("param", NUMBERS)
def test_a_number_beyond_what_a_database_holds_is_one_line(param: click.Parameter) -> None:
    ctx = click.Context(click.Command("some"))
    assert param.type.convert(str(2**63 - 1), param, ctx) == 2**63 - 1
    with pytest.raises(click.BadParameter, match="9223372036854775808 is too large: nothing has such a number"):
        param.type.convert(str(2**63), param, ctx)
