"""What panels and stores say of living accounts counts as proof once WHMCS was read again and still says the same.

Between reading WHMCS and asking a panel a machine may have ended and its number have been given away: what the panel
shows then is somebody else's. So an id is kept in mind first, and recorded when a later whole reading of WHMCS shows
the account living and the panel says the same again.
"""

from collections.abc import Mapping

from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.jobs.context import Ports

SEEN_ONCE = "account-ids-seen-once"
"""Remembered: `place/service/server/name` -> (reading of WHMCS, ids), for ids that one look has shown."""
LOOKED_ON = "account-ids-looked-on"
"""Remembered: place -> day on which everybody there was looked at, for places where each look costs a request."""


class Sightings:
    """What was seen once, for one run; `keep` writes down what this run has seen."""

    def __init__(self, ports: Ports, reading: int) -> None:
        """`reading` is the number of the reading of WHMCS that the accounts are known from."""
        info = ports.mirror.last()
        self._journal, self._reading, self._whole = ports.journal, reading, info is not None and info.complete
        self._before: dict[str, list[object]] = ports.journal.get(SEEN_ONCE, {})
        self._now: dict[str, list[object]] = {}
        self._days: dict[str, str] = dict(ports.journal.get(LOOKED_ON, {}))
        self._silent: set[str] = set()
        self._today = ports.today().isoformat()

    def twice(self, place: str, account: AccountIdentity, ids: Mapping[str, str]) -> bool:
        """Whether an earlier look has shown the same, and WHMCS was read anew and whole since; notes this look."""
        key = _key(place, account)
        before = self._before.get(key)
        same = before is not None and before[1] == dict(ids)
        if same and before is not None and self._whole and before[0] != self._reading:
            return True
        self._now[key] = before if same and before is not None else [self._reading, dict(ids)]
        return False

    def once(self, place: str, account: AccountIdentity) -> bool:
        """An earlier look has shown something new of it, which waits for another one."""
        return _key(place, account) in self._before

    def looked_today(self, place: str) -> bool:
        """Everybody of this place was looked at today already."""
        return self._days.get(place) == self._today

    def looked(self, place: str) -> None:
        """Everybody of this place has been looked at."""
        self._days[place] = self._today

    def silent(self, place: str) -> None:
        """The place gave no answer: what it has shown before still stands."""
        self._silent.add(place)

    def keep(self) -> None:
        """Write down what waits for another look."""
        kept = {key: row for key, row in self._before.items() if key.partition("/")[0] in self._silent}
        if {**kept, **self._now} != self._before:
            self._journal.put(SEEN_ONCE, {**kept, **self._now})
        if self._days != self._journal.get(LOOKED_ON, {}):
            self._journal.put(LOOKED_ON, self._days)


def _key(place: str, account: AccountIdentity) -> str:
    return f"{place}/{account.service}/{account.server}/{account.username}"
