"""PHP's own web server, with curl and without, and a receiver for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import stop_without
from tests.php.receiver import Receiver, receiving
from tests.php.whmcs import Whmcs, php_server


@pytest.fixture(scope="session")
def php_port() -> Iterator[int]:
    """A PHP as it is installed: with curl, where the extension is there."""
    stop_without(["php"])
    with php_server() as port:
        yield port


@pytest.fixture(scope="session")
def curlless_port() -> Iterator[int]:
    """A PHP in which curl may not be called."""
    stop_without(["php"])
    with php_server("-d", "disable_functions=curl_init,curl_exec") as port:
        yield port


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as found:
        yield found


@pytest.fixture
def whmcs(php_port: int, tmp_path: Path, receiver: Receiver) -> Whmcs:
    return Whmcs.at(php_port, tmp_path / "whmcs", receiver.url)


@pytest.fixture(params=["curl", "streams"])
def over_http(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> Whmcs:
    """The hook file with and without curl."""
    with_curl = request.param == "curl"
    port = request.getfixturevalue("php_port" if with_curl else "curlless_port")
    found = Whmcs.at(port, tmp_path / "whmcs", receiver.url)
    if found.page().seen["curl"] != with_curl:
        stop_without(["php-curl"], found=lambda _: None)
    return found


@pytest.fixture
def alone(whmcs: Whmcs) -> Whmcs:
    """WHMCS while nothing listens where the bridge should be."""
    whmcs.set(url="http://127.0.0.1:9", connect_timeout_ms=250)
    return whmcs
