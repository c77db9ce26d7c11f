"""How the processor time of an answer grows: with resources, rules, languages and workers. `make growth`.

python -m tests.bench.growth [--output FILE]
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from math import inf, log
from pathlib import Path
from statistics import linear_regression
from time import process_time_ns
from typing import Final
from zlib import crc32

from werkzeug.datastructures import LanguageAccept

from cds_hooks import HOOKS, Parser, Service
from fhir_profiles import RecordReader, Resource
from service.answering import answerer
from service.config import Settings
from service.gates import Table
from service.idle import Idle
from service.loop import presenting
from service.rules import Rules, load_rules
from service.words import LANGUAGES
from tests.bench.bodies import Body, view
from tests.bench.curves import Curves, draw
from tests.bench.load import Load, missing_tools
from tests.bench.machine import conditions
from tests.bench.own_work import in_process, through
from tests.bench.servers import free_port, running, service
from tests.fhir_pieces import TODAY

__all__ = ["exponent", "main", "page", "with_rules"]

OUTPUT: Final = Path(__file__).parent / "results" / "growth.md"
RESOURCES: Final = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
# Below it, what an answer costs whatever is in the record weighs too much.
FROM: Final = 200
WHY: Final = (
    "With the caches warm each of up to a thousand resources is cheaper than each of more: an answer finds what",
    "it works on in the processor's caches, where the call before left it, as long as it fits. Looked into once,",
    "on 2026-11-20, all side by side (AMD EPYC, 1 MiB of second-level cache a core): parsing takes 5.5 µs a",
    "resource up to 1,000, and 8 µs from 2,000 on; with the caches emptied before each call 8 µs at every size;",
    "the same without the garbage collector, which runs as often for a resource at every size; no memory is asked",
    "of the system anew. A parser that has nothing of ours, orjson, goes from 4 to 11 µs on the same bodies.",
)
SHARES: Final = (0.25, 0.5, 0.75, 1.0)
WORKERS: Final = (1, 2, 4)
_CALLS: Final = 5
_ROUNDS: Final = 20
_BUDGET_MS: Final = 1500.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, draw and print; exit status 2 when something must be installed first."""
    parser = argparse.ArgumentParser(prog="make growth")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the page; the picture is written beside it")
    options = parser.parse_args(arguments)
    if missing := missing_tools():
        print(f"make growth needs {', '.join(missing)}", file=sys.stderr)
        return 2
    lines = conditions()
    curves = _measured()
    picture = options.output.with_suffix(".svg")
    options.output.parent.mkdir(exist_ok=True)
    draw(curves, picture)
    text = "\n".join(page(curves, lines, picture.name))
    options.output.write_text(text, encoding="utf-8")
    print(text)
    return 0


def _measured() -> Curves:
    body = view(15)
    # The larger records are more than a site takes by default.
    with in_process(max_body_bytes=64 << 20) as app:
        resources, emptied = _by_count({count: through(app, view(count), "en") for count in RESOURCES})
        languages = {language: _least(through(app, body, language)) for language in LANGUAGES}
    rules = {share: _least(with_rules(share, body)) for share in SHARES}
    return Curves(resources, emptied, rules, languages, {workers: _rate(workers, body) for workers in WORKERS})


def page(curves: Curves, lines: Sequence[str], picture: str) -> Iterator[str]:
    """The page, in Markdown; `picture` is the name of the file beside it."""
    yield "# What makes an answer dearer\n"
    yield "Written by `make growth`. Processor time of a whole request inside one process, the least of many calls; for"
    yield "the workers, answers a second of the service with 8 connections.\n"
    yield from (f"* {line}" for line in lines)
    yield f"\n![time against resources, rules, languages and workers]({picture})"
    by_count = [curves.resources, curves.emptied]
    yield from _table(
        "resources",
        list(map(str, curves.resources)),
        {
            "caches warm": [f"{taken:.2f} ms" for taken in curves.resources.values()],
            "caches emptied": [f"{taken:.2f} ms" for taken in curves.emptied.values()],
            **{
                f"a resource, {state}": [f"{1000 * taken / count:.1f} µs" for count, taken in times.items()]
                for state, times in zip(("warm", "emptied"), by_count, strict=True)
            },
        },
    )
    warm, emptied = (f"{exponent(times, FROM):.2f}" for times in by_count)
    yield f"\nFrom {FROM} resources on, time goes with their number to the power of {warm} with the caches warm and of"
    yield f"{emptied} with the caches emptied.\n"
    yield from WHY
    shares = {f"{share:.0%} of the rules": f"{taken:.2f} ms" for share, taken in curves.rules.items()}
    yield from _table("rules, for 15 resources", list(shares), {"": list(shares.values())})
    languages = [f"{taken:.2f} ms" for taken in curves.languages.values()]
    yield from _table("language, for 15 resources", list(curves.languages), {"": languages})
    workers = [f"{rate:.0f}/s" for rate in curves.workers.values()]
    yield from _table("workers, for 15 resources", list(map(str, curves.workers)), {"": workers})
    yield ""


def _table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"\n| {title} | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    yield from (f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())


@cache
def _ballast() -> bytes:
    """More than the caches of a processor hold; zeros would be one page of memory, read again and again."""
    return bytes(range(256)) * (1 << 18)


def _by_count(calls: Mapping[int, Callable[[], object]]) -> tuple[dict[int, float], dict[int, float]]:
    """Milliseconds of each, with the caches as the call before left them and with the caches emptied: the least over
    rounds that go over all, so that a busy minute of the machine meets each alike."""
    gc.collect()
    gc.freeze()
    warm, emptied = dict.fromkeys(calls, inf), dict.fromkeys(calls, inf)
    for _ in range(_ROUNDS):
        for count, call in calls.items():
            crc32(_ballast())
            emptied[count] = min(emptied[count], _taken(call))
            warm[count] = min(warm[count], *(_taken(call) for _ in range(_CALLS)))
    return warm, emptied


def _least(call: Callable[[], object]) -> float:
    """Milliseconds of processor time, the least of five calls and of as many more as a second and a half allows."""
    call()
    gc.collect()
    gc.freeze()
    taken: list[float] = []
    while len(taken) < _CALLS or sum(taken) < _BUDGET_MS:
        taken.append(_taken(call))
    return min(taken)


def _taken(call: Callable[[], object]) -> float:
    began = process_time_ns()
    call()
    return (process_time_ns() - began) / 1e6


def exponent(times: Mapping[int, float], from_count: int) -> float:
    """The power of the number of resources with which time grows, by least squares on the logarithms; 1 is linear."""
    held = {count: taken for count, taken in times.items() if count >= from_count}
    slope, _ = linear_regression([log(count) for count in held], [log(taken) for taken in held.values()])
    return slope


def with_rules(share: float, body: Body) -> Callable[[], bytes]:
    """An answer with a part of the sections, opinions and table rows only."""
    rules = load_rules()
    settings = Settings(today=TODAY)
    present = presenting(settings, rules, None)  # its page names outcomes of all of them
    _cut(rules, share)
    answer = answerer(settings, rules, RecordReader(rules.terms), present)
    hook, parser = HOOKS[body.hook], Parser(Resource)
    asked = Service(id="bench", hook=hook, title="bench", description="bench", prefetch={"patient": "Patient/1"})
    accepted = LanguageAccept([("en", 1)])
    return lambda: answer(asked, parser.parse(body.content, hook), accepted, body.content)


def _cut(rules: Rules, share: float) -> None:
    rules.sections = rules.sections[: round(len(rules.sections) * share)]
    rules.opinions = rules.opinions[: round(len(rules.opinions) * share)]
    rules.table = Table(rules.table.gates[: round(len(rules.table.gates) * share)], rules.table.agents)
    rules.idle = Idle(rules.sections, rules.table.gates, rules.blanks)


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
