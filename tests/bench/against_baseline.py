"""The service against the baseline, and against itself while its store fails: `make bench`.

python -m tests.bench.against_baseline [--rounds 5] [--seconds 3] [--workers 2] [--threads 4] [--output FILE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from service.config import Settings
from service.store.commands import make_ready
from tests.bench import under_faults
from tests.bench.baseline import ANSWERS
from tests.bench.bodies import Body, bodies
from tests.bench.load import missing_tools
from tests.bench.machine import conditions
from tests.bench.on_record import settled, written
from tests.bench.rounds import Case, Figures, bars_table, measure, ratios, spread
from tests.bench.servers import OPENER, Server, free_port, running, service, wsgi_application
from tests.bench.under_faults import trials

__all__ = ["main"]

OURS: Final = "Osteohooks"
BASELINE: Final = "baseline"
OUTPUT: Final = Path(__file__).parent / "results" / "baseline.md"
LANGUAGES: Final = ("en", "zh")
# What the service must reach (throughput, p99, start-up, memory): ratios to the baseline, seconds, MiB.
LEAST_THROUGHPUT: Final = {"15 resources": 0.5, "200 resources": 1.4}
MOST_P99: Final = 3.0
MOST_START: Final = 1.5
MOST_MIB: Final = 100.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; exit status 1 when a bar is missed, 2 when something must be installed first."""
    options = _options(arguments)
    if missing := missing_tools():
        print(f"make bench needs {', '.join(missing)}", file=sys.stderr)
        return 2
    lines = [*conditions(), f"{options.workers} workers with {options.threads} threads, rounds: {options.rounds}"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ports = {OURS: free_port(), BASELINE: free_port()}
        store = Settings(state_directory=str(folder / "state"))
        make_ready(store)  # the first start of all makes the tables, and loads what makes them
        command, environment = service(ports[OURS], options.workers, options.threads, folder / "state")
        with running(OURS, ports[OURS], command, environment) as ours:
            cases = list(_cases(ours, f"http://127.0.0.1:{ports[BASELINE]}", folder))
            target = wsgi_application("tests.bench.baseline:wsgi", ports[BASELINE], options.workers, options.threads)
            with running(BASELINE, ports[BASELINE], target, {ANSWERS: str(folder / "answers")}) as baseline:
                figures = measure(cases, [ours, baseline], options.rounds, options.seconds)
                memory = {server.name: server.worker_mib() for server in (ours, baseline)}
            account = settled(ours.url, store)
        bars = [*_bars(figures, ours, memory[OURS]), account.bar(written(store))]
        found = list(trials(options.rounds, options.seconds, options.workers, options.threads))
        bars += under_faults.bars(found)
        parts = [*_page(lines, cases, figures, [ours, baseline], memory), *under_faults.page(found), *bars_table(bars)]
    page = "\n".join(parts)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(page, encoding="utf-8")
    print(page)
    return 0 if all(held for _, held in bars) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load (default 3)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4, help="of a worker, as the service is shipped (default 4)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args(arguments)


def _cases(ours: Server, baseline: str, folder: Path) -> Iterator[Case]:
    """Every measured request, its body and the service's own answer written into the folder."""
    (folder / "answers").mkdir()
    without, half = bodies(), bodies(narrative=0.5)
    listed = [(body, language, body.name) for body in without.values() for language in LANGUAGES]
    listed += [(half[name], "en", f"{name}, half with narrative") for name in ("15 resources", "200 resources")]
    for number, (body, language, name) in enumerate(listed):
        file = folder / f"{number}.json"
        file.write_bytes(body.content)
        (folder / "answers" / f"{number}.json").write_bytes(answer_of(ours, body, language))
        addresses = {OURS: f"{ours.url}/cds-services/{body.service}", BASELINE: f"{baseline}/echo/{number}"}
        yield Case(f"{name}, {language}", file, language, addresses)


def answer_of(server: Server, body: Body, language: str) -> bytes:
    """What the service answers. Raises HTTPError for anything but success."""
    headers = {"Content-Type": "application/json", "Accept-Language": language}
    asked = urllib.request.Request(f"{server.url}/cds-services/{body.service}", body.content, headers)
    with OPENER.open(asked, timeout=30) as answered:
        content: bytes = answered.read()
    return content


# -- the page ------------------------------------------------------------------------------------------------------


def _page(
    lines: Sequence[str],
    cases: Sequence[Case],
    figures: Mapping[tuple[str, str], Figures],
    servers: Sequence[Server],
    memory: Mapping[str, float],
) -> Iterator[str]:
    yield "# Osteohooks against the baseline\n"
    yield "Written by `make bench`. The baseline is `tests/bench/baseline.py`: it parses the whole body with orjson and"
    yield "answers as many bytes, and looks at nothing. Osteohooks decodes what its rules ask for, types and all, and"
    yield "applies every rule; each call has a hookInstance of its own, and the journal is on, with all that it writes."
    yield "Medians over the rounds, [least..most]; ratios inside a round. Under `processor` stands the processor time"
    yield "of the workers for an answer, which other programs on the machine disturb least.\n"
    yield from (f"* {line}" for line in lines)
    yield "\n| request | bytes in, out | throughput, 8 connections | p99, 8 | p50, 1 connection | processor |"
    yield "|---|---|---|---|---|---|"
    for case in cases:
        ours, theirs = (figures[case.name, server] for server in (OURS, BASELINE))
        answered = ours.many[0].bytes / ours.many[0].requests
        row = [
            case.name,
            f"{case.body.stat().st_size}, {answered:.0f}",
            str(ratios([each.rate for each in ours.many], [each.rate for each in theirs.many])),
            str(ratios([each.p99_ms for each in ours.many], [each.p99_ms for each in theirs.many])),
            str(ratios([each.p50_ms for each in ours.one], [each.p50_ms for each in theirs.one])),
            str(ratios(ours.processor_ms, theirs.processor_ms)),
        ]
        yield f"| {' | '.join(row)} |"
    yield "\n| request | server | answers a second | p50 ms, 8 | p99 ms, 8 | p50 ms, 1 | p99 ms, 1 | processor ms |"
    yield "|---|---|---|---|---|---|---|---|"
    for (case_name, server), of in figures.items():
        columns = [
            spread(each.rate for each in of.many),
            *(spread(getattr(each, part) for each in of.many) for part in ("p50_ms", "p99_ms")),
            *(spread(getattr(each, part) for each in of.one) for part in ("p50_ms", "p99_ms")),
            spread(of.processor_ms),
        ]
        yield f"| {case_name} | {server} | {' | '.join(map(str, columns))} |"
    yield "\n| server | start-up, s | memory of a worker under load, MiB |"
    yield "|---|---|---|"
    yield from (f"| {each.name} | {each.start_seconds:.2f} | {memory[each.name]:.0f} |" for each in servers)


def _bars(figures: Mapping[tuple[str, str], Figures], ours: Server, mib: float) -> Iterator[tuple[str, bool]]:
    """Each bar of the service in words with its figure, and whether it holds."""
    for name, least in LEAST_THROUGHPUT.items():
        for language in LANGUAGES:
            case = f"{name}, {language}"
            mine, theirs = figures[case, OURS].many, figures[case, BASELINE].many
            reached = ratios([each.rate for each in mine], [each.rate for each in theirs])
            yield f"{case}: throughput at least {least} of the baseline: {reached}", reached.middle >= least
            tail = ratios([each.p99_ms for each in mine], [each.p99_ms for each in theirs])
            yield f"{case}: p99 at most {MOST_P99} times the baseline's: {tail}", tail.middle <= MOST_P99
    yield f"start-up under {MOST_START} s: {ours.start_seconds:.2f}", ours.start_seconds < MOST_START
    yield f"at most {MOST_MIB:.0f} MiB a worker: {mib:.0f}", mib <= MOST_MIB
    errors = sum(of.errors for (_, server), of in figures.items() if server == OURS)
    yield f"no error: {errors}", errors == 0


if __name__ == "__main__":
    sys.exit(main())
