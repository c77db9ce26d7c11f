"""How the processor time of an answer grows: with resources, rules, languages and workers. `make growth`.

python -m tests.bench.growth [--output FILE]
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from math import log
from pathlib import Path
from statistics import linear_regression
from time import process_time_ns
from typing import Final

from werkzeug.datastructures import LanguageAccept

from cds_hooks import HOOKS, Parser, Service
from fhir_profiles import RecordReader, Resource
from service.app import answerer
from service.config import Settings
from service.gates import Table
from service.idle import Idle
from service.loop import presenting
from service.rules import Rules, load_rules
from service.words import LANGUAGES
from tests.bench.bodies import Body, view
from tests.bench.load import Load, missing_tools
from tests.bench.machine import conditions
from tests.bench.own_work import in_process, through
from tests.bench.servers import free_port, running, service
from tests.fhir_pieces import TODAY

__all__ = ["exponent", "main"]

OUTPUT: Final = Path(__file__).parent / "results" / "growth.md"
RESOURCES: Final = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
SHARES: Final = (0.25, 0.5, 0.75, 1.0)
WORKERS: Final = (1, 2, 4)
_CALLS: Final = 5
_BUDGET_MS: Final = 1500.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; exit status 2 when something must be installed first."""
    parser = argparse.ArgumentParser(prog="make growth")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    if missing := missing_tools():
        print(f"make growth needs {', '.join(missing)}", file=sys.stderr)
        return 2
    page = "\n".join(_page())
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(page, encoding="utf-8")
    print(page)
    return 0


def _page() -> Iterator[str]:
    yield "# What makes an answer dearer\n"
    yield "Written by `make growth`. Processor time of a whole request inside one process, the least of many calls; for"
    yield "the workers, answers a second of the service with 8 connections.\n"
    yield from (f"* {line}" for line in conditions())
    # The larger records are more than a site takes by default.
    with in_process(max_body_bytes=64 << 20) as app:
        times = {count: _least(through(app, view(count), "en")) for count in RESOURCES}
        languages = {language: _least(through(app, view(15), language)) for language in LANGUAGES}
    yield from _table("resources", {str(count): f"{taken:.2f} ms" for count, taken in times.items()})
    yield f"\nFrom 200 resources on, time goes with their number to the power of {exponent(times, 200):.2f}."
    body = view(15)
    shares = {f"{share:.0%} of the rules": _least(_with_rules(share, body)) for share in SHARES}
    yield from _table("rules, for 15 resources", {name: f"{taken:.2f} ms" for name, taken in shares.items()})
    yield from _table("language, for 15 resources", {name: f"{taken:.2f} ms" for name, taken in languages.items()})
    yield from _table("workers, for 15 resources", {str(n): f"{_rate(n, body):.0f}/s" for n in WORKERS})
    yield ""


def _table(title: str, cells: dict[str, str]) -> Iterator[str]:
    yield f"\n| {title} | {' | '.join(cells)} |"
    yield f"|---|{'---|' * len(cells)}"
    yield f"| | {' | '.join(cells.values())} |"


def _least(call: Callable[[], object]) -> float:
    """Milliseconds of processor time, the least of five calls and of as many more as a second and a half allows."""
    call()
    gc.collect()
    gc.freeze()
    taken: list[float] = []
    while len(taken) < _CALLS or sum(taken) < _BUDGET_MS:
        began = process_time_ns()
        call()
        taken.append((process_time_ns() - began) / 1e6)
    return min(taken)


def exponent(times: dict[int, float], from_count: int) -> float:
    """The power of the number of resources with which time grows, by least squares on the logarithms; 1 is linear."""
    held = {count: taken for count, taken in times.items() if count >= from_count}
    slope, _ = linear_regression([log(count) for count in held], [log(taken) for taken in held.values()])
    return slope


def _with_rules(share: float, body: Body) -> Callable[[], object]:
    """An answer with a part of the sections, opinions and table rows only."""
    rules = _part(load_rules(), share)
    settings = Settings(today=TODAY)
    answer = answerer(settings, rules, RecordReader(rules.terms), presenting(settings, rules, None))
    hook, parser = HOOKS[body.hook], Parser(Resource)
    asked = Service(id="bench", hook=hook, title="bench", description="bench", prefetch={"patient": "Patient/1"})
    accepted = LanguageAccept([("en", 1)])
    return lambda: answer(asked, parser.parse(body.content, hook), accepted, body.content)


def _part(rules: Rules, share: float) -> Rules:
    rules.sections = rules.sections[: round(len(rules.sections) * share)]
    rules.opinions = rules.opinions[: round(len(rules.opinions) * share)]
    rules.table = Table(rules.table.gates[: round(len(rules.table.gates) * share)])
    rules.idle = Idle(rules.sections, rules.blanks)
    return rules


def _rate(workers: int, body: Body) -> float:
    port = free_port()
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        command, environment = service(port, workers, 4, Path(place) / "state")
        server = stack.enter_context(running("Osteohooks", port, command, environment))
        file = Path(place) / "body.json"
        file.write_bytes(body.content)
        load = Load(f"{server.url}/cds-services/{body.service}", file, "en", 8, 2.0)
        load.run()
        return max(load.run().rate for _ in range(3))


if __name__ == "__main__":
    sys.exit(main())
