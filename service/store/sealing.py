"""Two kinds of secrets: text that may be read again with a key, and pseudonyms that nobody can turn back.

Both take several keys, the first for what is written now: a new key is put before the old one.
"""

import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["Pseudonyms", "Seal", "key_in"]

_SIZE: Final = 16  # bytes of a pseudonym: no two patients of a country meet by chance
_LEAST: Final = 32  # characters of a key: 128 bits in hexadecimal


class Seal:
    """Encrypts the free text of users; without keys nothing of it is kept."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` are Fernet keys. Raises ValueError for one that is none."""
        self._fernet = _fernet(keys) if keys else None

    def close(self, text: str | None) -> bytes | None:
        """The text sealed, None where there is none or none is kept."""
        if text is None or self._fernet is None:
            return None
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """The text that was sealed. Raises cryptography.fernet.InvalidToken where no key is the right one."""
        if self._fernet is None:
            raise ValueError("there is no key to open it with")
        return self._fernet.decrypt(sealed).decode()


def _fernet(keys: Sequence[str]) -> "MultiFernet":
    from cryptography.fernet import Fernet, MultiFernet  # several MiB, for sites that keep comments only

    return MultiFernet([Fernet(key) for key in keys])


class Pseudonyms:
    """Keyed digests, of a patient's id or of evidence."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises ValueError for a key that can be guessed, or when there is none."""
        if not keys or any(len(key) < _LEAST for key in keys):
            raise ValueError(f"expected keys of {_LEAST} characters or more")
        # The work on a key is done once: a copy has it behind it.
        self._keyed = tuple(hmac.new(key.encode(), digestmod="sha256") for key in keys)

    def all_of(self, *parts: str) -> tuple[str, ...]:
        """The digest under each key in hexadecimal, the newest first: by one of them something of an earlier day is
        found."""
        text = b"".join([b"%d:%b" % (len(part), part) for part in [text.encode() for text in parts]])
        return tuple([_digest(keyed, text) for keyed in self._keyed])


def _digest(keyed: hmac.HMAC, text: bytes) -> str:
    digest = keyed.copy()
    digest.update(text)
    return digest.digest()[:_SIZE].hex()


def key_in(folder: Path) -> str:
    """The key of a service that was given none, made at its first start. Raises OSError."""
    path = folder / "pseudonym.key"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        new = folder / f"pseudonym.key.{os.getpid()}.{secrets.token_hex(4)}"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{secrets.token_hex(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)  # whole or not at all; of several workers that start at once the first one's counts
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        finally:
            new.unlink()
        return path.read_text(encoding="ascii").strip()
