"""The s3 driver against moto's server: versions, markers, locks, uploads, and keys that something could rewrite."""

import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, cycle
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from pytest_httpserver import HTTPServer

from tests.backups.contract import BOB, DAY, Contract, Place, listing, mine_of, one_of
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.s3 import Connect, S3Store
from whmcs_bridge.domain.backups import Outcome, Verdict
from whmcs_bridge.errors import StoreTrouble, StoreUnreachable, ViewIncomplete

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
NUMBERS = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def connect(url: str) -> Connect:
    return Connect(
        endpoint_url=url, region="us-east-1", addressing="path", timeout_seconds=5, reader=("AKIAEXAMPLE", SECRET)
    )


@cache
def client_of(url: str) -> Any:
    """A plain client, to lay things with."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


class Saboteur(Connect):
    """Clients that do what they are asked and then behave as told."""

    def __init__(self, url: str, after: str, error: Exception) -> None:
        super().__init__(
            endpoint_url=url, region="us-east-1", addressing="path", timeout_seconds=5, reader=("AKIAEXAMPLE", SECRET)
        )
        self._after, self._error = after, error

    def _client(self, attempts: int) -> Any:
        client = super()._client(attempts)
        asked = getattr(client, self._after)

        def act(**words: Any) -> Any:
            if isinstance(self._error, ReadTimeoutError):
                asked(**words)
            raise self._error

        setattr(client, self._after, act)
        return client


def denied(action: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, action)


class S3Place(Place):
    """A bucket of its own, with neighbours beside the store's prefix."""

    secrets: Sequence[str] = (SECRET,)
    many = 301  # pages are of 50

    def __init__(self, url: str, *, versioned: bool = False, lock: bool = False) -> None:
        self.url, self.bucket = url, f"backups-{next(NUMBERS)}"
        self.client = client_of(url)
        self.backend: Any = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        """What the server answers from: to lay things quickly, and under keys that no client would send."""
        self.client.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=lock)
        if versioned:
            self.set_versioning("Enabled")
        for key in ("panel", "panel1/2026-05-31/accounts/bob.tar.gz", "pane/l/2026-05-31/accounts/bob.tar.gz"):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=b"beside the store")
        self.cut_after_send = lambda: self.broken("delete_object", ReadTimeoutError(endpoint_url=url))
        self.half_forbidden = lambda: self.broken("list_multipart_uploads", denied("ListMultipartUploads"))
        self.read_only = lambda: self.broken("delete_object", denied("DeleteObject"))
        self.away = lambda: self._store(connect(f"http://127.0.0.1:{free_port()}"))

    def set_versioning(self, status: str) -> None:
        self.client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})

    def _store(self, how: Connect) -> S3Store:
        return S3Store("bucket", self.bucket, "panel", CPANEL, how, page_size=50)

    def store(self) -> S3Store:
        return self._store(connect(self.url))

    def broken(self, action: str, error: Exception) -> S3Store:
        return self._store(Saboteur(self.url, action, error))

    def put(self, name: str, body: bytes) -> Any:
        return self.client.put_object(Bucket=self.bucket, Key=f"panel/{name}", Body=body)

    def make(self, names: Iterable[str]) -> set[str]:
        made = set()
        for name in names:
            self.backend.put_object(self.bucket, f"panel/{name}", name.encode())
            made.add(name)
        return made

    def left(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="panel/")
        return {row["Key"].removeprefix("panel/") for page in pages for row in page.get("Contents", ())}

    def replace(self, name: str) -> None:
        self.backend.put_object(self.bucket, f"panel/{name}", b"something else")

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"panel/{name}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class TestS3(Contract):
    @pytest.fixture
    def place(self, server: str) -> Place:
        return S3Place(server)


MINE = f"{DAY}/accounts/bob.tar.gz"


def test_every_version_goes_and_the_marker_that_hides_them_last(server: str) -> None:
    place = S3Place(server, versioned=True)
    for number in range(3):
        place.put(MINE, b"x" * number)
    place.put(f"{DAY}/accounts/bob1.tar.gz", b"neighbour")
    place.remove(MINE)  # hides it: nothing is deleted
    store = place.store()
    mine = mine_of(store, BOB)
    assert [item.meta.get("part") for item in mine] == [None, None, None, "delete marker"]
    assert {store.delete(item).outcome for item in mine} == {Outcome.DELETED}
    assert [item.locator for item in listing(place.store())] == [f"{DAY}/accounts/bob1.tar.gz"]
    assert {store.delete(item).outcome for item in mine} == {Outcome.GONE_BEFORE}


def test_a_version_of_a_neighbour_is_not_there_under_this_key(server: str) -> None:
    place = S3Place(server, versioned=True)
    place.make([MINE, f"{DAY}/accounts/bob1.tar.gz"])
    store = place.store()
    mine, other = one_of(place, store, MINE), one_of(place, store, f"{DAY}/accounts/bob1.tar.gz")
    forged = replace(mine, version=other.version)
    assert store.delete(forged).outcome is not Outcome.DELETED
    assert len(listing(place.store())) == 2


def test_versions_are_kept_where_versioning_is_suspended(server: str) -> None:
    """The version called null goes by its own name, or a marker would only hide it."""
    place = S3Place(server)
    place.put(MINE, b"from before")
    place.set_versioning("Enabled")
    place.put(MINE, b"later")
    place.set_versioning("Suspended")
    store = place.store()
    mine = mine_of(store, BOB)
    assert {item.version == "null" for item in mine} == {True, False}
    # This server drops the older version with the newer one.
    assert {store.delete(item).outcome for item in mine} <= {Outcome.DELETED, Outcome.GONE_BEFORE}
    assert listing(place.store()) == []


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_a_lock_stays_and_its_end_is_told(server: str, mode: str) -> None:
    place = S3Place(server, lock=True)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    place.client.put_object(
        Bucket=place.bucket, Key=f"panel/{MINE}", Body=b"x", ObjectLockMode=mode, ObjectLockRetainUntilDate=until
    )
    store = place.store()
    [item] = mine_of(store, BOB)
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note, receipt.until) == (Outcome.LOCKED, mode.lower(), until)
    assert len(listing(store)) == 1
    assert "object lock" in store.probe().notes[0]


def test_a_legal_hold_stays(server: str) -> None:
    place = S3Place(server, lock=True)
    place.client.put_object(Bucket=place.bucket, Key=f"panel/{MINE}", Body=b"x", ObjectLockLegalHoldStatus="ON")
    store = place.store()
    [item] = mine_of(store, BOB)
    assert (store.delete(item).outcome, store.delete(item).note) == (Outcome.LOCKED, "legal-hold")


def test_an_unfinished_upload_is_an_item_and_is_aborted(server: str) -> None:
    place = S3Place(server)
    begun = place.client.create_multipart_upload(Bucket=place.bucket, Key=f"panel/{MINE}")
    place.client.create_multipart_upload(Bucket=place.bucket, Key=f"panel/{DAY}/accounts/bob1.tar.gz")
    store = place.store()
    [item] = mine_of(store, BOB)
    assert (item.version, item.meta["part"]) == (begun["UploadId"], "unfinished upload")
    assert store.delete(item).outcome is Outcome.DELETED
    assert [left.locator for left in listing(store)] == [f"{DAY}/accounts/bob1.tar.gz"]
    assert store.delete(item).outcome is Outcome.GONE_BEFORE


def test_a_folder_of_objects_belongs_to_whom_the_folder_does(server: str) -> None:
    """A site's own files may be called anything; what another program could take for another path stays."""
    place = S3Place(server)
    mine = {f"{DAY}/accounts/bob/home dir/a%31.txt", f"{DAY}/accounts/bob/é*?", f"{DAY}/accounts/bob/x"}
    others = {f"{DAY}/accounts/bob1/x", f"{DAY}/accounts/bob/../bob1", f"{DAY}/accounts/bob//y"}
    place.make(mine | others)
    store = place.store()
    items = listing(store)
    assert {item.account for item in items if "bob1/x" not in item.locator} == {"bob"}
    for item in items:
        verdict = store.claim(item, BOB).verdict
        outcome = store.delete(item).outcome if verdict is Verdict.MINE else None
        assert (outcome is Outcome.DELETED) is (item.meta.get("key", item.locator) in mine)
    assert place.left() == others


def test_a_folder_that_is_written_again_in_place_has_a_name_and_no_time(server: str) -> None:
    place = S3Place(server)
    place.make(["incremental/accounts/bob/x"])
    store = place.store()
    [item] = listing(store)
    claim = store.claim(item, BOB)
    assert (claim.verdict, claim.proofs) == (Verdict.MINE, ("name",))
    assert claim.why


def test_an_answer_that_says_success_is_no_evidence(server: str) -> None:
    """A conditional deletion is refused where the object has changed between the look and the deletion."""
    place = S3Place(server)
    place.make([MINE])
    store = place.store()
    item = one_of(place, store, MINE)
    head = {"ETag": item.etag, "ContentLength": item.size}
    place.replace(MINE)
    store._look = lambda _item: head  # type: ignore[method-assign, assignment]
    assert store.delete(item).outcome is Outcome.REFUSED
    assert place.left() == {MINE}


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("InternalError", 500, Outcome.UNKNOWN),
        ("502", 502, Outcome.UNKNOWN),
        ("503", 503, Outcome.UNKNOWN),
        ("504", 504, Outcome.UNKNOWN),
        ("GatewayTimeout", 504, Outcome.UNKNOWN),
        ("ServiceUnavailable", 503, Outcome.UNKNOWN),
        ("SomethingNew", 599, Outcome.UNKNOWN),
        ("SlowDown", 503, Outcome.FAILED),
        ("NotImplemented", 501, Outcome.FAILED),
        ("InvalidRequest", 400, Outcome.FAILED),
    ],
)
def test_a_fault_of_the_service_leaves_a_deletion_unknown(
    server: str, code: str, status: int, outcome: Outcome
) -> None:
    place = S3Place(server)
    place.make([MINE])
    item = one_of(place, place.store(), MINE)
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "DeleteObject")
    assert place.broken("delete_object", error).delete(item).outcome is outcome


def test_a_bucket_s_root_is_no_store(server: str) -> None:
    with pytest.raises(StoreTrouble, match="whole bucket"):
        S3Store("bucket", "backups", "/", CPANEL, connect(server))


def test_a_page_that_does_not_say_where_to_go_on_is_no_list(server: str) -> None:
    place = S3Place(server)
    store = place.store()
    answers = iter([{**page_of(place), "IsTruncated": True}])
    store._ask = lambda *_a, **_k: next(answers)  # type: ignore[method-assign]
    with pytest.raises(ViewIncomplete, match="breaks off"):
        listing(store)


def test_pages_that_lead_back_to_where_we_were_end(server: str) -> None:
    place = S3Place(server)
    store = place.store()
    marks = cycle(["a", "b"])
    store._ask = lambda *_a, **_k: {**page_of(place), "IsTruncated": True, "NextKeyMarker": next(marks)}  # type: ignore[method-assign]
    with pytest.raises(ViewIncomplete, match="breaks off"):
        listing(store)


@pytest.mark.parametrize("kind", ["Versions", "DeleteMarkers", "Uploads"])
@pytest.mark.parametrize("row", [{"Key": "panel/x"}, {"VersionId": "1", "UploadId": "1"}])
def test_a_row_without_its_key_or_id_is_no_list(server: str, kind: str, row: dict[str, str]) -> None:
    place = S3Place(server)
    store = place.store()
    store._ask = lambda *_a, **_k: {**page_of(place), kind: [row]}  # type: ignore[method-assign]
    with pytest.raises(ViewIncomplete, match="without its key"):
        listing(store)


def test_a_list_of_another_prefix_is_no_list(server: str) -> None:
    place = S3Place(server)
    store = place.store()
    row = {"Key": "elsewhere/x", "VersionId": "null"}
    for page in ({**page_of(place), "Versions": [row]}, {**page_of(place), "Prefix": "elsewhere/"}):
        store._ask = lambda *_a, page=page, **_k: page  # type: ignore[method-assign]
        with pytest.raises(ViewIncomplete, match="another prefix"):
            listing(store)


def page_of(place: S3Place) -> dict[str, Any]:
    """An empty page of versions as a service answers it."""
    return {"Name": place.bucket, "Prefix": "panel/", "IsTruncated": False}


OTHER_XML = (
    b"",
    b"<html><body>Under maintenance</body></html>",
    b"<ListVersionsResult/>",
    b"<ListVersionsResult><Name>another</Name><Prefix>panel/</Prefix><IsTruncated>false</IsTruncated></ListVersionsResult>",
    b"<ListVersionsResult><Name>backups</Name><Prefix/><IsTruncated>false</IsTruncated></ListVersionsResult>",
    b"<ListVersionsResult><Name>backups</Name><Prefix>panel/</Prefix></ListVersionsResult>",
)


@pytest.mark.parametrize("body", OTHER_XML)
def test_an_answer_that_is_no_list_is_no_empty_store(httpserver: HTTPServer, body: bytes) -> None:
    """botocore reads each of them as a list with nothing in it."""
    httpserver.expect_request(re.compile(".*")).respond_with_data(body, content_type="application/xml")
    store = S3Store("bucket", "backups", "panel", CPANEL, connect(httpserver.url_for("/").rstrip("/")))
    with pytest.raises(ViewIncomplete):
        listing(store)
    assert not store.probe().complete


@pytest.mark.parametrize("body", [b"", b"<html/>"])
def test_an_answer_that_says_nothing_of_versions_deletes_nothing(httpserver: HTTPServer, body: bytes) -> None:
    """Read as a bucket without versions, a deletion would only hide."""
    httpserver.expect_request(re.compile(".*")).respond_with_data(body, content_type="application/xml")
    store = S3Store("bucket", "backups", "panel", CPANEL, connect(httpserver.url_for("/").rstrip("/")))
    item = store._item({"Key": f"panel/{MINE}"}, "null", size=1, etag='"x"')
    assert store.delete(item).outcome is Outcome.FAILED
    assert {request.method for request, _ in httpserver.log} == {"GET"}


def test_a_bucket_that_is_not_there_is_no_empty_one(server: str) -> None:
    store = S3Store("bucket", "nowhere-at-all", "panel", CPANEL, connect(server))
    with pytest.raises(StoreTrouble):
        listing(store)
    assert not store.probe().complete


def test_a_proxy_of_the_environment_s_address_is_not_used(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    place = S3Place(server)
    place.make([MINE])
    assert len(listing(place.store())) == 1


def test_the_clock_of_the_service_is_told(server: str) -> None:
    skew = S3Place(server).store().probe().clock_skew
    assert skew is not None
    assert abs(skew) < timedelta(minutes=5)


def test_the_store_that_is_away_says_so(server: str) -> None:
    place = S3Place(server)
    assert place.away is not None
    with pytest.raises(StoreUnreachable, match="bucket"):
        listing(place.away())
