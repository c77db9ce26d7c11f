"""The rules, loaded once: guidelines, the outcomes they may name, the orders, the record's vocabulary.

`load_rules` refuses to start on a flaw, and names them all: a page without its logic, a limit that nothing
crosses, a sentence missing in a language, an order that no card could carry.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fhir_profiles import Terminology, load_yaml, terminology
from service.agreement import disagreements
from service.gates import Gate, compile_gates
from service.orders import Order, load_orders
from service.pages import Guideline, Section, load_guideline, parameters
from service.words import Words

__all__ = ["Agent", "Flawed", "Rules", "load_rules"]


class Flawed(ValueError):
    """The guideline folder cannot be run; `flaws` lists everything wrong with it."""

    def __init__(self, flaws: list[str]) -> None:
        super().__init__("the rules have flaws:\n  " + "\n  ".join(flaws))
        self.flaws = flaws


@dataclass(frozen=True, slots=True)
class Agent:
    """A bone-modifying agent as it would be offered: dose, route, and the order to sign."""

    id: str
    drug: str
    route: str
    words: Words
    order: str | None
    rank: int | None
    where: str


@dataclass(slots=True)
class Rules:
    """Everything the engine runs, compiled."""

    terms: Terminology
    guideline: Guideline
    assessment: Section
    sections: list[Section]
    per_order: list[Section]
    gates: list[Gate]
    agents: list[Agent]
    outcomes: Mapping[str, Any]
    orders: dict[str, Order]
    reasons: Mapping[str, Any]


def load_rules(market: str = "cn", package: str = "service.guidelines") -> Rules:
    """Read the rules of a package for a market (cn | us | eu). Raises Flawed with every flaw found."""
    flaws: list[str] = []
    terms = terminology()
    root = files(package)
    outcomes = load_yaml(root.joinpath("outcomes.yaml"))
    (folder,) = (entry for entry in root.iterdir() if entry.joinpath("guideline.yaml").is_file())
    guideline = load_guideline(package, folder, outcomes, flaws)
    flaws += disagreements(guideline, terms)
    orders = load_orders()
    gates = compile_gates(_rows(guideline, "gates", "rows", flaws), terms, flaws)
    agents = _agents(_rows(guideline, "bone_modifying_agents", "agents", flaws), market, flaws)
    flaws += _dangling(guideline, gates, agents, orders, terms)
    if flaws:
        raise Flawed(flaws)
    for section in guideline.sections:
        if section.decide is not None:
            section.decide = _bound(section, section.decide)
    (assessment,) = (section for section in guideline.sections if section.kind == "assessment")
    ruled = [section for section in guideline.sections if section.kind == "recommendation"]
    return Rules(
        terms=terms,
        guideline=guideline,
        assessment=assessment,
        sections=[section for section in ruled if section.page.get("each") != "order"],
        per_order=[section for section in ruled if section.page.get("each") == "order"],
        gates=gates,
        agents=agents,
        outcomes=outcomes,
        orders=orders,
        reasons=load_yaml(files("service").joinpath("reasons.yaml")),
    )


def _rows(guideline: Guideline, stem: str, member: str, flaws: list[str]) -> list[dict[str, Any]]:
    """The rows of one of the guideline's tables."""
    for section in guideline.sections:
        if section.stem == stem and member in section.page:
            return list(section.page[member])
    flaws.append(f"{guideline.name}: no page {stem} with {member}")
    return []


def _dangling(
    guideline: Guideline, gates: list[Gate], agents: list[Agent], orders: Mapping[str, Order], terms: Terminology
) -> Iterator[str]:
    """Names without what they name: outcomes of gates, orders of outcomes and agents, drugs of agents."""
    sections = guideline.sections
    worded = {name for section in sections for name in section.outcomes}
    if "data-quality" not in worded:
        yield f"{guideline.name}: no page words the outcome data-quality"
    raised = {code for gate in gates for code in (gate.outcome, gate.asks) if code is not None}
    for gate in gates:
        for code in (gate.outcome, gate.asks):
            if code is not None and code not in worded:
                yield f"gate {gate.id}: {code} has no words"
    for section in sections:
        if section.kind == "table":
            never = section.outcomes.keys() - raised - set(section.page.get("decided_elsewhere", ()))
            yield from (f"{section.name}: no row raises the outcome {name}" for name in sorted(never))
        for name, outcome in section.outcomes.items():
            for order in (*outcome.orders, *outcome.orders_for.values()):
                if order not in orders:
                    yield f"{section.name}: outcome {name} names the order {order}, which is not in orders/"
    for agent in agents:
        if agent.order is not None and agent.order not in orders:
            yield f"agent {agent.id}: the order {agent.order} is not in orders/"
        if agent.drug not in terms.drugs:
            yield f"agent {agent.id}: {agent.drug} is no known drug"
    assessments = [section.stem for section in sections if section.kind == "assessment"]
    if len(assessments) != 1:
        yield f"{guideline.name}: needs one assessment, has {', '.join(assessments) or 'none'}"


class _Row(Struct, forbid_unknown_fields=True, kw_only=True):
    """An agent as the page writes it."""

    id: str
    drug: str
    route: str
    markets: frozenset[Literal["cn", "us", "eu"]]
    where: str
    order: str | None = None
    rank: int | None = None
    en: str = ""
    zh: str = ""


def _agents(rows: list[dict[str, Any]], market: str, flaws: list[str]) -> list[Agent]:
    """The agents of a market, in the page's order."""
    agents = []
    for number, entry in enumerate(rows, start=1):
        try:
            row = msgspec.convert(entry, _Row)
        except msgspec.ValidationError as error:
            flaws.append(f"agent {entry.get('id', f'in row {number}')}: {error}")
            continue
        if market in row.markets:
            words = Words({"en": row.en, "zh": row.zh})
            agents.append(Agent(row.id, row.drug, row.route, words, row.order, row.rank, row.where))
    return agents


def _bound(section: Section, decide: Callable[..., Any]) -> Callable[..., Any]:
    """`decide` with the numbers it names already given."""
    names = parameters(decide, inspect.Parameter.KEYWORD_ONLY)
    return partial(decide, **{name: section.numbers[name].value for name in names})
