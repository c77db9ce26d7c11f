"""`make fuzz`: tens of thousands of generated requests to a real server: no 5xx, no hang, memory flat.

Two kinds: requests as EHRs send them, mutated (seeded), and requests made of our OpenAPI document by Schemathesis, both
those that it allows and those that it forbids. Exit status 0 when all was well.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psutil
import requests

from tests.api_calls import call_each_operation, described
from tests.command_line import OSTEOHOOKS, ROOT, environment
from tests.generated_requests import check_answer, generate

TIMEOUT: Final = 15.0  # seconds after which a call counts as hung
# Operations with a body, each called with what is allowed and with what is forbidden.
KINDS: Final = 12
MIB: Final = 2**20


@contextmanager
def server() -> Iterator[tuple[str, psutil.Process]]:
    """A server of one worker, in demo mode: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*OSTEOHOOKS, "serve", "--port", str(port), "--workers", "1"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    requests.get(f"{url}/cds-services", timeout=TIMEOUT)
                    break
                except requests.ConnectionError:
                    time.sleep(0.1)
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()


def memory(process: psutil.Process) -> float:
    """What the server and its workers hold, in MiB."""
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / MIB


def send_mutated(url: str, seed: str, count: int) -> tuple[Counter[int], float]:
    """How often each status came, and the seconds that the slowest call took."""
    statuses: Counter[int] = Counter()
    slowest = 0.0
    with requests.Session() as session:
        session.trust_env = False
        for sent in generate(seed, count):
            headers = {"Content-Type": "application/json", **sent.headers}
            address = f"{url}/cds-services/bone-health-{sent.hook}"
            start = time.monotonic()
            answer = session.post(address, data=sent.body, headers=headers, timeout=TIMEOUT)
            slowest = max(slowest, time.monotonic() - start)
            statuses[answer.status_code] += 1
            check_answer(sent, answer.status_code, json.loads(answer.content))
    return statuses, slowest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--growth", type=float, default=16.0, help="MiB that the server may grow by after a tenth of it"
    )
    options = parser.parse_args(arguments)
    of_schemas = options.requests // 4
    per_round = (options.requests - of_schemas) // 10
    start = time.monotonic()
    with server() as (url, process):
        held = []
        statuses: Counter[int] = Counter()
        slowest = 0.0
        for number in range(10):
            found, longest = send_mutated(url, f"{options.seed} {number}", per_round)
            statuses, slowest = statuses + found, max(slowest, longest)
            held.append(memory(process))
        made = call_each_operation(described(url), max(1, of_schemas // KINDS), seed=options.seed, timeout=TIMEOUT)
        held.append(memory(process))
    growth = max(held[1:]) - held[0]
    print(f"mutated requests: {statuses.total()} ({_listed(statuses)}), the slowest {slowest:.2f} s")
    print(f"made of the schemas: {made.total()} ({_listed(made)})")
    print(f"memory: {held[0]:.1f} MiB after a tenth, {held[-2]:.1f} after the mutated, {held[-1]:.1f} at the end")
    print(f"{statuses.total() + made.total()} requests in {time.monotonic() - start:.0f} s, growth {growth:.1f} MiB")
    if growth > options.growth:
        print(f"the server grew by more than {options.growth:g} MiB", file=sys.stderr)
        return 1
    return 0


def _listed(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


if __name__ == "__main__":
    sys.exit(main())
