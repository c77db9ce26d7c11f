"""Whether a guideline agrees with itself: page with logic, language with language, and all of it with the facts.

Nothing here runs for a request: the loader asks before the service starts, and every disagreement is listed.
"""

import ast
import inspect
from collections.abc import Iterator, Sequence

from fhir_profiles import Terminology
from service.pages import Guideline, Section, parameters
from service.words import LANGUAGES, Words

__all__ = ["disagreements"]

ORDER_ATTRIBUTES = frozenset({"drug", "route", "dose", "interval_days", "in_hand"})
# What a sentence may print of a number, of the tier and of a fact: `service.fill` fills these.
_OF_NUMBER = frozenset({"", "number", "each"})
_OF_TIER = frozenset({"", "at_least", "at_most", "short", "why"})
_OF_FACT = frozenset({"", "label", "date", "drug", "use", "site", "fresh"})
# What a guideline says of itself.
_SAID = ("title", "label", "population", "reviewed")
# What an opinion's rule may advise; "silent" where its guideline does not speak of such a patient.
ADVICE = frozenset({"treat", "consider", "monitor", "silent"})


def disagreements(guidelines: Sequence[Guideline], terms: Terminology) -> Iterator[str]:
    """Everything in the guidelines that does not fit together, each with its page."""
    sections = [section for guideline in guidelines for section in guideline.sections]
    assessments = {section.stem for section in sections if section.kind == "assessment"}
    for section in sections:
        for flaw in _in_section(section, terms, assessments):
            yield f"{section.name}: {flaw}"
    for guideline in guidelines:
        yield from _unsaid(guideline)
        if any(section.kind == "assessment" for section in guideline.sections):
            yield from (f"{guideline.name}: {flaw}" for flaw in _out_of_place(guideline, terms))


def _in_section(section: Section, terms: Terminology, assessments: set[str]) -> Iterator[str]:
    known = (
        set(terms.facts)
        | assessments
        | {f"{name}_{part}" for name in assessments for part in ("before", "rule")}
        | {"advice"}
    )
    if section.page.get("each") == "order":
        known |= ORDER_ATTRIBUTES
    limits = parameters(section.decide, inspect.Parameter.KEYWORD_ONLY)
    yield from (f"decide asks for {name}, which is no fact" for name in section.facts if name not in known)
    yield from (f"decide asks for {name}, which is no number here" for name in limits if name not in section.numbers)
    yield from _unnamed(section)
    dates = section.page.get("dates", {})
    for name, entry in dates.items():
        if entry["fact"] not in terms.facts or entry["add"] not in section.numbers:
            yield f"date {name} adds {entry['add']} to {entry['fact']}: needs a number here and a fact"
    used = {*limits, *(entry["add"] for entry in dates.values())}
    for place, words in _sentences(section):
        yield from (f"{place}: {flaw}" for flaw in words.flaws)
        for name, aspect in sorted(words.blanks):
            used.add(name)
            # Why a rule holds is said where there is no finding yet.
            of_finding = name in dates or name in section.page.get("blanks", ())
            if not _fillable(section, terms, assessments, name, aspect) or (of_finding and place.startswith("rule ")):
                yield f"{place}: the blank {'.'.join(filter(None, (name, aspect)))} is nothing this page knows"
    yield from (f"number {name} is never used" for name in section.numbers if name not in used)
    for number in section.numbers.values():
        if number.of is not None and number.of not in known:
            yield f"number {number.name} limits {number.of}, which is no fact"


def _fillable(section: Section, terms: Terminology, assessments: set[str], name: str, aspect: str) -> bool:
    """Whether a blank is one that can be filled for this page."""
    if name in section.numbers:
        return aspect in _OF_NUMBER
    if name in section.page.get("dates", {}):
        return not aspect
    if name in section.page.get("blanks", ()):
        return not aspect or (name == "fact" and aspect in _OF_FACT)
    if name.removesuffix("_before") in assessments:
        return aspect in _OF_TIER
    definition = terms.facts.get(name)
    return (
        definition is not None and aspect in _OF_FACT and (aspect != "fresh" or "months" in definition.get("fresh", {}))
    )


def _sentences(section: Section) -> Iterator[tuple[str, Words]]:
    """Every sentence of a page, with the place it stands at."""
    page = section.page
    yield "title", Words(section.title)
    for name, outcome in section.outcomes.items():
        for part, words in (("summary", outcome.summary), ("detail", outcome.detail)):
            if words is not None:
                yield f"outcome {name}, {part}", words
    for name, rule in page.get("rules", {}).items():
        for part in ("why",) if section.kind == "opinion" else ("short", "why"):
            yield f"rule {name}, {part}", Words(rule.get(part, {}))
    for kind, member in (("row", "rows"), ("agent", "agents")):
        for row in page.get(member, ()):
            place = f"{kind} {row.get('id', 'without an id')}"
            yield place, Words({language: row[language] for language in LANGUAGES if language in row})
            if "unknown" in row:
                yield f"{place}, unknown", Words(row["unknown"])
    for name, texts in page.get("words", {}).items():
        yield f"words {name}", Words(texts)


def _unnamed(section: Section) -> Iterator[str]:
    """Outcomes that the logic names and the page does not, and the other way round."""
    asked = {**section.asks, **section.page.get("confirms", {})}
    yield from (f"asks about {name}, which decide does not look at" for name in asked if name not in section.facts)
    yield from (f"asks {code}, which has no words" for code in asked.values() if code not in section.outcomes)
    if section.decide is None:
        return
    tree = ast.parse(inspect.getsource(section.decide))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    codes = {string for string in strings if string.partition(":")[0].replace("-", "").isalnum()}
    if section.kind in ("assessment", "opinion"):
        rules = section.page.get("rules", {})
        if section.kind == "opinion":
            unknown = (name for name, rule in rules.items() if rule.get("advice") not in ADVICE)
            yield from (f"rule {name} advises nothing we know" for name in unknown)
        missing = rules.keys() - codes - {section.page.get("unsettled")}
        yield from (f"rule {name} is never decided" for name in sorted(missing))
        yield from (f"decide returns {name}, which has no rule" for name in sorted(codes - rules.keys()))
        codes = set()
    decided = codes | set(asked.values()) | set(section.page.get("decided_elsewhere", ()))
    named = {code for code in codes if "-" in code or ":" in code}
    yield from (f"decide names {name}, which has no words" for name in sorted(named - section.outcomes.keys()))
    yield from (f"outcome {name} is never decided" for name in sorted(section.outcomes.keys() - decided))


def _unsaid(guideline: Guideline) -> Iterator[str]:
    """What a guideline's own page does not say in every language."""
    for member in _SAID:
        texts = guideline.page.get(member, {})
        yield from (f"{guideline.name}: no {member} in {language}" for language in LANGUAGES if language not in texts)


def _out_of_place(guideline: Guideline, terms: Terminology) -> Iterator[str]:
    """What the guideline's own page names and nobody else knows."""
    page = guideline.page
    scope, outside, candidates = page["scope"], page["outside"], page["candidates"]
    yield from (
        f"scope names {key}, which is no condition" for key in scope["conditions"] if key not in terms.conditions
    )
    for group in (*scope["drugs"], *scope["drafts"]):
        if not terms.drugs_in(group):
            yield f"scope names {group}, a group without drugs"
    for fact in (outside["fact"], candidates["unless"]):
        if fact not in terms.facts:
            yield f"names {fact}, which is no fact"
    if outside["section"] not in {section.stem for section in guideline.sections}:
        yield f"names {outside['section']}, which is no section"
    tiers = {tier for section in guideline.sections for tier in section.page.get("tiers", ())}
    yield from (f"candidates names {tier}, which is no tier" for tier in candidates["tiers"] if tier not in tiers)
