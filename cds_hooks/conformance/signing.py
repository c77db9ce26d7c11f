"""A client's tokens, made with a private key of its own."""

import json
import time
from typing import Any, Final
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from cds_hooks.minting import SigningKey

__all__ = ["KeyMinter"]

_LIFETIME: Final = 300  # seconds, as the official sandbox and Inferno have it


class KeyMinter:
    """Makes tokens of one issuer. `public_key` is the public half of the key as PEM, `key_set` as a JWK set."""

    def __init__(self, pem: bytes, iss: str, jku: str | None = None) -> None:
        """ValueError when the file holds no private key that can sign."""
        self._key = SigningKey.from_pem(pem)
        self._iss, self._header = iss, {} if jku is None else {"jku": jku}
        self.kid, self.key_set = self._key.kid, self._key.key_set()
        public = PyJWK.from_dict(dict(self._key.jwk)).key
        self.public_key: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def __call__(self, url: str, /, **claims: Any) -> str:
        """A token for a URL; `claims` are added to the payload or replace a part of it."""
        now = int(time.time())
        payload = {"iss": self._iss, "aud": url, "iat": now, "exp": now + _LIFETIME, "jti": uuid4().hex, **claims}
        return self._key.sign(json.dumps(payload).encode(), self._header)
