"""Replies fit to be shown: without passwords, access codes and card data."""

import re
from collections.abc import Mapping

HIDDEN = "[hidden]"

_SECRET_KEYS = frozenset(
    {
        "accesskey",
        "access_key",
        "authdata",
        "bankacct",
        "bankcode",
        "c",
        "cardcvv",
        "cardexp",
        "cardexpiry",
        "cardlastfour",
        "cardnum",
        "cardnumber",
        "card_number",
        "cccvv",
        "cvv",
        "eppcode",
        "expdate",
        "expiry_date",
        "gatewayid",
        "identifier",
        "issuenumber",
        "remote_token",
        "securityqans",
        "serveraccesshash",
        "transfersecret",
    }
)
_IN_ADDRESS = re.compile(r"([?&](?:access_token|token|auth|hash|secret|password|c)=)[^&#\s\"'<>]+", re.IGNORECASE)
"""The part of a link that lets whoever has it in: CreateSsoToken's redirect_url, links to tickets."""
_SECRET_PARTS = ("password", "passwd", "secret", "accesshash", "token", "apikey", "api_key")


def redact(reply: Mapping[str, object]) -> dict[str, object]:
    """Return a copy of a reply or of parameters with every secret value replaced by "[hidden]".

    Empty values stay, so that it can be seen that nothing is set. In GetConfigurationValue the setting's
    name tells whether its value is a secret.
    """
    shown = {key: _shown(key, value) for key, value in reply.items()}
    setting = reply.get("setting")
    if isinstance(setting, str) and _is_secret(setting) and shown.get("value"):
        shown["value"] = HIDDEN
    return shown


def _shown(key: str, value: object) -> object:
    if isinstance(value, Mapping):
        return redact(value)
    if isinstance(value, list | tuple):
        return [_shown(key, item) for item in value]
    if value not in (None, "") and _is_secret(key):
        return HIDDEN
    return _IN_ADDRESS.sub(rf"\g<1>{HIDDEN}", value) if isinstance(value, str) and "=" in value else value


def _is_secret(key: str) -> bool:
    folded = key.casefold()
    return folded in _SECRET_KEYS or any(part in folded for part in _SECRET_PARTS)
