"""What Proxmox's drivers know of machines: the ids in a configuration, and what a number alone proves. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Final

from whmcs_bridge.backups.claim import proved
from whmcs_bridge.domain.backups import (
    CTIME,
    MAC,
    NUMBERED_ON,
    UUID,
    VMGENID,
    VMID,
    AccountIdentity,
    BackupItem,
    Claim,
    Verdict,
)

NUMBER: Final = re.compile(r"[1-9][0-9]{2,8}", re.ASCII)
"""A vmid."""
UUID_FORM: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
CARD: Final = re.compile(r"net[0-9]{1,2}", re.ASCII)
ADDRESS: Final = re.compile(r"(?:^|,)[a-z0-9-]+=((?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?=,|$)", re.ASCII | re.IGNORECASE)
MACHINE, CONTAINER = "vm", "ct"
"""Kinds of guest, in an item's `meta`. A container has neither uuid nor time of creation."""
KIND_OF_GUEST: Final = "guest"


def ids_in(config: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return the ids in a guest's configuration: uuid, generation, time of creation, network cards' addresses."""
    found: dict[str, str] = {}
    cards: set[str] = set()
    for name, value in config:
        text = str(value).strip()
        if name == "smbios1":
            found[UUID] = _form(_fields(text).get("uuid", ""))
        elif name == VMGENID:
            found[VMGENID] = _form(text)
        elif name == "meta":
            ctime = _fields(text).get("ctime", "")
            found[CTIME] = ctime if ctime.isascii() and ctime.isdigit() else ""
        elif CARD.fullmatch(name):
            cards.update(address.lower() for address in ADDRESS.findall(text))
    found[MAC] = " ".join(sorted(cards))
    return {name: value for name, value in found.items() if value}


def lines_of(text: str) -> Iterable[tuple[str, str]]:
    """Yield names and values of a configuration as a backup holds it, without the sections of its snapshots."""
    for line in f"\n{text}".split("\n[", 1)[0].splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _fields(text: str) -> dict[str, str]:
    return dict(field.strip().partition("=")[::2] for field in text.split(","))


def _form(text: str) -> str:
    return text.lower() if UUID_FORM.fullmatch(text.lower()) else ""


def numbers_of(account: AccountIdentity) -> frozenset[str]:
    """Return the numbers that the account's machine has had."""
    return frozenset(n for n in (account.username, *account.recorded(VMID)) if NUMBER.fullmatch(n))


def agreeing(here: Mapping[str, str], account: AccountIdentity) -> str:
    """Return the name of an id that proves the machine: by uuid, else generation, else time of creation; "" for none.

    `here` are the ids in a backup. Those that only one side knows prove nothing.
    """
    for name in (UUID, VMGENID, CTIME):
        if here.get(name) and here[name] in {value.lower() for value in account.recorded(name)}:
            return name
    return ""


def contradicts(here: Mapping[str, str], account: AccountIdentity) -> bool:
    """The machine in a backup has another uuid than any that was recorded."""
    known = {value.lower() for value in account.recorded(UUID)}
    return bool(here.get(UUID) and known and here[UUID] not in known)


def by_card(item: BackupItem, account: AccountIdentity) -> Claim:
    """Whose a container's backup is, that has the account's number: by its network cards, else by number and time.

    Cards' addresses go with an IP address from tenant to tenant in some houses, so they never prove alone.
    """
    here = set(item.meta.get(MAC, "").split())
    known = {address for value in account.recorded(MAC) for address in value.split()}
    if not (here and known):
        return by_number(item, account)
    if here.isdisjoint(known):
        return Claim(Verdict.AMBIGUOUS, (VMID,), "its network card is none that was recorded under this number")
    return proved(_bare(item), replace(account, proofs={}), (VMID, f"recorded {MAC}"))


def by_number(item: BackupItem, account: AccountIdentity, proof: str = VMID) -> Claim:
    """Whose a backup is, that has the account's number and nothing else: numbers are used again.

    It has to be made since the machine was first seen under its number and by the day of its end, with no slack.
    """
    day = item.made_on or (item.at.date() if item.at is not None else None)
    since = _day(account.proofs.get(NUMBERED_ON, ""))
    if account.is_machine and (since is None or day is None or day < since):
        return Claim(Verdict.AMBIGUOUS, (proof,), f"made before the machine was first seen under its number ({since})")
    if account.is_machine and day is not None and account.until is not None and day > account.until:
        return Claim(Verdict.AMBIGUOUS, (proof,), "made after the machine's end, when the number was free again")
    return proved(_bare(item), replace(account, proofs={}), (proof,))


def _bare(item: BackupItem) -> BackupItem:
    """Without ids, which are compared here."""
    return replace(item, meta={})


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
