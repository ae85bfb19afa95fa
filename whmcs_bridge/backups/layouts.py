"""How panels name an account's backups: which account, which day, and whether more than one account is in it.

A layout reads a whole path below the store's root. Whose an item is, is asked the other way round: `of(user)` is the
one pattern of exactly this user, and it has to match from end to end (invariant I1). Forms: facts sheet on backup
stores, section 5.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
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
    """A panel's way of naming. `read` is for listings, `of` for claims; both know whole paths only."""

    def __init__(self, name: str, user: str, forms: Sequence[Form]) -> None:
        self.name = name
        self._user = re.compile(user, re.ASCII)
        self._forms = tuple((form, _compiled(form, f"(?P<user>{user})")) for form in forms)
        self._files = tuple(pair for pair in self._forms if not pair[0].tree)
        self._trees = tuple(pair for pair in self._forms if pair[0].tree)
        self.of: Callable[[str], Sequence[tuple[Form, re.Pattern[str]]]] = lru_cache(maxsize=4096)(self._of)

    def read(self, locator: str, *, tree: bool = False) -> Read:
        """Return what a path says; `tree`: it is a folder. One in quarantine is read as where it came from."""
        _, locator = split_quarantine(locator)
        for form, pattern in self._trees if tree else self._files:
            match = pattern.fullmatch(locator)
            if match is None or locator_fault(locator):
                continue
            found = match.groupdict()
            return Read(found.get("user") or "", _day(found), form.shared, form.timeless)
        return NOTHING

    def is_tree(self, locator: str) -> bool:
        """A folder of this path is one item, with everything in it."""
        _, locator = split_quarantine(locator)
        return any(pattern.fullmatch(locator) for _, pattern in self._trees)

    def form_of(self, locator: str, user: str, *, tree: bool = False) -> Form | None:
        """Return the form in which this path belongs to exactly this user; None where it does not."""
        _, locator = split_quarantine(locator)
        if locator_fault(locator):
            return None
        for form, pattern in self.of(user):
            if form.tree == tree and pattern.fullmatch(locator):
                return form
        return None

    def knows(self, user: str) -> bool:
        """A user may be called so: else no pattern of this layout can be trusted to tell it from others."""
        return self._user.fullmatch(user) is not None

    def _of(self, user: str) -> Sequence[tuple[Form, re.Pattern[str]]]:
        if not self.knows(user):
            return ()
        mine = ((form, _compiled(form, re.escape(user))) for form, _ in self._forms if "USER" in form.pattern)
        return tuple(mine)


def _compiled(form: Form, user: str) -> re.Pattern[str]:
    # The second USER of a form (Hestia's USER/USER.DATE.tar) has to be the same one.
    first, *rest = form.pattern.split("USER")
    again = "(?P=user)" if user.startswith("(?P<user>") else user
    text = first + "".join((user if n == 0 else again) + piece for n, piece in enumerate(rest))
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
        Form(r"cpbackup/(?:daily|weekly|monthly)/USER\.tar(?:\.gz)?", linked=True),
        Form(r"cpbackup/(?:daily|weekly|monthly)/USER", tree=True, linked=True, timeless=True),
        Form(r"incremental/accounts/USER", tree=True, linked=True, timeless=True),
        Form(r"\.meta/USER\.db", timeless=True),
        Form(rf"{_SETS}/system/.+", shared=True),
        Form(rf"(?:{_SETS}|incremental)/accounts/\.master\.meta", shared=True),
    ),
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
    return Layout(name, HESTIA_USER, (*forms, Form(r"USER\.log", timeless=True)))


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
