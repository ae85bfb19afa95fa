"""One history of the soak, from its seed."""

import logging
import shutil
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.properties.history import History, play
from tests.properties.houses import HOUSES

MEMORY = Path("/dev/shm")
"""Databases on a disk would make a soak take hours."""
NAMES = sorted(HOUSES)
MOST_STORY = 60
"""So many last lines of a story are shown."""


@dataclass
class Outcome:
    """What became of one history."""

    seed: int
    rules: str
    wrong: str = ""
    """What did not hold; "" if everything did."""
    story: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)


def lived(seed: int, days: int) -> Outcome:
    """Play the history of this seed; nothing is raised."""
    logging.disable(logging.CRITICAL)  # every lie is worth a line to the bridge
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=MEMORY if MEMORY.is_dir() else None))
    rules = NAMES[seed % len(NAMES)]
    outcome = Outcome(seed, rules)
    history: History | None = None
    try:
        history = History(rules=rules, seed=seed, clients=3 + seed % 3, hooked=seed % 2 == 1, folder=folder)
        play(history, days, Random(seed))
    except AssertionError as error:
        outcome.wrong = str(error)
    except Exception:
        outcome.wrong = traceback.format_exc()
    finally:
        logging.disable(logging.NOTSET)
        if history is not None:
            outcome.story, outcome.tally = history.story, history.tally
            history.close()
        shutil.rmtree(folder, ignore_errors=True)
    return outcome
