"""The service under half of its top rate for long: memory, file handles and threads stay flat, no error. `make soak`.

    python -m tests.bench.soak [--minutes 30] [--output FILE]

Mixed in are feedback, where the service takes it, and clients that prefetch little and name a FHIR server that fails:
it answers with 500, with a page of HTML, late, or not at all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Final

from msgspec.structs import replace

from tests.bench.against_baseline import answer_of
from tests.bench.bodies import bodies
from tests.bench.load import Load, Outcome, missing_tools
from tests.bench.machine import conditions
from tests.bench.servers import Server, free_port, running, service
from tests.fhir_pieces import TODAY

__all__ = ["FailingServer", "Sample", "judged", "main"]

OUTPUT: Final = Path(__file__).parent / "results" / "soak.md"
EVERY: Final = 5.0  # seconds between two looks at the workers
TOP: Final = "15 resources"
# Share of the requests and connections of each kind; the last two hold the feedback and the failing server.
MIX: Final = {
    TOP: (0.6, 8),
    "200 resources": (0.05, 2),
    "draft order": (0.2, 4),
    "failing": (0.1, 4),
    "feedback": (0.05, 2),
}


@dataclass(frozen=True)
class Sample:
    """A look at the workers: MiB of the median worker, file handles and threads of all."""

    seconds: float
    mib: float
    handles: int
    threads: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write and print; exit status 1 when something grew or failed, 2 when a tool must be installed first."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    if missing := missing_tools():
        print(f"make soak needs {', '.join(missing)}", file=sys.stderr)
        return 2
    port = free_port()
    lines = conditions()
    with tempfile.TemporaryDirectory() as place, FailingServer() as failing, ExitStack() as stack:
        folder = Path(place)
        command, environment = service(port, 2, 4, folder / "state")
        server = stack.enter_context(running("Osteohooks", port, command, environment))
        loads = dict(_loads(server, failing, folder))
        top = replace(loads[TOP], connections=8, seconds=5.0).run().rate
        mixed = {kind: _paced(kind, load, top / 2, options.minutes * 60) for kind, load in loads.items()}
        samples, outcomes = _run(server, mixed)
    verdicts = list(judged(samples))
    errors = sum(outcome.errors for outcome in outcomes.values())
    verdicts.append((f"no error: {errors}", errors == 0))
    page = "\n".join(_page(lines, top, mixed, outcomes, samples, verdicts))
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(page, encoding="utf-8")
    print(page)
    return 0 if all(held for _, held in verdicts) else 1


# -- the load ------------------------------------------------------------------------------------------------------


def _loads(server: Server, failing: FailingServer, folder: Path) -> Iterator[tuple[str, Load]]:
    """Each kind of request, unpaced."""
    made = bodies()
    contents = {name: (body.service, body.content) for name, body in made.items()}
    little = json.loads(made[TOP].content)
    patient, dxa = little["prefetch"]["patient"], little["prefetch"]["dxa"]
    token = {
        "access_token": "soak",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "patient/*.rs",
        "subject": "x",
    }
    little |= {"fhirServer": failing.url, "fhirAuthorization": token, "prefetch": {"patient": patient, "dxa": dxa}}
    contents["failing"] = (made[TOP].service, json.dumps(little).encode())
    feedback = _feedback(server)
    if feedback is not None:
        contents["feedback"] = (f"{made[TOP].service}/feedback", feedback)
    for kind, (address, content) in contents.items():
        file = folder / f"{kind.replace(' ', '-')}.json"
        file.write_bytes(content)
        yield kind, Load(f"{server.url}/cds-services/{address}", file, "en", 1, 1.0)


def _feedback(server: Server) -> bytes | None:
    """Feedback on a card that the service gave; None where it takes no feedback."""
    body = bodies()[TOP]
    card = json.loads(answer_of(server, body, "en"))["cards"][0]["uuid"]
    told = {"card": card, "outcome": "overridden", "outcomeTimestamp": f"{TODAY.isoformat()}T08:00:00Z"}
    content = json.dumps({"feedback": [told]}).encode()
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{server.url}/cds-services/{body.service}/feedback", content, headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30):
            return content
    except urllib.error.HTTPError as error:
        if error.code in (404, 405):
            return None
        raise


def _paced(kind: str, load: Load, rate: float, seconds: float) -> Load:
    """A load that makes its share of a rate, in answers a second."""
    share, connections = MIX[kind]
    return replace(load, connections=connections, seconds=seconds, pause_ms=1000 * connections / (rate * share))


def _run(server: Server, loads: dict[str, Load]) -> tuple[list[Sample], dict[str, Outcome]]:
    """All loads at once, and a look at the workers every few seconds."""
    began = time.monotonic()
    samples: list[Sample] = []
    with ThreadPoolExecutor(len(loads)) as pool:
        running_loads: dict[str, Future[Outcome]] = {kind: pool.submit(load.run) for kind, load in loads.items()}
        while not all(each.done() for each in running_loads.values()):
            time.sleep(EVERY)
            seconds = time.monotonic() - began
            samples.append(Sample(seconds, server.worker_mib(), server.handles(), server.threads()))
    return samples, {kind: each.result() for kind, each in running_loads.items()}


# -- the FHIR server that fails --------------------------------------------------------------------------------------


class FailingServer:
    """A FHIR server that never answers as it should; `url` while the block runs."""

    def __enter__(self) -> FailingServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Failing)
        self.url = f"http://127.0.0.1:{self._server.server_port}/fhir"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Failing(BaseHTTPRequestHandler):
    ways: Final = itertools.cycle(("500", "html", "late", "closed"))

    def do_GET(self) -> None:
        way = next(self.ways)
        if way == "closed":
            self.close_connection = True
            return
        if way == "late":
            time.sleep(2)
        self.send_response(500 if way == "500" else 200)
        self.send_header("Content-Type", "text/html" if way == "html" else "application/fhir+json")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>" if way == "html" else b'{"a":1')

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: its failures are what it is for."""


# -- the verdict ---------------------------------------------------------------------------------------------------


def judged(samples: Sequence[Sample]) -> Iterator[tuple[str, bool]]:
    """Whether each figure stayed flat: the last fifth of the time against the second, when all is warm."""
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth] or samples, samples[-fifth:]
    rules: tuple[tuple[str, Callable[[Sample], float], float], ...] = (
        ("memory of a worker, MiB", lambda sample: sample.mib, 3.0),
        ("file handles", lambda sample: sample.handles, 4.0),
        ("threads", lambda sample: sample.threads, 2.0),
    )
    for name, figure, slack in rules:
        before, after = median(map(figure, early)), median(map(figure, late))
        yield f"{name}: {before:.0f}, then {after:.0f}; at most {slack:.0f} more", after <= before + slack


def _page(
    lines: Sequence[str],
    top: float,
    loads: dict[str, Load],
    outcomes: dict[str, Outcome],
    samples: Sequence[Sample],
    verdicts: Sequence[tuple[str, bool]],
) -> Iterator[str]:
    reached = sum(outcome.rate for outcome in outcomes.values())
    yield "# Osteohooks under load for long\n"
    yield "Written by `make soak`.\n"
    yield from (f"* {line}" for line in lines)
    yield f"* {samples[-1].seconds / 60:.0f} minutes at {reached:.0f} answers a second; the top rate is {top:.0f}"
    if "feedback" not in loads:
        yield "* this version takes no feedback, so none was sent"
    yield "\n| request | answers | p50 ms | p99 ms | errors |"
    yield "|---|---|---|---|---|"
    for kind, outcome in outcomes.items():
        yield f"| {kind} | {outcome.requests} | {outcome.p50_ms:.1f} | {outcome.p99_ms:.1f} | {outcome.errors} |"
    yield "\n| minute | memory of a worker, MiB | file handles | threads |"
    yield "|---|---|---|---|"
    for sample in samples[:: max(1, len(samples) // 20)]:
        yield f"| {sample.seconds / 60:.1f} | {sample.mib:.1f} | {sample.handles} | {sample.threads} |"
    yield "\n| bar | held |"
    yield "|---|---|"
    yield from (f"| {bar} | {'yes' if held else '**no**'} |" for bar, held in verdicts)
    yield ""


if __name__ == "__main__":
    sys.exit(main())
