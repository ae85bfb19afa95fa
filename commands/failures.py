"""Errors in one line: what is wrong, and what to do. No traceback without --debug."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Sequence

import click

from whmcs_bridge.errors import BridgeError, SettingsProblem

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
FAILED = 1


def gathered(problems: Iterable[str]) -> list[str]:
    """One line a cause: "invoice 12 and 118 others: the credential's API role lacks GetInvoice"."""
    subjects: dict[str, list[str]] = {}
    for problem in problems:
        subject, _, cause = problem.partition(": ")
        subjects.setdefault(cause, []).append(subject)
    return [": ".join(part for part in (_together(of), cause) if part) for cause, of in subjects.items()]


def _together(subjects: Sequence[str]) -> str:
    if len(subjects) <= 2:
        return " and ".join(subjects)
    return f"{subjects[0]} and {len(subjects) - 1} others"


def guarded(run: Callable[[], object], *, debug: bool) -> int:
    """Run a command and return the exit code. Whatever goes wrong becomes a line on stderr."""
    try:
        code = run()
        sys.stdout.flush()
    except (click.exceptions.Exit, SystemExit) as end:
        return _code_of(end)
    except BrokenPipeError:
        return _silence()
    except (KeyboardInterrupt, click.Abort):
        _say(["interrupted"])
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        lines, code = explain(error)
        _say(lines)
    return code if isinstance(code, int) else 0


def explain(error: Exception) -> tuple[Sequence[str], int]:
    """Return the lines to print and the exit code for an error."""
    if isinstance(error, SettingsProblem):
        return error.problems, error.exit_code
    if isinstance(error, BridgeError):
        return [str(error)], error.exit_code
    if isinstance(error, click.UsageError):
        message = " ".join(error.format_message().split())  # a list of choices has lines of its own
        return [f"{message.rstrip('.')}; see: {_path_of(error)} --help"], error.exit_code
    if isinstance(error, click.ClickException):
        return [error.format_message()], error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" for {error.filename}" if error.filename else ""
        return [f"no room left on the disk{where}; free some space and run it again, nothing done is lost"], FAILED
    if isinstance(error, OSError) and error.filename:
        return [f"{error.filename}: {error.strerror}"], FAILED
    text = " ".join(str(error).split()) or "no message"
    return [f"unexpected {type(error).__name__}: {text}; run it again with --debug for the whole story"], FAILED


def _path_of(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx is not None else "whmcs-bridge"


def _code_of(end: click.exceptions.Exit | SystemExit) -> int:
    if isinstance(end, click.exceptions.Exit):
        return end.exit_code
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    _say([str(end.code)])
    return FAILED


def _say(lines: Sequence[str]) -> None:
    try:
        for line in lines:
            click.echo(f"error: {line}" if line != "interrupted" else line, err=True)
    except OSError:
        return  # nobody listens any more


def _silence() -> int:
    """The reader has gone (`| head`): end quietly, and keep Python from complaining when it closes stdout."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return FAILED
    return FAILED
