"""The one evaluator of tables: a drug, a fact, a limit, and what follows.

The best case blocks: ruled out. Only the worst case blocks: ask first, and do not suggest. Neither: clear.
Each agent is judged by itself; nothing is offered because another is blocked.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import eq, gt, lt
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fhir_profiles import Fact, Facts, Terminology
from fhir_profiles.chart import Use
from service.pages import Basis, Indicator
from service.words import Words

__all__ = ["Gate", "Ruling", "Subject", "Table", "compile_gates"]

Standing = Literal["candidate", "listed", "in-hand"]


class Subject(Struct, frozen=True):
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
    test: str
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


class Ruling(Struct, frozen=True):
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
    gates = []
    for number, row in enumerate(rows, start=1):
        place = f"gate {row.get('id', f'in row {number}')}"
        try:
            gate = _gate(msgspec.convert(row, _Row), terms)
        except ValueError as error:
            flaws.append(f"{place}: {error}")
        else:
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
        test=test,
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
    """Every row, in the order of the pages, each found by the medicine it is about."""

    def __init__(self, gates: Iterable[Gate]) -> None:
        self.gates = tuple(gates)
        self.drugs = frozenset().union(*(gate.drugs for gate in self.gates))
        self._routes = frozenset().union(*(gate.except_routes | (gate.routes or frozenset()) for gate in self.gates))
        self._about = {
            (drug, route, candidate): tuple(self._rows(drug, route, candidate))
            for drug in self.drugs
            for route in (None, *self._routes)
            for candidate in (False, True)
        }

    def _rows(self, drug: str, route: str | None, candidate: bool) -> Iterator[int]:
        """The places of the rows about a drug by a route, of those considered or of those on the list and in hand."""
        for place, gate in enumerate(self.gates):
            by_route = route not in gate.except_routes and (gate.routes is None or route in gate.routes)
            if drug in gate.drugs and by_route and (gate.candidates or not candidate):
                yield place

    def rule_on(self, subjects: Iterable[Subject], facts: Facts) -> list[Ruling]:
        """Every row that says something of a subject, in the table's order."""
        about: dict[int, list[Subject]] = {}
        for subject in subjects:
            route = subject.route if subject.route in self._routes else None
            for place in self._about.get((subject.drug, route, subject.standing == "candidate"), ()):
                about.setdefault(place, []).append(subject)
        rulings = []
        for place in sorted(about):
            gate = self.gates[place]
            fact = facts[gate.fact]
            surely = _holds(gate, fact.mildest) or (gate.unclear_counts and _is_unclear(fact))
            if surely or _holds(gate, fact.worst):
                found = ((subject, _result(gate, subject, surely)) for subject in about[place])
                rulings += [Ruling(gate, subject, fact, result) for subject, result in found if result is not None]
        return rulings


def _is_unclear(fact: Fact) -> bool:
    return any(item.use == "unclear" for item in fact.evidence)


def _result(gate: Gate, subject: Subject, surely: bool) -> str | None:
    """What a row does to a subject that it holds for, surely or possibly."""
    if surely:
        return gate.then
    if subject.standing == "listed":
        return None
    return "ask" if gate.asks or (gate.asks_quietly and subject.standing == "candidate") else None


def _holds(gate: Gate, value: Any) -> bool:
    return bool(_TESTS[gate.test](value, gate.limit))


_TESTS = {"below": lt, "above": gt, "is": eq}
