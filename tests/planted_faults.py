"""Plant faults in copies of the project, one at a time, and see the tests catch each.

    python -m tests.planted_faults [--list] [--selected] [--only WORD ...] [--jobs N]

tests/faults.py says which faults are made; tests/fault_trial.py tries them, in a copy for each job. `--selected`: one
of each kind in each file, as `make test` does; without it all, as `make faults`. Faults that change nothing anybody
could see are named in planted_faults.yaml with the reason, and not planted. Exit status 1 when one survives.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from tests.faults import ROOT, equivalents, faults, selected

__all__ = ["Tried", "main", "try_all"]

COPIED: Final = ("cds_hooks", "fhir_profiles", "service", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Tried:
    """What became of a fault: who saw it, or None."""

    name: str
    seen: str | None
    seconds: float


def copy_tree(into: Path) -> None:
    """The project without caches, so that no stale bytecode hides a fault."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            into.mkdir(exist_ok=True)
            shutil.copy2(source, into / name)


def try_all(names: Sequence[str], jobs: int) -> Iterator[Tried]:
    """Plant each fault in turn, `jobs` at a time. Raises RuntimeError when the tests fail without any fault."""
    with tempfile.TemporaryDirectory(prefix="planted-faults-") as folder, ThreadPoolExecutor(jobs) as pool:
        said: SimpleQueue[Tried | None] = SimpleQueue()
        shares = [names[job::jobs] for job in range(jobs)]
        running = [pool.submit(_try, Path(folder) / str(job), share, said) for job, share in enumerate(shares)]
        for job in running:
            job.add_done_callback(lambda _: said.put(None))
        for _ in running:
            yield from iter(said.get, None)
        for job in running:
            job.result()


def _try(tree: Path, names: Iterable[str], said: SimpleQueue[Tried | None]) -> None:
    """One job: a copy, and a process in it that tries the faults of those names."""
    copy_tree(tree)
    # A state of its own: a file of SQLite that several processes hold open does not outlive the end of a forked one.
    state = {"XDG_STATE_HOME": str(tree / "state")}
    environment = {**os.environ, **state, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    with (
        (tree / "errors.txt").open("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.fault_trial"],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join(names))
        process.stdin.close()
        for line in process.stdout:
            said.put(Tried(**json.loads(line)))
        if process.wait() != 0:
            errors.seek(0)
            raise RuntimeError(errors.read())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.planted_faults", description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name the faults and stop")
    parser.add_argument("--selected", action="store_true", help="one fault of each kind in each file")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="faults whose name holds one of these")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 2))
    chosen: Any = parser.parse_args(arguments)
    made = faults()
    unseen = equivalents(made)
    planted = [fault for fault in made if fault.name not in unseen]
    names = [fault.name for fault in (selected(planted) if chosen.selected else planted)]
    names = [name for name in names if any(word in name for word in chosen.only)]
    if chosen.list:
        print(*names, sep="\n")
        return 0
    survived = 0
    for tried in try_all(names, chosen.jobs):
        print(f"{'NOT SEEN' if tried.seen is None else 'seen':>8} {tried.seconds:5.1f} s  {tried.name}", flush=True)
        if tried.seen is None:
            survived += 1
        else:
            print(f"{'':19}{tried.seen}", flush=True)
    print(f"planted faults: {len(names)} of {len(made)}, caught {len(names) - survived}")
    return 1 if survived or not names else 0


if __name__ == "__main__":
    sys.exit(main())
