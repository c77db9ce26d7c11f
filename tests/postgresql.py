"""A PostgreSQL server of the tests' own, where its programs are installed (on Debian the package postgresql)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from glob import glob
from itertools import count
from pathlib import Path
from typing import Final

import psycopg

__all__ = ["PROGRAMS", "Server", "free_port"]

_START_WITHIN: Final = 120.0


def _programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian keeps out of the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += [Path(folder) for folder in sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


PROGRAMS: Final = _programs()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server with its files in a folder of its own; `stop` and `start` again keep them."""

    def __init__(self) -> None:
        assert PROGRAMS is not None
        self._folder = tempfile.TemporaryDirectory(prefix="osteohooks-postgresql-")
        self._data = Path(self._folder.name) / "data"
        self._port = free_port()
        self._numbers = count()
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder.name, self._user)
        self._run("initdb", "-D", str(self._data), "-U", "osteohooks", "-A", "trust", "--no-sync", "-E", "UTF8")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        assert PROGRAMS is not None
        command = [str(PROGRAMS / program), *arguments]
        done = subprocess.run(
            command, user=self._user, cwd=self._folder.name, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAMS is not None
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "log_min_messages": "panic",
            # Nobody pulls this machine's plug; what is tested is what becomes of processes.
            "fsync": "off",
            "full_page_writes": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [str(PROGRAMS / "postgres"), "-D", str(self._data), *options],
            user=self._user,
            cwd=self._folder.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_WITHIN
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, "PostgreSQL did not start"
                assert time.monotonic() < deadline, "PostgreSQL does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once, as a machine that goes down does; its files are as good as ever."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(120)
            self._process = None

    def freeze(self) -> None:
        """It neither answers nor lets go of a connection."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        # Each connection has a process of its own, in a session of its own.
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        for pid in (self._process.pid, *map(int, children.split())):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # it has ended meanwhile

    def url(self, database: str) -> str:
        return f"postgresql://osteohooks@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        """The address of an empty database that nobody else has."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def close(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        self._folder.cleanup()
