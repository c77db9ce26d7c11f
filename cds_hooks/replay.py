"""Tokens that were used: each counts once, until it has expired."""

import hashlib
import heapq
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["MemoryReplay", "ReplayStore", "ReplayStoreAway", "token_digest"]

# Some 200 bytes each. Room for an hour of 250 calls a second, each with a token of its own.
_MOST: Final = 1_000_000


class ReplayStoreAway(Exception):
    """The store cannot say whether a token was used; the text says why, in a word."""


class ReplayStore(Protocol):
    """Remembers used tokens for all the processes that share it."""

    def first_use(self, iss: str, jti: str, until: float) -> bool:
        """Whether this token of this issuer was not seen before; in one step it is remembered until then (Unix time).

        Of two calls at once with the same token only one is told True. Raises ReplayStoreAway.
        """
        ...


class MemoryReplay:
    """A ReplayStore for one process: another process, or this one after a restart, has seen nothing."""

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.time) -> None:
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._seen: set[bytes] = set()
        self._ends: list[tuple[float, bytes]] = []

    def first_use(self, iss: str, jti: str, until: float) -> bool:
        key = token_digest(iss, jti)
        with self._lock:
            now = self._clock()
            while self._ends and self._ends[0][0] < now:
                self._seen.remove(heapq.heappop(self._ends)[1])
            if key in self._seen:
                return False
            if len(self._seen) >= self._most:
                raise ReplayStoreAway("full")
            self._seen.add(key)
            heapq.heappush(self._ends, (until, key))
        return True


def token_digest(iss: str, jti: str) -> bytes:
    """What a token is remembered by: 16 bytes, whatever a client takes for a jti."""
    # The length keeps the two texts apart.
    first, second = (text.encode("utf-8", "surrogatepass") for text in (iss, jti))
    return hashlib.blake2b(b"%d:%b%b" % (len(first), first, second), digest_size=16).digest()
