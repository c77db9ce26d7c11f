"""Removes what is older than a site keeps: feedback, the journal, and tokens that have expired."""

import re
import time
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Column, Connection, Table, delete, select, text
from sqlalchemy.sql import ColumnElement

from fhir_profiles.dates import add_months
from service.store.database import Database
from service.store.tables import answered, feedback, used_token

__all__ = ["before", "purge_before"]

# Rows that go in one transaction, so that others who write wait for a moment only.
_AT_ONCE: Final = 5_000
_WITHIN: Final = 60.0
_AGE: Final = re.compile(r"([1-9]\d{0,4})([dmy])")


def before(age: str, today: date) -> datetime:
    """The instant that lies so long before a day: `90d`, `13m` or `2y`, by the calendar. Raises ValueError."""
    found = _AGE.fullmatch(age)
    if found is None:
        raise ValueError("expected a number of days, months or years, such as 90d, 13m or 2y")
    number = int(found[1])
    try:
        if found[2] == "d":
            day = date.fromordinal(today.toordinal() - number)
        else:
            day = add_months(today, -number * (12 if found[2] == "y" else 1))
    except (ValueError, OverflowError):
        raise ValueError("expected an age within the calendar") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def purge_before(database: Database, until: datetime) -> dict[str, int]:
    """Delete what came before that instant; how many rows of each table went. Raises StoreAway, part of them gone."""
    gone = {
        "feedback": _purge(database, feedback, feedback.c.id, feedback.c.received_at < until),
        "answered": _purge(database, answered, answered.c.id, answered.c.at < until),
        "used_token": _purge(database, used_token, used_token.c.token, used_token.c.until < time.time()),
    }
    database.fold()  # what was deleted still lies in SQLite's log
    return gone


def _purge(database: Database, table: Table, key: Column[object], old: ColumnElement[bool]) -> int:
    def some(connection: Connection) -> int:
        if database.is_sqlite:
            connection.execute(text("PRAGMA secure_delete = ON"))  # what was there is overwritten
        chosen = select(key).where(old).limit(_AT_ONCE)
        return connection.execute(delete(table).where(key.in_(chosen))).rowcount

    total = 0
    while gone := database.write(some, within=_WITHIN):
        total += gone
    return total
