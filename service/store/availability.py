"""Whether a part of the store can be used: once it has failed nobody waits for it before a look has found it well."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from service.store.database import StoreAway

__all__ = ["Availability"]

# Seconds between looks; feedback that was refused is told to come back no sooner.
LOOK_AFTER: Final = 1.0

_log: Final = logging.getLogger(__name__)


class Availability:
    """Guards calls on a part of the store; `look` raises StoreAway while it is away, and takes its time over it.

    `first` are the seconds until the first look, `every` those between looks.
    """

    def __init__(
        self, part: str, look: Callable[[], None], *, first: float = LOOK_AFTER, every: float = LOOK_AFTER
    ) -> None:
        self._part, self._look, self._first, self._every = part, look, first, every
        self._lock = threading.Lock()
        self._cause: str | None = None
        self._closed = threading.Event()

    @property
    def cause(self) -> str | None:
        """Why the store is away, in one word; None while it is there."""
        return self._cause

    def check(self) -> None:
        """Raises StoreAway at once while the store is known to be away."""
        if self._cause is not None:
            raise StoreAway(self._cause)

    def failed(self, cause: str) -> None:
        """Tell that a call has failed: from now on the store is away, until a look finds it well."""
        with self._lock:
            first, self._cause = self._cause is None, cause
        if first:
            _log.warning("the store is away for %s: %s", self._part, cause)
        if first and not self._closed.is_set():
            threading.Thread(target=self._watch, name="osteohooks-store-look", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _watch(self) -> None:
        wait = self._first
        while not self._closed.wait(wait):
            wait = self._every
            try:
                self._look()
            except StoreAway as away:
                self._cause = str(away)
            else:
                with self._lock:
                    self._cause = None
                _log.warning("the store is back for %s", self._part)
                return
