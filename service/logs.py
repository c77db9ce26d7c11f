"""The log: a line of JSON each in production, readable in demo mode, and no patient's datum in either.

What our own modules say is written so that it holds none. What others say may quote a request or a query: of an
exception only its type and place are written, of a foreign logger only that it spoke.
"""

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from service.correlation import CORRELATION

__all__ = ["dictconfig", "formatter", "get_logger", "place", "watch_threads"]

# Loggers whose words are known: our own packages, and the server's about itself ("_granian" is its name).
_KNOWN: Final = ("cds_hooks", "fhir_profiles", "service", "_granian")


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events carry named values; it writes through the standard library's logger of that name."""
    return structlog.wrap_logger(  # type: ignore[no-any-return] # typed as Any by the library
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    )


def formatter(mode: str) -> logging.Formatter:
    """What writes a log record in a mode, `demo` or `production`."""
    render: Processor = (
        structlog.processors.JSONRenderer(serializer=lambda event, **_: msgspec.json.encode(event).decode())
        if mode == "production"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[],
        processors=[
            _own_words,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _correlated,
            _exceptions_by_place,
            render,
        ],
    )


def dictconfig(mode: str) -> dict[str, Any]:
    """The settings of the standard library's logging, for `logging.config.dictConfig` and for the server."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": "service.logs.formatter", "mode": mode}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "structured", "stream": "ext://sys.stderr"}
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {},
    }


def watch_threads() -> None:
    """Have what ends a thread or the process unexpectedly told in the log, not printed with its text."""
    threading.excepthook = lambda end: _told(end.exc_type, end.exc_value, end.exc_traceback)
    sys.excepthook = _told


def _told(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    get_logger(__name__).error("unexpected end", error=place(kind, trace))


def _own_words(_: Any, __: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    top = record.name.partition(".")[0]
    if top not in _KNOWN:
        event["event"] = "a message that may quote what it is about, left out"
    elif top == "_granian":
        # Behind the first line of an error it has the traceback, with the exception's text.
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _correlated(_: Any, __: str, event: EventDict) -> EventDict:
    correlation = CORRELATION.get()
    if correlation is not None:
        event["correlation_id"] = correlation
    return event


def _exceptions_by_place(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    found = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if found and found[0] is not None:
        event["error"] = place(found[0], found[2])
    return event


def place(kind: type[BaseException], trace: TracebackType | None) -> str:
    """An exception without its text, which may hold anything: its type, and where it was raised."""
    frames = traceback.extract_tb(trace)
    return f"{kind.__name__} in {frames[-1].name}, line {frames[-1].lineno}" if frames else kind.__name__
