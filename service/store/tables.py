"""The tables of the store, for SQLite and PostgreSQL alike. A change here needs a migration beside it.

Nothing in them names a patient: the journal knows a patient by a keyed pseudonym, and the free text of a user is
sealed or not kept. Times are UTC.
"""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

__all__ = ["HEAD", "ID", "METADATA", "Utc", "answered", "feedback", "used_token"]

# The newest migration, so that a worker can look whether the database is of its own version without loading Alembic.
HEAD: Final = "0001"

METADATA: Final = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

# SQLite counts up by itself in a column of exactly this type only.
ID: Final = BigInteger().with_variant(Integer(), "sqlite")


class Utc(TypeDecorator[datetime]):
    """A time in UTC: SQLite has no type that keeps an offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("expected a time with its offset")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ClientText(TypeDecorator[str]):
    """Text that a client chose; NUL and lone surrogates, which not every database takes, are replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.encode("utf-8", "replace").decode().replace("\0", "?")


# What users did with cards, as told by clients; rows are added and never changed. `event` is the digest by which a
# repeat is known. `card` may be one that we never answered. `suggestions` are the accepted ones.
feedback: Final = Table(
    "feedback",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("event", LargeBinary(16), nullable=False, unique=True),
    Column("received_at", Utc, nullable=False, index=True),
    Column("service", String(256), nullable=False),
    Column("issuer", ClientText),
    Column("tenant", ClientText),
    Column("card", String(256), nullable=False, index=True),
    Column("outcome", String(16), nullable=False),
    Column("outcome_at", Utc, nullable=False),
    Column("suggestions", JSON, nullable=False),
    Column("reason_system", String(256)),
    Column("reason_code", String(256)),
    # Free text, sealed (`sealing.py`); NULL where the site does not keep it.
    Column("reason_display", LargeBinary),
    Column("comment", LargeBinary),
    Column("commented", Boolean, nullable=False),
)

# What was answered: a row for each finding of each card, the first (`position` 0) being the one that leads the card.
# `held` says in a word why a finding stayed off the card it would have stood on; NULL for one that went out.
answered: Final = Table(
    "answered",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("at", Utc, nullable=False, index=True),
    Column("card", String(36), nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("held", String(64)),
    Column("service", String(256), nullable=False),
    Column("hook", String(64), nullable=False),
    Column("rule", String(256), nullable=False),
    Column("outcome", String(128), nullable=False),
    Column("edition", String(64), nullable=False),
    Column("indicator", String(8), nullable=False),
    Column("language", String(16), nullable=False),
    Column("issuer", ClientText),
    Column("tenant", ClientText),
    Column("role", String(64)),
    Column("patient", String(32), nullable=False),
    Column("evidence", String(32), nullable=False),
    UniqueConstraint("card", "position"),
    Index(None, "patient", "rule", "outcome"),
)

# Tokens of clients that were used, by a digest, until they expire (Unix time).
used_token: Final = Table(
    "used_token",
    METADATA,
    Column("token", LargeBinary(16), primary_key=True),
    Column("until", Float, nullable=False, index=True),
)
