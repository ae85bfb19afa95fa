"""The manual's list of settings, made from the table of keys: `python -m whmcs_bridge.settings.reference`."""

import sys
from collections.abc import Iterator

from whmcs_bridge.settings.drivers import STORES, panel_options, store_options
from whmcs_bridge.settings.keys import LIMIT, MODE, NOTICE, TABLES, TIER, Table
from whmcs_bridge.settings.kinds import Choice, Either, Key, Record
from whmcs_bridge.settings.messages import BUILT_IN, PLACEHOLDERS

BEGIN = "<!-- made by python -m whmcs_bridge.settings.reference; do not edit below -->"
INLINE = (("notices", NOTICE), ("tiers", TIER), ("suspend, terminate, delete_backups, notice, vip", LIMIT))


def markdown() -> str:
    """Return every key with its type, its default and an example."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield BEGIN
    yield ""
    yield "## At the top of the file"
    yield ""
    yield from _rows((MODE,))
    for table in TABLES:
        yield ""
        yield f"## `{table.heading}`"
        yield ""
        yield table.doc
        yield ""
        if table.name in ("class", "group", "client", "service"):
            own = tuple(key for key in table.keys if key not in _rules())
            yield "Takes every key of `[policy]`" + (" and:" if own else ".")
            if own:
                yield ""
                yield from _rows(own)
            continue
        yield from _rows(table.keys)
        yield from _inline(table)
        yield from _drivers(table)
    yield ""
    yield "## Built-in messages"
    yield ""
    yield "| Name | Subject |"
    yield "|---|---|"
    for message in BUILT_IN.values():
        yield f"| `{message.name}` | {message.subject} |"
    yield ""
    yield "## Placeholders"
    yield ""
    yield "| Placeholder | Stands for |"
    yield "|---|---|"
    for name, meaning in PLACEHOLDERS.items():
        yield f"| `{{{name}}}` | {meaning} |"


def _rules() -> tuple[Key, ...]:
    return next(table.keys for table in TABLES if table.name == "policy")


def _inline(table: Table) -> Iterator[str]:
    for name, record in INLINE:
        first = name.split(", ")[0]
        if any(key.name == first for key in table.keys) and table.name in ("policy", "trust_release", "limits"):
            yield ""
            yield f"In each of `{name}`:"
            yield ""
            yield from _rows(record.keys)


def _drivers(table: Table) -> Iterator[str]:
    options = store_options if table.drivers is STORES else panel_options
    for driver in table.drivers or ():
        yield ""
        yield f'### `{table.heading}` with driver "{driver}"'
        yield ""
        yield options(driver).doc
        yield ""
        yield from _rows(options(driver).keys)
        credentials = options(driver).credentials
        if table.drivers is STORES and credentials:
            yield ""
            yield f"In `delete_with`: {', '.join(f'`{key.name}`' for key in credentials)}."


def _rows(keys: tuple[Key, ...]) -> Iterator[str]:
    yield "| Key | Type | Default | Example | Meaning |"
    yield "|---|---|---|---|---|"
    for key in keys:
        default = f"`{key.default}`" if key.default is not None else key.otherwise or _absent(key)
        example = f"`{key.example or key.default}`" if key.example or key.default else ""
        yield f"| `{key.name}` | {_cell(_type(key))} | {_cell(default)} | {_cell(example)} | {_cell(key.doc)} |"


def _absent(key: Key) -> str:
    return "required" if key.required else "not set"


def _type(key: Key) -> str:
    kind = key.kind
    if isinstance(kind, Either) and isinstance(kind.second, Record) and isinstance(kind.first, Choice):
        return f"a table (below), or {kind.first.expected}"
    return kind.expected


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(markdown())
