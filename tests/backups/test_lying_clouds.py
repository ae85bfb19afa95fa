"""Virtualizor and OpenStack before a server that lies, under the runs that plan, delete and verify."""

from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer

from tests.backups.contract import BOB
from tests.backups.test_lying_servers import Bench, Liar, Lie, cut_http
from tests.backups.test_openstack import CloudPlace
from tests.backups.test_virtualizor import VirtPlace, store_on
from whmcs_bridge.jobs.backup_waits import halted

OTHERS = ("1001", "200", "300")


def a_virtualizor(httpserver: HTTPServer) -> tuple[Bench, Liar, set[str], set[str]]:
    place = VirtPlace(httpserver)
    mine = place.make([place.name_of("vps"), *place.more_of_account()])
    others = place.make(map(place.name_of, OTHERS))
    liar = Liar(place.double, "files", lambda key, _: key, cut_http, mine=mine)
    liar.before("_call", lambda what, *_: what == "delete")
    return Bench(place, lambda: store_on(place.double.url)), liar, mine, others


def an_openstack(httpserver: HTTPServer) -> tuple[Bench, Liar, set[str], set[str]]:
    place = CloudPlace(httpserver)
    mine, others = {"bob", "bob/2", "bob/3"}, set(OTHERS)
    for name in sorted(mine | others):
        volume = "volume bob" if name in mine else f"volume {name}"
        place.numbers[name] = place.cloud.backup(name, volume)
        place.names[place.numbers[name]] = name
    liar = Liar(place.cloud, "backups", lambda key, _: place.names[key], cut_http, mine=mine)
    liar.before("_get", lambda *_: False)
    liar.before("_delete", lambda *_: True)
    return Bench(place, place.store), liar, mine, others


Made = Callable[[HTTPServer], tuple[Bench, Liar, set[str], set[str]]]
BOTH = pytest.mark.parametrize("made", [a_virtualizor, an_openstack])


@BOTH
def test_without_a_lie_it_comes_to_its_end(made: Made, httpserver: HTTPServer) -> None:
    bench, _, mine, others = made(httpserver)
    bench.comes_to_its_end(mine, others)


@BOTH
@pytest.mark.parametrize("lie", [Lie.WITHOUT_EFFECT, Lie.STALE])
def test_what_is_still_listed_is_not_gone_whatever_was_said(made: Made, lie: Lie, httpserver: HTTPServer) -> None:
    bench, liar, mine, others = made(httpserver)
    liar.play(lie)
    for _ in range(3):
        assert not bench.run().complete
        assert bench.state == "failed"
    assert others <= bench.place.left()
    liar.play(None)
    bench.comes_to_its_end(mine, others)


@BOTH
@pytest.mark.parametrize("lie", [Lie.EMPTY, Lie.PARTIAL])
def test_what_was_hidden_is_found_by_the_next_look_and_planned_anew(
    made: Made, lie: Lie, httpserver: HTTPServer
) -> None:
    bench, liar, mine, others = made(httpserver)
    liar.play(lie)
    bench.runs(3)
    liar.play(None)
    assert bench.place.left() & mine
    assert not bench.look_again().complete
    assert BOB.service not in bench.journal.deletions.tombstones()
    bench.comes_to_its_end(mine, others)


@BOTH
def test_a_neighbour_that_vanishes_halts_the_store(made: Made, httpserver: HTTPServer) -> None:
    bench, liar, _, others = made(httpserver)
    liar.play(Lie.NEIGHBOUR)
    bench.runs(3)
    assert list(halted(bench.journal)) == [bench.store().name]
    assert bench.state == "refused"
    kept = bench.place.left()
    assert others - kept
    liar.play(None)
    assert not bench.run().complete
    assert bench.place.left() == kept


@BOTH
@pytest.mark.parametrize("lie", [Lie.CUT, Lie.UNSENT, Lie.SLOW])
def test_what_became_of_a_deletion_is_told_by_listings_alone(made: Made, lie: Lie, httpserver: HTTPServer) -> None:
    bench, liar, mine, others = made(httpserver)
    liar.play(lie)
    bench.run()
    shown = bench.place.left() & mine
    assert (shown == mine) is (lie is Lie.UNSENT)
    assert bench.state == ("gone_verified" if lie is Lie.CUT and not shown else "failed")
    assert others <= bench.place.left()
    liar.play(None)
    bench.comes_to_its_end(mine, others)
