"""The store: what users did with cards, the journal of what was answered, used tokens; SQLite or PostgreSQL.

Nothing here may delay or break an answer: without the store cards still go out, and what was lost is counted.
"""

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from service.config import Settings, SettingsError
from service.store.availability import Availability
from service.store.database import Database, StoreAway
from service.store.feedback import FeedbackStore
from service.store.journal import Answer, Found, Journal
from service.store.replay import SqlReplay
from service.store.sealing import Pseudonyms, Seal, key_in
from service.store.tables import HEAD, used_token

__all__ = ["Answer", "Found", "Journal", "Store", "StoreAway", "database_of"]

_FILE: Final = "osteohooks.sqlite3"
# Seconds: for a look at the store, and for the first one at an embedded one, which may have to make the tables.
_LOOK: Final = 2.0
_START: Final = 30.0
# Seconds that a call waits to learn whether its token was used: where that decides, and where it is only noted.
_PATIENCE: Final = {"strict": 1.0, "log": 0.1, "off": 0.1}


class Store:
    """The store of one process. Whoever opens it closes it: it has threads, and rows that wait to be written."""

    def __init__(self, settings: Settings, *, on_lost: Callable[[str, int], None] = lambda cause, rows: None) -> None:
        """`on_lost` is told how many rows of the journal are lost, and why in one word.

        Raises SettingsError where keys or the state directory cannot be used; a store that is away is no error.
        """
        self.pseudonyms, seal = _pseudonyms(settings), _seal(settings)
        self.database = database = database_of(settings)
        # Feedback waits so long that one slow write is no reason to refuse what comes in the next second. Who asks for
        # a token waits a moment only, and in a slow store each would: there only the looks are to wait.
        availability = Availability("feedback", lambda: _look(database), first=0.0)
        tokens = Availability("tokens", lambda: _look(database))
        self.feedback = FeedbackStore(database, availability, seal)
        self.replay = SqlReplay(database, tokens, _PATIENCE[settings.replay])
        self.journal = journal = Journal(database, on_lost=on_lost)
        # One word for what is wrong with each part, None where all is well.
        self.checks: Mapping[str, Callable[[], str | None]] = {
            "feedback": lambda: availability.cause,
            "journal": lambda: journal.state,
            "tokens": lambda: tokens.cause,
        }
        self._open = ExitStack()
        for part in (database, tokens, availability, journal):
            self.beside(part.close)
        try:
            _ready(database, _START if database.is_sqlite else _LOOK)
        except StoreAway as away:
            availability.failed(str(away))
            tokens.failed(str(away))

    def beside(self, close: Callable[[], None]) -> None:
        """Have something that uses the store closed before it is."""
        self._open.callback(close)

    def close(self) -> None:
        """Write what waits, as far as that succeeds in some seconds, and let go of the database; again: nothing.

        Never to be called by the collector, which strikes while others hold the locks that this waits for.
        """
        self._open.close()


def database_of(settings: Settings) -> Database:
    """The database that the settings name; its state directory is there. Raises SettingsError."""
    if settings.database is not None:
        try:
            return Database(make_url(settings.database).set(drivername="postgresql+psycopg"))
        except (ArgumentError, ValueError):
            raise SettingsError(["database: this is no address of a PostgreSQL database"]) from None
    path = _state_directory(settings) / _FILE
    try:
        # SQLite would make it readable for everybody, and its log with the same rights.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Not opened to see: closing it would take from this process the locks that SQLite holds on it (sqlite.org, "How
        # to corrupt an SQLite database file", 2.2).
        wrong = errno.EISDIR if path.is_dir() else 0 if os.access(path, os.R_OK | os.W_OK) else errno.EACCES
        if wrong:
            raise SettingsError([f"state_directory: the store cannot be opened there: {os.strerror(wrong)}"]) from None
    except OSError as error:
        raise SettingsError([f"state_directory: the store cannot be opened there: {error.strerror}"]) from error
    return Database(URL.create("sqlite", database=str(path)))


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
    folder = _state_directory(settings)
    try:
        return Pseudonyms([key_in(folder)])
    except OSError as error:
        raise SettingsError([f"state_directory: no key can be kept there: {error.strerror}"]) from error
    except ValueError:
        raise SettingsError(["state_directory: its pseudonym.key holds no key"]) from None


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
    token = os.urandom(16)

    def write(connection: Connection) -> None:
        connection.execute(insert(used_token), {"token": token, "until": 0.0})
        connection.execute(delete(used_token).where(used_token.c.token == token))

    database.write(write, within=_LOOK)
