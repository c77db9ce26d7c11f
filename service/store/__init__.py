"""The store: what users did with cards, the journal of what was answered, used tokens; SQLite or PostgreSQL.

Nothing here may delay or break an answer: without the store cards still go out, and what was lost is counted.
"""

import weakref
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, insert
from sqlalchemy.engine import URL, make_url

from service.config import Settings, SettingsError
from service.store.availability import Availability
from service.store.database import Database, StoreAway
from service.store.feedback import FeedbackStore
from service.store.sealing import Pseudonyms, Seal, key_in
from service.store.tables import HEAD, used_token

__all__ = ["Store", "StoreAway", "database_of"]

_FILE: Final = "osteohooks.sqlite3"
# Seconds: for a look at a store that was away, and for the first one of a process, which may have to make the tables.
_LOOK: Final = 2.0
_START: Final = 30.0
_MARK: Final = bytes(16)


class Store:
    """The store of one process."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError where keys or the state directory cannot be used; a store that is away is no error."""
        self.pseudonyms, seal = _pseudonyms(settings), _seal(settings)
        self._database = database = database_of(settings)
        self._availability = Availability(lambda: _look(database))
        self.feedback = FeedbackStore(database, self._availability, seal)
        self.close = weakref.finalize(self, _close, database, self._availability)
        try:
            _ready(database, _START)
        except StoreAway as away:
            self._availability.failed(str(away))


def database_of(settings: Settings) -> Database:
    """The database that the settings name; its state directory is there. Raises SettingsError."""
    if settings.database is not None:
        return Database(make_url(settings.database).set(drivername="postgresql+psycopg"))
    return Database(URL.create("sqlite", database=str(_state_directory(settings) / _FILE)))


def _state_directory(settings: Settings) -> Path:
    folder = Path(settings.state_directory)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError([f"state_directory: cannot be made: {error.strerror}"]) from error
    return folder


def _pseudonyms(settings: Settings) -> Pseudonyms:
    if settings.pseudonym_keys:
        return Pseudonyms(settings.pseudonym_keys)
    try:
        return Pseudonyms([key_in(_state_directory(settings))])
    except OSError as error:
        raise SettingsError([f"state_directory: no key can be kept there: {error.strerror}"]) from error


def _seal(settings: Settings) -> Seal:
    try:
        return Seal(settings.comment_keys if settings.comments == "encrypt" else ())
    except ValueError:
        raise SettingsError(["comment_keys: expected Fernet keys: 32 bytes each, in URL-safe base64"]) from None


def _ready(database: Database, within: float) -> None:
    """Raises StoreAway unless the schema is of this version; the embedded database is brought to it."""
    if database.is_sqlite:
        database.upgrade(within=within)
    elif database.version(within=within) != HEAD:
        raise StoreAway("schema")


def _look(database: Database) -> None:
    """Raises StoreAway unless something can be written and is then on disk: a full disk can still be read."""
    _ready(database, _LOOK)

    def write(connection: Connection) -> None:
        connection.execute(delete(used_token).where(used_token.c.token == _MARK))
        connection.execute(insert(used_token), {"token": _MARK, "until": 0.0})

    database.write(write, within=_LOOK)


def _close(database: Database, availability: Availability) -> None:
    availability.close()
    database.close()
