"""Who is answered: the language, the patient, and the names of the parts of the answer."""

from collections.abc import Callable
from hashlib import sha1
from typing import Any
from uuid import UUID

__all__ = ["Voice"]

_NAMESPACE = UUID("5f1b63a6-3a3c-5d0b-9d3f-9b1e0f6c2a41").bytes
# The digit that says which kind of UUID it is: its first two bits become 1 and 0, the others stay.
_VARIANT = {digit: f"{int(digit, 16) & 3 | 8:x}" for digit in "0123456789abcdef"}
Draft = Callable[[str], dict[str, Any] | None]


class Voice:
    """Who is answered: the language, the patient, what makes the uuids the same again for a repeated request (`seed`),
    and the drafts in hand as they were received."""

    __slots__ = ("_named", "draft", "language", "patient_id")

    def __init__(self, language: str, patient_id: str, seed: str, draft: Draft) -> None:
        self.language, self.patient_id, self.draft = language, patient_id, draft
        self._named = sha1(_NAMESPACE + seed.encode(), usedforsecurity=False)

    def uuid(self, *parts: str) -> str:
        """The name-based UUID of a part of this answer (RFC 9562, version 5)."""
        named = self._named.copy()
        named.update(f"|{'|'.join(parts)}".encode())
        digest = named.hexdigest()
        # Written here: the object that the standard library makes first costs more than the rest of a suggestion.
        variant = _VARIANT[digest[16]]
        return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
