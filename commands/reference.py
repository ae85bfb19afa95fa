"""The manual's list of commands, made from the commands themselves: `python -m commands.reference`."""

import inspect
import sys
from collections.abc import Iterator

import click

from commands import cli

BEGIN = "<!-- made by python -m commands.reference; do not edit below -->"
PROGRAM = "whmcs-bridge"


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield every command and group with its full name, the root first."""
    root = click.Context(cli, info_name=PROGRAM)
    yield PROGRAM, cli
    yield from _inside(cli, root, PROGRAM)


def _inside(group: click.Group, ctx: click.Context, path: str) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None, f"the table names {path} {name}, which is not there"
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _inside(command, click.Context(command, ctx, name), f"{path} {name}")


def markdown() -> str:
    """Return every command with its help, its options and its example."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield BEGIN
    for path, command in every_command():
        yield ""
        yield f"## `{path}`"
        yield ""
        yield f"`{_usage(path, command)}`"
        yield ""
        text, _, example = inspect.cleandoc(command.help or "").partition("\b\nExample:\n")
        yield text.strip()
        yield ""
        yield "```console"
        yield from (line.removeprefix("    ") for line in example.splitlines())
        yield "```"
        options = [param for param in command.params if isinstance(param, click.Option)]
        if options:
            yield ""
            yield "| Option | Meaning |"
            yield "|---|---|"
            yield from (_option(option) for option in options)


def _usage(path: str, command: click.Command) -> str:
    # With the settings of the real thing: click keeps the help option that a command was first asked for.
    ctx = click.Context(command, info_name=path, **cli.context_settings)
    return " ".join([path, *command.collect_usage_pieces(ctx)])


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = "" if option.is_flag or option.metavar is None else f" {option.metavar}"
    default = f" Default: {option.default}." if option.show_default is True and option.default is not None else ""
    return f"| {names}{value} | {option.help or ''}{default} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
