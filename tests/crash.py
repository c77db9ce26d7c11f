"""kill -9 of the server at random moments, while clients report feedback: what was acknowledged is there, once.

    python -m tests.crash --rounds 200 --server granian sqlite postgresql

Each round starts a server, lets the clients send batches for a moment, kills the server, and looks into the database:
every batch that was answered 200 must be there, every event once, and of no batch a part. What was not acknowledged is
sent again in the next round.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import Connection, select

from service.config import Settings
from service.store import database_of
from service.store.tables import feedback
from tests.command_line import ROOT, environment
from tests.databases import KEY
from tests.postgresql import PROGRAMS, Server, free_port

__all__ = ["Forking", "Granian", "Outcome", "crash"]

_PATH: Final = "/cds-services/bone-health-order-sign/feedback"
_AT: Final = "2026-11-20T08:30:00Z"
_CLIENTS: Final = 8
_MOST: Final = 5  # events of a batch
_START_WITHIN: Final = 60.0

Batch = tuple[str, ...]


class Servers(Protocol):
    """Starts servers on one store, one after the other."""

    def start(self) -> tuple[int, int]:
        """Start one and wait until it answers; the process, or the group of processes, and the port."""
        ...

    def kill(self, pid: int) -> None:
        """End it as a power cut would end its process."""
        ...


class Forking:
    """A server of one process, forked from one that has loaded everything: many rounds in little time."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash_server"],
            cwd=ROOT,
            env={**environment(), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self) -> tuple[int, int]:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write("\n")
        self._parent.stdin.flush()
        pid, port = json.loads(self._parent.stdout.readline())
        return pid, port

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.stdout.close()
        self._parent.wait(30)


class Granian:
    """The server of production with two workers, without the demo that `osteohooks serve` shows beside it."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._environment = {**environment(), **settings}
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> tuple[int, int]:
        port = free_port()
        command = ["-m", "granian", "service.app:wsgi", "--factory", "--interface", "wsgi", "--workers", "2"]
        command += ["--blocking-threads", "4", "--port", str(port), "--no-ws", "--log-level", "critical"]
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=self._environment, start_new_session=True)
        deadline = time.monotonic() + _START_WITHIN
        while True:
            try:
                connection = HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("OPTIONS", _PATH)
                assert connection.getresponse().status == 204
                self._running[process.pid] = process
                return process.pid, port
            except OSError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.02)
            finally:
                connection.close()

    def kill(self, pid: int) -> None:
        os.killpg(pid, signal.SIGKILL)
        self._running.pop(pid).wait()

    def stop(self, pid: int) -> None:
        """End one as an operator does, and wait until it has."""
        self._running[pid].terminate()
        self._running.pop(pid).wait()

    def close(self) -> None:
        for pid in list(self._running):
            self.kill(pid)


@dataclass
class Outcome:
    """What became of some rounds. `unheard`: batches whose answer was never heard; `kept` of these were there."""

    rounds: int = 0
    acknowledged: list[Batch] = field(default_factory=list)
    unheard: int = 0
    kept: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {len(self.acknowledged)} batches acknowledged, {self.unheard} cut off "
            f"({self.kept} of them kept), {self.refused} refused, {len(self.faults)} faults"
        )


@dataclass
class _Client:
    """Sends batches until nobody answers; what was not acknowledged it sends again."""

    chance: random.Random
    waiting: list[Batch] = field(default_factory=list)
    acknowledged: list[Batch] = field(default_factory=list)
    refused: int = 0

    def run(self, port: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            while True:
                if not self.waiting:
                    cards = (str(UUID(int=self.chance.getrandbits(128))) for _ in range(self.chance.randint(1, _MOST)))
                    self.waiting.append(tuple(cards))
                batch = self.waiting[-1]
                body = json.dumps({"feedback": [_event(card) for card in batch]})
                connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    self.acknowledged.append(self.waiting.pop())
                else:
                    self.refused += 1
                    time.sleep(0.01)
        except (OSError, HTTPException):
            return  # the server is gone
        finally:
            connection.close()


def _event(card: str) -> dict[str, object]:
    why = {"reason": {"code": "patient-refuses"}, "userComment": "words"}
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": _AT, "overrideReason": why}


def crash(servers: Servers, settings: Settings, rounds: int, *, seed: int = 0, longest: float = 0.25) -> Outcome:
    """Kill the server so many times, each time after `longest` seconds at the most; what became of the feedback."""
    chance = random.Random(seed)
    clients = [_Client(random.Random(f"{seed} {number}")) for number in range(_CLIENTS)]
    outcome = Outcome()
    for _ in range(rounds):
        pid, port = servers.start()
        threads = [threading.Thread(target=client.run, args=(port,)) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.02, longest))
        servers.kill(pid)
        for thread in threads:
            thread.join()
        outcome.rounds += 1
        _judge(outcome, clients, settings)
    return outcome


def _judge(outcome: Outcome, clients: list[_Client], settings: Settings) -> None:
    there = _kept(settings)
    acknowledged = [batch for client in clients for batch in client.acknowledged]
    waiting = [batch for client in clients for batch in client.waiting]
    for batch in acknowledged:
        if any(there[card] != 1 for card in batch):
            outcome.faults.append(
                f"round {outcome.rounds}: acknowledged, and {[there[card] for card in batch]} times there"
            )
    for batch in waiting:
        counts = {there[card] for card in batch}
        if counts not in ({0}, {1}):
            outcome.faults.append(
                f"round {outcome.rounds}: a part of a batch is there: {[there[card] for card in batch]}"
            )
        outcome.kept += counts == {1}
    known = {card for batch in (*acknowledged, *waiting) for card in batch}
    if there.keys() - known:
        outcome.faults.append(f"round {outcome.rounds}: {len(there.keys() - known)} events that nobody sent")
    outcome.unheard += len(waiting)
    outcome.acknowledged = acknowledged
    outcome.refused = sum(client.refused for client in clients)


def _kept(settings: Settings) -> Counter[str]:
    """How often each card is there."""
    database = database_of(settings)

    def cards(connection: Connection) -> Counter[str]:
        return Counter(connection.execute(select(feedback.c.card)).scalars())

    try:
        return database.read(cards, within=30)
    finally:
        database.close()


@contextmanager
def _store(kind: str) -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="osteohooks-crash-") as folder:
        if kind == "sqlite":
            yield Settings(state_directory=folder)
            return
        server = Server()
        try:
            yield Settings(state_directory=folder, database=server.new_database(), pseudonym_keys=(KEY,))
        finally:
            server.close()


def variables(settings: Settings) -> dict[str, str]:
    """The settings as the environment of a server; the tables are made."""
    database = database_of(settings)
    database.upgrade(within=60)
    database.close()
    found = {"OSTEOHOOKS_STATE_DIRECTORY": settings.state_directory}
    if settings.database is not None:
        found |= {"OSTEOHOOKS_DATABASE": settings.database, "OSTEOHOOKS_PSEUDONYM_KEYS": KEY}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("database", nargs="+", choices=("sqlite", "postgresql"))
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--server", choices=("forking", "granian"), default="granian")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if "postgresql" in options.database and PROGRAMS is None:
        print("PostgreSQL's programs are not installed (on Debian: apt install postgresql)", file=sys.stderr)
        return 2
    faults = 0
    for kind in options.database:
        with _store(kind) as settings:
            make = Forking if options.server == "forking" else Granian
            servers = make(variables(settings))
            try:
                outcome = crash(servers, settings, options.rounds, seed=options.seed)
            finally:
                servers.close()
        print(f"{kind}: {outcome}", *outcome.faults, sep="\n", flush=True)
        faults += len(outcome.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
