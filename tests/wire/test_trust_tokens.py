"""A token taken apart: one spelling, one reading."""

import base64
import json

import pytest

from cds_hooks.tokens import Malformed, Token, strict_object
from tests.wire.clients import KEY, bearer, claims, compact, segment

HEADER = {"typ": "JWT", "alg": "ES384", "kid": KEY.kid}
GOOD = bearer().removeprefix("Bearer ")


def is_malformed(text: str) -> bool:
    try:
        Token(text)
    except Malformed:
        return True
    return False


def test_a_token_taken_apart() -> None:
    token = Token(GOOD)
    assert (token.header, token.claims, token.text) == (HEADER, claims(), GOOD)
    assert GOOD not in repr(token)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        GOOD.rpartition(".")[0],
        GOOD.rpartition(".")[0] + ".",
        f".{GOOD}",
        f"{GOOD}.",
        f"{GOOD}.{GOOD}",
        f"{GOOD}\n",
        f" {GOOD}",
        GOOD.replace(".", "..", 1),
        GOOD.replace(".", "\u3002", 1),
        f"{GOOD}é",
    ],
)
def test_not_three_segments(text: str) -> None:
    assert is_malformed(text)
    assert not is_malformed(GOOD)


def spare_bits(text: str) -> str:
    """The same bytes for a reader who does not look at the spare bits of the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


def test_another_spelling_of_the_same_bytes() -> None:
    header, payload, signature = segment(HEADER), segment(b'{"a":1}'), segment(b"x")
    assert not is_malformed(f"{header}.{payload}.{signature}")
    other = spare_bits(signature)
    assert base64.urlsafe_b64decode(f"{other}==") == base64.urlsafe_b64decode(f"{signature}==")
    assert is_malformed(f"{header}.{payload}.{other}")
    assert is_malformed(f"{header}.{payload}.{signature}==")
    assert is_malformed(f"{header}.{payload}.{signature}AAA")
    standard = base64.b64encode(b"\xff\xfe\xfd").decode()
    assert not is_malformed(f"{header}.{payload}.{segment(bytes([255, 254, 253]))}")
    assert is_malformed(f"{header}.{payload}.{standard}")


@pytest.mark.parametrize(
    "text",
    [
        b'{"alg":"none","alg":"ES384"}',
        b'{"alg":"ES384","\\u0061lg":"none"}',
        b'{"jwk":{"kty":"EC","kty":"oct"}}',
        b'{"a":[{"b":1,"b":1}]}',
    ],
)
def test_a_member_that_stands_twice(text: bytes) -> None:
    with pytest.raises(Malformed):
        strict_object(text)
    assert is_malformed(compact(text, claims(), b"x"))
    assert is_malformed(compact(HEADER, text, b"x"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"{}"',
        b"{} {}",
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
)
def test_not_a_json_object(text: bytes) -> None:
    with pytest.raises(Malformed):
        strict_object(text)


def test_a_json_object() -> None:
    text = '{"a": {"b": [1, -2.5e3, null, true, "é\\n"]}, "b": {"a": {}}}'
    assert strict_object(text.encode()) == json.loads(text)
