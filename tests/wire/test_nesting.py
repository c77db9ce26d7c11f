"""Too deep is told exactly, whatever stands in strings, and of a broken text up to where it breaks."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cds_hooks.nesting import DEEPEST, too_deep

JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\a') | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[]{}"\\'), inner, max_size=3),
    max_leaves=20,
)


def depth(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(depth, members), default=0)


def wrapped(value: Any, levels: int) -> Any:
    for level in range(levels):
        value = [value] if level % 2 else {'"}]\\': value}
    return value


@given(JSON, st.integers(-2, 2), st.booleans())
@example("]" * 1000, 0, True)
@example('\\"' * 1000, 1, False)
@example('\\"' * 10_000, 0, False)
@example('\\"' * 10_000, 1, True)
@example({"}" * 500: "[" * 500}, 0, True)
def test_it_is_exact(value: Any, beyond: int, ascii: bool) -> None:
    whole = wrapped(value, DEEPEST + beyond - depth(value))
    assert depth(whole) == DEEPEST + beyond
    assert too_deep(json.dumps(whole, ensure_ascii=ascii).encode()) == (beyond > 0)


@given(JSON)
def test_a_shallow_text_of_any_length_is_not_too_deep(value: Any) -> None:
    assert not too_deep(json.dumps([value] * 200).encode())


@pytest.mark.parametrize(
    "broken",
    [
        b"[" * 200,
        b"[" * 200 + b'"',
        b"[" * 200 + b'"' + b"]" * 200,
        b"[" * 200 + b"x" + b"]" * 200,
        b'{"a":' * 200,
        b'["]",' * 200,
        b"[" * 200 + rb'"\"' + b"]" * 200,
    ],
)
def test_a_broken_text_does_not_hide_how_deep_it_is(broken: bytes) -> None:
    assert too_deep(broken)


def test_a_broken_text_that_is_not_deep() -> None:
    assert not too_deep(b'{"a":[{}' * 40)
    assert not too_deep(b"[]" * 1000 + b"[[[")
    assert not too_deep(b"[" * 100 + b'"a string that does not end')
    assert not too_deep(b"[" * 100 + b'"' + b"[" * 100)
    assert not too_deep(b"]" * 200 + b"[" * 200)
