"""Used tokens in the store: each counts once for all processes; what happens to calls while the store is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from cds_hooks import ReplayStoreAway
from cds_hooks.minting import SigningKey
from service.app import create_app
from service.config import IssuerSettings, Settings
from service.store import Store, StoreAway
from service.store import replay as replay_module
from service.store.availability import Availability
from service.store.replay import SqlReplay
from service.store.tables import used_token
from tests.databases import Make
from tests.service.test_journal import until

BASE = "https://cds.example.org"
ISS = "https://ehr.example.org/auth"
KEY = SigningKey.generate()


@contextmanager
def stores(settings: Settings, number: int) -> Iterator[list[Store]]:
    opened = [Store(settings) for _ in range(number)]
    try:
        yield opened
    finally:
        for store in opened:
            store.close()


def test_a_token_counts_once_for_all_who_share_the_store(new_settings: Make) -> None:
    with stores(new_settings(), 2) as (one, other):
        end = time.time() + 60
        assert one.replay.first_use("i", "1", end)
        assert not one.replay.first_use("i", "1", end)
        assert not other.replay.first_use("i", "1", end)
        assert other.replay.first_use("i", "2", end)
        assert other.replay.first_use("i2", "1", end)
        assert one.replay.first_use("i\0", "2", end), "text that a client chose"
        assert one.replay.first_use("i", "\ud800", end)


def test_of_many_at_once_one_is_the_first(new_settings: Make) -> None:
    with stores(new_settings(), 2) as both:
        end = time.time() + 60
        firsts: list[str] = []
        barrier = threading.Barrier(8)

        def use(store: Store) -> None:
            barrier.wait()
            firsts.extend(jti for jti in "abcdefgh" if store.replay.first_use("i", jti, end))

        threads = [threading.Thread(target=use, args=(both[number % 2],)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(firsts) == list("abcdefgh")


def remembered(store: Store) -> int:
    def count(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(used_token)).scalar_one()

    return store.database.read(count, within=30)


def test_what_has_expired_is_swept_away(new_settings: Make) -> None:
    with stores(new_settings(), 1) as (store,):
        now = 1000.0
        replay = SqlReplay(store.database, Availability("tokens", lambda: None), 30.0, clock=lambda: now)
        assert replay.first_use("i", "1", 1010.0)
        assert replay.first_use("i", "2", 9000.0)
        now += replay_module._SWEEP
        assert replay.first_use("i", "3", 9000.0)
        until(lambda: remembered(store) == 2)
        assert replay.first_use("i", "1", 1010.0), "it has expired, so nobody asks for it"
        assert not replay.first_use("i", "2", 9000.0)


# -- through the front door --------------------------------------------------------------------------------------------


def secured(**members: Any) -> dict[str, Any]:
    issuer = IssuerSettings(iss=ISS, jwks=KEY.key_set())
    return {"public_base_url": BASE, "issuers": (issuer,), **members}


class Caller:
    """A client of one service of several."""

    def __init__(self, settings: Settings) -> None:
        app = create_app(settings)
        self.store: Store = app.extensions["store"]
        self._client = app.test_client()

    def call(self, token: str) -> int:
        return self._client.get("/cds-services", headers={"Authorization": f"Bearer {token}"}).status_code


def token() -> str:
    return KEY.token(ISS, f"{BASE}/cds-services")


@contextmanager
def two_workers(settings: Settings) -> Iterator[tuple[Caller, Caller]]:
    one, other = Caller(settings), Caller(settings)
    try:
        yield one, other
    finally:
        one.store.close()
        other.store.close()


@pytest.mark.parametrize(("mode", "again"), [("strict", 401), ("log", 200), ("off", 200)])
def test_two_workers(mode: str, again: int, new_settings: Make, caplog: pytest.LogCaptureFixture) -> None:
    with two_workers(new_settings(**secured(replay=mode))) as (one, other):
        used = token()
        assert [one.call(used), other.call(used), one.call(used)] == [200, again, again]
        assert other.call(token()) == 200
        noted = [message.split(" (")[0] for message in caplog.messages]
        assert noted == ([] if mode == "off" else ["client authentication: replay"] * 2)
        assert remembered(one.store) == (0 if mode == "off" else 2)


@pytest.mark.parametrize(("mode", "status"), [("strict", 503), ("log", 200), ("off", 200)])
def test_while_the_store_is_away(mode: str, status: int, tmp_path: Path) -> None:
    settings = Settings(state_directory=str(tmp_path), **secured(replay=mode))
    with two_workers(settings) as (one, _):
        assert one.call(token()) == 200
        one.store.replay._availability.failed("full")
        assert one.call(token()) == status
        assert one.store.checks["tokens"]() == "full"
        until(lambda: one.store.checks["tokens"]() is None)
        assert one.call(token()) == 200


def test_a_store_that_fails_is_not_asked_again_before_it_was_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        asked = 0

        def write(self, work: object, **options: object) -> None:
            self.asked += 1
            raise StoreAway("locked")

    looks: list[str] = []
    well = threading.Event()

    def look() -> None:
        looks.append("look")
        if not well.is_set():
            raise StoreAway("away")

    database: Any = Broken()
    availability = Availability("tokens", look, first=0.001, every=0.001)
    replay = SqlReplay(database, availability, 0.1)
    with pytest.raises(ReplayStoreAway, match=r"^locked$"):
        replay.first_use("i", "1", 0)
    until(lambda: len(looks) > 2)
    for _ in range(3):
        with pytest.raises(ReplayStoreAway, match=r"^away$"):
            replay.first_use("i", "1", 0)
    assert database.asked == 1
    well.set()
    until(lambda: availability.cause is None)
    with pytest.raises(ReplayStoreAway, match=r"^locked$"):
        replay.first_use("i", "1", 0)
    assert database.asked == 2
    availability.close()
    away, back = "the store is away for tokens: locked", "the store is back for tokens"
    assert caplog.messages[:3] == [away, back, away]
