"""What users did with cards, kept: rows are only ever added, and a repeat adds none."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection

from cds_hooks import Caller, Feedback, Service, Unavailable
from service.store.availability import Availability
from service.store.database import Database, StoreAway, insert_new
from service.store.sealing import Seal
from service.store.tables import feedback

__all__ = ["FeedbackStore", "event_of"]

# Seconds. Whoever sends feedback waits for no answer, but holds one of the threads that answer hooks.
_WITHIN: Final = 2.0
_RETRY_AFTER: Final = 5


class FeedbackStore:
    """Keeps feedback in a database; what it is called with is on disk when it returns."""

    def __init__(
        self,
        database: Database,
        availability: Availability,
        seal: Seal,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database, self._availability, self._seal, self._clock = database, availability, seal, clock

    def take(self, service: Service, batch: Sequence[Feedback], caller: Caller | None) -> None:
        """Keep the whole batch, or nothing of it. Raises Unavailable."""
        rows = [self._row(service, item, caller) for item in batch]
        # In one order for everybody: two batches with the same events must not wait for each other.
        rows.sort(key=lambda row: bytes(row["event"]))

        def insert(connection: Connection) -> None:
            connection.execute(insert_new(connection.dialect, feedback), rows)

        if not rows:
            return
        try:
            self._availability.check()
            self._database.write(insert, within=_WITHIN)
        except StoreAway as away:
            self._availability.failed(str(away))
            text = "Feedback cannot be kept at the moment; send the whole batch again."
            raise Unavailable(_RETRY_AFTER, text) from None

    def _row(self, service: Service, item: Feedback, caller: Caller | None) -> dict[str, Any]:
        reason = item.reason
        return {
            "event": event_of(item, caller),
            "received_at": self._clock(),
            "service": service.id,
            "issuer": None if caller is None else caller.iss,
            "tenant": None if caller is None else caller.tenant,
            "card": item.card,
            "outcome": item.outcome,
            "outcome_at": item.at,
            "suggestions": list(item.suggestions),
            "reason_system": None if reason is None else reason.system,
            "reason_code": None if reason is None else reason.code,
            "reason_display": None if reason is None else self._seal.close(reason.display),
            "comment": self._seal.close(item.comment),
            "commented": item.comment is not None,
        }


def event_of(item: Feedback, caller: Caller | None) -> bytes:
    """What makes a repeat a repeat: the client, the card, the outcome, its time, the accepted suggestions."""
    issuer = "" if caller is None else caller.iss
    parts = (issuer, item.card, item.outcome, item.at.isoformat(), *sorted(item.suggestions))
    digest = hashlib.blake2b(digest_size=16)
    for part in (text.encode() for text in parts):
        digest.update(b"%d:%b" % (len(part), part))
    return digest.digest()
