"""Vignette pages: a Markdown table whose rows are patients, and what the answer to each must hold.

vignettes/README.md says how a cell is written. A column this module does not know is an error, as is a cell it cannot
read: a row never tests less than it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests import codes
from tests.builder import Record

FOLDER: Final = Path(__file__).parent / "vignettes"
EMPTY: Final = ("", "–")
Cells = dict[str, str]

_ON: Final = re.compile(r"(?P<what>.+?)(?: on (?P<day>\d{4}(?:-\d\d){0,2})| (?P<undated>undated))?")
_LAB: Final = re.compile(r"(?P<name>\w+) (?P<value>[\d.]+) (?P<unit>\S+)(?: \((?P<low>[\d.]+) to (?P<high>[\d.]+)\))?")
_DAY: Final = r"\d{4}(?:-\d\d){0,2}"
_DRUG: Final = re.compile(
    r"(?P<name>[a-z0-9-]+)(?P<dose> [\d.]+ [^\s,]+(?: every \d+ (?:h|d|wk|mo|a))?)?(?P<hold> on hold)?"
    rf"(?: since (?P<since>{_DAY})| (?P<start>{_DAY}) to (?P<end>{_DAY})| given (?P<given>{_DAY}))?"
    r"(?P<untaken> not taken)?"
)
# How sure a condition is.
_DOUBTS: Final = {"": "confirmed", "suspected": "unconfirmed", "refuted": "refuted"}
_INJECTED: Final = {
    "zoledronic-acid": "iv",
    "zoledronic-acid-5": "iv",
    "denosumab": "sc",
    "teriparatide": "sc",
    "pamidronate": "iv",
    "ibandronate-iv": "iv",
}


@dataclass(frozen=True, eq=False)
class Vignette:
    """One row: where it stands, its cells by column, and what its table speaks of: outcomes (in the column `outcome`),
    guidelines (in the column `others would`) and facts (in the column `used`)."""

    page: str
    line: int
    cells: Cells
    spoken_of: frozenset[str]
    guidelines: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.page}: {self.cells['patient']}"

    def told(self, column: str) -> str | None:
        """A cell's text, or None where the column is missing or the cell is empty."""
        cell = self.cells.get(column, "")
        return None if cell in EMPTY else cell

    def items(self, column: str) -> list[str]:
        """A cell that is a list."""
        return [item.strip() for item in (self.told(column) or "").split(";") if item.strip()]

    def record(self) -> Record:
        """The patient as FHIR."""
        record = Record(age=int(self.told("age") or 68), sex=self.told("sex") or "female")
        if born := self.told("born"):
            record.born = born
        if (self.told("breast cancer") or "yes") == "yes":
            record.condition("breast-cancer")
        for column, add in PATIENT.items():
            for item in self.items(column):
                add(record, item)
        return record


def pages() -> Iterator[Path]:
    """Every page of the folder, in the order of their names."""
    yield from sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def read_page(path: Path) -> list[Vignette]:
    """The rows of a page's tables. Raises ValueError naming a line that is no row, or a column nobody knows."""
    rows: list[Vignette] = []
    header: list[str] = []
    table: list[tuple[int, Cells]] = []
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        if not line.startswith("|"):
            rows += _table(path.stem, table)
            header, table = [], []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not header:
            header = cells
            if unknown := set(header) - COLUMNS:
                raise ValueError(f"{path.name}:{number}: no such column: {', '.join(sorted(unknown))}")
        elif set("".join(cells)) <= set("-: "):
            continue
        elif len(cells) != len(header):
            raise ValueError(f"{path.name}:{number}: {len(cells)} cells under {len(header)} columns")
        else:
            table.append((number, dict(zip(header, cells, strict=True))))
    return rows


def _table(page: str, table: list[tuple[int, Cells]]) -> list[Vignette]:
    spoken_of = {item.strip() for _, cells in table for item in cells.get("outcome", "").split(";")}
    others = {item.strip() for _, cells in table for item in cells.get("others would", "").split(";")}
    guidelines = frozenset(item.partition(":")[0] for item in others - set(EMPTY))
    facts = frozenset(item.strip() for _, cells in table for item in cells.get("used", "").split(";")) - set(EMPTY)
    return [Vignette(page, line, cells, frozenset(spoken_of - set(EMPTY)), guidelines, facts) for line, cells in table]


def _split(item: str) -> tuple[str, str | None, bool]:
    """What an item says, its date, and whether it has one that differs from the usual."""
    match = _ON.fullmatch(item)
    if match is None:
        raise ValueError(f"cannot read {item!r}")
    return match["what"], match["day"], bool(match["day"] or match["undated"])


def _dated(item: str) -> tuple[str, dict[str, Any]]:
    what, day, dated = _split(item)
    return what, {"taken": day} if dated else {}


def _t_score(record: Record, item: str) -> None:
    what, dated = _dated(item)
    site, value = what.split(" ")
    record.t_score(site, float(value), **dated)


def _frax(record: Record, item: str) -> None:
    what, dated = _dated(item)
    kind, value = what.split(" ")
    told: dict[str, Any] = {kind: float(value), **dated}
    record.frax(**told)


def _lab(record: Record, item: str) -> None:
    what, dated = _dated(item)
    match = _LAB.fullmatch(what)
    if match is None:
        raise ValueError(f"not a value with a unit: {item!r}")
    limits: dict[str, Any] = {side: float(match[side]) for side in ("low", "high") if match[side]}
    record.lab(match["name"], float(match["value"]), match["unit"], **limits, **dated)


def _smoking(record: Record, item: str) -> None:
    what, dated = _dated(item)
    record.smoking(what, **dated)


def _fracture(record: Record, item: str) -> None:
    what, day, dated = _split(item)
    onset = day if dated else "2024-03-01"
    site, nature = what.split(" ", 1)
    if nature == "fragility":
        coded = "osteoporotic" in codes.FRACTURE[site]
        record.fracture(site, onset, nature="osteoporotic" if coded else "plain", cause=None if coded else "low")
    elif nature in ("unknown cause", "high energy"):
        record.fracture(site, onset, cause="high" if nature == "high energy" else None)
    else:
        record.fracture(site, onset, nature=nature)


def _drug(record: Record, item: str) -> None:
    match = _DRUG.fullmatch(item)
    if match is None:
        raise ValueError(f"not a drug: {item!r}")
    told: dict[str, str] = {}
    if match["dose"]:
        told["dose"] = match["dose"].strip()
    if route := _INJECTED.get(match["name"]):
        told["route"] = route
    if match["hold"]:
        told["status"] = "on-hold"
    if match["since"]:
        told["start"] = match["since"]
    if match["end"]:
        told |= {"start": match["start"], "end": match["end"], "status": "completed"}
    if match["given"]:
        told |= {"start": match["given"], "resource": "MedicationAdministration"}
    if match["untaken"]:
        told |= {"resource": "MedicationStatement", "status": "not-taken"}
    record.drug(match["name"], **told)


def _draft(record: Record, item: str) -> None:
    match = _DRUG.fullmatch(item)
    if match is None:
        raise ValueError(f"not a drug: {item!r}")
    record.draft(match["name"], dose=match["dose"] and match["dose"].strip(), route=_INJECTED.get(match["name"]))


def _condition(record: Record, item: str) -> None:
    what, day, dated = _split(item)
    name, _, doubt = what.partition(" ")
    told: dict[str, Any] = {"onset": day} if dated else {}
    record.condition(name, verification=_DOUBTS[doubt], **told)


def _procedure(record: Record, item: str) -> None:
    name, day, dated = _split(item)
    record.procedure(name, day) if dated else record.procedure(name)


def _menopause(record: Record, item: str) -> None:
    record.condition({"before": "before-menopause", "after": "after-menopause"}[item])


PATIENT: Final[dict[str, Callable[[Record, str], None]]] = {
    "menopause": _menopause,
    "T-score": _t_score,
    "inhibitor": _drug,
    "fracture": _fracture,
    "FRAX": _frax,
    "labs": _lab,
    "smoking": _smoking,
    "drugs": _drug,
    "conditions": _condition,
    "procedures": _procedure,
    "draft": _draft,
}
PERSON: Final = {"patient", "age", "born", "sex", "breast cancer", "not told", "hook"}
EXPECTED: Final = {
    "tier",
    "rule",
    "at least",
    "at most",
    "provisional",
    "without draft",
    "outcome",
    "outcomes",
    "never",
    "suggested",
    "not suggested",
    "indicator",
    "others would",
    "used",
    "unused",
    "prints",
    "does not print",
}
COLUMNS: Final = PERSON | PATIENT.keys() | EXPECTED
