"""The public keys of a client: a JWK Set (RFC 7517), read once, strictly."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, Protocol, cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from cds_hooks.tokens import Malformed, strict_object

__all__ = ["ALGORITHMS", "RSA_BITS", "Key", "Keys", "KeysAway", "PinnedKeys", "read_key_set"]

# Which key an algorithm takes (RFC 7518, 3.1): asymmetric ones only, so that no public key can serve as a secret.
ALGORITHMS: Final[Mapping[str, tuple[str, str | None]]] = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **{f"{family}{size}": ("RSA", None) for family in ("RS", "PS") for size in (256, 384, 512)},
}

# RFC 7518, 3.3, asks for 2048 bits or more; a longer key than 8192 only makes each call dearer (house).
RSA_BITS: Final = range(2048, 8192 + 1)

# The members of a JWK that only the owner of a private or shared key may hold (RFC 7518, 6.2.2, 6.3.2 and 6.4.1).
_SECRET: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeysAway(Exception):
    """The key set of a client cannot be had at the moment."""


class Key(NamedTuple):
    """A public key, and the algorithms it may be used with."""

    public: EllipticCurvePublicKey | RSAPublicKey
    algorithms: frozenset[str]


class Keys(Protocol):
    """Where the keys of one issuer are looked up."""

    def find(self, kid: str) -> Key | None:
        """The key of that name, None when the issuer has none. Raises KeysAway."""
        ...


class PinnedKeys:
    """Keys that were exchanged beforehand."""

    def __init__(self, document: bytes, algorithms: Collection[str] = tuple(ALGORITHMS)) -> None:
        """ValueError when the document holds no key that goes with one of the algorithms."""
        self._keys = read_key_set(document)
        if not any(key.algorithms & set(algorithms) for key in self._keys.values()):
            raise ValueError(f"no key of this JWK set can be used with {', '.join(algorithms)}")

    def find(self, kid: str) -> Key | None:
        return self._keys.get(kid)


def read_key_set(document: bytes) -> Mapping[str, Key]:
    """The usable keys of a JWK Set by their `kid`; ValueError when the document is no JWK Set.

    Passed over, as RFC 7517, section 5, asks: keys without a `kid`, of a kind or size we do not take, not meant for
    signatures, and malformed ones. Passed over as well: a `kid` that stands twice, and a key published with its
    private part, which anybody may have copied.
    """
    try:
        listed = strict_object(document).get("keys")
    except Malformed:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(jwk, dict) for jwk in listed):
        raise ValueError("not a JWK set")
    kids = Counter(kid for jwk in listed if isinstance(kid := jwk.get("kid"), str) and kid)
    read = ((kid, _key(jwk)) for jwk in listed if isinstance(kid := jwk.get("kid"), str) and kids[kid] == 1)
    return {kid: key for kid, key in read if key is not None}


def _key(jwk: Mapping[str, Any]) -> Key | None:
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations or jwk.get("use", "sig") != "sig":
        return None
    kind = (jwk.get("kty"), jwk.get("crv"))
    algorithms = frozenset(name for name, takes in ALGORITHMS.items() if takes == kind and jwk.get("alg", name) == name)
    public = None if _SECRET & jwk.keys() or not algorithms else _public(jwk)
    return None if public is None else Key(public, algorithms)


def _public(jwk: Mapping[str, Any]) -> EllipticCurvePublicKey | RSAPublicKey | None:
    family, numbers = (RSAAlgorithm, ("n", "e")) if jwk["kty"] == "RSA" else (ECAlgorithm, ("x", "y"))
    if not all(isinstance(jwk.get(number), str) for number in numbers):
        return None
    try:
        key = family.from_jwk(dict(jwk))
    except (PyJWTError, ValueError):  # a point beside the curve, a modulus of nothing, text that is no base64url
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size in RSA_BITS else None
    return cast(EllipticCurvePublicKey, key)  # a private one was turned away by its members
