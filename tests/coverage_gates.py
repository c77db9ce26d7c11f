"""Hold the combined coverage of a test run against its limits, file by file, and print the figures.

`make test` runs it after pytest. In: the data file that `coverage combine` wrote. Out: a table, and exit status 1 when
a file is below its limit or a file that must be whole is missing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import coverage

# What decides, what reads and what lets in is covered whole, branch by branch; of the rest each file to 95 percent.
WHOLE = (
    "service/assess.py",
    "service/decide.py",
    "service/decision.py",
    "service/gates.py",
    "service/rules.py",
    "service/guidelines/*.py",
    "service/callers.py",
    "service/access.py",
    "fhir_profiles/*.py",
    "cds_hooks/addresses.py",
    "cds_hooks/deadline.py",
    "cds_hooks/fetching.py",
    "cds_hooks/fhir_*.py",
    "cds_hooks/key*.py",
    "cds_hooks/minting.py",
    "cds_hooks/pages.py",
    "cds_hooks/replay.py",
    "cds_hooks/scopes.py",
    "cds_hooks/tally.py",
    "cds_hooks/tokens.py",
    "cds_hooks/trust.py",
)
REST = 95.0


def limit_of(path: str) -> float:
    """The percentage that this file must reach; `*` in WHOLE also crosses folders."""
    return 100.0 if any(fnmatchcase(path, pattern) for pattern in WHOLE) else REST


def shortfalls(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each file below its limit and for each pattern of WHOLE without a file."""
    lines = [f"no file matches {pattern}" for pattern in WHOLE if not any(fnmatchcase(path, pattern) for path in files)]
    for path, report in sorted(files.items()):
        reached, limit = float(report["summary"]["percent_covered"]), limit_of(path)
        if reached < limit:
            where = [*map(str, report["missing_lines"]), *(f"{a}->{b}" for a, b in report["missing_branches"])]
            lines.append(f"{path}: {reached:.2f} %, needs {limit:.0f} %; not covered: {', '.join(where)}")
    return lines


def figures(files: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """The reached percentage of each of the two groups, lines and branches together."""
    for title, whole in (("what decides, reads and lets in", True), ("everything else", False)):
        group = [report["summary"] for path, report in files.items() if (limit_of(path) == 100.0) is whole]
        total = sum(part["num_statements"] + part["num_branches"] for part in group)
        reached = sum(part["covered_lines"] + part["covered_branches"] for part in group)
        share = 100 * reached / total if total else 100.0
        needs = "100 %" if whole else f"{REST:.0f} % a file"
        yield f"coverage of {title}: {share:.2f} % of {total} lines and branches in {len(group)} files (needs {needs})"


def main() -> int:
    measured = coverage.Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(report))
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    print(*figures(files), sep="\n")
    missing = shortfalls(files)
    if missing:
        print("coverage below its limits:", *missing, sep="\n  ", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
