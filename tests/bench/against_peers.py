"""The service against what a site could install instead: `make bench-peers`.

python -m tests.bench.against_peers --python PYTHON_OF_THE_PEERS [--rounds 5] [--seconds 3] [--output FILE]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from service.config import Settings
from service.store.commands import make_ready
from tests.bench.agreement import ALIKE, disagreements
from tests.bench.bodies import bodies
from tests.bench.load import missing_tools
from tests.bench.machine import conditions
from tests.bench.peer import PEERS, Peer, start, translate, versions
from tests.bench.rounds import Case, Figures, bars_table, measure, ratios, spread
from tests.bench.servers import Server, free_port, running, service

__all__ = ["main"]

OURS: Final = "Osteohooks"
OUTPUT: Final = Path(__file__).parent / "results" / "peers.md"
MEASURED: Final = ("15 resources", "200 resources")
OUR_CHECKS: Final = "the types of all that the rules read; every rule, in two languages"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; exit status 1 when a bar is missed, 2 when something must be installed first.

    Where a peer names another tier than we do, nothing is measured: exit status 1.
    """
    parser = argparse.ArgumentParser(prog="make bench-peers")
    parser.add_argument("--python", type=Path, required=True, help="the interpreter that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    missing = missing_tools()
    if shutil.which("node") is None:
        missing.append("node, for the CQL peer (https://nodejs.org, 20 or later)")
    if missing:
        print(f"make bench-peers needs {', '.join(missing)}", file=sys.stderr)
        return 2
    lines = [*conditions(tools=("wrk", "node")), versions(), f"rounds: {options.rounds}"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        translate(folder)
        port = free_port()
        make_ready(Settings(state_directory=str(folder / "state")))
        command, environment = service(port, 2, 4, folder / "state")
        ours = stack.enter_context(running(OURS, port, command, environment))
        others = {peer: stack.enter_context(start(peer, options.python, folder)) for peer in PEERS}
        if differing := list(disagreements(ours, others, MEASURED)):
            print("\n".join(differing), file=sys.stderr)
            return 1
        cases = list(_cases(ours, others, folder))
        figures = measure(cases, [ours, *others.values()], options.rounds, options.seconds)
        memory = {server.name: server.worker_mib() for server in (ours, *others.values())}
    bars = list(_bars(figures))
    page = "\n".join([*_page(lines, figures, memory), *bars_table(bars)])
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(page, encoding="utf-8")
    print(page)
    return 0 if all(held for _, held in bars) else 1


def _cases(ours: Server, others: Mapping[Peer, Server], folder: Path) -> Iterator[Case]:
    for name in MEASURED:
        body = bodies()[name]
        file = folder / f"{name.replace(' ', '-')}.json"
        file.write_bytes(body.content)
        addresses = {peer.name: f"{server.url}{peer.base}/tier" for peer, server in others.items()}
        yield Case(name, file, "en", {OURS: f"{ours.url}/cds-services/{body.service}", **addresses})


def _ratio(figures: Mapping[tuple[str, str], Figures], case: str, peer: Peer) -> tuple[str, float]:
    mine, theirs = figures[case, OURS].many, figures[case, peer.name].many
    found = ratios([each.rate for each in mine], [each.rate for each in theirs])
    return str(found), found.middle


def _bars(figures: Mapping[tuple[str, str], Figures]) -> Iterator[tuple[str, bool]]:
    for peer in PEERS:
        for case, least in peer.least.items():
            text, reached = _ratio(figures, case, peer)
            yield f"{case}: at least {least} times the throughput of {peer.name}: {text}", reached >= least
    errors = sum(of.errors for (_, server), of in figures.items() if server == OURS)
    yield f"no error of ours: {errors}", errors == 0


def _page(
    lines: Sequence[str], figures: Mapping[tuple[str, str], Figures], memory: Mapping[str, float]
) -> Iterator[str]:
    yield "# Osteohooks against what a site could install instead\n"
    yield "Written by `make bench-peers`. Throughput of Osteohooks over the other's, 8 connections, two processes each;"
    yield "medians of rounds over all servers, [least..most]. Before it, each peer named the same tier as Osteohooks"
    yield f"for both requests, CQL also for {ALIKE} patients from the grid of the tier's tests.\n"
    yield from (f"* {line}" for line in lines)
    yield "\n| against | 15 resources | 200 resources | it checks and applies |"
    yield "|---|---|---|---|"
    for peer in PEERS:
        yield f"| {peer.name} | {' | '.join(_ratio(figures, case, peer)[0] for case in MEASURED)} | {peer.checks} |"
    yield f"\nOsteohooks checks and applies: {OUR_CHECKS}.\n"
    yield "| request | server | answers a second | p99 ms, 8 | p50 ms, 1 | processor ms | worker, MiB | errors |"
    yield "|---|---|---|---|---|---|---|---|"
    for (case, server), of in figures.items():
        columns = [
            spread(each.rate for each in of.many),
            spread(each.p99_ms for each in of.many),
            spread(each.p50_ms for each in of.one),
            spread(of.processor_ms),
        ]
        yield f"| {case} | {server} | {' | '.join(map(str, columns))} | {memory[server]:.0f} | {of.errors} |"


if __name__ == "__main__":
    sys.exit(main())
