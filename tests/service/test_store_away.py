"""The store locked, full, stopped or frozen: hooks are answered as ever, feedback is told to come back, nothing is
lost that was promised, and all is well again without a restart."""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

import service.store as store_module
from cds_hooks.minting import SigningKey
from service.app import create_app
from service.config import IssuerSettings, Settings
from service.demo import demo_request
from service.store import Store, database_of
from service.store import database as database_module
from service.store import feedback as feedback_module
from service.store.availability import Availability
from tests.databases import KEY as PSEUDONYM_KEY
from tests.databases import SERVER_FAULTS
from tests.fhir_pieces import TODAY
from tests.postgresql import Server
from tests.service.test_feedback import OVERRIDDEN, post
from tests.service.test_feedback import kept as kept_feedback
from tests.service.test_journal import kept as kept_journal
from tests.service.test_journal import until

SIGN = "/cds-services/bone-health-order-sign"
BASE = "https://cds.example.org"
ISS = "https://ehr.example.org/auth"
KEY = SigningKey.generate()
each_fault = pytest.mark.parametrize("fault", ["locked", "full", *SERVER_FAULTS])

# Strikes the store that is open, and gives what heals it.
Strike = Callable[[Settings, Store], Callable[[], None]]


def lock(settings: Settings, store: Store) -> Callable[[], None]:
    """Another program writes to the file, and takes its time."""
    other = sqlite3.connect(Path(settings.state_directory) / "osteohooks.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    def heal() -> None:
        other.execute("ROLLBACK")
        other.close()

    return heal


def fill(settings: Settings, store: Store) -> Callable[[], None]:
    """No file may grow, and nothing is in SQLite's log yet: the next write fails as it does on a full disk."""
    store.database.fold()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how many seconds calls wait for the store."""

    def wait(seconds: float) -> None:
        monkeypatch.setattr(feedback_module, "_WITHIN", seconds)
        monkeypatch.setattr(store_module, "_LOOK", max(seconds, 0.5))

    return wait


@contextmanager
def struck(fault: str, settings: Settings, store: Store, request: pytest.FixtureRequest) -> Iterator[None]:
    """The store with this fault for as long as it takes."""
    if fault in ("locked", "full"):
        heal = {"locked": lock, "full": fill}[fault](settings, store)
        try:
            yield
        finally:
            heal()
        return
    server: Server = request.getfixturevalue("postgresql")
    (server.stop if fault == "stopped" else server.freeze)()
    try:
        yield
    finally:
        (server.start if fault == "stopped" else server.thaw)()


class Front:
    """The service with its clients: each call has a token of its own."""

    def __init__(self, settings: Settings) -> None:
        app = create_app(settings)
        self.store: Store = app.extensions["store"]
        self.client: FlaskClient = app.test_client()

    def post(self, path: str, document: Any) -> Any:
        headers = {"Authorization": f"Bearer {KEY.token(ISS, BASE + path)}"}
        return self.client.post(path, data=json.dumps(document), content_type="application/json", headers=headers)

    def cards(self, number: int) -> Any:
        """The cards of a call of its own, without what is different for each call."""
        asked = {**json.loads(demo_request("order-sign", TODAY)), "hookInstance": str(UUID(int=number))}
        response = self.post(SIGN, asked)
        assert response.status_code == 200
        return [(card["summary"], card["detail"], card["indicator"]) for card in response.get_json()["cards"]]

    def report(self, card: str, status: int) -> None:
        response = self.post(f"{SIGN}/feedback", {"feedback": [{**OVERRIDDEN, "card": card}]})
        assert response.status_code == status
        if status == 503:
            assert int(response.headers["Retry-After"]) >= 1
            (issue,) = response.get_json()["issue"]
            assert issue["code"] == "transient"

    @property
    def wrong(self) -> dict[str, str]:
        return {name: state for name, check in self.store.checks.items() if (state := check()) is not None}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite gives up sooner on a file that is locked, so that the test need not wait for it."""
    monkeypatch.setattr(database_module, "_STATEMENT", 1)


def secured(fault: str, tmp_path: Path, request: pytest.FixtureRequest, replay: str) -> Settings:
    members: dict[str, Any] = {
        "state_directory": str(tmp_path),
        "today": TODAY,
        "public_base_url": BASE,
        "issuers": (IssuerSettings(iss=ISS, jwks=KEY.key_set()),),
        "replay": replay,
    }
    if fault in SERVER_FAULTS:
        address = request.getfixturevalue("postgresql").new_database()
        members |= {"database": address, "pseudonym_keys": (PSEUDONYM_KEY,)}
    settings = Settings(**members)
    database = database_of(settings)
    database.upgrade(within=60)
    database.close()
    return settings


@each_fault
def test_hooks_are_answered_and_feedback_comes_back(
    fault: str, tmp_path: Path, request: pytest.FixtureRequest, hurried: Callable[[float], None]
) -> None:
    settings = secured(fault, tmp_path, request, "log")
    front = Front(settings)
    try:
        healthy = front.cards(1)
        assert healthy
        front.report("before", 200)
        until(lambda: front.store.journal.queued == 0)
        with struck(fault, settings, front.store, request):
            hurried(0.05)
            front.store.replay._patience = 0.05
            for number in range(2, 6):
                assert front.cards(number) == healthy
            for card in ("during", "during", "also during"):
                front.report(card, 503)
            until(lambda: front.wrong.keys() >= {"feedback", "journal"})
            assert front.store.journal.lost == 0
            if fault in SERVER_FAULTS:
                assert front.wrong.keys() == {"feedback", "journal", "tokens"}
        hurried(60.0)
        front.store.replay._patience = 60.0
        until(lambda: not front.wrong)
        front.report("during", 200)
        front.report("after", 200)
        assert front.cards(6) == healthy
    finally:
        front.store.close()
    assert sorted(str(row["card"]) for row in kept_feedback(settings)) == ["after", "before", "during"]
    written = kept_journal(settings)
    assert len({row["card"] for row in written}) == 6 * len(healthy)
    assert front.store.journal.lost == 0


def test_one_slow_write_refuses_no_feedback_of_the_next_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_STATEMENT", 60)
    # A look that does not come at once does not come within this test.
    monkeypatch.setattr(Availability.__init__, "__kwdefaults__", {"first": 3600.0, "every": 3600.0})
    settings = Settings(state_directory=str(tmp_path), today=TODAY)
    app = create_app(settings)
    store: Store = app.extensions["store"]

    def report(card: str) -> int:
        return post(app.test_client(), {**OVERRIDDEN, "card": card}).status_code

    try:
        heal = lock(settings, store)
        monkeypatch.setattr(feedback_module, "_WITHIN", 0.05)
        assert report("slow") == 503
        heal()
        monkeypatch.setattr(feedback_module, "_WITHIN", 60.0)
        until(lambda: store.checks["feedback"]() is None)
        assert [report("slow"), report("next")] == [200, 200]
    finally:
        store.close()
    assert sorted(str(row["card"]) for row in kept_feedback(settings)) == ["next", "slow"]


@each_fault
def test_strict_lets_nobody_in_whom_it_cannot_judge(
    fault: str, tmp_path: Path, request: pytest.FixtureRequest, hurried: Callable[[float], None]
) -> None:
    settings = secured(fault, tmp_path, request, "strict")
    front = Front(settings)
    try:
        assert front.cards(1)
        with struck(fault, settings, front.store, request):
            hurried(0.05)
            front.store.replay._patience = 0.05
            for path in (SIGN, f"{SIGN}/feedback"):
                response = front.post(path, {})
                assert (response.status_code, "Retry-After" in response.headers) == (503, True)
        hurried(60.0)
        front.store.replay._patience = 60.0
        until(lambda: not front.wrong)
        assert front.cards(2)
    finally:
        front.store.close()
