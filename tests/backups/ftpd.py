"""A pyftpdlib server on a free port of loopback, with a certificate of its own, for the time of a test module."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from whmcs_bridge.backups.ftp import Login
from whmcs_bridge.settings.secret import Secret

PASSWORD = "open-sesame-for-tests"


@dataclass(frozen=True, slots=True)
class Ftpd:
    """Where it listens, what it serves, and the authority that its certificate is from."""

    port: int
    home: Path
    ca_file: Path
    handler: Any

    def login(self, **changes: object) -> Login:
        fields: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "bridge",
            "password": Secret.given(PASSWORD),
            "ca_file": self.ca_file,
            "timeout_seconds": 10.0,
        }
        return Login(**(fields | changes))


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate of 127.0.0.1 and, with its key, what the server wants; return both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ca_file, both = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(public)
    both.write_bytes(secret + public)
    return ca_file, both


@contextmanager
def running_ftpd(folder: Path, *, tls: bool = True) -> Iterator[Ftpd]:
    """Run one until the block ends."""
    ca_file, both = write_certificate(folder)
    home = folder / "home"
    home.mkdir()
    authorizer = DummyAuthorizer()
    authorizer.add_user("bridge", PASSWORD, str(home), perm="elradfmwMT")
    handler: Any = type("Handler", (TLS_FTPHandler if tls else FTPHandler,), {})
    handler.authorizer = authorizer
    handler.encoding = "utf8"
    handler.use_sendfile = False
    handler.auth_failed_timeout = 0
    if tls:
        handler.certfile = str(both)
        handler.tls_control_required = handler.tls_data_required = True
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop.factory())
    server.max_cons = 0
    thread = Thread(target=lambda: server.serve_forever(timeout=0.05, blocking=True, handle_exit=False), daemon=True)
    thread.start()
    try:
        yield Ftpd(server.socket.getsockname()[1], home, ca_file, handler)
    finally:
        server.ioloop.call_later(0, server.close_all)
        thread.join(5)
