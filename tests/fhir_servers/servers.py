"""FHIR servers that others wrote, started and stopped by ourselves: HAPI FHIR (Java) and Medplum's router (Node).

Each prints `ready <base URL>`, listens on this machine only, keeps its data in memory, and ends when its standard input
does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["SERVERS", "FhirServer", "NotFetched", "NotStarted"]

_HERE: Final = Path(__file__).resolve().parent.parent
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
# Seconds: for what is downloaded and built, until a server is ready, until it has ended.
_BUILD: Final = 420
_START: Final = 240
_STOP: Final = 20

_MAVEN: Final = ("mvn", "--batch-mode", "--quiet", "--no-transfer-progress", "-Dstyle.color=never")


class NotStarted(Exception):
    """The server cannot be built or started; the text says why."""


class NotFetched(NotStarted):
    """What the server is made of cannot be had: no way to its packages."""


class FhirServer(NamedTuple):
    """A server to try the service against.

    `needs` is each program that it takes: the command that tells its version, and the lowest major release that does.
    `fetch` and `build` are run in `folder`, then `start`.
    """

    name: str
    folder: Path
    needs: tuple[tuple[tuple[str, ...], int], ...]
    fetch: tuple[str, ...]
    build: tuple[str, ...]
    start: tuple[str, ...]

    def missing(self) -> str:
        """What keeps it from running here, or the empty string."""
        return "; ".join(filter(None, (_lacks(command, lowest) for command, lowest in self.needs)))

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its base URL while it runs. Raises NotFetched or NotStarted with what it said where it does not."""
        _run(self.fetch, self.folder, NotFetched)
        if self.build:
            _run(self.build, self.folder, NotStarted)
        start = time.monotonic()
        with subprocess.Popen(
            self.start, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            patience = threading.Timer(_START, process.kill)
            patience.start()
            try:
                # A server that ends closes its output.
                said = process.stdout.readline().split()
                patience.cancel()
                if said[:1] != ["ready"]:
                    raise NotStarted(f"{self.name}: ended before it was ready, with status {process.wait(_STOP)}")
                print(f"{self.name}: started in {time.monotonic() - start:.0f} s", flush=True)
                yield said[1]
            finally:
                patience.cancel()
                process.stdin.close()
                try:
                    process.wait(_STOP)
                except subprocess.TimeoutExpired:
                    process.kill()


def _lacks(command: Sequence[str], lowest: int) -> str:
    """What is wrong with a program: not there, or too old."""
    if shutil.which(command[0]) is None:
        return f"no {command[0]} here"
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    major = re.search(r"\d+", _COLOURS.sub("", told.stdout + told.stderr))
    if told.returncode or major is None or int(major[0]) < lowest:
        return f"{command[0]} is not {lowest} or later"
    return ""


def _run(command: Sequence[str], folder: Path, otherwise: type[NotStarted]) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, timeout=_BUILD)
    except subprocess.CalledProcessError as error:
        raise otherwise(f"{' '.join(command)}: status {error.returncode}, in {folder.name}") from error
    except subprocess.TimeoutExpired as error:
        raise otherwise(f"{' '.join(command)}: not done after {_BUILD} s, in {folder.name}") from error


SERVERS: Final = {
    "hapi": FhirServer(
        name="HAPI FHIR",
        folder=_HERE / "hapi",
        needs=((("javac", "-version"), 17), (("mvn", "--version"), 3)),
        fetch=(*_MAVEN, "dependency:copy-dependencies", "-DoutputDirectory=target/libraries"),
        build=(*_MAVEN, "compile"),
        # A server that lives for a minute starts in a third of the time without the optimizing compiler.
        start=(
            "java",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            "target/classes:target/libraries/*",
            "org.osteohooks.hapi.FhirServer",
        ),
    ),
    "medplum": FhirServer(
        name="Medplum",
        folder=_HERE / "medplum",
        needs=((("node", "--version"), 20), (("npm", "--version"), 9)),
        fetch=("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"),
        build=(),
        start=("node", "server.mjs"),
    ),
}
