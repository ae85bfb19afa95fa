"""A child process that answers as S3 does, from memory: `python -m tests.bench.bucket_double OBJECTS`.

moto takes minutes to be filled with as much, and longer for an answer than the driver. This knows the requests that
the s3 driver sends, and no others: lists of versions in pages, unfinished uploads (none), the bucket's settings, HEAD
and DELETE of one version. It hands over its port, and serves until its standard input ends.
"""

import sys
import threading
from bisect import bisect_right
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from tests.bench.machine import hand_over

BUCKET: Final = "backups"
PREFIX: Final = "panel"
USERS: Final = 2000
SIZE: Final = 1_048_576
MODIFIED: Final = "2026-03-01T04:00:00.000Z"
XMLNS: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def key_of(number: int) -> str:
    """Keys of 2,000 accounts, a day after the other, in order."""
    day, user = divmod(number, USERS)
    return f"{PREFIX}/2026-{day // 25 + 1:02}-{day % 25 + 1:02}/accounts/user{user:05}.tar.gz"


def version_of(number: int) -> str:
    return f"v{number:031d}"


def etag_of(number: int) -> str:
    return f'"{number:032x}"'


class Bucket:
    """What there is: keys in order, and which of them are gone."""

    def __init__(self, objects: int) -> None:
        self.keys = [key_of(number) for number in range(objects)]
        self.rows = [
            f"<Version><Key>{key}</Key><VersionId>{version_of(n)}</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>{MODIFIED}</LastModified><ETag>{etag_of(n)}</ETag><Size>{SIZE}</Size>"
            "<StorageClass>STANDARD</StorageClass></Version>"
            for n, key in enumerate(self.keys)
        ]
        self.gone: set[int] = set()

    def page(self, after: str, most: int) -> str:
        first = bisect_right(self.keys, after) if after else 0
        numbers: list[int] = []
        for number in self._from(first):
            if len(numbers) == most:
                following = numbers[-1]
                mark = (
                    "<IsTruncated>true</IsTruncated>"
                    f"<NextKeyMarker>{self.keys[following]}</NextKeyMarker>"
                    f"<NextVersionIdMarker>{version_of(following)}</NextVersionIdMarker>"
                )
                break
            numbers.append(number)
        else:
            mark = "<IsTruncated>false</IsTruncated>"
        rows = "".join(self.rows[number] for number in numbers)
        return f"<ListVersionsResult {XMLNS}><Name>{BUCKET}</Name>{mark}{rows}</ListVersionsResult>"

    def _from(self, first: int) -> Iterator[int]:
        return (number for number in range(first, len(self.keys)) if number not in self.gone)

    def find(self, key: str) -> int | None:
        at = bisect_right(self.keys, key) - 1
        return at if at >= 0 and self.keys[at] == key and at not in self.gone else None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    bucket: Bucket

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "versions" in asked:
            self._say(200, self.bucket.page(asked.get("key-marker", [""])[0], int(asked["max-keys"][0])))
        elif "uploads" in asked:
            self._say(
                200,
                f"<ListMultipartUploadsResult {XMLNS}><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
            )
        elif "versioning" in asked:
            self._say(200, f"<VersioningConfiguration {XMLNS}><Status>Enabled</Status></VersioningConfiguration>")
        else:
            code = (
                "ObjectLockConfigurationNotFoundError"
                if "object-lock" in asked
                else "ReplicationConfigurationNotFoundError"
            )
            self._say(404, f"<Error><Code>{code}</Code></Error>")

    def do_HEAD(self) -> None:
        number = self._number()
        if number is None:
            self._say(404, "")
            return
        self.send_response(200)
        for name, value in (
            ("ETag", etag_of(number)),
            ("Content-Length", str(SIZE)),
            ("x-amz-version-id", version_of(number)),
            ("Last-Modified", "Sun, 01 Mar 2026 04:00:00 GMT"),
        ):
            self.send_header(name, value)
        self.end_headers()

    def do_DELETE(self) -> None:
        number = self._number()
        if number is not None:
            self.bucket.gone.add(number)
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _number(self) -> int | None:
        path = urlsplit(self.path)
        number = self.bucket.find(unquote(path.path).removeprefix(f"/{BUCKET}/"))
        version = parse_qs(path.query).get("versionId", [""])[0]
        return number if number is not None and version == version_of(number) else None

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(objects: int) -> None:
    Handler.bucket = Bucket(objects)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hand_over(port=server.server_address[1])
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
