"""Plant faults in a copy of the project, one at a time, and see the tests catch each.

    python tests/planted_faults.py [--list] [--only WORD] [--jobs N]

Made for every page, fact and logic file without being listed: a limit moved by one step either way, a window moved or
gone, a comparison turned, a sentence missing in one language, a blank missing. Other faults are in planted_faults.yaml.
Each fault is tried in a forked process on a copy of the tree, with the tests that stand closest to it. Exit status 1
when one survives. It imports nothing of the project itself, so that a copy's modules are always the copy's own.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
COPIED: Final = ("cds_hooks", "fhir_profiles", "service", "tests", "pyproject.toml")
PAGES: Final = "service/guidelines/*/*.yaml"
LOGIC: Final = "service/guidelines/*/*.py"
FACTS: Final = "fhir_profiles/facts/*.yaml"
LISTED: Final = Path(__file__).with_suffix(".yaml")
# The tests that stand closest to pages and facts; a listed fault may name others.
CLOSEST: Final = ("tests/test_vignettes.py", "tests/test_tier_grid.py::test_the_edges_of_the_windows")
# Members of a fact that hold a limit in time, and what is moved inside them.
WINDOWS: Final = (
    "fresh",
    "clears",
    "presumed_for",
    "possible_for",
    "course",
    "presumed_from_age",
    "after_from_age",
    "ages",
)
AMOUNTS: Final = ("months", "days", "years", "from", "to")
TURNED: Final[dict[type[ast.cmpop], str]] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_WRITTEN: Final[dict[type[ast.cmpop], str]] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_SEEN_BY_PYTEST: Final = {1: "a test failed", 2: "it does not start", 3: "it does not start", 4: "it does not start"}


@dataclass(frozen=True)
class Fault:
    """One change of one file: the characters from `start` to `end` become `new`."""

    name: str
    path: str
    start: int
    end: int
    new: str
    tests: tuple[str, ...] = CLOSEST

    def planted_in(self, text: str) -> str:
        changed = text[: self.start] + self.new + text[self.end :]
        assert changed != text, f"{self.name}: changes nothing"
        return changed


# -- which faults ------------------------------------------------------------------------------------------------------


def faults(root: Path = ROOT) -> list[Fault]:
    """Every fault, made and listed, in an order that does not change."""
    found: list[Fault] = []
    for path in sorted(root.glob(PAGES)):
        found += _in_page(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted(root.glob(FACTS)):
        found += _in_facts(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted(root.glob(LOGIC)):
        found += _in_logic(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    return [*found, *_listed(root)]


def _listed(root: Path) -> Iterator[Fault]:
    """The faults of planted_faults.yaml. Raises ValueError where the old text is not there exactly once."""
    for entry in yaml.safe_load(LISTED.read_text(encoding="utf-8")) or ():
        text = (root / entry["path"]).read_text(encoding="utf-8")
        if text.count(entry["old"]) != 1:
            raise ValueError(f"{entry['name']}: its text stands {text.count(entry['old'])} times in {entry['path']}")
        start = text.index(entry["old"])
        end = start + len(entry["old"])
        yield Fault(entry["name"], entry["path"], start, end, entry["new"], tuple(entry.get("tests", CLOSEST)))


Place = tuple[str, ...]


def _nodes(node: yaml.Node, place: Place = ()) -> Iterator[tuple[Place, yaml.ScalarNode, yaml.Node]]:
    """Every key of a YAML document with its place, the key's own node and its value's."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            yield here, key, value
            yield from _nodes(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _nodes(value, (*place, str(index)))


def _keys(node: yaml.Node) -> Mapping[str, yaml.Node]:
    return {str(key.value): value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _in_page(path: str, text: str) -> Iterator[Fault]:
    document = yaml.compose(text)
    said = blanked = False
    for place, key, value in _nodes(document) if document else ():
        keys = _keys(value)
        limit = (place[0] == "numbers" and "of" in keys) or place[-1] in ("below", "above", "at_most")
        if limit and "value" in keys:
            yield from _moved(path, f"{'.'.join(place)}", keys["value"])
        if {"en", "zh"} <= keys.keys() and place[0] != "title":
            if not said:
                said = True
                yield from _unsaid(path, place, value)
            if not blanked and isinstance(keys["zh"], yaml.ScalarNode) and "{" in keys["zh"].value:
                blanked = True
                yield from _unblanked(path, place, keys["zh"], text)
        del key


def _moved(path: str, name: str, node: yaml.Node) -> Iterator[Fault]:
    """A number one step of its last place lower, and one higher."""
    assert isinstance(node, yaml.ScalarNode)
    number = Decimal(node.value)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    for word, step in (("lowered", -1), ("raised", 1)):
        new = str(number + step * Decimal(1).scaleb(exponent))
        yield Fault(f"{path}: {name} {word}", path, node.start_mark.index, node.end_mark.index, new)


def _unsaid(path: str, place: Place, node: yaml.Node) -> Iterator[Fault]:
    """A sentence missing in Chinese."""
    (key,) = (key for key, _ in node.value if key.value == "zh")
    name = f"{path}: {'.'.join(place)} not said in Chinese"
    yield Fault(name, path, key.start_mark.index, key.end_mark.index, "xx")


def _unblanked(path: str, place: Place, node: yaml.ScalarNode, text: str) -> Iterator[Fault]:
    """A blank missing in one language."""
    start = text.index("{", node.start_mark.index)
    end = text.index("}", start) + 1
    yield Fault(f"{path}: {'.'.join(place)} lost a blank in Chinese", path, start, end, "")


def _in_facts(path: str, text: str) -> Iterator[Fault]:
    document = yaml.compose(text)
    for place, key, value in _nodes(document) if document else ():
        if place[-1] in WINDOWS:
            for name, amount in _keys(value).items():
                if name in AMOUNTS:
                    yield from _moved(path, f"{'.'.join(place)}.{name}", amount)
            if place[-1] == "fresh":
                name = f"{path}: {'.'.join(place)} gone"
                yield Fault(name, path, key.start_mark.index, key.end_mark.index, "gone")
        elif place[-1] == "otherwise" and "value" in _keys(value):
            yield from _moved(path, ".".join(place), _keys(value)["value"])


def _in_logic(path: str, text: str) -> Iterator[Fault]:
    """Every comparison of a logic file turned from "at or" to "strictly" and back."""
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Compare):
            continue
        left: ast.expr = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if type(operator) in TURNED:
                after = lines[(left.end_lineno or 1) - 1] + (left.end_col_offset or 0)
                written = _WRITTEN[type(operator)]
                start = text.index(written, after)
                name = f"{path}:{node.lineno}: {ast.unparse(node)} turned"
                yield Fault(name, path, start, start + len(written), TURNED[type(operator)])
            left = right


# -- trying them -------------------------------------------------------------------------------------------------------


def copy_tree(into: Path, root: Path = ROOT) -> None:
    """The project without caches, so that no stale bytecode hides a fault."""
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(source, into / name)


def _prepare() -> None:
    """Load what the project stands on once, so that each forked try starts warm; nothing from this tree."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() not in (ROOT, ROOT / "tests")]
    # No plugin of pytest's: it wants to import those itself.
    for name in ("fhir.resources.R4B.bundle", "flask", "jsonschema", "msgspec", "pytest", "requests"):
        importlib.import_module(name)


def _start(tree: Path, tests: Sequence[str]) -> int:
    """Fork; the child runs the tests in its tree and ends with pytest's status. Out: the child's process id."""
    child = os.fork()
    if child:
        return child
    status = 4
    try:
        os.chdir(tree)
        output = os.open(tree / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.path.insert(0, str(tree))
        import pytest

        status = int(pytest.main(["-x", "-q", "--tb=line", "-p", "no:cacheprovider", *tests]))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@dataclass
class Tried:
    """What became of a fault: pytest's status (0: nobody saw it)."""

    fault: Fault
    status: int
    seconds: float

    @property
    def caught(self) -> bool:
        return self.status in _SEEN_BY_PYTEST


def try_all(planted: Sequence[Fault], jobs: int) -> Iterator[Tried]:
    """Plant each fault in turn, `jobs` at a time. Raises RuntimeError when the tests fail without any fault."""
    _prepare()
    with tempfile.TemporaryDirectory(prefix="planted-faults-") as folder:
        trees = [Path(folder) / str(number) for number in range(jobs)]
        for tree in trees:
            tree.mkdir()
            copy_tree(tree)
        sound = sorted({tests for fault in planted for tests in fault.tests})
        _, status = os.waitpid(_start(trees[0], sound), 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError((trees[0] / "output.txt").read_text(encoding="utf-8"))
        yield from _round(planted, trees)


def _round(planted: Sequence[Fault], trees: Sequence[Path]) -> Iterator[Tried]:
    free, waiting = list(trees), list(planted)
    running: dict[int, tuple[Fault, Path, str, float]] = {}
    # Bytecode is told from its source by size and second: a second of its own for each write keeps it from hiding one.
    seconds = count(int(time.time()) + 10, 10)
    while waiting or running:
        while waiting and free:
            fault, tree = waiting.pop(0), free.pop()
            sound = (tree / fault.path).read_text(encoding="utf-8")
            _write(tree / fault.path, fault.planted_in(sound), next(seconds))
            running[_start(tree, fault.tests)] = (fault, tree, sound, time.monotonic())
        child, status = os.wait()
        fault, tree, sound, began = running.pop(child)
        _write(tree / fault.path, sound, next(seconds))
        free.append(tree)
        yield Tried(fault, os.waitstatus_to_exitcode(status), time.monotonic() - began)


def _write(file: Path, text: str, second: int) -> None:
    file.write_text(text, encoding="utf-8")
    os.utime(file, (second, second))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Plant faults and see the tests catch each.")
    parser.add_argument("--list", action="store_true", help="name the faults and stop")
    parser.add_argument("--only", default="", help="faults whose name holds this word")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 2))
    chosen: Any = parser.parse_args(arguments)
    planted = [fault for fault in faults() if chosen.only in fault.name]
    if chosen.list:
        print(*(fault.name for fault in planted), sep="\n")
        return 0
    survived = []
    for tried in try_all(planted, chosen.jobs):
        verdict = _SEEN_BY_PYTEST.get(tried.status, "NOT SEEN")
        print(f"{verdict:>16} {tried.seconds:5.1f} s  {tried.fault.name}", flush=True)
        if not tried.caught:
            survived.append(tried.fault.name)
    print(f"planted faults: {len(planted)}, caught {len(planted) - len(survived)}")
    return 1 if survived or not planted else 0


if __name__ == "__main__":
    sys.exit(main())
