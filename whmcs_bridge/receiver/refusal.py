"""Why an event is not taken: an HTTP status and one line."""

from whmcs_bridge.errors import BridgeError


class Refusal(BridgeError):
    """The event is not taken; `status` is the HTTP status that says so. 503: deliver it again later."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
