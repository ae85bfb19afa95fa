"""VIP membership as it is seen from run to run: whose doing a move was, where a client goes back to, what it brings."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from whmcs_bridge.domain.book import NO_GROUP, Client, ClientGroup
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.ids import ClientId, GroupId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Due, Kind
from whmcs_bridge.policy.vip import effects_of_move
from whmcs_bridge.ports import Journal, Mirror

ONE_DAY: Final = timedelta(days=1)
VIP_SEEN: Final = "vip:first-run"
"""Journal key: the house day on which an enforced run first looked at memberships."""
VIP_GROUP: Final = "vip:group"
"""Journal key: number of the group whose members it looked at."""


def is_first_look(journal: Journal, group: ClientGroup | None) -> bool:
    """No enforced run has looked at this group's members yet: the settings or WHMCS may have another one now."""
    if not journal.get(VIP_SEEN):
        return True
    known = journal.get(VIP_GROUP)
    return group is not None and known is not None and known != int(group.id)


def note_first_look(journal: Journal, group: ClientGroup | None, today: date) -> None:
    """From now on a change of membership that is not ours is somebody else's."""
    if not journal.get(VIP_SEEN):
        journal.put(VIP_SEEN, today.isoformat())
    if group is not None and journal.get(VIP_GROUP) != int(group.id):
        journal.put(VIP_GROUP, int(group.id))


def seen_membership(known: Membership, *, member: bool, today: date, first_run: bool) -> Membership:
    """Return the membership after seeing the client in (or out of) the VIP group today.

    On the first run that looks, members have been members since before we came; later, who is in or out without our
    doing was moved by hand.
    """
    merged = known.merged_since
    if first_run:
        if member:
            return Membership(date.min, today, None, known.previous_group, merged_since=merged)
        # a member of the group that was the VIP group before: nobody took the client out of this one
        gone = replace(known, member_since=None, set_by_hand_on=None, last_member_since=known.member_since)
        return gone if known.member_since is not None else known
    if member:
        if known.member_since is not None:
            return known  # nothing is written for a member who stays one: they are thousands, every day
        return Membership(today, today, None, known.previous_group, today, merged_since=merged)
    if known.member_since is not None:
        # a member at the last look and not any more without our doing: it was one until yesterday, for all we know
        until = max(known.last_member_on or date.min, today - ONE_DAY)
        return Membership(None, until, None, None, today, known.member_since, merged)
    return known


def group_to_go_back_to(mirror: Mirror, membership: Membership, vip_group: GroupId) -> GroupId:
    """Return the group that a member came from; none where that is not known, or WHMCS does not have it any more."""
    previous = membership.previous_group
    if previous is None or previous == vip_group or mirror.group(GroupId(previous)) is None:
        return NO_GROUP
    return GroupId(previous)


def with_effects(mirror: Mirror, due: Due, client: Client, membership: Membership, vip: ClientGroup) -> Due:
    """Say in the step's reason where the client goes, and what else that changes: prices, invoices, the exemption."""
    if due.kind not in (Kind.VIP_ADD, Kind.VIP_REMOVE):
        return due
    if due.kind is Kind.VIP_ADD:
        before = mirror.group(client.group_id) if client.group_id else None
        return _said(due, effects_of_move(before, vip))
    goes_to = group_to_go_back_to(mirror, membership, vip.id)
    after = mirror.group(goes_to) if goes_to else None
    back = f"back to {after.name}" if after is not None else ""
    return _said(due, ", ".join(text for text in (back, effects_of_move(vip, after)) if text))


def _said(due: Due, text: str) -> Due:
    return replace(due, reason=f"{due.reason}; {text}") if text else due


# --- clients that were merged -----------------------------------------------------------------------


def merge(ports: Ports, source: ClientId, target: ClientId) -> None:
    """WHMCS gave everything of `source` to `target`: records, payment history and tenure follow."""
    journal, mirror = ports.journal, ports.mirror
    books = [book for client in (source, target) if (book := mirror.book(client)) is not None]
    kept = [known for client in (source, target) if (known := journal.membership(client)) is not None]
    days = [book.client.since for book in books if book.client.since is not None]
    days += [known.merged_since for known in kept if known.merged_since is not None]
    mirror.merge_history(source, target)
    journal.merge_clients(source, target)
    if days:
        known = journal.membership(target) or Membership()
        journal.save_membership(target, replace(known, merged_since=min(days)))
