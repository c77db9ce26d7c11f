"""Stores that can be made to fail while the service runs, each in a way that a site may meet, and to recover."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from service.config import Settings
from service.store import database_of
from tests import postgresql
from tests.bench.servers import Server

__all__ = ["FAULTS", "NEED_POSTGRESQL", "FailingStore"]

_KEY: Final = "0123456789abcdef0123456789abcdef"
_ROOM: Final = "1g"
_TRIES: Final = 50


@dataclass(frozen=True)
class FailingStore:
    """An empty store, by the settings that name it; `how` says in words what happens to it.

    `strike` is given the server that uses the store, makes it fail, and gives what heals it.
    """

    settings: Settings
    how: str
    strike: Callable[[Server], Callable[[], None]]


@contextmanager
def _locked(folder: Path) -> Iterator[FailingStore]:
    """SQLite, with another program that writes to the file and takes its time."""

    def strike(_: Server) -> Callable[[], None]:
        other = sqlite3.connect(folder / "osteohooks.sqlite3", isolation_level=None, timeout=60)
        other.execute("BEGIN EXCLUSIVE")
        return other.close

    yield FailingStore(Settings(state_directory=str(folder)), "another process holds an exclusive transaction", strike)


@contextmanager
def _full(folder: Path) -> Iterator[FailingStore]:
    """SQLite on a disk without room: a tmpfs where one can be mounted, else by a limit on the size of files."""
    settings = Settings(state_directory=str(folder))

    def fold() -> None:
        """What SQLite's log has room for would be written for a while yet."""
        database = database_of(settings)
        database.fold()
        database.close()

    def shrink(_: Server) -> Callable[[], None]:
        fold()
        for left in reversed(range(_TRIES)):  # the journal still writes
            used = os.statvfs(folder)
            try:
                _mount("-o", f"remount,size={(used.f_blocks - used.f_bfree) * used.f_frsize}", str(folder))
                break
            except subprocess.CalledProcessError:
                if not left:
                    raise
        return lambda: _mount("-o", f"remount,size={_ROOM}", str(folder))

    def limit(server: Server) -> Callable[[], None]:
        fold()
        workers = [(worker, worker.rlimit(psutil.RLIMIT_FSIZE)) for worker in server.workers()]
        for worker, (_, hard) in workers:
            worker.rlimit(psutil.RLIMIT_FSIZE, (4096, hard))

        def lift() -> None:
            for worker, limits in workers:
                worker.rlimit(psutil.RLIMIT_FSIZE, limits)

        return lift

    folder.mkdir()
    with ExitStack() as stack:
        try:
            _mount("-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", str(folder))
        except (OSError, subprocess.CalledProcessError):
            yield FailingStore(settings, "no file of a worker may grow (RLIMIT_FSIZE; no tmpfs can be mounted)", limit)
        else:
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
            yield FailingStore(settings, "its tmpfs is shrunk to what lies in it", shrink)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def _server(folder: Path, how: str, fault: str) -> Iterator[FailingStore]:
    """PostgreSQL with a server of its own."""
    server = postgresql.Server()
    try:
        settings = Settings(state_directory=str(folder), database=server.new_database(), pseudonym_keys=(_KEY,))
        database = database_of(settings)
        database.upgrade(within=60)
        database.close()

        def strike(_: Server) -> Callable[[], None]:
            if fault == "stopped":
                server.stop()
                return server.start
            server.freeze()
            return server.thaw

        yield FailingStore(settings, how, strike)
    finally:
        server.close()


FAULTS: Final[Mapping[str, Callable[[Path], AbstractContextManager[FailingStore]]]] = {
    "PostgreSQL stopped": lambda folder: _server(folder, "its server is gone (SIGQUIT)", "stopped"),
    "PostgreSQL frozen": lambda folder: _server(folder, "its server neither answers nor hangs up (SIGSTOP)", "frozen"),
    "SQLite locked": _locked,
    "disk full": _full,
}
NEED_POSTGRESQL: Final = ("PostgreSQL stopped", "PostgreSQL frozen")
