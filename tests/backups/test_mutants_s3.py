"""The guards of the s3 driver taken away in turn, as in test_mutants: locks, keys, whole lists."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.backups import test_s3
from tests.backups.test_s3 import S3Place
from whmcs_bridge.backups import s3
from whmcs_bridge.backups.s3 import S3Store
from whmcs_bridge.errors import StoreTrouble

ASK = S3Store._ask


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard, what stands in its place, and what has to fail then."""

    invariant: str
    what: str
    name: str
    instead: Any
    kill: Callable[[str], None]


def contract(name: str) -> Callable[[str], None]:
    return lambda server: getattr(test_s3.TestS3(), name)(S3Place(server))


def _first_page(self: S3Store, action: str, **words: Any) -> Any:
    return {**ASK(self, action, **words), "IsTruncated": False}


MUTANTS = (
    Mutant(
        "I16",
        "a lock is a refusal like others",
        "_lock",
        lambda *_: None,
        lambda server: test_s3.test_a_lock_stays_and_its_end_is_told(server, "COMPLIANCE"),
    ),
    Mutant("I16", "a hold is a refusal like others", "_lock", lambda *_: None, test_s3.test_a_legal_hold_stays),
    Mutant("I3", "no key is odd", "_fault", lambda *_: "", contract("test_odd_items_as_listed_are_never_deleted")),
    Mutant(
        "I3",
        "any store's item is ours",
        "_fault",
        lambda *_: "",
        contract("test_an_item_of_another_store_is_not_deleted_here"),
    ),
    Mutant(
        "I10",
        "a version is not looked at again",
        "_look",
        lambda _self, item: {"ETag": item.etag, "ContentLength": item.size},
        test_s3.test_every_version_goes_and_the_marker_that_hides_them_last,
    ),
    Mutant(
        "I13", "the first page is the list", "_ask", _first_page, contract("test_ten_thousand_and_one_items_are_listed")
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: f"{one.invariant} {one.what}")
def test_a_guard_that_is_taken_away_is_missed(mutant: Mutant, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the same test passes with the guard is seen in test_s3."""
    assert hasattr(s3.S3Store, mutant.name)
    monkeypatch.setattr(S3Store, mutant.name, mutant.instead)
    with pytest.raises((AssertionError, pytest.fail.Exception, StoreTrouble)):
        mutant.kill(server)
