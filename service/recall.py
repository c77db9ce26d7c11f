"""What users set aside, read from the store into a worker's memory."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, or_, select

from service import metrics
from service.logs import get_logger
from service.memory import Memory, SetAside
from service.memory_page import ORDERED, MemoryPage
from service.store import StoreAway
from service.store.database import Database
from service.store.tables import answered, feedback

__all__ = ["Recall"]

# Seconds between looks at all of it, so that what was purged is forgotten.
_ANEW: Final = 3600.0
# Feedback becomes visible when its transaction ends, the answer it is about when the journal has written it, and the
# clocks of two machines differ: what came last is read again for so long.
_OVERLAP: Final = timedelta(seconds=60)
# A client's clock may be wrong, and no clock that is far ahead shall keep advice away for ever.
_AHEAD: Final = timedelta(days=1)
_WITHIN: Final = 1.5
_WITHIN_ANEW: Final = 30.0

_log: Final = get_logger(__name__)


class Recall:
    """Keeps a memory up to date with a database; `clock` is monotonic, in seconds."""

    def __init__(self, database: Database, memory: Memory, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._memory, self._clock = database, memory, clock
        self._until = datetime.now(UTC)
        self._whole: float | None = None
        self._well = clock()
        self._away: str | None = None

    @property
    def state(self) -> str | None:
        """Why the memory is not up to date, in one word; None while it is."""
        return self._away

    def look(self) -> None:
        """Bring the memory up to date; while the store is away it stays as it is."""
        now = self._clock()
        anew = self._whole is None or now - self._whole >= _ANEW
        until = datetime.now(UTC)
        query = _query(self._memory.page, None if anew else self._until - _OVERLAP)

        def read(connection: Connection) -> list[Row[Any]]:
            return list(connection.execute(query))

        try:
            found = self._database.read(read, within=_WITHIN_ANEW if anew else _WITHIN)
        except StoreAway as away:
            if self._away is None:
                _log.warning("the memory is not up to date", cause=str(away))
            self._away = str(away)
        else:
            items = [item for row in found if (item := _set_aside(row, self._memory.page)) is not None]
            self._memory.learn(items, anew=anew)
            self._until = until
            self._away, self._well = None, now
            if anew:
                self._whole = now
        metrics.MEMORY_AGE.set(self._clock() - self._well)


def _query(page: MemoryPage, since: datetime | None) -> Select[Any]:
    """What was set aside or accepted of what was shown, told by the client to whom it was shown, in the order told."""
    told = or_(
        feedback.c.outcome == "accepted",
        and_(feedback.c.outcome == "overridden", feedback.c.reason_code.in_(sorted(page.codes))),
    )
    columns = (
        *(answered.c.patient, answered.c.rule, answered.c.outcome, answered.c.evidence),
        *(feedback.c.outcome.label("told"), feedback.c.reason_system, feedback.c.reason_code),
        *(feedback.c.outcome_at, feedback.c.received_at),
    )
    query = (
        select(*columns)
        .join(answered, answered.c.card == feedback.c.card)
        .where(told, answered.c.held.is_(None), answered.c.indicator != "critical")
        .where(answered.c.issuer.is_not_distinct_from(feedback.c.issuer))
        .order_by(feedback.c.outcome_at, feedback.c.id)
    )
    return query if since is None else query.where(feedback.c.received_at > since)


def _set_aside(row: Row[Any], page: MemoryPage) -> SetAside | None:
    reason = ORDERED if row.told == "accepted" else page.reason_of(row.reason_system, row.reason_code)
    if reason is None:
        return None
    told = min(row.outcome_at, row.received_at + _AHEAD)
    return SetAside(row.patient, row.rule, row.outcome, row.evidence, reason, told.date())
