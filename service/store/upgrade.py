"""Brings a database to the newest version of the schema, by Alembic's migrations in `migrations/`."""

from importlib.resources import files
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, text

from service.store.database import StoreAway
from service.store.tables import METADATA

__all__ = ["differences", "upgrade"]

# Any number of ours: two machines that upgrade one database at once take turns.
_LOCK: Final = 0x05_7E_00_B0


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of this connection.

    Raises StoreAway where the database is of a version that this one does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(files("service.store").joinpath("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreAway("schema") from None


def differences(connection: Connection) -> list[str]:
    """How the tables of the database differ from those this version knows; nothing when they are the same."""
    found = compare_metadata(MigrationContext.configure(connection), METADATA)
    return [str(difference) for difference in found]
