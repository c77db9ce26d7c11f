"""The heaps of the C library: one for all threads, unless the site says otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.command_line import ROOT, environment

# A heap that is not the process's first is 64 MiB of addresses (HEAP_MAX_SIZE of glibc's arena.c) and begins at a
# multiple of that: what is used of it, and behind it what is not.
IS_THERE_ANOTHER_HEAP = """
import threading
from itertools import pairwise
from pathlib import Path
from service.heap import one_heap

one_heap()
together = threading.Barrier(5)
held = []

def hold():
    held.append(bytes(10_000))
    together.wait()
    together.wait()

threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads:
    thread.start()
together.wait()
SIZE = 64 << 20
maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
places = [(*(int(end, 16) for end in place.split("-")), access) for place, access, *_ in maps]
print(any(
    start % SIZE == 0 and end == rest and last - start == SIZE and (access, closed) == ("rw-p", "---p")
    for (start, end, access), (rest, last, closed) in pairwise(places)
))
together.wait()
"""


@pytest.mark.parametrize(
    ("given", "another"),
    [({}, False), ({"MALLOC_ARENA_MAX": "3"}, True), ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=3"}, True)],
)
def test_threads_share_a_heap_unless_the_site_says_otherwise(given: Mapping[str, str], another: bool) -> None:
    env = {name: value for name, value in environment().items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", IS_THERE_ANOTHER_HEAP],
        cwd=ROOT,
        env={**env, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{another}\n", "")
