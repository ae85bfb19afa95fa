"""How panels name an account's backups: which account, which day, and whether more than one account is in it.

A layout reads a path below the store's root from end to end, or not at all, and an item is a user's only if the name
that stands in it is exactly theirs: no prefix, no other case, no wildcard (invariant I1). Every path has one reading,
so that no two users ever share one. Forms: facts sheet on backup stores, section 5.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from whmcs_bridge.backups.names import locator_fault, split_quarantine
from whmcs_bridge.settings.drivers.paths import CUSTOM, Part, parts_of

DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
CPANEL_USER = "[a-z0-9][a-z0-9_]{0,31}"
DIRECTADMIN_USER = "[a-z0-9][a-z0-9_]{0,31}"
HESTIA_USER = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


@dataclass(frozen=True, slots=True)
class Read:
    """What an item's path says."""

    account: str = ""
    """"" where it names none."""
    made_on: date | None = None
    shared: bool = False
    timeless: bool = False
    """It is written again and again in place: its time says nothing about its birth."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form that a path may have; USER in `pattern` stands for the account's name."""

    pattern: str
    tree: bool = False
    """The item is a folder with everything in it."""
    shared: bool = False
    timeless: bool = False
    linked: bool = False
    """Its file may have further names (hard links), as long as all of them lie in this store."""


NOTHING = Read()


class Layout:
    """A panel's way of naming. It knows whole paths only."""

    def __init__(self, name: str, user: str, forms: Sequence[Form], beside: Sequence[str] = ()) -> None:
        """`beside` are the paths, with USER, at which the panel keeps what is no backup and names an account."""
        self.name = name
        self._beside = tuple(beside)
        compiled = [(form, _compiled(form, user)) for form in forms]
        self._files = tuple((form, pattern) for form, pattern in compiled if not form.tree)
        self._trees = tuple((form, pattern) for form, pattern in compiled if form.tree)

    def read(self, locator: str, *, tree: bool = False) -> Read:
        """Return what a path says; `tree`: it is a folder. One in quarantine is read as where it came from."""
        found = self._match(locator, tree)
        if found is None:
            return NOTHING
        form, groups = found
        return Read(groups.get("user") or "", _day(groups), form.shared, form.timeless)

    def form_of(self, locator: str, user: str, *, tree: bool = False) -> Form | None:
        """Return the form in which this path belongs to exactly this user; None where it does not."""
        found = self._match(locator, tree)
        return found[0] if found is not None and user and found[1].get("user") == user else None

    def beside(self, user: str) -> Sequence[str]:
        """Return where something of exactly this user may lie beside the backups: logs, lists of what is in them."""
        paths = (path.replace("USER", user) for path in self._beside)
        return tuple(path for path in paths if self.form_of(path, user) is not None)

    def is_tree(self, locator: str) -> bool:
        """A folder of this path is one item, with everything in it."""
        return self._match(locator, tree=True) is not None

    def _match(self, locator: str, tree: bool) -> tuple[Form, dict[str, Any]] | None:
        """Return the first form that a path has from end to end, with what stands in it."""
        _, locator = split_quarantine(locator)
        for form, pattern in self._trees if tree else self._files:
            match = pattern.fullmatch(locator)
            if match is not None:
                return None if locator_fault(locator) else (form, match.groupdict())
        return None


def _compiled(form: Form, user: str) -> re.Pattern[str]:
    # A second USER of a form (Hestia's USER/USER.DATE.tar) has to be the same one.
    first, *rest = form.pattern.split("USER")
    text = first + "".join((f"(?P<user>{user})" if n == 0 else "(?P=user)") + piece for n, piece in enumerate(rest))
    return re.compile(text, re.ASCII)


def _day(found: Mapping[str, Any]) -> date | None:
    text = found.get("day") or found.get("compact") or ""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


# --- the panels' own --------------------------------------------------------------------------------

_SETS = rf"(?:(?:weekly|monthly)/)?(?P<day>{DATE})"

CPANEL = Layout(
    "cpanel",
    CPANEL_USER,
    (
        Form(rf"{_SETS}/accounts/USER\.tar(?:\.gz)?", linked=True),
        Form(rf"{_SETS}/accounts/USER", tree=True, linked=True),
        Form(rf"{_SETS}/accounts/USER-=-meta", linked=True),
        Form(r"incremental/accounts/USER-=-meta", linked=True, timeless=True),
        Form(r"cpbackup/(?:daily|weekly|monthly)/USER\.tar(?:\.gz)?", linked=True),
        Form(r"cpbackup/(?:daily|weekly|monthly)/USER", tree=True, linked=True, timeless=True),
        Form(r"incremental/accounts/USER", tree=True, linked=True, timeless=True),
        Form(r"\.meta/USER\.db", timeless=True),
        Form(rf"{_SETS}/system/.+", shared=True),
        Form(rf"(?:{_SETS}|incremental)/accounts/\.master\.meta", shared=True),
    ),
    beside=(".meta/USER.db", "incremental/accounts/USER-=-meta"),
)
DIRECTADMIN = Layout(
    "directadmin",
    DIRECTADMIN_USER,
    (
        Form(rf"(?:.+/)?(?P<day>{DATE})/user\.[a-z0-9]+\.USER\.tar(?:\.gz|\.zst)?(?:\.enc)?"),
        Form(r"(?:.+/)?user\.[a-z0-9]+\.USER\.tar(?:\.gz|\.zst)?(?:\.enc)?"),
        # A reseller's or admin's archive may hold what is not theirs alone.
        Form(r"(?:.+/)?(?:reseller|admin)\.[a-z0-9]+\.USER\.tar(?:\.gz|\.zst)?(?:\.enc)?", shared=True),
    ),
)
_HESTIA_TAR = rf"\.(?P<day>{DATE})_[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}\.tar"


def _hestia(name: str, tars: Sequence[str]) -> Layout:
    forms = [Form(before + tail) for tail in tars for before in ("USER", "USER/USER")]
    return Layout(name, HESTIA_USER, (*forms, Form(r"USER\.log", timeless=True)), beside=("USER.log",))


HESTIA = _hestia("hestia", [_HESTIA_TAR])
VESTA = _hestia("vesta", [_HESTIA_TAR, rf"\.(?P<day>{DATE})\.tar"])
BY_NAME: Mapping[str, Layout] = {one.name: one for one in (CPANEL, DIRECTADMIN, HESTIA, VESTA)}


# --- a house's own ----------------------------------------------------------------------------------

_PLACEHOLDER = {
    "date": rf"(?P<day>{DATE})",
    "compact_date": r"(?P<compact>[0-9]{8})",
    "time": r"[0-9]{2}[-:]?[0-9]{2}[-:]?[0-9]{2}",
    "number": r"[0-9]+",
    "word": r"[A-Za-z]+",
}


def custom(template: str, extra: str = "_") -> Layout:
    """Return the layout of a template such as `{date}/accounts/{user}.tar.gz`. Raises ValueError for an unfit one.

    `extra` are the characters that user names have beside letters and digits.
    """
    user = rf"[A-Za-z0-9][A-Za-z0-9{re.escape(extra)}]{{0,63}}"
    seen: set[str] = set()
    pattern = "".join(_piece(part, seen) for part in parts_of(template, extra))
    return Layout(CUSTOM, user, (Form(pattern),))


def _piece(part: Part, seen: set[str]) -> str:
    if not part.placeholder:
        return re.escape(part.text).replace("USER", "USE[R]")
    if part.text == "user":
        return "USER"
    text = _PLACEHOLDER[part.text]
    if part.text in seen:
        text = re.sub(r"\(\?P<\w+>", "(?:", text)
    seen.add(part.text)
    return text


def layout_of(options: Mapping[str, Any]) -> Layout:
    """Return the layout that a store's options name."""
    if options["layout"] == CUSTOM:
        return custom(options["template"], options["user_characters"])
    return BY_NAME[options["layout"]]
