"""Who calls: what a client has proved about itself, and the shape of the function that makes it prove it."""

from collections.abc import Callable, Sequence

from msgspec import Struct

__all__ = ["Authenticate", "Caller"]


class Caller(Struct, frozen=True, kw_only=True):
    """A client whose token was verified: the issuer, its tenant where the token names one, and the token's id."""

    iss: str
    tenant: str | None
    jti: str


# The paths a token may be for, below the public base URL, and the Authorization header; the caller, or a Refusal.
Authenticate = Callable[[Sequence[str], str | None], Caller]
