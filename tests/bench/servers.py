"""Servers under measurement: started as a site would start them, watched, stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from tests.fhir_pieces import TODAY

__all__ = ["OPENER", "Server", "free_port", "running", "service", "wsgi_application"]

ROOT: Final = Path(__file__).resolve().parents[2]
START_WITHIN: Final = 60.0
# A proxy of the machine's own must not stand between.
OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Server:
    """A server that answers. `start_seconds`: from the command to the first answer."""

    name: str
    url: str
    process: psutil.Process
    start_seconds: float

    def workers(self) -> list[psutil.Process]:
        """The processes that answer: the server's children that are of its own kind, or itself where it has none."""
        children = [child for child in self.process.children(recursive=True) if child.num_threads() > 1]
        return children or [self.process]

    def worker_mib(self) -> float:
        """Resident memory of one worker in MiB, pages shared with its parent included; the median of the workers."""
        return median(worker.memory_info().rss / _MIB for worker in self.workers())

    def processor_seconds(self) -> float:
        """Processor time that the workers have taken so far: what an answer costs, however busy the machine is."""
        taken = [worker.cpu_times() for worker in self.workers()]
        return sum(times.user + times.system for times in taken)

    def handles(self) -> int:
        """Open file handles of all workers."""
        return sum(worker.num_fds() for worker in self.workers())

    def threads(self) -> int:
        """Threads of all workers."""
        return sum(worker.num_threads() for worker in self.workers())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def service(port: int, workers: int, threads: int, state: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    """The command that starts the service in demo mode, with its journal in a folder of the run's own, and its
    environment."""
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port), "--workers", str(workers)]
    settings = {"BLOCKING_THREADS": str(threads), "TODAY": TODAY.isoformat(), "STATE_DIRECTORY": str(state)}
    return command, {f"OSTEOHOOKS_{name}": value for name, value in settings.items()}


def wsgi_application(target: str, port: int, workers: int, threads: int) -> Sequence[str]:
    """The command that starts another WSGI application on the same server."""
    options = {"interface": "wsgi", "host": "127.0.0.1", "port": port, "workers": workers, "blocking-threads": threads}
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "granian", *flags, "--factory", "--no-ws", "--no-access-log", target]


@contextmanager
def running(
    name: str,
    port: int,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    ready: str = "/cds-services",
    folder: Path = ROOT,
    quiet: bool = False,
) -> Iterator[Server]:
    """The server of a command until the block ends; `quiet` throws its log away. Raises RuntimeError when it does not
    answer."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OSTEOHOOKS_")}
    began = time.monotonic()
    log = subprocess.DEVNULL if quiet else None
    process = psutil.Popen(command, cwd=folder, env={**inherited, **environment}, stdout=subprocess.DEVNULL, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url + ready, process, name)
        yield Server(name, url, process, time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            for child in (*process.children(recursive=True), process):
                child.kill()


def _wait_for(url: str, process: psutil.Popen, name: str) -> None:
    deadline = time.monotonic() + START_WITHIN
    while True:
        try:
            with OPENER.open(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not answer at {url}") from None
            time.sleep(0.01)
