"""The line to panels and stores over HTTPS: what is never sent, and what is no answer."""

import gzip
from collections.abc import Callable
from datetime import timedelta
from itertools import repeat

import pytest
from pytest_httpserver import HTTPServer
from requests import Response
from werkzeug import Request
from werkzeug import Response as Answer

from whmcs_bridge.backups import jetbackup, solusvm2
from whmcs_bridge.backups import line as lines
from whmcs_bridge.backups.line import HttpLine, clock_skew, moment, short
from whmcs_bridge.backups.openstack_api import instant
from whmcs_bridge.errors import StoreTrouble, StoreUnreachable, StoreUnsupported, ViewIncomplete


def line(server: HTTPServer) -> HttpLine:
    return HttpLine("store pve", server.url_for("/").rstrip("/"), timeout=5)


@pytest.mark.parametrize(
    "path",
    [
        *("", "x", "//", "/a//b", "/a/../b", "/a/./b", "/..", "/a%2e", "/a%2F..%2Fb", "/a#b", "/a?b", "/a b", "/a\\b"),
        *("/a*", "/a[b]", "/bo\u0441", "/a\n", "/a;b", "/a\x00"),
    ],
)
def test_a_path_that_something_could_rewrite_is_not_sent(httpserver: HTTPServer, path: str) -> None:
    with pytest.raises(StoreUnsupported):
        line(httpserver).ask("DELETE", path)
    assert httpserver.log == []


@pytest.mark.parametrize("path", ["/", "/a/", "/api2/local:backup/vzdump-qemu-100.vma.zst", "/t/UPID:pve:0:r@pam!t:"])
def test_a_path_is_sent_as_it_is(httpserver: HTTPServer, path: str) -> None:
    httpserver.expect_request(path).respond_with_json({"data": 1})
    there = line(httpserver)
    assert there.json(there.ask("GET", path)) == {"data": 1}
    there.close()


def test_a_status_that_somebody_waits_for_is_an_answer(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("no", status=500)
    assert line(httpserver).ask("GET", "/a", takes=(500,)).text == "no"
    with pytest.raises(StoreUnreachable, match="status 500"):
        line(httpserver).ask("GET", "/a")


def test_a_reply_that_is_too_large_is_no_answer(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_REPLY_BYTES", 10)
    httpserver.expect_request("/a").respond_with_data("x" * 11)
    with pytest.raises(ViewIncomplete, match="too large"):
        line(httpserver).ask("GET", "/a")


def endless(request: Request) -> Answer:
    return Answer(repeat(b"x" * 1000), direct_passthrough=True)


def test_a_reply_without_end_is_read_to_the_limit_and_no_further(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_REPLY_BYTES", 100_000)
    httpserver.expect_request("/a").respond_with_handler(endless)
    with pytest.raises(ViewIncomplete, match="too large"):
        line(httpserver).ask("GET", "/a")


def test_a_reply_that_drips_is_given_up(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PATIENCE", 0)
    httpserver.expect_request("/a").respond_with_handler(endless)
    httpserver.expect_request("/b").respond_with_json({"data": 1})
    there = line(httpserver)
    with pytest.raises(StoreUnreachable, match="its answer has no end"):
        there.ask("GET", "/a")
    monkeypatch.undo()
    assert there.json(there.ask("GET", "/b")) == {"data": 1}


def test_a_reply_that_breaks_off_is_no_answer(httpserver: HTTPServer) -> None:
    def broken(request: Request) -> Answer:
        return Answer(iter([b"short"]), headers={"Content-Length": "100"}, direct_passthrough=True)

    httpserver.expect_request("/a").respond_with_handler(broken)
    with pytest.raises(StoreUnreachable):
        line(httpserver).ask("GET", "/a")


@pytest.mark.parametrize("size", [0, 1, lines.CHUNK, 3 * lines.CHUNK + 1])
@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_of_any_size_is_read_whole(httpserver: HTTPServer, size: int, *, packed: bool) -> None:
    body = bytes(n % 251 for n in range(size))
    headers = {"Content-Encoding": "gzip"} if packed else {}
    httpserver.expect_request("/a").respond_with_data(gzip.compress(body) if packed else body, headers=headers)
    there = line(httpserver)
    assert [there.ask("GET", "/a").content == body for _ in range(2)] == [True, True]
    there.close()


@pytest.mark.parametrize("secret", ["top-secret\nsecond", "top-secret\u2026", "top-secret\udcff"])
def test_a_header_that_cannot_be_sent_is_told_without_what_is_in_it(httpserver: HTTPServer, secret: str) -> None:
    with pytest.raises(StoreTrouble) as told:
        line(httpserver).ask("GET", "/a", headers={"Authorization": f"Bearer {secret}"})
    assert "top-secret" not in f"{told.value!r} {told.value.__cause__!r}"
    assert told.value.__suppress_context__
    assert httpserver.log == []


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 31 May 2026"])
def test_a_clock_that_cannot_be_read_says_nothing(date: str) -> None:
    reply = Response()
    reply.headers["Date"] = date
    assert clock_skew(reply) is None


def test_the_other_side_s_clock_is_read_where_it_tells() -> None:
    reply = Response()
    reply.headers["Date"] = "Sun, 31 May 2015 04:10:00 GMT"
    skew = clock_skew(reply)
    assert skew is not None
    assert skew < -timedelta(days=1)


def test_what_another_side_says_is_one_line() -> None:
    assert short("a\nb\x1b[0m") == "a?b?[0m"
    assert len(short("x" * 999)) == 200


@pytest.mark.parametrize("seconds", [10**18, -(10**18), 10**400, True, 1.5, "1", None])
def test_a_time_that_is_none_proves_nothing(seconds: object) -> None:
    assert moment(seconds) is None
    assert str(moment(86400)) == "1970-01-02 00:00:00+00:00"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 200_000, b"\xff\xfe"])
def test_what_is_no_json_is_no_answer(httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request("/a").respond_with_data(body)
    there = line(httpserver)
    with pytest.raises(ViewIncomplete, match="no JSON"):
        there.json(there.ask("GET", "/a"))


@pytest.mark.parametrize("read", [jetbackup._time, solusvm2._time, instant])
def test_a_time_before_all_time_is_none(read: Callable[[object], object]) -> None:
    assert read("0001-01-01T00:00:00+14:00") is None
    assert str(read("2026-02-01T00:00:00Z")) == "2026-02-01 00:00:00+00:00"
