"""Every error we raise, grouped by what to do next. Commands print the message and exit with exit_code."""


class BridgeError(Exception):
    """Base of them all. The message is one line: the thing, the fact, the way out."""

    exit_code = 1


# --- talking to WHMCS -------------------------------------------------------------------------


class WhmcsError(BridgeError):
    """Something went wrong between us and WHMCS."""


class NotDelivered(WhmcsError):
    """The request never reached WHMCS: repeating it is safe."""


class InsecureConnection(NotDelivered):
    """WHMCS's certificate does not hold, so nothing was sent: repeating it will not help."""


class OutcomeUnknown(WhmcsError):
    """WHMCS may have acted before the line dropped: read the panel before trying again."""


class UnreadableReply(WhmcsError):
    """The reply is not what WHMCS sends (HTML, half a body, a missing field): nothing may follow from it."""


class IncompleteList(UnreadableReply):
    """A list came back shorter than WHMCS said it is, and reading it again did not mend it."""


class Unavailable(WhmcsError):
    """WHMCS or what stands in front of it is out of order for now (5xx, 429, maintenance page)."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(WhmcsError):
    """WHMCS answered `result: error`; `reason` is its message word for word."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class NotFound(Refused):
    """The id does not exist in WHMCS."""


class AccessRefused(Refused):
    """WHMCS did not let us in: credentials, address, role or account. Nothing was carried out."""


class CredentialsRefused(AccessRefused):
    """Identifier and secret are not accepted."""


class AddressRefused(AccessRefused):
    """Our IP address is not on WHMCS's API allow list."""


class ActionRefused(AccessRefused):
    """The credential's API role lacks this action."""


class WrongAddress(AccessRefused):
    """The URL does not lead to WHMCS's API (doubled path, no admin context, login page)."""


class BlockedByFirewall(AccessRefused):
    """Something in front of WHMCS refused the request: a 403 without a WHMCS body."""


class ActionUnknown(Refused):
    """This WHMCS does not know the action."""


class ModuleFailed(Refused):
    """The product's module said no, or is missing; the message is the module's own."""


class NoModule(ModuleFailed):
    """The service is not assigned to a module."""


# --- what a run refuses to do -----------------------------------------------------------------


class MovedOn(BridgeError):
    """The step is no longer due: what it was planned from has changed. It is skipped, not failed."""


class AccountLives(MovedOn):
    """WHMCS says that the service has ended, and its server's panel still has the account. Staff has to look."""


class StalePlan(BridgeError):
    """The fingerprint is of another plan, house day or policy."""

    exit_code = 3


class Locked(BridgeError):
    """Another process writes to this database; wait for it or end it."""


class DatabaseTrouble(BridgeError):
    """A database file is foreign, newer, damaged, read-only, on a network, or the disk is full."""


class StoreTrouble(BridgeError):
    """A backup store or panel did not do what was asked; nothing may be concluded from its silence."""


class StoreUnreachable(StoreTrouble):
    """It is away, or the line broke."""


class StoreAuthFailed(StoreTrouble):
    """It does not take our credentials, or its key or certificate is not the one we know."""


class ViewIncomplete(StoreTrouble):
    """It shows less than it holds, or we cannot tell: no partial list is ever taken for a whole one."""


class StoreRateLimited(StoreTrouble):
    """Too many requests; `retry_after` in seconds where it says."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnsupported(StoreTrouble):
    """This kind of store cannot do that, or it is not proved on a real one that it does."""


class OddEvent(BridgeError):
    """An event of WHMCS's hooks lacks what it has to name: no later try will help."""


# --- what a person can get wrong ----------------------------------------------------------------


class UsageProblem(BridgeError):
    """A command was given something that cannot work."""

    exit_code = 2


class UnknownId(UsageProblem):
    """No such client, service, invoice, plan or task."""


class RecordRefused(UsageProblem):
    """A promise, release or receipt that the rules do not admit; the message says why, and what to do.

    `rule`: one of the house's own, which staff may go past with a reason.
    """

    def __init__(self, message: str, *, rule: bool = False) -> None:
        super().__init__(message)
        self.rule = rule


class SettingsProblem(UsageProblem):
    """The settings are wrong; `problems` lists every mistake, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ScenarioProblem(SettingsProblem):
    """A scenario file is wrong; `problems` lists every mistake, one line each."""


class CurrencyMismatch(BridgeError):
    """Two amounts of different currencies cannot be added or compared."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"cannot combine {one} with {other}")
