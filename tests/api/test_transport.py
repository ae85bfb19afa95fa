"""What it means when a request does not come back, on real sockets and by faults of every kind."""

import contextlib
import logging
import socket
import ssl
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import urllib3

from tests.api.servers import ACCESS_KEY, IDENTIFIER, SECRET, URL, Naps, Scripted, an_api, reply
from tests.needs import stop_without
from whmcs_bridge.api.answer import Answer
from whmcs_bridge.api.client import WhmcsApi
from whmcs_bridge.api.transport import Credentials, Timeouts, endpoint
from whmcs_bridge.errors import (
    BlockedByFirewall,
    InsecureConnection,
    NotDelivered,
    OutcomeUnknown,
    UnreadableReply,
    WhmcsError,
    WrongAddress,
)

Handler = Callable[[socket.socket, bytes], None]
OK = b'{"result":"success"}'
SECRETS = (SECRET, ACCESS_KEY, IDENTIFIER)


def http(body: bytes, status: str = "200 OK", *, length: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


@contextlib.contextmanager
def listening(handle: Handler, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a loopback port; `handle` gets each connection and each request on it."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    stopped = threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            wrapped = context.wrap_socket(connection, server_side=True) if context else connection
            while request := _request(wrapped):
                handle(wrapped, request)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while not stopped.is_set():
                connection, _ = server.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        stopped.set()
        server.close()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def an_api_on(port: int, *, scheme: str = "http", read_seconds: float = 5.0, ca_bundle: str | None = None) -> WhmcsApi:
    return WhmcsApi(
        f"{scheme}://127.0.0.1:{port}",
        IDENTIFIER,
        SECRET,
        ACCESS_KEY,
        sleep=Naps(),
        timeouts=Timeouts(2.0, read_seconds, read_seconds),
        ca_bundle=ca_bundle,
    )


# --- the address --------------------------------------------------------------------------------

ADDRESSES = [
    ("https://billing.example.com", "https://billing.example.com/includes/api.php"),
    ("https://billing.example.com/", "https://billing.example.com/includes/api.php"),
    ("https://example.com/whmcs//", "https://example.com/whmcs/includes/api.php"),
    ("https://example.com/whmcs/includes/api.php", "https://example.com/whmcs/includes/api.php"),
    ("https://example.com/whmcs/includes/api.php/", "https://example.com/whmcs/includes/api.php"),
    ("https://example.com/includes/", "https://example.com/includes/api.php"),
    ("https://example.com/whmcs/index.php?rp=/login#top", "https://example.com/whmcs/includes/api.php"),
    (" https://example.com:8443/x/clientarea.php ", "https://example.com:8443/x/includes/api.php"),
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080/includes/api.php"),
]


@pytest.mark.parametrize(("given", "called"), ADDRESSES)
def test_the_endpoint_is_appended_exactly_once(given: str, called: str) -> None:
    """A doubled path answers "An admin user is required" to everything (Q14)."""
    assert endpoint(given) == called


@pytest.mark.parametrize("given", ["", "billing.example.com", "ftp://example.com", "https://", "//example.com"])
def test_an_address_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(WrongAddress, match="https://billing"):
        endpoint(given)


def test_credentials_in_the_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(WrongAddress) as caught:
        endpoint(f"https://admin:{SECRET}@example.com")
    assert SECRET not in str(caught.value)


# --- what goes over the line --------------------------------------------------------------------


def test_credentials_travel_in_the_body_only() -> None:
    adapter = Scripted(OK)
    an_api(adapter).call("GetStats", timeline_days=3)
    [request], [form] = adapter.requests, adapter.forms
    assert request.method == "POST"
    assert request.url == f"{URL}/includes/api.php"
    assert form == {
        "action": "GetStats",
        "responsetype": "json",
        "identifier": IDENTIFIER,
        "secret": SECRET,
        "accesskey": ACCESS_KEY,
        "timeline_days": "3",
    }
    assert not any(secret in f"{request.url} {request.headers}" for secret in SECRETS)


def test_an_access_key_is_sent_only_if_there_is_one() -> None:
    adapter = Scripted(OK)
    WhmcsApi(URL, IDENTIFIER, SECRET, adapter=adapter).call("GetStats")
    assert "accesskey" not in adapter.forms[0]


def test_module_actions_get_the_long_time_out() -> None:
    adapter = Scripted(OK)
    api = an_api(adapter)
    api.call("GetStats")
    api.call("ModuleSuspend", serviceid=1)
    assert adapter.timeouts == [(10.0, 60.0), (10.0, 180.0)]


def test_redirects_are_not_followed() -> None:
    adapter = Scripted(Answer(301, b"", location="https://elsewhere.example.com/includes/api.php"))
    with pytest.raises(WrongAddress, match=r"elsewhere\.example\.com"):
        an_api(adapter).call("GetStats")
    assert len(adapter.requests) == 1


# --- faults of the line -------------------------------------------------------------------------


def _urllib3(reason: Exception) -> requests.ConnectionError:
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


def _refused() -> requests.ConnectionError:
    return _urllib3(urllib3.exceptions.NewConnectionError(None, "refused"))  # type: ignore[arg-type]


def _no_such_name() -> requests.ConnectionError:
    return _urllib3(urllib3.exceptions.NameResolutionError("x", None, OSError("unknown")))  # type: ignore[arg-type]


def _proxy() -> requests.exceptions.ProxyError:
    return requests.exceptions.ProxyError(urllib3.exceptions.ProxyError("no tunnel", OSError("403")))


def _dropped() -> requests.ConnectionError:
    return requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104)))


NEVER_SENT = [
    pytest.param(_refused, id="refused"),
    pytest.param(_no_such_name, id="no-such-name"),
    pytest.param(lambda: requests.ConnectTimeout("slow"), id="connect-time-out"),
    pytest.param(_proxy, id="proxy"),
]
MAYBE_SENT = [
    pytest.param(_dropped, id="dropped"),
    pytest.param(lambda: requests.ReadTimeout("slow"), id="read-time-out"),
    pytest.param(lambda: requests.exceptions.ChunkedEncodingError("half"), id="half-a-body"),
    pytest.param(lambda: requests.ConnectionError("anything else"), id="unheard-of"),
]


@pytest.mark.parametrize("fault", NEVER_SENT)
@pytest.mark.parametrize("action", ["GetStats", "ModuleSuspend"])
def test_what_never_arrived_is_sent_again(fault: Callable[[], Exception], action: str) -> None:
    adapter = Scripted(fault(), fault(), OK)
    assert an_api(adapter).call(action) == {"result": "success"}
    assert len(adapter.forms) == 3


@pytest.mark.parametrize("fault", NEVER_SENT)
def test_what_never_arrives_is_not_delivered(fault: Callable[[], Exception]) -> None:
    with pytest.raises(NotDelivered, match="was not sent"):
        an_api(Scripted(lambda form: fault())).call("ModuleSuspend")


@pytest.mark.parametrize("fault", MAYBE_SENT)
def test_a_read_that_was_lost_is_repeated(fault: Callable[[], Exception]) -> None:
    adapter = Scripted(fault(), OK)
    assert an_api(adapter).call("GetStats") == {"result": "success"}


@pytest.mark.parametrize("fault", MAYBE_SENT)
def test_a_read_that_stays_lost_is_not_said_to_have_been_carried_out(fault: Callable[[], Exception]) -> None:
    with pytest.raises(OutcomeUnknown, match="try again") as caught:
        an_api(Scripted(*[lambda form: fault()] * 4)).call("GetStats")
    assert "carried out" not in str(caught.value)


@pytest.mark.parametrize("fault", MAYBE_SENT)
def test_a_write_that_was_lost_is_unknown_and_never_repeated(fault: Callable[[], Exception]) -> None:
    adapter = Scripted(lambda form: fault())
    with pytest.raises(OutcomeUnknown, match="read it back"):
        an_api(adapter).call("ModuleSuspend", serviceid=1)
    assert len(adapter.forms) == 1


def test_damaged_compression_is_unreadable() -> None:
    with pytest.raises(UnreadableReply, match="compression"):
        an_api(Scripted(lambda form: requests.exceptions.ContentDecodingError("gzip"))).call("GetStats")


# --- real sockets -------------------------------------------------------------------------------


def test_a_closed_port_is_not_delivered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotDelivered, match=f"127.0.0.1:{port}"):
        an_api_on(port).call("ModuleSuspend", serviceid=1)


def test_a_server_that_never_answers_leaves_the_outcome_unknown() -> None:
    finished = threading.Event()

    def hang(connection: socket.socket, request: bytes) -> None:
        finished.wait(5)

    with listening(hang) as port:
        with pytest.raises(OutcomeUnknown, match="did not answer ModuleSuspend within"):
            an_api_on(port, read_seconds=0.1).call("ModuleSuspend", serviceid=1)
        finished.set()


def test_a_server_that_hangs_up_after_the_request_leaves_the_outcome_unknown() -> None:
    with (
        listening(lambda connection, request: connection.close()) as port,
        pytest.raises(OutcomeUnknown, match="broke before ModuleSuspend was answered"),
    ):
        an_api_on(port).call("ModuleSuspend", serviceid=1)


def test_half_a_body_is_no_reply() -> None:
    def half(connection: socket.socket, request: bytes) -> None:
        connection.sendall(http(reply("GetClients")[:300], length=5000))
        connection.close()

    with listening(half) as port, pytest.raises(OutcomeUnknown):
        an_api_on(port).clients().everything()


def test_an_answer_that_only_drips_in_is_given_up() -> None:
    """The read time-out restarts with every byte; the whole answer has a limit too."""
    finished = threading.Event()

    def drip(connection: socket.socket, request: bytes) -> None:
        connection.sendall(http(b"", length=1 << 20))
        while not finished.wait(0.02):
            connection.sendall(b" " * 70000)

    with listening(drip) as port:
        with pytest.raises(OutcomeUnknown):
            an_api_on(port, read_seconds=0.1).call("ModuleSuspend", serviceid=1)
        finished.set()


def test_calls_share_a_connection_and_a_firewall_gets_a_new_one() -> None:
    """A flagged keep-alive socket can keep getting 403 until it is reopened (facts sheet section 1)."""
    connections: list[int] = []
    requests_on: dict[int, int] = {}

    def flag_the_third(connection: socket.socket, request: bytes) -> None:
        key = id(connection)
        if key not in connections:
            connections.append(key)
        requests_on[key] = requests_on.get(key, 0) + 1
        flagged = len(connections) == 1 and requests_on[key] >= 3
        connection.sendall(http(b"<html>", "403 Forbidden") if flagged else http(OK))

    with listening(flag_the_third) as port, an_api_on(port) as api:
        for _ in range(4):
            api.call("GetStats")
    assert list(requests_on.values()) == [3, 2]


def test_a_write_behind_a_firewall_is_not_repeated_but_the_next_call_gets_a_new_connection() -> None:
    seen: list[int] = []

    def refuse_first(connection: socket.socket, request: bytes) -> None:
        seen.append(id(connection))
        connection.sendall(http(b"<html>", "403 Forbidden") if len(seen) == 1 else http(OK))

    with listening(refuse_first) as port, an_api_on(port) as api:
        with pytest.raises(BlockedByFirewall):
            api.call("ModuleSuspend", serviceid=1)
        assert len(seen) == 1
        api.call("ModuleSuspend", serviceid=1)
    assert len(seen) == 2


# --- certificates -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and certificate that nobody vouches for, in one file."""
    stop_without(["openssl"])
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "both.pem", folder / "key.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", *command.split(), "-keyout", str(key), "-out", str(pem)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    pem.write_text(key.read_text() + pem.read_text())
    return pem


def _tls(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(self_signed: Path) -> None:
    """Story 59: certificate checking must fail on a bad certificate, and cannot be switched off."""
    received: list[bytes] = []
    with listening(lambda connection, request: received.append(request), _tls(self_signed)) as port:
        api = an_api_on(port, scheme="https")
        with pytest.raises(InsecureConnection, match=r"certificate.*does not hold.*was not sent"):
            api.call("GetStats")
        assert api.calls == {"GetStats": 1}
    assert received == []


def test_an_authority_of_the_house_is_accepted_when_it_is_named(self_signed: Path) -> None:
    with listening(lambda connection, request: connection.sendall(http(OK)), _tls(self_signed)) as port:
        assert an_api_on(port, scheme="https", ca_bundle=str(self_signed)).call("GetStats") == {"result": "success"}


def test_https_to_a_server_that_speaks_http_is_told_apart() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(5)

    def answer() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            connection.recv(1024)
            connection.sendall(http(OK, "400 Bad Request"))
            connection.close()

    threading.Thread(target=answer, daemon=True).start()
    with pytest.raises(InsecureConnection, match="https"):
        an_api_on(server.getsockname()[1], scheme="https").call("GetStats")
    server.close()


# --- secrets ------------------------------------------------------------------------------------

LEAKS = [
    pytest.param(_refused(), id="refused"),
    pytest.param(_dropped(), id="dropped"),
    pytest.param(requests.ConnectionError(OSError(f"sent secret={SECRET}")), id="a-library-that-quotes-us"),
    pytest.param(Answer(200, f"<title>debug secret={SECRET}</title>".encode()), id="debug-page"),
    pytest.param(Answer(500, f"identifier={IDENTIFIER}".encode()), id="echo"),
    pytest.param(Answer(302, b"", location=f"https://e.example.com/?secret={SECRET}"), id="redirect"),
    pytest.param(f'{{"result":"error","message":"bad key {ACCESS_KEY}"}}'.encode(), id="message"),
    pytest.param(f'{{"warning":"bad key {ACCESS_KEY}"}}'.encode(), id="warning"),
]


@pytest.mark.parametrize("answer", LEAKS)
def test_no_secret_ever_shows(answer: bytes | Answer | Exception, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api = an_api(Scripted(answer))
    with pytest.raises(WhmcsError) as caught:
        api.call("UpdateClient", clientid=1)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert caught.value.__context__ is None
    for secret in SECRETS:
        assert secret not in shown + caplog.text + repr(api)


def test_credentials_do_not_print_themselves() -> None:
    assert repr(Credentials(IDENTIFIER, SECRET, ACCESS_KEY)) == "Credentials()"
