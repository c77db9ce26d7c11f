"""The log: JSON in production, readable in demo mode; the call's id on each line, and nothing of a record."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service import logs
from service.correlation import CORRELATION, correlation_id

NAME = "Wilhelmina Fictional"
UUID = "2f1a4b0e-5f0c-4d2b-9a3e-6d1c7b8e9f10"
TRACE = "0af7651916cd43dd8448eb211c80319c"
Written = Callable[[], list[str]]


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Iterator[Written]:
    """Sets logging up for a mode (production, unless the test says otherwise); gives the lines written so far."""
    mode = getattr(request, "param", "production")
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    config = logs.dictconfig(mode)
    config["handlers"]["console"]["stream"] = stream
    logging.config.dictConfig(config)
    yield lambda: stream.getvalue().splitlines()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_production_writes_an_object_a_line(written: Written) -> None:
    CORRELATION.set(UUID)
    try:
        logs.get_logger("service.some").info("refused", status=412)
        logging.getLogger("cds_hooks.trust").warning("client authentication: %s", "expired")
    finally:
        CORRELATION.set(None)
    logs.get_logger("service.some").debug("never")
    first, second = map(json.loads, written())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "refused",
        "level": "info",
        "logger": "service.some",
        "status": 412,
        "correlation_id": UUID,
    }
    assert second["event"] == "client authentication: expired"
    assert (second["logger"], second["level"], second["correlation_id"]) == ("cds_hooks.trust", "warning", UUID)


@pytest.mark.parametrize("written", ["demo"], indirect=True)
def test_demo_mode_writes_for_people(written: Written) -> None:
    logs.get_logger("service.some").info("refused", status=412)
    (line,) = written()
    assert "[info     ] refused" in line
    assert "status=412" in line


def fail() -> None:
    raise ValueError(NAME)


def test_an_exception_is_told_without_its_text(written: Written) -> None:
    for log in (logging.getLogger("service.some"), logs.get_logger("service.some")):
        try:
            fail()
        except ValueError as error:
            log.exception("failed")
            log.error("failed", exc_info=error)
            log.error("failed", exc_info=error, stack_info=True)
    logging.getLogger("service.some").error("failed", exc_info=(None, None, None))
    lines = [json.loads(line) for line in written()]
    assert [line.get("error", "").partition(",")[0] for line in lines] == ["ValueError in fail"] * 6 + [""]
    assert NAME not in "".join(written())


def test_a_library_is_not_quoted(written: Written) -> None:
    logging.getLogger("urllib3.connectionpool").warning("Retrying: /Patient?name=%s", NAME)
    (line,) = map(json.loads, written())
    assert line["logger"] == "urllib3.connectionpool"
    assert line["event"] == "a message that may quote what it is about, left out"


def test_of_the_server_the_first_line_is_enough(written: Written) -> None:
    logging.getLogger("_granian.workers").error(f"Application callable raised an exception\nValueError: {NAME}")
    assert json.loads(written()[0])["event"] == "Application callable raised an exception"


def test_what_ends_a_thread_or_the_process_is_told_without_its_text(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    logs.watch_threads()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(NAME), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    told = [json.loads(line)["error"] for line in written()]
    assert told[0].startswith("ValueError in fail, line ")
    assert told[1:] == ["ValueError"]


# -- the call's id ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"request_id": UUID}, UUID),
        ({"request_id": UUID.upper()}, UUID.upper()),
        ({"request_id": TRACE}, TRACE),
        ({"request_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"01-{TRACE}-b7ad6b7169203331-01-more"}, TRACE),
        ({"request_id": UUID, "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, UUID),
        ({"request_id": NAME, "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
    ],
)
def test_an_id_of_a_random_form_is_kept(headers: dict[str, str], kept: str) -> None:
    assert correlation_id(headers.get("request_id"), headers.get("traceparent")) == kept


@pytest.mark.parametrize(
    ("request_id", "traceparent"),
    [
        (None, None),
        ("", ""),
        (NAME, None),
        ("MRN-00042", None),
        ("1234567890", None),
        (f"{UUID}\n", None),
        (f"{UUID}0", None),
        (TRACE[1:], None),
        (None, f"ff-{TRACE}-b7ad6b7169203331-01"),
        (None, f"00-{'0' * 32}-b7ad6b7169203331-01"),
        (None, f"00-{TRACE}-b7ad6b7169203331"),
        (None, TRACE),
    ],
)
def test_any_other_id_is_replaced(request_id: str | None, traceparent: str | None) -> None:
    made: Any = correlation_id(request_id, traceparent)
    assert len(made) == 32
    assert made not in (request_id, traceparent)
    assert made != correlation_id(request_id, traceparent)
