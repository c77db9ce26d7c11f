"""A JWK set: which keys in it can be used, and for what."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from cds_hooks.keys import ALGORITHMS, PinnedKeys, read_key_set
from cds_hooks.minting import SigningKey
from tests.wire.clients import ABSENT, KEY, Json, changed, ec_key, key_set, rsa_key

OTHER = SigningKey.generate()
P256, P521 = ec_key(ec.SECP256R1()), ec_key(ec.SECP521R1())


def kids(*jwks: object) -> set[str]:
    return set(read_key_set(json.dumps({"keys": jwks}).encode()))


def jwk(key: SigningKey = KEY, **changes: object) -> Json:
    return changed(key.jwk, changes)


def test_every_key_that_can_be_used() -> None:
    keys = read_key_set(key_set(KEY, P256, P521, rsa_key()))
    assert {kid: key.algorithms for kid, key in keys.items()} == {
        KEY.kid: {"ES384"},
        P256.kid: {"ES256"},
        P521.kid: {"ES512"},
        rsa_key().kid: {"RS384"},
    }


def test_a_key_that_names_no_algorithm_is_for_all_of_its_kind() -> None:
    keys = read_key_set(key_set(KEY, rsa_key(), alg=ABSENT))
    assert keys[KEY.kid].algorithms == {"ES384"}
    assert keys[rsa_key().kid].algorithms == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def test_no_algorithm_has_a_shared_key() -> None:
    assert {kty for kty, _ in ALGORITHMS.values()} == {"EC", "RSA"}


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": ABSENT},
        {"kid": ""},
        {"kid": 1},
        {"kid": ["a"]},
        {"kty": ABSENT},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "oct"},
        {"kty": "RSA"},
        {"kty": ["EC"]},
        {"crv": "P-256"},
        {"crv": "P-521"},
        {"crv": "secp256k1"},
        {"crv": ABSENT},
        {"crv": ["P-384"]},
        {"use": "enc"},
        {"use": None},
        {"key_ops": ["sign"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"key_ops": None},
        {"alg": "HS384"},
        {"alg": "none"},
        {"alg": "ES256"},
        {"alg": None},
        {"alg": ["ES384"]},
        {"x": ABSENT},
        {"y": 1},
        {"x": ""},
        {"x": "é"},
        {"x": "AAAA"},
        {"y": KEY.jwk["x"]},  # a point beside the curve
        {"d": KEY.jwk["x"]},
        {"k": "c2VjcmV0"},
    ],
)
def test_a_key_that_is_passed_over(changes: dict[str, object]) -> None:
    assert kids(jwk(KEY, **changes), jwk(OTHER)) == {OTHER.kid}


@pytest.mark.parametrize(
    "changes", [{"use": ABSENT}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"x5t": 1}]
)
def test_a_key_with_other_members_that_is_not(changes: dict[str, object]) -> None:
    assert kids(jwk(KEY, **changes)) == {KEY.kid}


@pytest.mark.parametrize(
    "changes", [{"n": ""}, {"n": "AQ"}, {"n": 1}, {"e": ABSENT}, {"e": "Ag"}, {"p": "AQ"}, {"crv": "P-384"}, {"n": "!"}]
)
def test_an_rsa_key_that_is_passed_over(changes: dict[str, object]) -> None:
    assert kids(jwk(rsa_key(), **changes), jwk(OTHER)) == {OTHER.kid}


def rsa_jwk_of(bits: int) -> Json:
    """A public key of that size; who it belongs to does not matter."""
    modulus = (1 << (bits - 1)) + 1
    return {"kty": "RSA", "kid": str(bits), "e": "AQAB", "n": _unsigned(modulus)}


def _unsigned(value: int) -> str:
    from jwt.utils import base64url_encode

    return base64url_encode(value.to_bytes((value.bit_length() + 7) // 8)).decode()


def test_the_size_of_an_rsa_key() -> None:
    assert kids(*map(rsa_jwk_of, (1024, 2040, 2048, 4096, 8192, 8200, 16384))) == {"2048", "4096", "8192"}


def test_a_name_that_stands_twice_names_no_key() -> None:
    assert kids(jwk(), jwk(OTHER, kid=KEY.kid), jwk(P256)) == {P256.kid}
    assert kids(jwk(), jwk(kty="oct"), jwk(P256)) == {P256.kid}


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[1]}', b'{"keys":[],"keys":[]}', b"<html>", b'{"keys":null}'],
)
def test_not_a_jwk_set(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a JWK set$"):
        read_key_set(document)
    with pytest.raises(ValueError, match=r"^not a JWK set$"):
        PinnedKeys(document)


def test_a_set_without_keys_is_one() -> None:
    """The issuer has withdrawn them all, which counts; but nobody pins such a set on purpose."""
    assert read_key_set(b'{"keys":[]}') == {}
    with pytest.raises(ValueError, match=r"^no key of this JWK set can be used with ES256, "):
        PinnedKeys(b'{"keys":[]}')


def test_pinned_keys() -> None:
    keys = PinnedKeys(key_set(KEY, OTHER), ["ES384"])
    found = keys.find(KEY.kid)
    assert found is not None
    assert found.public == ECAlgorithm.from_jwk(jwk())
    assert keys.find("unknown") is None
    with pytest.raises(ValueError, match=r"^no key of this JWK set can be used with RS384, ES256$"):
        PinnedKeys(key_set(KEY), ["RS384", "ES256"])
