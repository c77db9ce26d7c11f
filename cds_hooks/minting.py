"""A client's side of authentication: a key pair, its public half as a JWK Set to register, and tokens signed with it.

For tests and for trying a service out; an EHR has its own.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from cds_hooks.keys import RSA_BITS

__all__ = ["SigningKey"]

_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
# The members of which RFC 7638, 3.2, makes the thumbprint.
_THUMBPRINT: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}


class SigningKey:
    """A private key, and the algorithm it signs with; `kid` is its RFC 7638 thumbprint."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | RSAPrivateKey) -> None:
        """ValueError when no algorithm goes with the key."""
        if isinstance(private, RSAPrivateKey):
            if private.key_size < RSA_BITS.start:
                raise ValueError(f"an RSA key of less than {RSA_BITS.start} bits")
            self.alg = "RS384"
            public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            if private.curve.name not in _CURVES:
                raise ValueError(f"no algorithm of ours signs with a key on the curve {private.curve.name}")
            self.alg = _CURVES[private.curve.name]
            public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        members = {name: public[name] for name in _THUMBPRINT[public["kty"]]}
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
        self.kid = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
        self.jwk: Mapping[str, Any] = {**members, "kid": self.kid, "alg": self.alg, "use": "sig"}
        self._private = private

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key for ES384."""
        return cls(ec.generate_private_key(ec.SECP384R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """The unencrypted private key in a PEM file; ValueError when it holds none that can sign."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("an encrypted key, or one of an unknown kind") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey | RSAPrivateKey):
            raise ValueError("neither an elliptic curve key nor an RSA key")
        return cls(private)

    def pem(self) -> bytes:
        """The private key, unencrypted, as PKCS 8."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def key_set(self) -> dict[str, Any]:
        """The JWK Set that the service must be told."""
        return {"keys": [dict(self.jwk)]}

    def sign(self, claims: bytes, header: Mapping[str, Any] | None = None) -> str:
        """A token with these claims as they stand; `header` adds to the header, or replaces."""
        return PyJWS().encode(claims, self._private, self.alg, {"kid": self.kid, **(header or {})})

    def token(
        self, iss: str, aud: str, *, tenant: str | None = None, jku: str | None = None, seconds: int = 300
    ) -> str:
        """A token for one call of that address, good for so many seconds from now."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": iss,
            "aud": aud,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(32),
        }
        if tenant is not None:
            claims["tenant"] = tenant
        return self.sign(json.dumps(claims).encode(), None if jku is None else {"jku": jku})
