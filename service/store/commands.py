"""`osteohooks db upgrade | check | purge`: the store from the command line.

Each command returns its exit status: 0 done, 1 the tables are not as they should be. Raises SettingsError and Unusable.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from service.commands import Unusable
from service.config import Settings
from service.store import StoreAway, database_of
from service.store.database import Database
from service.store.purge import before, purge_before
from service.store.tables import HEAD, METADATA

__all__ = ["check", "make_ready", "purge", "upgrade"]

# Seconds: whoever upgrades a large database waits for it; a server that starts waits for no database.
_WITHIN = 600.0
_LOOK = 10.0


def make_ready(settings: Settings) -> None:
    """Before a server starts: the embedded store gets its tables, one that machines share must have them.

    A store that is away stops no start, and is told. Raises Unusable.
    """
    database, hangs = database_of(settings), False
    try:
        if database.is_sqlite:
            database.upgrade(within=_WITHIN)
        elif database.version(within=_LOOK) != HEAD:
            raise Unusable("the database is not of this version; run osteohooks db upgrade")
    except StoreAway as away:
        if str(away) == "schema":
            raise Unusable("the database is of a newer version than this service") from None
        hangs = str(away) == "slow"
        print(f"osteohooks: the store is away ({away}); starting without it", file=sys.stderr)
    finally:
        database.close(wait=not hangs)  # the server forks its workers, and no thread may be about when it does


def upgrade(settings: Settings) -> int:
    """Bring the tables to this version."""
    with _opened(settings) as database:
        was = database.version(within=_WITHIN)
        database.upgrade(within=_WITHIN)
        told = "already" if was == HEAD else f"now; it was {f'at {was}' if was else 'empty'}"
        print(f"The database is at version {HEAD} {told}.")
    return 0


def check(settings: Settings) -> int:
    """Say whether the tables are of this version and whole, and how long they are; 1 where they are not."""
    from service.store.upgrade import differences

    with _opened(settings) as database:
        found = database.version(within=_WITHIN)
        if found != HEAD:
            raise Unusable(
                f"the database is {f'at version {found}' if found else 'empty'}, this service needs {HEAD}; "
                "run osteohooks db upgrade"
            )
        flaws = database.read(differences, within=_WITHIN)
        if database.is_sqlite:
            flaws += database.read(_damage, within=_WITHIN)
        for table, rows in database.read(_sizes, within=_WITHIN).items():
            print(f"{table}: {rows} rows")
    for flaw in flaws:
        print(f"osteohooks: {flaw}", file=sys.stderr)
    print("The database is not as it should be." if flaws else f"The database is at version {HEAD}, and whole.")
    return 1 if flaws else 0


def purge(settings: Settings, age: str) -> int:
    """Delete what is older than that, such as 90d."""
    try:
        until = before(age, datetime.now(UTC).date())
    except ValueError as error:
        raise Unusable(f"--older-than: {error}") from None
    with _opened(settings) as database:
        for table, rows in purge_before(database, until).items():
            print(f"{table}: {rows} rows deleted")
    return 0


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    database = database_of(settings)
    try:
        yield database
    except StoreAway as away:
        raise Unusable(f"the database cannot be used at the moment: {away}") from None
    finally:
        database.close()


def _damage(connection: Connection) -> list[str]:
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
    return [] if found == ["ok"] else found


def _sizes(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in METADATA.sorted_tables
    }
