"""Who is answered: the language, the patient, and the names of the parts of the answer."""

from collections.abc import Callable
from hashlib import sha1
from typing import Any
from uuid import UUID

from msgspec import Struct

__all__ = ["Voice"]

_NAMESPACE = UUID("5f1b63a6-3a3c-5d0b-9d3f-9b1e0f6c2a41").bytes
Draft = Callable[[str], dict[str, Any] | None]


class Voice(Struct, frozen=True):
    """Who is answered: the language, the patient, what makes the uuids the same again for a repeated request,
    and the drafts in hand as they were received."""

    language: str
    patient_id: str
    seed: str
    draft: Draft

    def uuid(self, *parts: str) -> str:
        """The name-based UUID of a part of this answer (RFC 9562, version 5)."""
        name = "|".join((self.seed, *parts))
        digest = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
        # Written here: the object that the standard library makes first costs more than the rest of a suggestion.
        variant = f"{int(digest[16], 16) & 3 | 8:x}"
        return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
