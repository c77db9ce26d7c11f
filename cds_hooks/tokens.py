"""A client's token taken apart, before any of it is believed: RFC 7515 compact form, and JSON without ambiguity.

Two readers of one token must not see two tokens: base64url has one spelling here (no padding, no spare bits), and a
member that stands twice is refused (RFC 7515 and RFC 7519, section 4, would also have let the last one count).
"""

import base64
import binascii
import json
import re
from typing import Any, Final

__all__ = ["LONGEST", "Malformed", "Token", "strict_object"]

# In characters. A proxy's own limit for a header line is commonly 8 KiB (nginx, large_client_header_buffers).
LONGEST: Final = 8192

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class Malformed(ValueError):
    """Not the compact form of a signed JSON token, or JSON that can be read in two ways."""


class Token:
    """A token taken apart; `text` is what was received. None of it shows in a text of this object."""

    __slots__ = ("claims", "header", "text")

    def __init__(self, text: str) -> None:
        """Malformed when the text is no token."""
        parts = _COMPACT.fullmatch(text)
        if parts is None:
            raise Malformed
        header, claims, _ = (_decoded(segment) for segment in parts.groups())
        self.text = text
        self.header = strict_object(header)
        self.claims = strict_object(claims)


def strict_object(document: bytes) -> dict[str, Any]:
    """A JSON object whose members each stand once, at every depth; else Malformed."""
    try:
        value = json.loads(document.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Malformed from None
    if not isinstance(value, dict):
        raise Malformed
    return value


def _decoded(segment: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise Malformed from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise Malformed
    return decoded


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise Malformed
    return value


def _no_constant(name: str) -> float:
    raise Malformed
