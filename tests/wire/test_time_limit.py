"""What takes too long is ended, in its own thread and nowhere else."""

import logging
import threading
import time

import flask
import pytest

from cds_hooks import Parser, blueprint
from cds_hooks.time_limit import TimedOut, within
from tests.wire.record import SERVICES, Resource, body, view

SOON = 0.05


def forever() -> bytes:
    while True:
        pass


def test_what_is_done_in_time_is_given() -> None:
    assert within(60, lambda: "done") == "done"


def test_what_goes_wrong_in_time_goes_wrong() -> None:
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 / 0)


def test_what_never_ends_is_ended() -> None:
    with pytest.raises(TimedOut) as refusal:
        within(SOON, forever)
    assert refusal.value.status == 503


def test_what_waits_is_ended_when_it_has_waited() -> None:
    with pytest.raises(TimedOut):
        within(SOON, lambda: time.sleep(0.5))


def test_nothing_on_its_way_takes_it_for_its_own() -> None:
    def stubborn() -> None:
        try:
            forever()
        except Exception:  # noqa: BLE001 # the point of the test
            pytest.fail("swallowed")

    with pytest.raises(TimedOut):
        within(SOON, stubborn)


def test_what_was_just_in_time_is_followed_by_nothing() -> None:
    """The watcher wakes every tenth of a second: work of all lengths around that, and other work right after."""
    ended = 0
    for milliseconds in range(40, 160, 5):
        stop = time.monotonic() + milliseconds / 1000

        def busy(stop: float = stop) -> None:
            while time.monotonic() < stop:
                pass

        try:
            within(SOON, busy)
        except TimedOut:
            ended += 1
        for _ in range(2000):
            pass
    assert ended


def test_another_thread_goes_on() -> None:
    done: list[str] = []

    def patient() -> str:
        time.sleep(0.6)
        return "done"

    other = threading.Thread(target=lambda: done.append(within(60, patient)))
    other.start()
    with pytest.raises(TimedOut):
        within(SOON, forever)
    other.join()
    assert done == ["done"]


def test_a_client_is_told(caplog: pytest.LogCaptureFixture) -> None:
    app = flask.Flask("slow")
    routes = blueprint(SERVICES, Parser(Resource), lambda *_: forever(), origins="*", max_body=10_000, time_limit=SOON)
    app.register_blueprint(routes)
    with caplog.at_level(logging.DEBUG):
        answer = app.test_client().post("/cds-services/view", data=body(view()), content_type="application/json")
    assert answer.status_code == 503
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    (issue,) = answer.get_json()["issue"]
    assert (issue["code"], issue["details"]["text"]) == (
        "timeout",
        "The service could not finish its answer in time.",
    )
    assert [record.getMessage() for record in caplog.records] == [f"view could not answer within {SOON} s"]
