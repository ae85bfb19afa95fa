"""A secret: named in the settings, read when it is used, shown nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from whmcs_bridge.errors import SettingsProblem

FORMS = '"env:NAME" or "file:PATH"'


@dataclass(frozen=True, slots=True)
class Secret:
    """`env:NAME` or `file:PATH`. repr and str show the reference, never the secret."""

    reference: str
    where: str = ""
    """File and key, for messages."""
    _env: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    _base: Path = field(default_factory=Path, repr=False, compare=False)
    _given: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def given(cls, value: str) -> "Secret":
        """Return a secret that is known already: for the demonstration and for tests."""
        return cls("given", _given=value)

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    def __str__(self) -> str:
        return repr(self)

    @property
    def path(self) -> Path | None:
        """The file it lies in; None for the environment. Relative paths start at the settings file."""
        if not self.reference.startswith("file:"):
            return None
        name = self.reference.removeprefix("file:")
        home = self._env.get("HOME")
        if name.startswith("~/") and home:
            return Path(home, name[2:])
        return self._base / name

    def reveal(self) -> str:
        """Return the secret, without line ends at its end.

        Raises SettingsProblem, naming the reference only, where it is missing, unreadable or empty.
        """
        value = self._given if self._given is not None else self._read()
        value = value.rstrip("\r\n")
        if not value.strip():
            raise self._problem("is empty")
        return value

    def word(self) -> str:
        """Return the secret as it may stand in a request's header: ASCII, on one line.

        Raises SettingsProblem, naming the reference only, as `reveal` does, and for any other character: libraries
        that meet one there quote the whole header in their errors.
        """
        value = self.reveal()
        if not (value.isascii() and value.isprintable()):
            raise self._problem("has a character that no header may have: it has to be ASCII, on one line")
        return value

    def _read(self) -> str:
        if self.path is None:
            found = self._env.get(self.reference.removeprefix("env:"))
            if found is None:
                raise self._problem("is not set in the environment")
            return found
        try:
            return self.path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise self._problem(f"cannot be read: {reason}") from None

    def _problem(self, what: str) -> SettingsProblem:
        return SettingsProblem([f"{self.where}: {self.reference} {what}" if self.where else f"{self.reference} {what}"])
