"""Which signatures were used: remembered over restarts, without a database in the way of an answer."""

import os
import threading
from contextlib import suppress
from pathlib import Path


class Nonces:
    """Nonces by the time they were signed at, in memory and appended to a file.

    What was appended outlives the process, however it ends; after a power cut the last ones may be missing. A file that
    cannot be written costs only that.
    """

    def __init__(self, path: Path | None, tolerance_seconds: int) -> None:
        """Read what an earlier process left; None keeps them in memory only."""
        self._path, self._tolerance = path, tolerance_seconds
        self._lock = threading.Lock()
        self._used: dict[str, int] = _read(path) if path is not None else {}
        self._file = -1
        self._tidied_at = 0.0

    def use(self, nonce: str, timestamp: int, now: float) -> bool:
        """Remember a nonce; False if it was used before. `timestamp` is the signature's own time."""
        with self._lock:
            if now - self._tidied_at > self._tolerance:
                self._tidy(now)
            if nonce in self._used:
                return False
            self._used[nonce] = timestamp
            if self._file >= 0:
                with suppress(OSError):
                    os.write(self._file, _line(nonce, timestamp))
            return True

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _tidy(self, now: float) -> None:
        """Forget what is too old to be accepted, also in the file."""
        self._tidied_at = now
        self._used = {nonce: at for nonce, at in self._used.items() if now - at <= self._tolerance}
        if self._path is None:
            return
        part = self._path.with_name(self._path.name + ".part")
        with suppress(OSError):
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.write(file, b"".join(_line(nonce, at) for nonce, at in self._used.items()))
            os.replace(part, self._path)
            old, self._file = self._file, file
            if old >= 0:
                os.close(old)


def _line(nonce: str, timestamp: int) -> bytes:
    return f"{timestamp} {nonce}\n".encode()


def _read(path: Path) -> dict[str, int]:
    """Return what the file holds; a line that a full disk or a power cut left unfinished is left out."""
    try:
        lines = path.read_text("ascii", errors="replace").split("\n")
    except OSError:
        return {}
    words = [line.split() for line in lines]
    return {pair[1]: int(pair[0]) for pair in words if len(pair) == 2 and pair[0].isdecimal()}
