"""`osteohooks feedback report | export`: how the cards fare, from the command line.

Raises SettingsError, Flawed and Unusable.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, TextIO, TypeVar

from sqlalchemy import Connection

from service.analytics import export as exporting
from service.analytics.fates import Fate, fates
from service.analytics.report import DIMENSIONS, Line, as_csv, as_json, as_table, report
from service.commands import Unusable
from service.config import Settings
from service.memory_page import load_memory_page
from service.rules import load_rules
from service.store import StoreAway, database_of

__all__ = ["Unusable", "export", "show"]

T = TypeVar("T")

_FORMATS: Final = {"table": as_table, "csv": as_csv, "json": as_json}
_WITHIN: Final = 3600.0  # seconds


def show(
    settings: Settings,
    *,
    by: str,
    since: str | None,
    until: str | None,
    form: str,
    output: Path | None,
    plots: Path | None,
) -> int:
    """Report what was answered in a time, by dimensions separated by commas, and draw it where `plots` is a folder."""
    dimensions = by.split(",")
    strange = [name for name in dimensions if name not in DIMENSIONS]
    if strange or len(set(dimensions)) < len(dimensions):
        raise Unusable(f"--by: expected some of {', '.join(DIMENSIONS)}, each once, separated by commas")
    groupings = (dimensions, ["outcome"], ["month"]) if plots is not None else (dimensions,)
    lines, *drawn = _read(settings, since, until, lambda found: report(found, *groupings))
    with _opened(output) as file:
        file.write(f"{_FORMATS[form](lines, dimensions).rstrip()}\n")
    if plots is not None:
        _draw(drawn[0], drawn[1], plots)
    return 0


def export(settings: Settings, *, since: str | None, until: str | None, form: str, output: Path | None) -> int:
    """Write what became of each finding, a line each."""

    def write(found: Iterator[Fate]) -> None:
        with _opened(output) as file:
            for line in exporting.lines(found, form):
                file.write(f"{line.decode()}\n")

    _read(settings, since, until, write)
    return 0


def _draw(by_outcome: Sequence[Line], by_month: Sequence[Line], folder: Path) -> None:
    from service.analytics.plots import save_plots

    try:
        paths = save_plots(by_outcome, by_month, folder)
    except ModuleNotFoundError:
        raise Unusable("--plots: needs the extra of that name: pip install 'osteohooks[plots]'") from None
    except OSError as error:
        raise Unusable(f"{folder}: cannot be written ({error.strerror})") from error
    for path in paths:
        print(f"{path} was written.", file=sys.stderr)


def _read(settings: Settings, since: str | None, until: str | None, use: Callable[[Iterator[Fate]], T]) -> T:
    """What `use` makes of the fates of a time."""
    first, end = _day(since, "--since"), _day(until, "--until")
    page = load_memory_page(load_rules(settings.market), settings.memory_page)
    database = database_of(settings)

    def work(connection: Connection) -> T:
        if connection.dialect.name == "postgresql":  # a report may read for longer than an answer may wait
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        return use(fates(connection, page.reason_of, first, end))

    try:
        return database.read(work, within=_WITHIN)
    except StoreAway as away:
        raise Unusable(f"the database cannot be used at the moment: {away}; osteohooks db check says more") from None
    finally:
        database.close()


def _day(text: str | None, flag: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise Unusable(f"{flag}: expected a date, YYYY-MM-DD") from None


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Where to write: a file, or standard output."""
    if output is None:
        yield sys.stdout
        return
    try:
        file = output.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise Unusable(f"{output}: cannot be written ({error.strerror})") from error
    with file:
        yield file
