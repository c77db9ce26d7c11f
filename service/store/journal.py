"""The journal of what was answered: an answer only adds to a queue in memory, and a thread writes it out.

So the store can neither delay nor break an answer. While it is slow or away the queue grows; when that is full, what
comes is lost, and counted.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from service.store.database import Adding, Database, StoreAway
from service.store.tables import answered

__all__ = ["Answer", "Found", "Journal"]

# Rows: some 500 bytes each, so 25 MB at the most; at ten rows an answer and ten answers a second, eight minutes.
_MOST: Final = 50_000
_BATCH: Final = 1_000
# Seconds: how long rows are gathered before they are written, and until a failed write is tried again.
_GATHER: Final = 0.1
_RETRY: Final = 1.0
_WITHIN: Final = 10.0
# A row that has waited so long says that the store is behind.
_LATE: Final = 5.0

_log: Final = logging.getLogger(__name__)


class Answer(NamedTuple):
    """One answer, as the table `answered` has it with each of its findings; `patient` is a keyed digest."""

    at: datetime
    service: str
    hook: str
    language: str
    patient: str
    issuer: str | None = None
    tenant: str | None = None
    role: str | None = None


class Found(NamedTuple):
    """One finding of an answer, the rest of its row; `evidence` is a keyed digest."""

    card: str
    position: int
    rule: str
    outcome: str
    edition: str
    indicator: str
    evidence: str
    held: str | None = None


# A row, and since when it waits, on the clock of the journal.
_Waiting = tuple[float, Answer, Found]


class Journal:
    """The journal of one process. `on_lost` is told of every row that is lost, by the cause in one word."""

    def __init__(
        self,
        database: Database,
        *,
        most: int = _MOST,
        retry: float = _RETRY,
        on_lost: Callable[[str, int], None] = lambda cause, rows: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._most, self._retry, self._on_lost, self._clock = database, most, retry, on_lost, clock
        self._adding = Adding(database.dialect, answered, (*Answer._fields, *Found._fields))
        self._queue: deque[_Waiting] = deque()
        # What is being written, the oldest rows: the writing thread's own, so that nobody changes it meanwhile.
        self._batch: list[_Waiting] = []
        self._lock = threading.Lock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._away: str | None = None
        self._lost = 0

    @property
    def queued(self) -> int:
        """How many rows wait to be written."""
        return len(self._batch) + len(self._queue)

    @property
    def lost(self) -> int:
        """How many rows were never written, so far."""
        return self._lost

    @property
    def state(self) -> str | None:
        """Why rows are not written, in one word: the cause of a failed write, or `behind`; None where all is well."""
        if self._away is not None:
            return self._away
        try:
            since = (self._batch or self._queue)[0][0]
        except IndexError:
            return None
        return "behind" if self._clock() - since > _LATE else None

    def append(self, answer: Answer, findings: Sequence[Found]) -> None:
        """Have an answer written, soon, a row for each finding; never waits and never fails."""
        if self.queued + len(findings) > self._most:
            self._lose("full", len(findings))
            return
        now = self._clock()
        self._queue.extend([(now, answer, finding) for finding in findings])
        if not self._wake.is_set():
            if self._thread is None:
                self._start()
            self._wake.set()

    def close(self, within: float = 5.0) -> None:
        """Write what waits, as far as that succeeds in so many seconds; the rest is lost."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(within)
        left = self.queued
        self._queue.clear()
        self._batch = []
        if left:
            self._lose("closed", left)

    def _lose(self, cause: str, rows: int) -> None:
        with self._lock:
            self._lost += rows
        self._on_lost(cause, rows)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="osteohooks-journal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not (self._closed.is_set() and not self.queued):
            self._wake.wait()
            self._closed.wait(_GATHER)
            self._wake.clear()
            while self.queued:
                if self._write():
                    continue
                if self._closed.wait(self._retry):
                    return

    def _write(self) -> bool:
        """Write the oldest rows; whether that succeeded. They wait on until it has."""
        with suppress(IndexError):  # no more wait
            while len(self._batch) < _BATCH:
                self._batch.append(self._queue.popleft())
        try:
            self._insert(self._batch)
        except StoreAway as away:
            if self._away is None:
                _log.warning("the store is away for the journal: %s", away)
            self._away = str(away)
            return False
        if self._away is not None:
            _log.warning("the store is back for the journal")
        self._away = None
        self._batch.clear()
        return True

    def _insert(self, batch: Sequence[_Waiting]) -> None:
        try:
            rows = list(self._rows(batch))
            # A row that is there already is of the same answer, given twice, or of a write that was given up too soon.
            self._database.write(lambda connection: self._adding.add(connection, rows), within=_WITHIN)
        except (SQLAlchemyError, ValueError) as error:  # a value that the database does not take
            if len(batch) > 1:
                for item in batch:
                    self._insert([item])
                return
            _log.error("a row of the journal cannot be written: %s", type(error).__name__)
            self._lose("refused", 1)

    def _rows(self, batch: Sequence[_Waiting]) -> Iterator[tuple[Any, ...]]:
        """What the driver is given; of a finding it takes each value as it is."""
        for answer, findings in groupby(batch, itemgetter(1)):
            bound = self._adding.bound(answer)
            for _, _, finding in findings:
                yield bound + finding
