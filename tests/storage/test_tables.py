"""The reference pages name every table and column that the files have, and no others."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from whmcs_bridge.journal.schema import JOURNAL
from whmcs_bridge.mirror.schema import MIRROR
from whmcs_bridge.storage import FileKind, Store

DOCS = Path(__file__).parents[2] / "docs" / "reference"
OTHERS = ("_sqlite_migrations", "sqlite_sequence")
"""Tables that are not ours to describe."""


def documented(page: str) -> dict[str, list[str]]:
    """Tables and columns of a page: `## name` and rows that begin with a column's name."""
    found: dict[str, list[str]] = {}
    for line in page.splitlines():
        if heading := re.match(r"## `(\w+)`", line):
            found[heading[1]] = []
        elif row := re.match(r"\| `(\w+)` \|", line):
            found[next(reversed(found))].append(row[1])
    return found


@pytest.mark.parametrize("kind", [MIRROR, JOURNAL], ids=["mirror", "journal"])
def test_the_page_names_every_table_and_column(kind: FileKind) -> None:
    with closing(Store(kind, None)) as store:
        real = {t.name: [c.name for c in t.columns] for t in store.db.tables if t.name not in OTHERS}
    assert documented((DOCS / f"{kind.name}-tables.md").read_text("utf-8")) == real
