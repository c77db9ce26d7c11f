"""Used tokens, for every process that shares the database: each counts once."""

import threading
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, delete

from cds_hooks import ReplayStoreAway
from cds_hooks.replay import token_digest
from service.store.availability import Availability
from service.store.database import Database, StoreAway, insert_new
from service.store.tables import used_token

__all__ = ["SqlReplay"]

# Seconds between sweeps of expired tokens by one process.
_SWEEP: Final = 300.0


class SqlReplay:
    """A `cds_hooks.ReplayStore` in a database; `patience` is how long a call may wait for it, in seconds."""

    def __init__(
        self,
        database: Database,
        availability: Availability,
        patience: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._availability, self._patience, self._clock = database, availability, patience, clock
        self._lock = threading.Lock()
        self._swept = clock()

    def first_use(self, iss: str, jti: str, until: float) -> bool:
        """Whether this token of this issuer was not seen before, by any process; raises ReplayStoreAway."""
        token = token_digest(iss, jti)

        def use(connection: Connection) -> bool:
            statement = insert_new(connection.dialect, used_token).returning(used_token.c.until)
            return connection.execute(statement, {"token": token, "until": until}).first() is not None

        try:
            self._availability.check()
            first = self._database.write(use, within=self._patience, durability="fast")
        except StoreAway as away:
            self._availability.failed(str(away))
            raise ReplayStoreAway(str(away)) from None
        if self._sweep_is_due():
            self._database.later(self._sweep)
        return first

    def _sweep_is_due(self) -> bool:
        now = self._clock()
        if now - self._swept < _SWEEP:
            return False
        with self._lock:
            due = now - self._swept >= _SWEEP
            self._swept = now
        return due

    def _sweep(self, connection: Connection) -> None:
        connection.execute(delete(used_token).where(used_token.c.until < self._clock()))
