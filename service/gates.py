"""The one evaluator of tables: a drug, a fact, a limit, and what follows.

The best case blocks: ruled out. Only the worst case blocks: ask first, and do not suggest. Neither: clear.
Each agent is judged by itself; nothing is offered because another is blocked.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import eq, gt, lt
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fhir_profiles import Fact, Facts, Terminology
from fhir_profiles.chart import Use
from service.pages import Basis, Indicator
from service.words import Words

__all__ = ["About", "Gate", "Ruling", "Subject", "Table", "compile_gates", "rulings_of"]

Standing = Literal["candidate", "listed", "in-hand"]
Held = Literal["surely", "possibly"]


class Subject(Struct, frozen=True, gc=False):
    """A medicine to be judged: one that would be offered, one on the list, or the order in hand."""

    drug: str
    route: str | None
    standing: Standing
    agent: str | None = None
    use: Use | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """One row of the table, compiled; `gates.yaml` says what its members mean."""

    id: str
    drugs: frozenset[str]
    routes: frozenset[str] | None
    except_routes: frozenset[str]
    candidates: bool
    quiet_candidates: bool
    fact: str
    compare: Callable[[Any, Any], bool]
    limit: Any
    unit: str
    unclear_counts: bool
    then: str
    outcome: str | None
    indicator: Mapping[str, str]
    asks: str | None
    asks_quietly: bool
    words: Words
    unknown: Words | None
    says: str
    where: str

    def holds(self, fact: Fact) -> Held | None:
        """Whether what the row is about is so, surely or possibly; None where it is not."""
        if self.compare(fact.mildest, self.limit) or (self.unclear_counts and _is_unclear(fact)):
            return "surely"
        return "possibly" if self.compare(fact.worst, self.limit) else None

    def result(self, standing: Standing, held: Held) -> str | None:
        """What the row does to a medicine, given how far it holds."""
        if held == "surely":
            return self.then
        if standing == "listed":
            return None
        return "ask" if self.asks or (self.asks_quietly and standing == "candidate") else None


class Ruling(Struct, frozen=True, gc=False):
    """What a row says of a subject. `result`: block | hold | caution | ask."""

    gate: Gate
    subject: Subject
    fact: Fact
    result: str

    @property
    def outcome(self) -> str | None:
        """The outcome the row raises; none where it only stops a candidate and says so in the table of agents."""
        if self.result == "ask":
            return self.gate.asks
        quiet = self.subject.standing == "candidate" and self.gate.quiet_candidates
        return None if quiet else self.gate.outcome

    @property
    def indicator(self) -> str:
        """How loud the row is: for a drug on the list or in hand, or for one merely considered."""
        return self.gate.indicator["candidate" if self.subject.standing == "candidate" else "listed"]


# A row, and those of the subjects that it is about.
About = tuple[Gate, tuple[Subject, ...]]


class _Limit(Struct, forbid_unknown_fields=True):
    value: float
    unit: str


class _Row(Struct, forbid_unknown_fields=True, kw_only=True, rename={"equal": "is"}):
    """A row as the page writes it; `is` is a word of the language."""

    id: str
    drugs: list[str]
    when: str
    then: Literal["block", "hold", "caution"]
    basis: Basis
    says: str
    where: str
    below: _Limit | None = None
    above: _Limit | None = None
    equal: bool | None = None
    routes: frozenset[str] | None = None
    except_routes: frozenset[str] = frozenset()
    candidates: bool = False
    quiet_candidates: bool = False
    unclear: Literal["counts"] | None = None
    outcome: str | None = None
    asks: str | None = None
    asks_quietly: bool = False
    listed: Indicator = "critical"
    candidate: Indicator = "warning"
    en: str = ""
    zh: str = ""
    unknown: dict[str, str] | None = None


def compile_gates(rows: Iterable[Mapping[str, Any]], terms: Terminology, flaws: list[str]) -> list[Gate]:
    """The rows of a page as gates; what is wrong with a row is added to `flaws`, and the row left out."""
    gates: list[Gate] = []
    for number, row in enumerate(rows, start=1):
        place = f"gate {row.get('id', f'in row {number}')}"
        try:
            gate = _gate(msgspec.convert(row, _Row), terms)
        except ValueError as error:
            flaws.append(f"{place}: {error}")
        else:
            if any(gate.id == other.id for other in gates):
                flaws.append(f"{place}: there is another of this id")
            gates.append(gate)
    return gates


def _gate(row: _Row, terms: Terminology) -> Gate:
    """A row compiled. Raises ValueError for one that tests nothing, or names a drug or fact that nobody knows."""
    drugs: set[str] = set()
    for name in row.drugs:
        named = terms.drugs_in(name.removeprefix("group:")) if name.startswith("group:") else {name} & set(terms.drugs)
        if not named:
            raise ValueError(f"{name} is no known drug")
        drugs |= named
    # What rules a drug out rules out the combinations that hold it.
    drugs |= {key for key, drug in terms.drugs.items() if drugs & set(drug.get("contains", ()))}
    if row.when not in terms.facts:
        raise ValueError(f"{row.when} is no known fact")
    limits = {"below": row.below, "above": row.above, "is": row.equal}
    tests = [(test, limit) for test, limit in limits.items() if limit is not None]
    if len(tests) != 1:
        raise ValueError("needs one test: below, above or is")
    ((test, limit),) = tests
    return Gate(
        id=row.id,
        drugs=frozenset(drugs),
        routes=row.routes,
        except_routes=row.except_routes,
        candidates=row.candidates,
        quiet_candidates=row.quiet_candidates,
        fact=row.when,
        compare=_TESTS[test],
        limit=limit.value if isinstance(limit, _Limit) else limit,
        unit=limit.unit if isinstance(limit, _Limit) else "",
        unclear_counts=row.unclear == "counts",
        then=row.then,
        outcome=row.outcome,
        indicator={"listed": row.listed, "candidate": row.candidate},
        asks=row.asks,
        asks_quietly=row.asks_quietly,
        words=Words({"en": row.en, "zh": row.zh}),
        unknown=Words(row.unknown) if row.unknown else None,
        says=row.says,
        where=row.where,
    )


class Table:
    """Every row, in the order of the pages, each found by the medicine it is about; `agents` could be offered."""

    def __init__(self, gates: Iterable[Gate], agents: Iterable[Subject]) -> None:
        self.gates, self.agents = tuple(gates), tuple(agents)
        self.drugs = frozenset().union(*(gate.drugs for gate in self.gates))
        self._routes = frozenset().union(*(gate.except_routes | (gate.routes or frozenset()) for gate in self.gates))
        self._about = {
            (drug, route, candidate): tuple(self._rows(drug, route, candidate))
            for drug in self.drugs
            for route in (None, *self._routes)
            for candidate in (False, True)
        }
        self._about_agents = self._rows_about(self.agents)

    def _rows(self, drug: str, route: str | None, candidate: bool) -> Iterator[int]:
        """The places of the rows about a drug by a route, of those considered or of those on the list and in hand."""
        for place, gate in enumerate(self.gates):
            by_route = route not in gate.except_routes and (gate.routes is None or route in gate.routes)
            if drug in gate.drugs and by_route and (gate.candidates or not candidate):
                yield place

    def rows_about(self, held: Collection[Subject], *, weighed: bool) -> tuple[About, ...]:
        """Every row about one of those held, or about an agent where these are weighed, in the table's order."""
        if weighed and not held:
            return self._about_agents
        return self._rows_about([*self.agents, *held] if weighed else held)

    def _rows_about(self, subjects: Iterable[Subject]) -> tuple[About, ...]:
        about: dict[int, list[Subject]] = {}
        for subject in subjects:
            route = subject.route if subject.route in self._routes else None
            for place in self._about.get((subject.drug, route, subject.standing == "candidate"), ()):
                about.setdefault(place, []).append(subject)
        return tuple([(self.gates[place], tuple(about[place])) for place in sorted(about)])


def rulings_of(rows: Iterable[About], facts: Facts, idle: Collection[str]) -> list[Ruling]:
    """What the rows say of their subjects. `idle` are those that have nothing to say where nothing is on record."""
    rulings, touched = [], facts.touched
    for gate, subjects in rows:
        if gate.id in idle and gate.fact not in touched:
            continue
        fact = facts[gate.fact]
        held = gate.holds(fact)
        if held is not None:
            found = ((subject, gate.result(subject.standing, held)) for subject in subjects)
            rulings += [Ruling(gate, subject, fact, result) for subject, result in found if result is not None]
    return rulings


def _is_unclear(fact: Fact) -> bool:
    return any(item.use == "unclear" for item in fact.evidence)


_TESTS = {"below": lt, "above": gt, "is": eq}
