"""Who may speak to us: HMAC-SHA256 over time, nonce and body, each nonce once, nothing old."""

import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from whmcs_bridge.receiver.nonces import Nonces
from whmcs_bridge.receiver.refusal import Refusal

TIMESTAMP: Final = "X-Whmcs-Bridge-Timestamp"
NONCE: Final = "X-Whmcs-Bridge-Nonce"
SIGNATURE: Final = "X-Whmcs-Bridge-Signature"
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32}")


def signature(secret: bytes, *parts: bytes) -> str:
    """Return the hex HMAC-SHA256 of the parts, joined by dots."""
    return hmac.digest(secret, b".".join(parts), "sha256").hex()


def signed(secret: bytes, body: bytes, nonce: str, at: float) -> dict[str, str]:
    """Return the headers of a request of ours: what the file in WHMCS sends, and `hooks drain`."""
    timestamp = str(int(at))
    mark = signature(secret, timestamp.encode(), nonce.encode(), body)
    return {"Content-Type": "application/json", TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: mark}


def reply_signature(secret: bytes, nonce: str, status: int, body: bytes) -> str:
    """Sign a reply: whoever listens on our port while we are down could answer as well."""
    return signature(secret, b"reply", nonce.encode(), str(status).encode(), body)


@dataclass(slots=True)
class Guard:
    """Lets signed requests in, each once."""

    secret: bytes
    tolerance_seconds: int
    nonces: Nonces
    now: Callable[[], float] = time.time
    """Unix seconds."""

    def admit(self, timestamp: str, nonce: str, given: str, body: bytes) -> str:
        """Return the nonce of a request with these headers, if it may be served.

        Raises Refusal: 401 for a wrong signature or an old one, 409 for one that was used.
        """
        expected = signature(self.secret, timestamp.encode(), nonce.encode(), body)
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise Refusal(401, "the signature is wrong: is the secret the same on both sides?")
        if not _SECONDS.fullmatch(timestamp) or not _HEX.fullmatch(nonce):
            raise Refusal(401, "the signature's time or nonce is malformed")
        now = self.now()
        if abs(now - int(timestamp)) > self.tolerance_seconds:
            raise Refusal(401, "the signature is too old or from the future: are both clocks right?")
        if not self.nonces.use(nonce, int(timestamp), now):
            raise Refusal(409, "the nonce was used before")
        return nonce
