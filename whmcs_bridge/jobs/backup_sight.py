"""Whether a panel sees all it should: a token of less than the whole server makes living accounts look gone."""

from collections.abc import Callable, Collection, Mapping, Sequence

from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.jobs.context import Ports

SIGHT = "panel-sight"
"""Remembered: panel -> what it does not name though WHMCS has it living, for panels of which that is too much."""
FEW = 3
"""So many may be gone from a panel without its token being to blame."""
PERCENT = 10


def blind_panels(ports: Ports) -> Mapping[str, str]:
    """Panel -> one line, for panels that do not name too many living accounts: nobody is gone because they say so."""
    found: Mapping[str, str] = ports.journal.get(SIGHT, {})
    return found


def judge_sight(
    ports: Ports,
    panel: str,
    here: Sequence[AccountIdentity],
    names: Collection[str],
    lives: Callable[[AccountIdentity], bool],
) -> list[str]:
    """Compare who lives on a panel's servers by WHMCS with whom it names; return the problem, if there is one.

    `here` are the accounts that should be among `names`; `lives` says of one whether its service lives in WHMCS, where
    an order that waits has an account's name already.
    """
    line = _line(panel, here, names, lives)
    kept = dict(blind_panels(ports))
    if kept.get(panel, "") != line:
        ports.journal.put(SIGHT, {name: said for name, said in {**kept, panel: line}.items() if said})
    return [line] if line else []


def _line(
    panel: str, here: Sequence[AccountIdentity], names: Collection[str], lives: Callable[[AccountIdentity], bool]
) -> str:
    missing = [account for account in here if account.username not in names]
    most = 0 if len(missing) == len(here) else max(FEW - 1, len(here) * PERCENT // 100)
    living = 0
    for account in missing:
        living += lives(account)
        if living > most:
            return (
                f"panel {panel} does not name {len(missing)} of {len(here)} accounts that live by WHMCS: its token may "
                "not see all; nothing on its servers is deleted until it does"
            )
    return ""
