"""The rules, loaded once: guidelines, the outcomes they may name, the orders, the record's vocabulary.

`load_rules` refuses to start on a flaw, and names them all: a page without its logic, a limit that nothing
crosses, a sentence missing in a language, an order that no card could carry.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import product
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fhir_profiles import KEYS, KINDS, Blanks, Terminology, load_yaml, terminology
from service.agreement import disagreements
from service.gates import Gate, Subject, Table, compile_gates
from service.idle import Idle
from service.orders import Order, load_orders
from service.pages import Guideline, Section, load_guideline, share_numbers
from service.words import LANGUAGES, Words

__all__ = ["Agent", "Flawed", "Rules", "load_rules"]


class Flawed(ValueError):
    """The guideline folder cannot be run; `flaws` lists everything wrong with it."""

    def __init__(self, flaws: list[str]) -> None:
        super().__init__(flaws)  # so that it can be told from one process to another
        self.flaws = flaws

    def __str__(self) -> str:
        return "the rules have flaws:\n  " + "\n  ".join(self.flaws)


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
    """Everything the engine runs, compiled. `guideline` is the one that assesses; the others advise beside it."""

    terms: Terminology
    blanks: Blanks
    idle: Idle
    guideline: Guideline
    guidelines: Mapping[str, Guideline]
    opinions: list[Section]
    leading: str
    assessment: Section
    sections: list[Section]
    per_order: list[Section]
    table: Table
    agents: list[Agent]
    outcomes: Mapping[str, Any]
    orders: dict[str, Order]
    reasons: Mapping[str, Any]
    # The facts whose evidence the assessment lists.
    listed: Set[str]
    # An outcome by its name: the first section that words it.
    worded: Mapping[str, Section]
    # language -> a place as the pages write it -> the sources in it, as a card names them
    cited: Mapping[str, Mapping[str, tuple[str, ...]]]


def load_rules(market: str = "cn", package: str = "service.guidelines", leading: str | None = None) -> Rules:
    """Read the rules of a package for a market (cn | us | eu). Raises Flawed with every flaw found.

    `leading` names the guideline whose advice says whom to treat; by default the one that assesses.
    """
    flaws: list[str] = []
    terms = terminology()
    root = files(package)
    outcomes = load_yaml(root.joinpath("outcomes.yaml"))
    folders = sorted((entry for entry in root.iterdir() if entry.joinpath("guideline.yaml").is_file()), key=_name)
    guidelines = {folder.name: load_guideline(package, folder, outcomes, flaws) for folder in folders}
    sections = [section for guideline in guidelines.values() for section in guideline.sections]
    share_numbers(sections, flaws)
    flaws += disagreements(list(guidelines.values()), terms)
    orders = load_orders()
    gates = compile_gates(_rows(sections, "rows", flaws), terms, flaws)
    agents = _agents(_rows(sections, "agents", flaws), market, flaws)
    flaws += _dangling(sections, gates, agents, orders, terms)
    if flaws:
        raise Flawed(flaws)
    for section in sections:
        section.settle(outcomes, terms.facts, str(guidelines[section.guideline].page["edition"]))
        if "agents" in section.page:
            agents = [replace(agent, words=agent.words.settled(section.number)) for agent in agents]
    known = {section.guideline for section in sections if section.kind in ("assessment", "opinion")}
    if leading is not None and leading not in known:
        raise Flawed([f"the leading guideline {leading} is none of {', '.join(sorted(known))}"])
    (assessment,) = (section for section in sections if section.kind == "assessment")
    blanks = Blanks(terms, KINDS)
    _ = blanks[frozenset(KEYS)]  # the usual: everything was told
    ruled = [section for section in sections if section.kind == "recommendation"]
    return Rules(
        terms=terms,
        blanks=blanks,
        idle=Idle(ruled, gates, blanks),
        guideline=guidelines[assessment.guideline],
        guidelines=guidelines,
        leading=leading or assessment.guideline,
        opinions=[section for section in sections if section.kind == "opinion"],
        assessment=assessment,
        sections=[section for section in ruled if section.page.get("each") != "order"],
        per_order=[section for section in ruled if section.page.get("each") == "order"],
        table=Table(gates, (Subject(agent.drug, agent.route, "candidate", agent.id) for agent in agents)),
        agents=agents,
        outcomes=outcomes,
        orders=orders,
        reasons=load_yaml(files("service").joinpath("reasons.yaml")),
        listed={name for name, definition in terms.facts.items() if not definition.get("unlisted")},
        worded={code: section for section in reversed(sections) for code in section.outcomes},
        cited=_cited(
            guidelines[assessment.guideline].page["documents"],
            {language: load_yaml(page) for language in LANGUAGES if (page := _citations(root, language)).is_file()},
            sections,
            gates,
            agents,
        ),
    )


def _citations(root: Traversable, language: str) -> Traversable:
    return root.joinpath(f"citations.{language}.yaml")


def _cited(
    documents: Mapping[str, Mapping[str, str]],
    worded: Mapping[str, Mapping[str, str]],
    sections: list[Section],
    gates: list[Gate],
    agents: list[Agent],
) -> dict[str, dict[str, tuple[str, ...]]]:
    """What a card names for each place that a page, a number or a row of a table gives, in each language; `worded` has
    the words of a language for a citation where they are not those of the pages."""
    places = {gate.where for gate in gates} | {agent.where for agent in agents}
    for section in sections:
        places |= {number.where for number in section.numbers.values()} | {section.page.get("where", "")}
    cited: dict[str, dict[str, tuple[str, ...]]] = {language: {} for language in LANGUAGES}
    for language, place in product(LANGUAGES, places):
        # A page also cites our own readings of the sources; those stand beside the page, not on the card.
        words = worded.get(language, {})
        parts = [words.get(part, part) for part in place.split("; ") if part and not part.startswith("reading ")]
        for document, label in documents.items():
            parts = [part.replace(document, label[language]) for part in parts]
        cited[language][place] = tuple(parts)
    return cited


def _name(folder: Traversable) -> str:
    return folder.name


def _rows(sections: list[Section], member: str, flaws: list[str]) -> list[dict[str, Any]]:
    """The rows of every table that has such rows."""
    found = [row for section in sections for row in section.page.get(member, ())]
    if not found:
        flaws.append(f"no page has {member}")
    return found


def _dangling(
    sections: list[Section], gates: list[Gate], agents: list[Agent], orders: Mapping[str, Order], terms: Terminology
) -> Iterator[str]:
    """Names without what they name: outcomes of gates, orders of outcomes and agents, drugs of agents."""
    worded = {name for section in sections for name in section.outcomes}
    if "data-quality" not in worded:
        yield "no page words the outcome data-quality"
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
        yield f"needs one assessment, has {', '.join(assessments) or 'none'}"


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
