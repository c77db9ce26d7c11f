"""`osteohooks token`: a token for one call, signed as a client signs it."""

import json
import os
import sys
from pathlib import Path

from cds_hooks.minting import SigningKey
from service.commands import Unusable

__all__ = ["token"]


def token(
    iss: str,
    aud: str,
    *,
    tenant: str | None,
    jku: str | None,
    seconds: int,
    key_file: Path | None,
    new_key: Path | None,
) -> int:
    """Print a token, good for so many seconds, and tell the JWK set to register. Raises Unusable.

    The private key is the one in `key_file` (PEM), else a new one, kept in the file `new_key` where that is given.
    """
    try:
        key = SigningKey.from_pem(key_file.read_bytes()) if key_file else SigningKey.generate()
    except OSError as error:
        raise Unusable(f"{key_file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Unusable(f"{key_file}: expected a private key in PEM form ({error})") from error
    public = json.dumps(key.key_set())
    if new_key:
        beside = new_key.with_name(f"{new_key.name}.jwks.json")
        _write_new(new_key, key.pem(), 0o600)
        _write_new(beside, f"{public}\n".encode(), 0o644)
        print(f"The private key is in {new_key}, the JWK set to register in {beside}.", file=sys.stderr)
    else:
        print(f"The JWK set to register: {public}", file=sys.stderr)
    print(key.token(iss, aud, tenant=tenant, jku=jku, seconds=seconds))
    return 0


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """A file that did not exist: neither a key nor a set of keys is ever overwritten."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except OSError as error:
        raise Unusable(f"{path}: cannot be written ({error.strerror})") from error
