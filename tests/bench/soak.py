"""The service under half of its top rate for long: memory, file handles and threads stay flat, no error. `make soak`.

    python -m tests.bench.soak [--minutes 30] [--output FILE]

Mixed in are feedback on cards that the service gave, and clients that prefetch little and name a FHIR server that
fails: with 500, with a page of HTML, late, by hanging up, and by never answering. Memory levels off within the first
few minutes, so a run of less than ten may find it growing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from msgspec.structs import replace

from service.config import Settings
from tests.bench.bodies import bodies
from tests.bench.failing_fhir import FailingServer
from tests.bench.load import FEEDBACK as FEEDBACK_SCRIPT
from tests.bench.load import Load, Outcome, missing_tools
from tests.bench.machine import conditions
from tests.bench.on_record import counted_in, feedback_kept, metrics_of, settled, written
from tests.bench.rounds import bars_table
from tests.bench.servers import Server, free_port, running, service

__all__ = ["Sample", "judged", "main"]

OUTPUT: Final = Path(__file__).parent / "results" / "soak.md"
EVERY: Final = 5.0  # seconds between two looks at the workers
TOP: Final = "15 resources"
FAILING: Final = "failing FHIR server"
FEEDBACK: Final = "calls and feedback"
# Share of the requests and connections of each kind. Connections make pauses, so there are more of them than answers
# under way; those to the failing server wait for it, and must leave threads to the others.
MIX: Final = {TOP: (0.65, 32), "200 resources": (0.05, 4), "draft order": (0.2, 16), FEEDBACK: (0.1, 8)}
FAILING_CONNECTIONS: Final = 2
FAILING_PAUSE_MS: Final = 500.0
# What the service calls the ways in which the server fails.
FAILURES: Final = frozenset({"status-500", "content-type", "not-fhir", "connection", "deadline"})
# Of half of the top rate, what must have been reached for the run to count: the pauses leave out how long answers take.
LEAST_REACHED: Final = 0.8


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
    lines = conditions()
    with tempfile.TemporaryDirectory() as place, FailingServer() as failing, ExitStack() as stack:
        folder, port = Path(place), free_port()
        store = Settings(state_directory=str(folder / "state"))
        command, environment = service(port, 2, 4, folder / "state")
        named = {"OSTEOHOOKS_PRIVATE_FHIR_SERVERS": failing.url}
        server = stack.enter_context(running("Osteohooks", port, command, {**environment, **named}, quiet=True))
        loads = dict(_loads(server, failing, folder))
        full = replace(loads[TOP], connections=8, seconds=5.0)
        full.run()
        top = full.run().rate
        mixed = {kind: _paced(kind, load, top / 2, options.minutes * 60) for kind, load in loads.items()}
        samples, outcomes = _run(server, mixed)
        account = settled(server.url, store)
        fetches = counted_in(metrics_of(server.url), "osteohooks_fhir_fetches_total", "ended")
        stack.close()
        kept, rows = feedback_kept(store), written(store)
    reached = sum(outcome.rate for outcome in outcomes.values())
    errors = sum(outcome.errors for outcome in outcomes.values())
    verdicts = [
        *judged(samples),
        (f"no error: {errors}", errors == 0),
        (f"at least {LEAST_REACHED} of half the top rate: {reached * 2 / top:.2f}", reached * 2 >= top * LEAST_REACHED),
        account.bar(rows),
        (f"feedback was kept, accepted and set aside: {_spelled(kept)}", {"accepted", "overridden"} <= kept.keys()),
        (f"queries failed in every way of the failing server: {_spelled(fetches)}", fetches.keys() >= FAILURES),
    ]
    page = "\n".join(_page(lines, top, reached, outcomes, samples, verdicts))
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
    contents[FAILING] = (made[TOP].service, json.dumps(little, separators=(",", ":")).encode())
    contents[FEEDBACK] = contents[TOP]
    for kind, (address, content) in contents.items():
        file = folder / f"{kind.replace(' ', '-')}.json"
        file.write_bytes(content)
        load = Load(f"{server.url}/cds-services/{address}", file, "en", 1, 1.0)
        yield kind, replace(load, script=FEEDBACK_SCRIPT) if kind == FEEDBACK else load


def _paced(kind: str, load: Load, rate: float, seconds: float) -> Load:
    """A load that makes its share of a rate, in answers a second; what waits for the failing server has a pace of its
    own."""
    if kind == FAILING:
        return replace(load, connections=FAILING_CONNECTIONS, seconds=seconds, pause_ms=FAILING_PAUSE_MS)
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


def _spelled(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _page(
    lines: Sequence[str],
    top: float,
    reached: float,
    outcomes: dict[str, Outcome],
    samples: Sequence[Sample],
    verdicts: Sequence[tuple[str, bool]],
) -> Iterator[str]:
    yield "# Osteohooks under load for long\n"
    yield "Written by `make soak`.\n"
    yield from (f"* {line}" for line in lines)
    yield f"* {samples[-1].seconds / 60:.0f} minutes at {reached:.0f} answers a second; the top rate is {top:.0f}"
    yield "\n| request | answers | p50 ms | p99 ms | errors |"
    yield "|---|---|---|---|---|"
    for kind, outcome in outcomes.items():
        yield f"| {kind} | {outcome.requests} | {outcome.p50_ms:.1f} | {outcome.p99_ms:.1f} | {outcome.errors} |"
    yield "\n| minute | memory of a worker, MiB | file handles | threads |"
    yield "|---|---|---|---|"
    for sample in samples[:: max(1, len(samples) // 20)]:
        yield f"| {sample.seconds / 60:.1f} | {sample.mib:.1f} | {sample.handles} | {sample.threads} |"
    yield from bars_table(verdicts)


if __name__ == "__main__":
    sys.exit(main())
