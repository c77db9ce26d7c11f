"""One database, SQLite in a file or PostgreSQL by its address; every call on it ends within a time of its own.

A database that hangs must not hold a thread that answers hooks: calls run in threads of the database's own, and who
asked waits no longer than it said. So a call may still take effect after it was given up; each can safely be repeated.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import closing, nullcontext, suppress
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Insert, Table, TableClause, column, create_engine, event, exc, text
from sqlalchemy import table as clause
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL

from service.store.tables import HEAD

__all__ = ["Adding", "Database", "StoreAway", "insert_new"]

T = TypeVar("T")
Durability = Literal["durable", "fast"]

# Calls of one process at a time: four blocking threads, the journal, and one beside it. A worker has up to twice as
# many connections, since what must be on disk has others than what need not; nobody ever waits for one.
_THREADS: Final = 6
# Seconds. libpq takes no connect_timeout below 2.
_CONNECT: Final = 2
_STATEMENT: Final = 5
# Pages of 4 KiB that SQLite's log may have before a commit folds it into the file. SQLite's own 1,000 have every few
# batches of the journal wait for the disk, and feedback with them; with more than this nothing more is gained.
_LOG_PAGES: Final = 4_000


class StoreAway(Exception):
    """The database does not answer, or takes no more; the text is one word for the cause."""


class Database:
    """`url` is that of a file (SQLite) or of a server (PostgreSQL, with psycopg).

    What is `durable` is on disk when a call returns. What is `fast` is there for every process, and survives the end of
    any of them, but not a power cut of the next moment.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        make = _sqlite if self.is_sqlite else _postgresql
        self._engines = {"durable": make(url, "durable"), "fast": make(url, "fast")}
        self.dialect = self._engines["durable"].dialect
        self._writer = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="osteohooks-store")

    def write(self, work: Callable[[Connection], T], *, within: float, durability: Durability = "durable") -> T:
        """What `work` returns, done in one transaction. Raises StoreAway, after so many seconds at the latest."""
        return self._timely(lambda: self._tried(work, self._engines[durability]), within)

    def read(self, work: Callable[[Connection], T], *, within: float) -> T:
        """What `work` returns of what is there; it must change nothing. Raises StoreAway as `write` does."""
        engine = self._engines["fast"].execution_options(reading=True)
        return self._timely(lambda: self._tried(work, engine), within)

    def later(self, work: Callable[[Connection], object]) -> None:
        """Have something done that nobody waits for and that may as well not be done: what is away is passed over."""

        def attempt() -> None:
            with suppress(StoreAway):
                self._tried(work, self._engines["fast"])

        with suppress(RuntimeError):  # the pool was closed
            self._threads.submit(attempt)

    def version(self, *, within: float) -> str | None:
        """The migration at which the database stands, None for an empty one. Raises StoreAway."""

        def look(connection: Connection) -> str | None:
            if not connection.dialect.has_table(connection, "alembic_version"):
                return None
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if found is None else str(found)

        return self.read(look, within=within)

    def upgrade(self, *, within: float) -> None:
        """Bring the schema to this version's; an empty database gets all of it. Raises StoreAway."""
        if self.version(within=within) != HEAD:
            from service.store.upgrade import upgrade  # Alembic is loaded by whoever upgrades only

            self.write(upgrade, within=within)

    def fold(self) -> None:
        """Fold SQLite's log into its file, as far as nobody reads from it; elsewhere nothing."""
        if self.is_sqlite:
            with closing(self._engines["durable"].raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # outside any transaction

    def close(self, *, wait: bool = False) -> None:
        """Let go of every connection; calls that still run end by themselves, or are waited for."""
        self._closed = True
        self._threads.shutdown(wait=wait, cancel_futures=True)
        for engine in self._engines.values():
            engine.dispose()

    def _timely(self, call: Callable[[], T], within: float) -> T:
        try:
            called = self._threads.submit(call)
        except RuntimeError:  # the way in which a pool says that it takes no more
            if self._closed:
                raise StoreAway("closed") from None
            return call()  # the interpreter is ending, and starts no threads: the journal writes its last rows itself
        try:
            return called.result(within)
        except TooLate:
            called.cancel()
            raise StoreAway("slow") from None
        except CancelledError:
            raise StoreAway("closed") from None

    def _tried(self, work: Callable[[Connection], T], engine: Engine) -> T:
        """What `work` returns; a connection that broke while nobody used it costs a second try, no failure."""
        done = False

        def worked(connection: Connection) -> T:
            nonlocal done
            result = work(connection)
            done = True  # from here on the change may take effect, whatever is heard of it
            return result

        try:
            try:
                return self._in_transaction(worked, engine)
            except exc.DBAPIError as error:
                if done or not error.connection_invalidated:
                    raise
            return self._in_transaction(worked, engine)
        except (exc.IntegrityError, exc.DataError):
            raise
        except exc.DBAPIError as error:
            raise StoreAway(_cause(error)) from None

    def _in_transaction(self, work: Callable[[Connection], T], engine: Engine) -> T:
        # SQLite takes one writer at a time and has the others look again and again: here they queue.
        alone = self.is_sqlite and "reading" not in engine.get_execution_options()
        with self._writer if alone else nullcontext(), engine.connect() as connection:
            try:
                with connection.begin():
                    return work(connection)
            finally:
                if self._closed:
                    connection.invalidate()  # the pool is gone, and nobody else would close it


def insert_new(dialect: Dialect, table: TableClause) -> Insert:
    """An INSERT that passes over rows which are there already, by any unique key of the table."""
    if dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql  # loaded by now, and only where it is used: 2 MiB

    return postgresql.insert(table).on_conflict_do_nothing()


class Adding:
    """Adds many rows to a table, and passes over those that are there already; a row is a tuple of `columns`.

    The driver gets the rows as they are: SQLAlchemy would look at each value of each row, which takes as long as to
    write it.
    """

    def __init__(self, dialect: Dialect, table: Table, columns: Sequence[str]) -> None:
        kinds = [table.c[name].type.dialect_impl(dialect) for name in columns]
        self._binding = [kind.bind_processor(dialect) for kind in kinds]
        # Not the table itself, whose columns have an order of their own.
        ordered = clause(table.name, *map(column, columns, kinds))
        self._statement = str(insert_new(dialect, ordered).compile(dialect=dialect))

    def bound(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The values of the first columns as the driver takes them."""
        first = zip(self._binding, values, strict=False)
        return tuple([value if bind is None else bind(value) for bind, value in first])

    def add(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows of values as the driver takes them."""
        connection.exec_driver_sql(self._statement, rows)


_CAUSES: Final = {
    "SQLITE_BUSY": "locked",
    "SQLITE_LOCKED": "locked",
    "SQLITE_FULL": "full",
    "SQLITE_IOERR": "disk",
    "SQLITE_READONLY": "read-only",
    "SQLITE_CANTOPEN": "away",
    "53100": "full",
    "55P03": "locked",
    "57014": "slow",
    "25006": "read-only",
    "42P01": "schema",
    "42703": "schema",
}
# Connection, login, no such database, no resources, shut down (PostgreSQL, appendix A); without a code: no connection.
_NOT_SERVED: Final = ("08", "28", "3D", "53", "57P")


def _cause(error: exc.DBAPIError) -> str:
    """One word: an error's own text may quote a value."""
    found = error.orig
    if isinstance(found, sqlite3.Error):
        if str(found).startswith(("no such table", "no such column", "table ")):
            return "schema"
        name = getattr(found, "sqlite_errorname", "")
        return next((cause for prefix, cause in _CAUSES.items() if name.startswith(prefix)), "fault")
    state = getattr(found, "sqlstate", None) or "08"
    return _CAUSES.get(state) or ("away" if state.startswith(_NOT_SERVED) else "fault")


def _sqlite(url: URL, durability: Durability) -> Engine:
    # Transactions are begun by us, below; the driver's own way begins them too late for a lock to be waited for.
    engine = create_engine(
        url,
        pool_size=_THREADS,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": _STATEMENT, "isolation_level": None, "check_same_thread": False},
    )
    # FULL syncs the log at each commit, NORMAL when it is folded into the file (https://sqlite.org/wal.html, 2.3).
    synchronous = "FULL" if durability == "durable" else "NORMAL"

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, durability: Durability) -> Engine:
    commit = "on" if durability == "durable" else "off"
    return create_engine(
        url,
        pool_size=_THREADS,
        max_overflow=0,
        hide_parameters=True,
        paramstyle="format",  # rows as tuples, as SQLite has them
        connect_args={
            "connect_timeout": _CONNECT,
            # A firewall that forgot a connection says nothing: it is found out in seconds, not in a quarter of an hour.
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            "application_name": "osteohooks",
            "options": f"-c synchronous_commit={commit} -c statement_timeout={_STATEMENT}s",
        },
    )
