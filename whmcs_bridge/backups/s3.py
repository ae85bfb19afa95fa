"""The s3 driver: every version, delete marker and unfinished upload below a prefix, by its exact key.

A plain delete on a versioned bucket only hides (facts sheet on backup stores, section 7.1), so versions are listed and
deleted one by one, the marker that hides them last: whoever stops half-way has shown nothing again. Never a prefix,
never a bulk verb, never a lock lifted.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from whmcs_bridge.backups.base import PathStore
from whmcs_bridge.backups.claim import KIND, NOT_MINE, claim_by_layout
from whmcs_bridge.backups.layouts import Layout, layout_of
from whmcs_bridge.backups.names import locator_fault, shown
from whmcs_bridge.domain.backups import (
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    Outcome,
    Probe,
    Receipt,
    Verdict,
)
from whmcs_bridge.errors import (
    StoreAuthFailed,
    StoreRateLimited,
    StoreTrouble,
    StoreUnreachable,
    ViewIncomplete,
)
from whmcs_bridge.settings.model import BackupStoreSettings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

READ_ATTEMPTS: Final = 5
UNVERSIONED: Final = "null"
"""What S3 calls the version of an object that has none."""
KEY: Final = "key"
"""In an item's `meta`: the exact key below the prefix, where the locator could not show it as it is."""
TREE: Final = "tree"
"""In an item's `meta`: the folder it is part of, which the layout takes as one backup."""
MARKER: Final = "delete marker"
UPLOAD: Final = "unfinished upload"
PART: Final = "part"
"""In an item's `meta`: what it is, where it is no version of an object."""

_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403", "Forbidden"})
_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
_SLOW = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "503"})
_BEFORE_IT = (_SLOW - {"503"}) | {"NotImplemented", "501"}
_FAULTS = frozenset({"InternalError", "ServiceUnavailable", "GatewayTimeout", "BadGateway", "RequestTimeout"})
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404", "NotFound"})
_NOT_SET = frozenset(
    {
        "ObjectLockConfigurationNotFoundError",
        "ReplicationConfigurationNotFoundError",
        "NoSuchObjectLockConfiguration",
        "NotImplemented",
        "MethodNotAllowed",
    }
)


def open_store(given: BackupStoreSettings) -> "S3Store":
    """Return the store of these settings."""
    options = given.options
    connect = Connect(
        endpoint_url=options.get("endpoint_url"),
        region=options["region"],
        addressing=options["addressing"],
        timeout_seconds=options["timeout_seconds"],
        reader=(options["access_key"].reveal(), options["secret_key"].reveal()),
    )
    return S3Store(
        given.name,
        options["bucket"],
        options["prefix"],
        layout_of(options),
        connect,
        given.servers,
        conditional=options["conditional_deletes"],
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class Connect:
    """Makes clients: one that reads and tries again, one that deletes and tries once."""

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        region: str,
        addressing: str,
        timeout_seconds: int,
        reader: tuple[str, str],
    ) -> None:
        self._endpoint_url, self._region, self._addressing = endpoint_url, region, addressing
        self._timeout_seconds = timeout_seconds
        self._keys = reader

    def reader(self) -> Any:
        """A client for lists and looks."""
        return self._client(READ_ATTEMPTS)

    def deleter(self, attempts: int) -> Any:
        """A client for deletions; more than one attempt only for what is bound to an immutable id."""
        return self._client(attempts)

    def _client(self, attempts: int) -> Any:
        from botocore.config import Config

        config = Config(
            region_name=self._region,
            connect_timeout=self._timeout_seconds,
            read_timeout=self._timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": self._addressing},
            # Older services do not know the newer checksums; an address in the environment is not ours.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,
        )
        with _MAKING:
            client = _session().client(
                "s3",
                endpoint_url=self._endpoint_url,
                config=config,
                aws_access_key_id=self._keys[0],
                aws_secret_access_key=self._keys[1],
            )
        client.meta.events.register("after-call.s3.GetBucketVersioning", _see_versioning)
        return client


def _see_versioning(http_response: Any, **_: Any) -> None:
    """Raises ViewIncomplete for an answer that is none: read, it is like that of a bucket without versions."""
    if http_response.status_code == 200 and not _VERSIONING.search(http_response.content):
        raise ViewIncomplete("get_bucket_versioning is answered with something else")


_VERSIONING: Final = re.compile(
    rb"^\s*(?:<\?xml[^>]*>\s*)?<(?:VersioningConfiguration|GetBucketVersioningResponse)[\s/>]"
)
"""How an answer begins; older servers name it after the question."""
_MAKING = Lock()
"""A session makes one client at a time."""


@cache
def _session() -> Any:
    """One for the process: it reads what S3 can do, a few hundred milliseconds' work, once."""
    import boto3

    return boto3.session.Session()


class S3Store(PathStore):
    """Everything below `prefix/` in a bucket."""

    kind = "s3"
    caps = Capabilities(versions=True, locks=True, conditional_delete=True, name_is_all=True)

    def __init__(
        self,
        name: str,
        bucket: str,
        prefix: str,
        layout: Layout,
        connect: Connect,
        servers: Collection[int] = (),
        *,
        conditional: bool = True,
        page_size: int = 1000,
        kept: timedelta | None = None,
    ) -> None:
        """Raises StoreTrouble for an empty prefix: a whole bucket is no store."""
        prefix = prefix.strip("/")
        if not prefix:
            raise StoreTrouble(f"store {name}: an empty prefix would be the whole bucket; set prefix")
        super().__init__(name, f"s3://{bucket}/{prefix}", layout, servers, kept=kept)
        self._bucket, self._prefix, self._connect = bucket, f"{prefix}/", connect
        self._conditional, self._page_size = conditional, page_size
        self._clients: dict[int, Any] = {}
        self._versioned: bool | None = None
        self._locks: bool | None = None
        self._tree_of: Callable[[str], str] = lru_cache(maxsize=8192)(self._find_tree)

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that everything below the prefix may be listed, and what the bucket keeps or copies."""
        try:
            answer = self._page("list_object_versions", self._prefix, MaxKeys=1)
            self._page("list_multipart_uploads", self._prefix, MaxUploads=1)
            versioning = self._ask("get_bucket_versioning")
            self._read_bucket(versioning)
            replicated = self._configured("get_bucket_replication")
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        notes = []
        if self._locks:
            notes.append("the bucket has object lock: what is locked stays until its end")
        if replicated:
            notes.append("the bucket is replicated, and deletions of versions are not: make its replica a store too")
        if versioning.get("MFADelete") == "Enabled":
            notes.append("versions can be deleted with a second factor only: the bridge cannot")
        return Probe(complete=True, clock_skew=_skew(answer), keeps_for=self._kept, notes=tuple(notes))

    def items(self) -> Iterable[BackupItem]:
        """Every version, then every delete marker, then every unfinished upload below the prefix.

        Raises ViewIncomplete where a page is missing, and where a list may not be seen.
        """
        markers: list[BackupItem] = []
        for page in self._pages("list_object_versions", "MaxKeys", ("KeyMarker", "VersionIdMarker")):
            for row in page.get("Versions") or ():
                yield self._item(row, self._version(row), size=row.get("Size"), etag=row.get("ETag"))
            markers += [
                self._item(row, self._version(row), meta={PART: MARKER}) for row in page.get("DeleteMarkers") or ()
            ]
        yield from markers
        for page in self._pages("list_multipart_uploads", "MaxUploads", ("KeyMarker", "UploadIdMarker")):
            for row in page.get("Uploads") or ():
                yield self._item(row, self._version(row, "UploadId"), at=row.get("Initiated"), meta={PART: UPLOAD})

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the item is; an object within a backup that is a folder belongs to whom the folder does."""
        if item.store != self.name:
            return NOT_MINE
        tree = item.meta.get(TREE)
        if not tree:
            return claim_by_layout(self.layout, item, account)
        whole = replace(item, locator=tree, meta={**item.meta, KIND: "tree"})
        claim = claim_by_layout(self.layout, whole, account)
        if claim.verdict is Verdict.MINE and _odd_below(self._key(item), tree):
            return Claim(Verdict.AMBIGUOUS, claim.proofs, "its key has an empty, . or .. part")
        return claim

    def _version(self, row: Mapping[str, Any], field: str = "VersionId") -> str:
        if not row.get("Key") or not row.get(field):
            raise ViewIncomplete(f"store {self.name}: the service lists something without its key or {field}")
        return str(row[field])

    def _item(
        self,
        row: Mapping[str, Any],
        version: str,
        *,
        size: int | None = None,
        etag: str | None = None,
        at: datetime | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> BackupItem:
        key: str = row["Key"]
        if not key.startswith(self._prefix):
            raise ViewIncomplete(f"store {self.name}: asked for {self._prefix}, the service lists another prefix")
        below = key[len(self._prefix) :]
        locator = shown(below)
        more = dict(meta or {})
        if locator != below:
            more[KEY] = below
        tree = self._tree_of(below.rpartition("/")[0]) if "/" in below else ""
        if tree:
            more[TREE] = tree
        item = self.made(
            locator, size=size, at=at or row.get("LastModified"), etag=etag or version, version=version, meta=more
        )
        if not tree:
            return item
        read = self.layout.read(tree, tree=True)
        return replace(item, account=read.account, made_on=read.made_on, shared=read.shared)

    def _find_tree(self, folder: str) -> str:
        """The outermost folder on the way that the layout takes as one backup; "" for none."""
        end = folder.find("/")
        while True:
            path = folder if end < 0 else folder[:end]
            if self.layout.is_tree(path):
                return path
            if end < 0:
                return ""
            end = folder.find("/", end + 1)

    def _page(self, action: str, asked: str, **words: Any) -> Mapping[str, Any]:
        """One page of what is below the prefix, or below another one.

        Raises ViewIncomplete where the answer is no such list: an empty body, or other well-formed XML, would be read
        as an empty one.
        """
        page = self._ask(action, Prefix=asked, **words)
        # Versions call the bucket Name, uploads call it Bucket, where some services leave the prefix out.
        bucket, prefix = page.get("Name", page.get("Bucket")), page.get("Prefix")
        uploads_without = prefix is None and "Bucket" in page
        if not isinstance(page.get("IsTruncated"), bool) or bucket != self._bucket:
            raise ViewIncomplete(
                f"store {self.name}: {action} is answered with something that is no list of the bucket"
            )
        if prefix != asked and not uploads_without:
            raise ViewIncomplete(f"store {self.name}: {action} lists another prefix than was asked for")
        return page

    def _pages(self, action: str, limit: str, marks: tuple[str, str]) -> Iterator[Mapping[str, Any]]:
        at: dict[str, Any] = {}
        been: set[tuple[str, ...]] = set()
        while True:
            page = self._page(action, self._prefix, **{limit: self._page_size, **at})
            yield page
            if not page["IsTruncated"]:
                return
            following = {mark: page[f"Next{mark}"] for mark in marks if page.get(f"Next{mark}")}
            if not following or tuple(following.values()) in been:
                raise ViewIncomplete(f"store {self.name}: {action} breaks off and does not say where to go on")
            been.add(tuple(following.values()))
            at = following

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Delete exactly this version, marker or upload, if it is still the one that was listed."""
        if fault := self._fault(item):
            return Receipt(Outcome.REFUSED, fault)
        try:
            if self._versioned is None:
                self._read_bucket(self._ask("get_bucket_versioning"))
            if item.meta.get(PART) == UPLOAD:
                return self._sent("abort_multipart_upload", item, UploadId=str(item.version))
            return self._delete_version(item)
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))

    def _fault(self, item: BackupItem) -> str:
        """Say why this is nothing to delete here, whatever went wrong before; "" for nothing."""
        if item.store != self.name or not item.version or not item.etag:
            return "it is no item of this store"
        key, tree = self._key(item), item.meta.get(TREE, "")
        if shown(key) != item.locator or "\0" in key:
            return "its locator is not its key"
        if not tree:
            return locator_fault(key)
        if locator_fault(tree) or not key.startswith(f"{tree}/") or not self.layout.is_tree(tree):
            return "its key is not in the folder that it is listed under"
        return "its key has an empty, . or .. part" if _odd_below(key, tree) else ""

    def _delete_version(self, item: BackupItem) -> Receipt:
        """Look once more: a deletion of what is not there, or of another's version, is answered with success."""
        bound = item.version != UNVERSIONED
        found = self._look(item)
        if found is None:
            return Receipt(Outcome.GONE_BEFORE)
        if item.meta.get(PART) is None:
            if locked := self._lock(found):
                return locked
            if found.get("ETag") != item.etag or found.get("ContentLength") != item.size:
                return Receipt(Outcome.REFUSED, "it has changed since it was listed")
        more: dict[str, str] = {}
        if bound or self._versioned:
            more["VersionId"] = str(item.version)
        elif self._conditional and item.etag:
            more["IfMatch"] = item.etag
        return self._sent("delete_object", item, again=bound, **more)

    def _look(self, item: BackupItem) -> Mapping[str, Any] | None:
        """Return the object's head, empty for a delete marker; None where it is gone. Raises StoreTrouble."""
        words = {"Key": self._prefix + self._key(item)}
        if self._versioned and item.version:
            words["VersionId"] = item.version
        try:
            return self._call("head_object", words)
        except Exception as error:
            if _code(error) in _GONE:
                return None
            if item.meta.get(PART) == MARKER and _code(error) in ("405", "MethodNotAllowed"):
                return {}
            if "VersionId" in words and not self._locks and _code(error) in ("400", "InvalidArgument"):
                # Some services take no version here where versioning is suspended.
                return self._look_in_list(words["Key"], words["VersionId"])
            raise self._trouble("head_object", error) from error

    def _look_in_list(self, key: str, version: str) -> Mapping[str, Any] | None:
        page = self._page("list_object_versions", key)
        for row in page.get("Versions") or ():
            if row["Key"] == key and row["VersionId"] == version:
                return {"ETag": row.get("ETag"), "ContentLength": row.get("Size")}
        if page.get("IsTruncated"):
            raise ViewIncomplete(f"store {self.name}: {key} has too many versions to look at")
        return None

    def _sent(self, action: str, item: BackupItem, *, again: bool = True, **more: str) -> Receipt:
        """Send one deletion; `again`: it is bound to an immutable id. One whose answer was lost is UNKNOWN."""
        from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, HTTPClientError

        try:
            words = {"Key": self._prefix + self._key(item), **more}
            self._call(action, words, READ_ATTEMPTS if again else 1)
        except ClientError as error:
            code = _code(error)
            if code in _GONE:
                return Receipt(Outcome.GONE_BEFORE)
            if code in ("PreconditionFailed", "412"):
                return Receipt(Outcome.REFUSED, "it has changed since it was listed")
            if code in ("NotImplemented", "501") and "IfMatch" in more:
                return Receipt(Outcome.FAILED, "the service does not take If-Match; set conditional_deletes = false")
            if code in _DENIED:
                return self._denied(item)
            if _maybe_done(error):
                return Receipt(Outcome.UNKNOWN, f"{action}: {code}")
            return Receipt(Outcome.FAILED, str(self._trouble(action, error)))
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            return Receipt(Outcome.FAILED, str(self._trouble(action, error)))
        except HTTPClientError as error:
            return Receipt(Outcome.UNKNOWN, str(self._trouble(action, error)))
        return Receipt(Outcome.DELETED)

    def _denied(self, item: BackupItem) -> Receipt:
        """Say whether a lock denies it, or the credential."""
        if item.meta.get(PART) is None:
            try:
                found = self._look(item)
            except StoreTrouble:
                found = None
            if found is not None and (locked := self._lock(found)):
                return locked
        return Receipt(Outcome.FAILED, "access denied: the credential may not delete it, or a policy keeps it")

    def _lock(self, found: Mapping[str, Any]) -> Receipt | None:
        if found.get("ObjectLockLegalHoldStatus") == "ON":
            return Receipt(Outcome.LOCKED, "legal-hold")
        until = found.get("ObjectLockRetainUntilDate")
        if found.get("ObjectLockMode") and isinstance(until, datetime) and until > datetime.now(UTC):
            return Receipt(Outcome.LOCKED, str(found["ObjectLockMode"]).lower(), until=until)
        return None

    # --- the service -----------------------------------------------------------------------------

    def _read_bucket(self, versioning: Mapping[str, Any]) -> None:
        self._versioned = bool(versioning.get("Status"))  # Suspended keeps the versions that are there
        self._locks = self._configured("get_object_lock_configuration")

    def _configured(self, action: str) -> bool:
        """The bucket has this configuration; a service that does not know the question has none."""
        try:
            self._call(action, {})
        except Exception as error:
            if _code(error) in _NOT_SET or _code(error) in _GONE:
                return False
            raise self._trouble(action, error) from error
        return True

    def _ask(self, action: str, **words: Any) -> Mapping[str, Any]:
        try:
            return self._call(action, words)
        except Exception as error:
            raise self._trouble(action, error) from error

    def _call(self, action: str, words: Mapping[str, Any], delete_attempts: int = 0) -> Mapping[str, Any]:
        client = self._clients.get(delete_attempts)
        if client is None:
            client = self._connect.deleter(delete_attempts) if delete_attempts else self._connect.reader()
            self._clients[delete_attempts] = client
        answer: Mapping[str, Any] = getattr(client, action)(Bucket=self._bucket, **words)
        return answer

    def _trouble(self, action: str, error: Exception) -> StoreTrouble:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, StoreTrouble):
            return error
        where = f"store {self.name}: {action}"
        if isinstance(error, ClientError):
            code = _code(error)
            if code in _CREDENTIALS:
                return StoreAuthFailed(f"{where}: the credential is not accepted ({code})")
            if code in _DENIED:
                return ViewIncomplete(f"{where}: access denied; allow it for the bucket")
            if code in _SLOW:
                return StoreRateLimited(f"{where}: too many requests ({code})")
            return StoreTrouble(f"{where}: {code}")
        if isinstance(error, BotoCoreError):
            return StoreUnreachable(f"{where}: {type(error).__name__}")
        raise error

    def _key(self, item: BackupItem) -> str:
        return item.meta.get(KEY, item.locator)

    def close(self) -> None:
        """Give the connections back."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


def _odd_below(key: str, tree: str) -> bool:
    """A part of a key within a folder that somebody else's software may read as another path."""
    return any(part in ("", ".", "..") for part in key[len(tree) + 1 :].split("/"))


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def _maybe_done(error: "ClientError") -> bool:
    """An answer after which the request may have been carried out: a fault of the service, or of what is before it.

    To slow down is asked before anything is done; so is a request refused that the service does not know.
    """
    code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _BEFORE_IT:
        return False
    return status >= 500 or code in _FAULTS or (len(code) == 3 and code.startswith("5"))


def _skew(answer: Mapping[str, Any]) -> timedelta | None:
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(date) - datetime.now(UTC) if date else None
    except (TypeError, ValueError):
        return None
