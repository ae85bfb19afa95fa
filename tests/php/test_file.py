"""The hook file as it lies there: PHP from 7.2 on, and the same hook points as the handlers."""

import json
import re
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from hooks import HANDLERS
from tests.house import House
from tests.needs import needs
from tests.php.receiver import Receiver
from tests.php.whmcs import SHIM, Whmcs
from whmcs_bridge.hookpoints import Ask

pytestmark = needs("php")

DOCS = Path(__file__).parents[2] / "docs"
ASKED = {point for point, handler in HANDLERS.items() if isinstance(handler, Ask)}
LOCAL = {"InvoicePaidPreEmail", "AfterCronJob"}
"""Only listened to: they are not forwarded."""
SCREENS = {
    "AdminAreaClientSummaryActionLinks",
    "AdminAreaClientSummaryPage",
    "AdminClientServicesTabFields",
    "AdminClientServicesTabFieldsSave",
    "AdminHomeWidgets",
    "ClientAreaHomepagePanels",
}
TOKENS = """
$told = [];
foreach (token_get_all(stream_get_contents(STDIN)) as $token) {
    $told[] = is_array($token) ? [token_name($token[0]), $token[1]] : ['', $token];
}
echo json_encode($told);
"""
NEWER_TOKENS = {
    "T_FN": "arrow functions are 7.4",
    "T_COALESCE_EQUAL": "??= is 7.4",
    "T_MATCH": "match is 8.0",
    "T_NULLSAFE_OBJECT_OPERATOR": "?-> is 8.0",
    "T_ATTRIBUTE": "attributes are 8.0",
    "T_ENUM": "enums are 8.1",
    "T_READONLY": "readonly is 8.1",
    "T_ELLIPSIS": "spreading arrays is 7.4; nothing else needs it here",
    "T_START_HEREDOC": "indented heredocs are 7.3; do without",
}
NEWER_WORDS = {
    "array_find",
    "array_is_list",
    "array_key_first",
    "array_key_last",
    "enum_exists",
    "fdiv",
    "get_debug_type",
    "get_resource_id",
    "hrtime",
    "is_countable",
    "json_validate",
    "JSON_THROW_ON_ERROR",
    "mb_str_split",
    "mb_str_pad",
    "net_get_interfaces",
    "password_algos",
    "str_contains",
    "str_ends_with",
    "str_starts_with",
    "mixed",
    "never",
    "WeakMap",
    "Stringable",
}
Token = tuple[str, str]


def tokens_of(source: str) -> list[Token]:
    done = subprocess.run(["php", "-r", TOKENS], input=source, capture_output=True, text=True, check=True)
    found = [(kind, text) for kind, text in json.loads(done.stdout)]
    return [token for token in found if token[0] not in ("T_WHITESPACE", "T_COMMENT", "T_DOC_COMMENT")]


def newer_than_72(tokens: Sequence[Token]) -> list[str]:
    """Return what PHP 7.2 would not understand, as far as tokens tell."""
    found = [NEWER_TOKENS[kind] for kind, _ in tokens if kind in NEWER_TOKENS]
    found += [f"{text} is newer" for kind, text in tokens if kind == "T_STRING" and text in NEWER_WORDS]
    found += [f"{text}: separators are 7.4" for kind, text in tokens if kind.endswith("NUMBER") and "_" in text]
    for (kind, text), (next_kind, next_text) in pairwise(tokens):
        if text == "," and next_text == ")":
            found.append("a trailing comma in a call is 7.3")
        if kind in ("T_PUBLIC", "T_PROTECTED", "T_PRIVATE", "T_VAR") and next_kind in ("T_STRING", "T_ARRAY"):
            found.append("typed properties are 7.4")
        if next_kind == "T_THROW" and text in ("?", ":", "??", "=", "=>", "("):
            found.append("throw as an expression is 8.0")
    text = " ".join(text for _, text in tokens)
    found += ["named arguments are 8.0"] * len(re.findall(r"[(,] \w+ : ", text))
    found += ["union types are 8.0"] * len(re.findall(r"\w+ \| \w+ \$", text))
    found += ["catch without a variable is 8.0"] * len(re.findall(r"catch \( [\\\w |]+ \)", text))
    return found


def test_php_finds_no_fault_with_the_file() -> None:
    done = subprocess.run(
        ["php", "-d", "error_reporting=-1", "-d", "display_errors=1", "-l"],
        input=SHIM.read_text("utf-8"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("No syntax errors detected")


def test_php_72_understands_the_file() -> None:
    tokens = tokens_of(SHIM.read_text("utf-8"))
    assert len(tokens) > 4000
    assert newer_than_72(tokens) == []


@pytest.mark.parametrize(
    "source",
    [
        "$a = fn($b) => $b;",
        "$a ??= 1;",
        "f($a, );",
        "class A { private int $b; }",
        "str_contains('a', 'b');",
        "function f(int|string $a) {}",
        "f(name: 1);",
        "try { f(); } catch (Throwable) {}",
        "$a = $b ?? throw new E();",
        "$a = [...$b];",
        "$a = 1_000;",
        "$a?->b();",
    ],
)
def test_newer_php_would_be_noticed(source: str) -> None:
    assert newer_than_72(tokens_of(f"<?php {source}"))


def test_the_file_listens_to_what_there_are_handlers_for(whmcs: Whmcs) -> None:
    points = set(whmcs.page().seen["points"])
    assert points >= LOCAL | SCREENS
    assert points - LOCAL - SCREENS == set(HANDLERS)


def test_the_file_waits_for_the_answers_that_there_are(whmcs: Whmcs, receiver: Receiver) -> None:
    """Asks are asked (and may be refused), tells are told (and their answer is ignored)."""
    for point in HANDLERS:
        receiver.answers[point] = (200, {"abort": True, "reason": "no"})
    calls = [(point, {"params": {"serviceid": 34}, "invoiceid": 99}) for point in sorted(HANDLERS)]
    answers = dict(zip(sorted(HANDLERS), whmcs.page(*calls).answers, strict=True))
    assert {point for point, found in answers.items() if any(found)} == ASKED


def test_every_setting_is_documented() -> None:
    page = (DOCS / "how-to" / "install-hooks.md").read_text("utf-8")
    given = re.search(r"\$settings \+= \[(.*?)\n    \];", SHIM.read_text("utf-8"), re.DOTALL)
    assert given
    keys = re.findall(r"^        '(\w+)' =>", given[1], re.MULTILINE)
    assert len(keys) > 10
    assert [key for key in [*keys, "secret"] if f"`{key}`" not in page] == []


def test_every_key_of_the_gate_file_is_documented_and_read(tmp_path: Path) -> None:
    page = (DOCS / "reference" / "receiver.md").read_text("utf-8")
    with House.of(folder=tmp_path) as house:
        house.sync()
        keys = set(json.loads((tmp_path / "gate.json").read_text()))
    assert {key for key in keys if f"\n| `{key}` |" not in page} == set()
    source = SHIM.read_text("utf-8")
    assert {key for key in keys - {"v"} if f"'{key}'" not in source} == set()


def test_the_file_says_who_maintains_it_and_keeps_to_its_width() -> None:
    lines = SHIM.read_text("utf-8").splitlines()
    assert "whmcs-bridge hooks install" in "\n".join(lines[:12])
    assert max(len(line) for line in lines) <= 120
    assert all(line == line.rstrip() for line in lines)
