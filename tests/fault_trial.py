"""Tries faults in a copy of the project, of which it is a part itself: started there by planted_faults.py.

    python -m tests.fault_trial < NAMES         one line of JSON for each fault, as soon as it is tried

The copy is loaded and every vignette answered once, without a fault. Each fault then has a process of its own, forked
from here, in which the rules are loaded anew: the vignettes are asked again, those nearest to the fault first, and an
answer that is not what it was is held against its row. What no vignette sees, the tests named OTHERS may.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from fhir_profiles import terminology
from tests.faults import PAGES, ROOT, Fault, faults
from tests.fhir_pieces import TODAY
from tests.front_door import Answer, application
from tests.test_vignettes import LANGUAGES, VIGNETTES, answer_to, check, check_both
from tests.vignette_pages import Vignette

OTHERS: Final = ("tests/test_tier_grid.py::test_the_edges_of_the_windows",)
LONGEST: Final = 300
"""Seconds after which a fault that keeps the service from answering counts as seen."""
_FAILED: Final = (1, 2, 3, 4)  # pytest's own; 0 is all passed, 5 nothing to run


@dataclass
class Case:
    """A vignette and what it is answered without a fault; `spoken`: what row and answer speak of."""

    row: Vignette
    sound: dict[str, Answer] = field(default_factory=dict)
    spoken: str = ""

    def seen(self, lang: str) -> str | None:
        """What the row's checks say of an answer that changed in that language; None where they hold."""
        answer = answer_to(self.row, lang)
        if answer.raw == self.sound[lang].raw:
            return None
        try:
            check(self.row, answer)
            check_both(*(answer if other == lang else answer_to(self.row, other) for other in LANGUAGES))
        except Exception as error:  # noqa: BLE001  # whatever a check stumbles over, the fault is seen
            return f"{self.row.name}: {_first_line(error)}"
        return None


def _first_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:100]


def _each_text_read_once() -> None:
    """A file is parsed once for all the processes to come; a spoiled one, whose text is another, once more."""
    parse: Callable[..., Any] = yaml.load
    parsed: dict[tuple[str, type], bytes] = {}

    def load(text: str, Loader: type) -> Any:
        if (text, Loader) not in parsed:
            parsed[text, Loader] = pickle.dumps(parse(text, Loader=Loader))
        return pickle.loads(parsed[text, Loader])

    setattr(yaml, "load", load)  # noqa: B010  # a plain assignment would promise every kind of source


def cases() -> list[Case]:
    """Every vignette, answered and checked. Raises AssertionError where one fails without a fault."""
    found = []
    for row in VIGNETTES:
        case = Case(row)
        for lang in LANGUAGES:
            case.sound[lang] = answer_to(row, lang)
            check(row, case.sound[lang])
        told = case.sound["en"].body.get("extension", {}).get("org.osteohooks.assessment", {})
        facts = [fact["fact"] for fact in told.get("facts", ())]
        words = [row.page, *row.cells.values(), *row.guidelines, *facts, *told.get("outcomes", ())]
        case.spoken = " ".join(words).replace("_", "-").casefold()
        found.append(case)
    return found


def nearest(fault: Fault, among: Sequence[Case]) -> list[Case]:
    """The rows that speak of most of what the fault is near to first."""
    near = {word.replace("_", "-").casefold() for word in fault.near}
    return sorted(among, key=lambda case: -sum(word in case.spoken for word in near))


def look(fault: Fault, among: Sequence[Case]) -> str | None:
    """In a process of its own, with the fault in place: who sees it, or None."""
    terminology.cache_clear()
    application.cache_clear()
    for name in [name for name in sys.modules if name.startswith("service.guidelines.")]:
        del sys.modules[name]
    try:
        application(TODAY)
    except Exception as error:  # noqa: BLE001  # a service that does not start is what a flaw is for
        return f"does not start: {_first_line(error)}"
    for lang, case in product(LANGUAGES, nearest(fault, among)):
        if seen := case.seen(lang):
            return seen
    status = int(pytest.main(["-x", "-q", "--tb=line", "-p", "no:cacheprovider", *OTHERS]))
    return f"tests: {OTHERS}" if status in _FAILED else None


def tried(fault: Fault, among: Sequence[Case]) -> str | None:
    """Plant a fault and look, in a forked process. Raises RuntimeError when that process breaks down by itself."""
    path = ROOT / fault.path
    sound = path.read_text(encoding="utf-8")
    path.write_text(fault.planted_in(sound), encoding="utf-8")
    output = ROOT / "output.txt"
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _report(writing, output, lambda: look(fault, among))
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    path.write_text(sound, encoding="utf-8")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return f"no end after {LONGEST} s"
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"{fault.name}: {output.read_text(encoding='utf-8')}")
    seen: str | None = json.loads(said)
    return seen


def _report(writing: int, output: Path, looked: Callable[[], str | None]) -> None:
    """The whole life of the forked process: the answer goes into the pipe, all else into a file."""
    status = 1
    try:
        signal.alarm(LONGEST)
        said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        seen = looked()
        sys.stdout.flush()
        os.write(writing, json.dumps(seen).encode())
        status = 0
    except BaseException:  # also an exit: the process ends below before anybody else could tell why
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        os._exit(status)


def control() -> Fault:
    """A change that is no fault: a comment at the end of a page."""
    page = min(ROOT.glob(PAGES))
    end = len(page.read_text(encoding="utf-8"))
    return Fault("control", "comment", page.relative_to(ROOT).as_posix(), end, end, "# nothing\n")


def main() -> None:
    _each_text_read_once()
    wanted = set(sys.stdin.read().splitlines())
    among = cases()
    if seen := tried(control(), among):
        raise RuntimeError(f"what is no fault was seen as one: {seen}")
    for fault in faults():
        if fault.name in wanted:
            began = time.monotonic()
            seen = tried(fault, among)
            print(json.dumps({"name": fault.name, "seen": seen, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
