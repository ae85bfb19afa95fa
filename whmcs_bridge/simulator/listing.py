"""Ids of a filtered, sorted list, kept until the world changes: paging a large book stays cheap."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary

from whmcs_bridge.simulator.state import World

KEPT = 8
"""Lists remembered per world; each is a list of ints, the largest 14 MB for 1.8 million invoices."""

_CACHES: "WeakKeyDictionary[World, OrderedDict[Hashable, tuple[int, list[int]]]]" = WeakKeyDictionary()


def listing(world: World, key: Hashable, build: Callable[[], list[int]]) -> list[int]:
    """The list under `key`, built anew only when the world's revision has moved."""
    cache = _CACHES.setdefault(world, OrderedDict())
    known = cache.get(key)
    if known is not None and known[0] == world.revision:
        cache.move_to_end(key)
        return known[1]
    rows = build()
    cache[key] = (world.revision, rows)
    cache.move_to_end(key)
    while len(cache) > KEPT:
        cache.popitem(last=False)
    return rows
