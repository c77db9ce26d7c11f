"""Print service/guidelines/COVERAGE.md: what carries each statement of the clinical notes, and which vignettes walk it.

    python -m tests.coverage_table

The statements and their carriers stand in service/guidelines/coverage.yaml, which says how. Vignettes are found by what
their rows name: a rule of the tier, an outcome, another guideline; for a gate its outcome beside one of its drugs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from service.pages import Section
from service.rules import Rules, load_rules
from tests.near_misses import NearMiss, near_miss
from tests.vignette_pages import Vignette, pages, read_page

ROOT: Final = Path(__file__).resolve().parent.parent
LISTED: Final = ROOT / "service" / "guidelines" / "coverage.yaml"
PRINTED: Final = ROOT / "service" / "guidelines" / "COVERAGE.md"
MEMBERS: Final = {"says", "by", "rows", "tests", "note", "left_out"}
# Whom a row speaks of by the name of a drug.
DRUGS: Final = ("inhibitor", "drugs", "draft", "suggested", "not suggested")

HEAD: Final = """\
# What the rules cover

Made by `python -m tests.coverage_table` from `coverage.yaml`; a test holds it up to date. No clinician has reviewed it.

Each statement of the clinical notes, restated in our own words, with the rule that carries it and the vignettes that
walk it (`page 3`: three rows of that page of tests/vignettes). What is not automated says why.
"""

HAIR: Final = """\
The last column names two rows that differ in one item of one cell, by a hair: the outcome is said of the first, and not
of the second."""


@dataclass(frozen=True)
class Statement:
    """One row of the notes: what carries it, what walks it, and what it leaves out."""

    id: str
    part: str
    told: Mapping[str, Any]

    @property
    def carriers(self) -> list[str]:
        return list(self.told.get("by", ()))

    @property
    def left_out(self) -> str | None:
        return self.told.get("left_out")


@dataclass(frozen=True)
class Coverage:
    """The statements beside what the service and its vignettes hold."""

    statements: list[Statement]
    rules: Rules
    vignettes: list[Vignette]

    @cached_property
    def every_section(self) -> dict[str, Section]:
        return {section.name: section for guideline in self.rules.guidelines.values() for section in guideline.sections}

    @cached_property
    def worded(self) -> dict[str, list[str]]:
        """Outcome: the pages that word it; of one that has variants only, the pages that word those."""
        found: dict[str, list[str]] = {}
        bare: dict[str, list[str]] = {}
        for name, section in self.every_section.items():
            for outcome in section.outcomes:
                found.setdefault(outcome, []).append(name)
                bare.setdefault(outcome.partition(":")[0], []).append(name)
        return {code: list(dict.fromkeys(names)) for code, names in bare.items()} | found

    @cached_property
    def fires(self) -> dict[str, list[Vignette]]:
        """Outcome: the rows that say it is there."""
        return self._by(lambda row: row.items("outcome") + row.items("outcomes"))

    @cached_property
    def silent(self) -> dict[str, list[Vignette]]:
        """Outcome: the rows that say it is not there."""
        return self._by(lambda row: [*row.items("never"), *sorted(row.spoken_of - set(row.items("outcome")))])

    @cached_property
    def near_misses(self) -> dict[str, NearMiss | None]:
        """Outcome: a row that it is said of and one within a hair of it that it is not."""
        return {code: near_miss(self.fires.get(code, ()), self.silent.get(code, ())) for code in self.rules.outcomes}

    def _by(self, names: Any) -> dict[str, list[Vignette]]:
        found: dict[str, list[Vignette]] = {}
        for row in self.vignettes:
            for name in dict.fromkeys(names(row)):
                found.setdefault(name, []).append(row)
        return found

    def walked(self, statement: Statement) -> list[Vignette]:
        """The rows that walk a statement: those it names, else those that name what its carriers raise."""
        named = statement.told.get("rows")
        found = (self.named(item) for item in named) if named else (self._raised(item) for item in statement.carriers)
        return list({id(row): row for rows in found for row in rows}.values())

    def named(self, item: str) -> list[Vignette]:
        page, _, patient = item.partition(": ")
        return [row for row in self.vignettes if row.page == page and patient in ("", row.cells["patient"])]

    def _raised(self, carrier: str) -> list[Vignette]:
        kind, _, name = carrier.partition(" ")
        if kind == "tier":
            return [row for row in self.vignettes if row.told("rule") == name]
        if kind == "outcome":
            return self.fires.get(name.partition(":")[0], [])
        if kind == "gate":
            return [row for gate in self.rules.table.gates if gate.id == name for row in self._at(gate)]
        if kind == "opinion":
            label = self.rules.guidelines[name].page["label"]["en"]
            return [row for row in self.vignettes if label in row.guidelines]
        return []

    def _at(self, gate: Any) -> Iterator[Vignette]:
        """Rows that name what a gate raises beside one of its drugs."""
        raised = {code.partition(":")[0] for code in (gate.outcome, gate.asks) if code is not None}
        for code in sorted(raised):
            for row in self.fires.get(code, ()):
                drugs = {item.split(" ")[0].replace("-", "_") for column in DRUGS for item in row.items(column)}
                if any(drug.startswith(of) or of.startswith(drug) for drug in drugs for of in gate.drugs):
                    yield row

    def exists(self, carrier: str) -> bool:
        """Whether what a row names is there."""
        kind, _, name = carrier.partition(" ")
        known: Mapping[str, Any] = {
            "tier": self.rules.assessment.page["rules"],
            "outcome": self.worded,
            "gate": {gate.id for gate in self.rules.table.gates},
            "opinion": {section.guideline for section in self.rules.opinions},
            "agent": {agent.id for agent in self.rules.agents},
            "order": self.rules.orders,
            "fact": self.rules.terms.facts,
            "page": self.every_section,
        }
        return (ROOT / name).is_file() if kind == "engine" else name in known.get(kind, ())


def read() -> Coverage:
    """The file, the rules and the vignettes."""
    parts = yaml.safe_load(LISTED.read_text(encoding="utf-8"))["parts"]
    statements = [Statement(str(name), part["title"], told) for part in parts for name, told in part["rows"].items()]
    return Coverage(statements, load_rules(), [row for page in pages() for row in read_page(page)])


def unlinked(coverage: Coverage) -> Iterator[str]:
    """Statements that nothing carries or walks, and names of what is not there."""
    for statement in coverage.statements:
        told, name = statement.told, statement.id
        if not told.get("says"):
            yield f"{name} says nothing"
        if (statement.left_out is None) == (not statement.carriers):
            yield f"{name} needs what carries it, or why nothing does"
        yield from (f"{name}: {item} is not there" for item in statement.carriers if not coverage.exists(item))
        yield from (f"{name}: no vignette {item}" for item in told.get("rows", ()) if not coverage.named(item))
        yield from (f"{name}: no file {item}" for item in told.get("tests", ()) if not (ROOT / item).is_file())
        yield from (f"{name}: {member} means nothing" for member in told.keys() - MEMBERS)
        if statement.carriers and not coverage.walked(statement) and not told.get("tests"):
            yield f"{name}: no vignette and no test walks it"
    for outcome in coverage.rules.outcomes:
        for rows, what in ((coverage.fires, "fires it"), (coverage.silent, "keeps it silent")):
            if outcome not in rows:
                yield f"outcome {outcome}: no vignette {what}"
        if coverage.near_misses[outcome] is None:
            yield f"outcome {outcome}: no vignette keeps it silent within a hair of one that fires it"
        if outcome not in coverage.worded:
            yield f"outcome {outcome}: no page words it"


def unasked(coverage: Coverage) -> Iterator[str]:
    """What the service holds and no statement asks for: rows of tables, other guidelines, outcomes."""
    carriers = {carrier for statement in coverage.statements for carrier in statement.carriers}
    gates = [gate for gate in coverage.rules.table.gates if f"gate {gate.id}" in carriers]
    codes = {_code(carrier.partition(" ")[2]) for carrier in carriers if carrier.startswith("outcome ")}
    codes |= {_code(code) for gate in gates for code in (gate.outcome, gate.asks)}
    yield from (f"gate {gate.id}" for gate in coverage.rules.table.gates if gate not in gates)
    yield from (f"opinion {s.guideline}" for s in coverage.rules.opinions if f"opinion {s.guideline}" not in carriers)
    yield from (f"outcome {outcome}" for outcome in coverage.rules.outcomes if outcome not in codes)


def printed(coverage: Coverage) -> str:
    """The whole of COVERAGE.md."""
    lines = [HEAD]
    for part in dict.fromkeys(statement.part for statement in coverage.statements):
        lines += [f"## {part}", "", "| id | statement | carried by | walked by |", "| --- | --- | --- | --- |"]
        for statement in coverage.statements:
            if statement.part == part:
                cells = (statement.id, statement.told["says"], *_links(coverage, statement))
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += ["## Outcomes", "", HAIR, ""]
    lines.append("| outcome | worded on | raised by gates | fires | stays silent | and within a hair |")
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for outcome in coverage.rules.outcomes:
        gates = [g.id for g in coverage.rules.table.gates if outcome in {_code(g.outcome), _code(g.asks)}]
        worded = ", ".join(
            dict.fromkeys(page for code in coverage.worded if _code(code) == outcome for page in coverage.worded[code])
        )
        where = (_pages(coverage.fires[outcome]), _pages(coverage.silent[outcome]), _hair(coverage, outcome))
        lines.append(f"| {' | '.join((f'`{outcome}`', worded, ', '.join(gates) or '–', *where))} |")
    return "\n".join([*lines, ""])


def _links(coverage: Coverage, statement: Statement) -> tuple[str, str]:
    """What carries a statement, and what walks it."""
    if statement.left_out is not None:
        return f"not automated: {statement.left_out}", "–"
    carried = ", ".join(dict.fromkeys(_place(coverage, item) for item in statement.carriers))
    if note := statement.told.get("note"):
        carried += f"; {note}"
    found = (_pages(coverage.walked(statement)), ", ".join(statement.told.get("tests", ())))
    return carried, "; ".join(item for item in found if item)


def _place(coverage: Coverage, carrier: str) -> str:
    """A carrier with the page it stands on."""
    kind, _, name = carrier.partition(" ")
    if kind == "tier":
        return f"`{coverage.rules.assessment.name}` {name}"
    if kind == "outcome":
        return f"`{'`, `'.join(coverage.worded[name])}` {name}"
    if kind == "opinion":
        return f"`{next(section.name for section in coverage.rules.opinions if section.guideline == name)}`"
    return f"`{name}`" if kind in ("page", "engine") else f"{kind} `{name}`"


def _pages(rows: Iterable[Vignette]) -> str:
    count = Counter(row.page for row in rows)
    return ", ".join(f"{page} {count[page]}" for page in sorted(count))


def _hair(coverage: Coverage, outcome: str) -> str:
    """The pair of rows that an outcome stands between, and the hair."""
    pair = coverage.near_misses[outcome]
    return "–" if pair is None else f"{pair.fires.name}, not {pair.silent.name} ({pair.item} → {pair.other})"


def _code(outcome: str | None) -> str | None:
    return None if outcome is None else outcome.partition(":")[0]


def main() -> None:
    """Write the file; flaws are for the test to tell."""
    PRINTED.write_text(printed(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
