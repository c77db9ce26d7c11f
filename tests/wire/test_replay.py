"""Used tokens: each counts once, and is forgotten when it has expired."""

import threading
from collections import Counter

import pytest

from cds_hooks import MemoryReplay, ReplayStoreAway


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_use_and_the_second() -> None:
    store = MemoryReplay(clock=Clock())
    assert store.first_use("a", "1", 10)
    assert not store.first_use("a", "1", 10)
    assert not store.first_use("a", "1", 20)


def test_issuer_and_nonce_are_kept_apart() -> None:
    store = MemoryReplay(clock=Clock())
    pairs = [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", ""), ("a", "1:bc"), ("1:a", "bc"), ("\ud800", "\ud800")]
    assert all(store.first_use(iss, jti, 10) for iss, jti in pairs)
    assert not any(store.first_use(iss, jti, 10) for iss, jti in pairs)


def test_a_token_is_forgotten_after_its_end_and_not_before() -> None:
    clock = Clock()
    store = MemoryReplay(clock=clock)
    assert store.first_use("a", "1", 10)
    clock.now = 10
    assert not store.first_use("a", "1", 10)
    clock.now = 10.5
    assert store.first_use("a", "1", 20)


def test_a_full_store_is_away_until_something_has_expired() -> None:
    clock = Clock()
    store = MemoryReplay(most=2, clock=clock)
    assert store.first_use("a", "1", 10)
    assert store.first_use("a", "2", 20)
    with pytest.raises(ReplayStoreAway, match="full"):
        store.first_use("a", "3", 30)
    assert not store.first_use("a", "2", 20)
    clock.now = 11
    assert store.first_use("a", "3", 30)


def test_of_many_at_once_one_is_the_first() -> None:
    store = MemoryReplay(clock=Clock())
    told: Counter[bool] = Counter()
    barrier = threading.Barrier(8)

    def use() -> None:
        barrier.wait()
        for jti in map(str, range(200)):
            told[store.first_use("a", jti, 10)] += 1

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told[True] == 200
