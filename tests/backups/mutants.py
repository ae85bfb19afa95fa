"""Guards taken away in the very code that has them, so that what should fail without them can be seen to fail.

A mutant rewrites a piece of a function's source, compiles the whole module so, and gives the function that is there
the new code: whoever has imported it runs the mutant, and a guard that is not there any more cannot be named.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from whmcs_bridge.errors import BridgeError

Cut = tuple[Any, str, str]
"""A function (or a property, or a class method), what stands there, and what stands there without the guard."""
MISSED = (AssertionError, pytest.fail.Exception, BridgeError)
"""How a test fails; a mutant that merely breaks its own code (NameError, TypeError) proves nothing."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard of an invariant, what is rewritten to take it away, and the test that has to fail then."""

    invariant: str
    of: str
    """Whose guard: "runs" or a driver's name."""
    what: str
    """What holds without it."""
    cuts: tuple[Cut, ...]
    kill: Callable[..., object]
    given: tuple[object, ...] = ()
    """What the test is given, as its own cases give it."""

    def __str__(self) -> str:
        return f"{self.invariant} {self.of}: {self.what}"


def mutant(
    invariant: str, of: str, what: str, guarded: Any, old: str, new: str, kill: Callable[..., object], *given: object
) -> Mutant:
    """A mutant with one cut."""
    return Mutant(invariant, of, what, ((guarded, old, new),), kill, given)


def missed(one: Mutant, kill: Callable[[], object]) -> None:
    """See that the test passes with the guard, and fails without it."""
    key = (one.kill, repr(one.given))
    if key not in _PASSED:
        kill()
        _PASSED.add(key)
    with pytest.MonkeyPatch.context() as patch:
        take_away(patch, one.cuts)
        try:
            kill()
        except MISSED:
            return
    pytest.fail(f"nothing fails without it: {one}")


def called(one: Mutant, fixtures: Mapping[str, Callable[[], object]]) -> None:
    """Run the test with what it is given, and with what it takes by these names, made for this time."""
    names = list(inspect.signature(one.kill).parameters)
    made = {name: fixtures[name]() for name in names if name in fixtures}
    one.kill(**made, **dict(zip((name for name in names if name not in made), one.given, strict=False)))


_PASSED: set[tuple[object, str]] = set()
"""Tests that have been seen to pass as they are."""


def take_away(patch: pytest.MonkeyPatch, cuts: tuple[Cut, ...]) -> None:
    """Give every function of the cuts its code without the guards, until the patch is undone."""
    by_function: dict[FunctionType, list[tuple[str, str]]] = {}
    for guarded, old, new in cuts:
        by_function.setdefault(plain(guarded), []).append((old, new))
    for function, rewritten in by_function.items():
        patch.setattr(function, "__code__", without(function, rewritten))


def plain(guarded: Any) -> FunctionType:
    """The function itself behind a property, a class method or a decorator."""
    inner: Any = guarded.fget if isinstance(guarded, property) else getattr(guarded, "__func__", guarded)
    found = inspect.unwrap(inner)
    assert isinstance(found, FunctionType), guarded
    return found


def without(function: FunctionType, rewritten: Sequence[tuple[str, str]]) -> CodeType:
    """Compile the function's module with each piece rewritten, which stands in the function exactly once."""
    lines, first = inspect.getsourcelines(function)
    text = "".join(lines)
    for old, new in rewritten:
        assert text.count(old) == 1, f"{function.__qualname__} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    file = sys.modules[function.__module__].__file__
    assert file is not None
    before, after = _source(file)[: first - 1], _source(file)[first - 1 + len(lines) :]
    mutated = compile("".join((*before, text, *after)), file, "exec")
    [code] = [found for found in _codes(mutated) if found.co_qualname == function.__qualname__]
    assert code.co_freevars == function.__code__.co_freevars
    assert _meaning(code) != _meaning(function.__code__), f"it means the same: {rewritten}"
    return code


def _meaning(code: CodeType) -> tuple[object, ...]:
    return code.co_code, code.co_consts, code.co_names, code.co_varnames


@cache
def _source(file: str) -> list[str]:
    return Path(file).read_text(encoding="utf-8").splitlines(keepends=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)
