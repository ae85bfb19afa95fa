"""Whose an item is, by what it shows itself: its name, its time, and ids recorded before the service ended.

Pure: no clock, no disk, no network. A claim decides nothing; it says what is proved (invariants I1, I4 and I7).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from whmcs_bridge.backups.layouts import Layout
from whmcs_bridge.backups.names import split_quarantine
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Claim, Verdict

SLACK = timedelta(hours=26)
"""Names carry the panel's local day, WHMCS's dates the house's: they differ by a day and its edges."""
NAME = "name"
TIME = "made while the account lived"
NOT_MINE = Claim(Verdict.NOT_MINE)
KIND = "kind"
"""In an item's `meta`: what it is, where it is no plain file: tree, symlink, special."""
TREE = "tree"
"""A folder with everything in it."""
LINKS, LINKS_HERE = "links", "links here"
"""In an item's `meta`: how many names its file has, and how many of them lie in this store under the same account."""


def claim_by_layout(layout: Layout, item: BackupItem, account: AccountIdentity, *, case_blind: bool = False) -> Claim:
    """Return whose an item of a store with paths is.

    MINE has the name and a second proof: a recorded id that the item carries too, or a time within the account's life.
    With the name alone it is MINE only where the form carries no time at all; the panel then has to confirm that no
    account of the name lives.
    """
    tree = item.meta.get(KIND) == TREE
    form = layout.form_of(item.locator, account.username, tree=tree)
    if form is None:
        return _unnamed(layout, item, account)
    if (kind := item.meta.get(KIND, TREE)) != TREE:
        return Claim(Verdict.AMBIGUOUS, (), f"its name is the account's, but it is a {kind}")
    if form.shared:
        return Claim(Verdict.SHARED, (NAME,), "it holds more than this account")
    if case_blind and account.username != account.username.lower():
        return Claim(Verdict.AMBIGUOUS, (NAME,), "the store takes upper and lower case for the same")
    if (fault := _links_fault(item, form.linked)) != "":
        return Claim(Verdict.AMBIGUOUS, (NAME,), fault)
    return proved(item, account, (NAME,), timeless=form.timeless)


def proved(item: BackupItem, account: AccountIdentity, proofs: tuple[str, ...], *, timeless: bool = False) -> Claim:
    """Return the claim on an item whose name is proved already, by recorded ids and by its time."""
    found, contradiction = _recorded(item.meta, account.proofs)
    if contradiction:
        return Claim(Verdict.NOT_MINE, proofs, contradiction)
    proofs = (*proofs, *found)
    if not timeless:
        verdict, text = _time(item, account)
        if verdict is Verdict.MINE:
            return Claim(Verdict.MINE, (*proofs, TIME), proven=bool(found))
        if not found:
            return Claim(verdict, proofs, text)
    if found:
        return Claim(Verdict.MINE, proofs, proven=True)
    if timeless:
        return Claim(Verdict.MINE, proofs, "the name alone: the panel has to confirm nobody has it")
    return Claim(Verdict.AMBIGUOUS, proofs)


def _unnamed(layout: Layout, item: BackupItem, account: AccountIdentity) -> Claim:
    """What is not named as one of the account's backups: somebody else's, unless nobody's name can be read in it.

    An old copy, a dump made by hand, an account whose name the layout does not know: it is left, and told, so that
    nobody takes the rest for everything.
    """
    kind = item.meta.get(KIND)
    if kind in ("symlink", "special") and layout.form_of(item.locator, account.username, tree=True) is not None:
        return Claim(Verdict.AMBIGUOUS, (), f"its name is the account's, but it is a {kind}")
    if item.account or item.shared or not _mentions(split_quarantine(item.locator)[1], account.username):
        return NOT_MINE
    return Claim(Verdict.AMBIGUOUS, (), f"it mentions the account, and is not named as {layout.name} names backups")


def _mentions(path: str, user: str) -> bool:
    """The name stands in the path as a word of its own."""
    at = path.find(user) if user else -1
    while at >= 0:
        before, after = path[at - 1 : at], path[at + len(user) : at + len(user) + 1]
        if not (_in_word(before) or _in_word(after)):
            return True
        at = path.find(user, at + 1)
    return False


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _links_fault(item: BackupItem, allowed: bool) -> str:
    links, here = int(item.meta.get(LINKS, 1)), int(item.meta.get(LINKS_HERE, 1))
    if links <= 1:
        return ""
    if not allowed:
        return f"its file has {links} names, and this panel makes none"
    if here != links:
        return f"its file has {links} names, and only {here} of them are this account's backups here"
    return ""


def _recorded(meta: Mapping[str, str], recorded: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """Return what agrees, and what does not. Only ids that both sides know count."""
    agree = []
    for name, value in meta.items():
        known = recorded.get(name)
        if not known or not value:
            continue
        if known != value:
            return (), f"its {name} is another account's"
        agree.append(f"recorded {name}")
    return tuple(agree), ""


def _time(item: BackupItem, account: AccountIdentity) -> tuple[Verdict, str]:
    if account.since is None:
        return Verdict.AMBIGUOUS, "nobody knows since when the account had its name"
    if item.made_on is None and item.at is None:
        return Verdict.AMBIGUOUS, "it carries no time"
    first = _start(account.since) - SLACK
    last = None if account.until is None else _start(account.until) + timedelta(days=1) + SLACK
    if item.made_on is not None:
        begins, ends = _start(item.made_on), _start(item.made_on) + timedelta(days=1)
    else:
        assert item.at is not None
        begins = ends = item.at
    if ends < first:
        return Verdict.NOT_MINE, "made before the account had its name"
    if last is not None and begins > last:
        if item.made_on is None:  # a copy or a touch changes this time, so it proves nothing either way
            return Verdict.AMBIGUOUS, "last written after the account's end"
        return Verdict.NOT_MINE, "made after the account's end"
    return Verdict.MINE, ""


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
