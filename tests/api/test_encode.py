"""Parameters reach WHMCS as PHP expects them."""

import base64
import json
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from whmcs_bridge.api.encode import form_body, form_fields, php_serialized
from whmcs_bridge.domain.status import ServiceStatus

ENCODED = [
    pytest.param({"a": True, "b": False, "c": None}, [("a", "1"), ("b", "0")], id="booleans-and-absent"),
    pytest.param({"ids": [5, 6]}, [("ids[0]", "5"), ("ids[1]", "6")], id="list"),
    pytest.param({"itemamount": {13: Decimal("16.95")}}, [("itemamount[13]", "16.95")], id="map"),
    pytest.param({"attributes": [{"label": "x"}]}, [("attributes[0][label]", "x")], id="nested"),
    pytest.param({"d": date(2025, 2, 28)}, [("d", "2025-02-28")], id="day"),
    pytest.param({"d": datetime.fromisoformat("2025-02-28T09:05:07")}, [("d", "2025-02-28 09:05:07")], id="moment"),
    pytest.param({"status": ServiceStatus.SUSPENDED}, [("status", "Suspended")], id="word"),
    pytest.param({"amount": Decimal("1E+2")}, [("amount", "100")], id="amount-never-in-powers-of-ten"),
    pytest.param({"customfields": "YTowOnt9"}, [("customfields", "YTowOnt9")], id="encoded-by-the-caller"),
]


@pytest.mark.parametrize(("params", "fields"), ENCODED)
def test_values_become_form_fields(params: dict[str, object], fields: list[tuple[str, str]]) -> None:
    assert form_fields(params) == fields


def test_text_of_any_language_survives_the_form() -> None:
    fields = [("notes", "São Paulo & Köln=100%+\n")]
    assert parse_qsl(form_body(fields).decode(), keep_blank_values=True) == fields


SERIALIZED = [
    pytest.param({12: "ab"}, b'a:1:{i:12;s:2:"ab";}', id="numbered"),
    pytest.param({"12": "ab"}, b'a:1:{i:12;s:2:"ab";}', id="php-makes-digits-a-number"),
    pytest.param({"012": "ab"}, b'a:1:{s:3:"012";s:2:"ab";}', id="unless-they-start-with-zero"),
    pytest.param({"k": "é"}, 'a:1:{s:1:"k";s:2:"é";}'.encode(), id="length-in-bytes"),
    pytest.param({"a": True, "b": 3, "c": None}, b'a:3:{s:1:"a";b:1;s:1:"b";i:3;s:1:"c";N;}', id="scalars"),
    pytest.param({"l": ["x"]}, b'a:1:{s:1:"l";a:1:{i:0;s:1:"x";}}', id="list"),
    pytest.param({"m": Decimal("1.50")}, b'a:1:{s:1:"m";s:4:"1.50";}', id="money-as-text"),
]


@pytest.mark.parametrize(("value", "expected"), SERIALIZED)
def test_php_reads_what_we_serialize(value: dict[object, object], expected: bytes) -> None:
    """The length of a string is its UTF-8 bytes (facts sheet section 3)."""
    assert php_serialized(value) == expected


@pytest.mark.parametrize("name", ["customfields", "configoptions", "customvars"])
def test_custom_values_go_as_one_serialized_array(name: str) -> None:
    """An array of separately encoded values is not understood (Q23)."""
    [(field, value)] = form_fields({name: {1: "x"}})
    assert field == name
    assert base64.b64decode(value) == b'a:1:{i:1;s:1:"x";}'


def test_attachments_go_as_encoded_json() -> None:
    [(_, value)] = form_fields({"attachments": [("f.txt", b"\x00hello")]})
    [attachment] = json.loads(base64.b64decode(value))
    assert attachment["name"] == "f.txt"
    assert base64.b64decode(attachment["data"]) == b"\x00hello"
