"""Runs the programs that some stores are reached through: no shell, no secret in an argument, no endless answer."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from threading import Timer

from whmcs_bridge.errors import StoreTrouble, StoreUnreachable

MAX_OUTPUT_BYTES = 256 * 2**20
KEPT_FROM_OUTSIDE = ("PATH", "HOME", "SSH_AUTH_SOCK", "TMPDIR")
"""All of our own environment that a program gets to see."""


class ProgramFailed(StoreTrouble):
    """It ended with another code than 0; `said` is what it wrote to stderr."""

    def __init__(self, message: str, code: int, said: str) -> None:
        super().__init__(message)
        self.code, self.said = code, said


class ProgramTimedOut(StoreTrouble):
    """It was ended after its time; what it had begun may have happened."""


LOST = ("connection closed", "connection reset", "connection lost", "broken pipe", "timed out", "timeout", "eof")
REFUSED = (
    "permission denied",
    "access denied",
    "read-only",
    "already locked",
    "create lock",
    "acquire the lock",
    "wrong password",
)


def did_nothing(trouble: StoreTrouble) -> bool:
    """Whether the program said why it did not do what it was started for.

    After anything else, a line that broke above all, it may have been done.
    """
    said = trouble.said.casefold() if isinstance(trouble, ProgramFailed) else ""
    return not any(word in said for word in LOST) and any(word in said for word in REFUSED)


class Program:
    """One program under one environment. `run` returns what it printed."""

    def __init__(self, store: str, name: str, environment: Mapping[str, str], timeout_seconds: float) -> None:
        """`environment` may hold secrets: it is given to the program and shown nowhere."""
        self._store, self._name, self._timeout_seconds = store, name, timeout_seconds
        self._given = dict(environment)

    def __repr__(self) -> str:
        return f"Program({self._name})"

    def run(self, *arguments: str) -> str:
        """Raises StoreUnreachable without the program, ProgramFailed, ProgramTimedOut."""
        environment = {name: os.environ[name] for name in KEPT_FROM_OUTSIDE if name in os.environ}
        environment |= {"LC_ALL": "C.UTF-8", "TZ": "UTC"} | self._given
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    [self._name, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                )
            except OSError as error:
                raise StoreUnreachable(
                    f"store {self._store}: {self._name} cannot be run here: {error.strerror}; install it"
                ) from None
            output, late = self._read(process)
            errors.seek(0)
            said = self._without_secrets(errors.read(64 * 1024).decode("utf-8", "replace"))
        what = f"store {self._store}: {self._name} {arguments[0]}"
        if late:
            raise ProgramTimedOut(f"{what}: ended after {self._timeout_seconds:g} seconds")
        if len(output) > MAX_OUTPUT_BYTES:
            raise StoreTrouble(f"{what}: printed more than {MAX_OUTPUT_BYTES >> 20} MiB")
        if process.returncode:
            why = _line(said) or f"ended with {process.returncode}"
            raise ProgramFailed(f"{what}: {why}", process.returncode, said)
        return output.decode("utf-8", "surrogateescape")

    def _read(self, process: "subprocess.Popen[bytes]") -> tuple[bytes, bool]:
        late = []

        def end() -> None:
            late.append(True)
            process.kill()

        timer = Timer(self._timeout_seconds, end)
        timer.start()
        assert process.stdout is not None
        try:
            output = process.stdout.read(MAX_OUTPUT_BYTES + 1)
            if len(output) > MAX_OUTPUT_BYTES:
                process.kill()
            process.wait()
        finally:
            timer.cancel()
            process.stdout.close()
            if process.poll() is None:
                process.kill()
                process.wait()
        return output, bool(late)

    def _without_secrets(self, text: str) -> str:
        for name, value in self._given.items():
            if value and any(word in name for word in ("PASS", "SECRET", "KEY")):
                text = text.replace(value, "***")
        return text


def _line(said: str) -> str:
    """The last line that says something, printable and short."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "".join(c if c.isprintable() else "?" for c in lines[-1])[:300] if lines else ""
