"""What stands in a sentence's blanks: numbers, facts, the tier, and the drug or order in question.

Every string that comes from the record is escaped for Markdown (some clients render raw HTML in it).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache, cached_property
from math import isfinite, isnan
from typing import Any, NamedTuple

from cds_hooks import escape
from fhir_profiles import terminology
from fhir_profiles.chart import Evidence
from fhir_profiles.dates import add_months, when
from service.assess import UNCLASSIFIED
from service.decision import Decision, Finding, Opinion
from service.gates import Ruling
from service.words import FIXED, Blank, Words, amount, of_fact

__all__ = ["Filler"]


class Filler(dict[Blank, str]):
    """What stands in the blanks of one decision's sentences, in one language: of the tier and the facts, once each."""

    def __init__(self, decision: Decision, language: str) -> None:
        super().__init__()
        self._decision, self.language = decision, language
        self._facts, self._rules = decision.facts, decision.rules
        self.fixed = FIXED[language]
        self.marks, self.phrases = self.fixed["marks"], self.fixed["phrases"]
        names = _names(language)
        # What facts, drugs, and sites of measurement or fracture are called.
        self.labels, self._drugs, self._sites = names.facts, names.drugs, names.sites

    def __missing__(self, blank: Blank) -> str:
        name, aspect = blank
        definition = self._rules.terms.facts.get(name)
        text = self._tier(name, aspect) if definition is None else self._fact(name, definition, aspect)
        self[blank] = text
        return text

    def say(self, words: Words, finding: Finding | None = None) -> str:
        """One sentence; `finding` is the one that it is said of, where there is one."""
        sentence = words[self.language]
        if not sentence.parts:
            return sentence.tail
        if finding is None or not finding.outcome.own:
            return sentence.fill(self)
        return sentence.fill({blank: self._of_finding(finding, blank) for _, blank in sentence.parts})

    def opinion(self, opinion: Opinion) -> str:
        """The criterion behind another guideline's advice."""
        return self.say(opinion.section.reasons[opinion.rule]["why"])

    def listed(self, items: Iterable[str]) -> str:
        """Several things in a row, each once."""
        return self.marks["comma"].join(dict.fromkeys(items))

    # -- the tier ------------------------------------------------------------------------------------

    def _tier(self, name: str, aspect: str) -> str:
        decision, section = self._decision, self._rules.assessment
        tiers = {section.stem: decision.tier, f"{section.stem}_before": decision.before or decision.tier}
        tier = tiers[name]
        assert tier is not None
        if aspect in ("short", "why"):
            return self.say(section.reasons[tier.rule][aspect])
        word = {"": tier.tier or UNCLASSIFIED, "at_least": tier.at_least, "at_most": tier.at_most}[aspect]
        return str(section.page["words"][word][self.language])

    # -- facts ---------------------------------------------------------------------------------------

    def _fact(self, name: str, definition: Mapping[str, Any], aspect: str) -> str:
        always = of_fact(definition, aspect, self.language) if aspect else None
        if always is not None:
            return always
        fact = self._facts[name]
        shown = fact.shown
        if aspect:
            return self._aspect(shown, aspect)
        value = shown.value if shown is not None and shown.value is not None else fact.presumed
        if isinstance(value, str):  # a fact that says which other one decides
            return self.labels.get(value, self.phrases["not_recorded"])
        if isinstance(value, bool) or not isfinite(value):
            return self.phrases["not_recorded"]
        return amount(float(value), definition.get("unit", ""), self.language)

    def _aspect(self, shown: Evidence | None, aspect: str) -> str:
        value = getattr(shown, aspect) if shown is not None else None
        if aspect == "date":
            return value or self.phrases["undated"]
        if value is None:
            return self.phrases["not_recorded"]
        if aspect == "drug":
            return self._drugs[value]
        return self.fixed["uses"][value] if aspect == "use" else self._sites[value]

    def _date(self, entry: dict[str, str], numbers: dict[str, Any]) -> str:
        shown = self._facts[entry["fact"]].shown
        day = when(shown.date) if shown is not None else None
        start: date = day.first if day is not None else self._facts.chart.today
        return add_months(start, int(numbers[entry["add"]].value)).isoformat()

    # -- rulings, orders, lists ------------------------------------------------------------------------

    def _of_ruling(self, ruling: Ruling, blank: Blank) -> str:
        name, aspect = blank
        if name not in ("fact", "limit", "drug"):
            return self[blank]
        if name == "drug":
            return self._drugs[ruling.subject.drug]
        if name == "limit":
            return amount(float(ruling.gate.limit), ruling.gate.unit, self.language)
        shown = ruling.fact.shown
        if shown is not None and shown.fact in self.labels and ruling.result != "ask":
            # What blocks may be another fact's evidence: an eGFR behind a clearance (README, Kidney).
            if aspect == "label":
                return self.labels[shown.fact]
            if aspect == "" and shown.value is None:
                return self.phrases["on_record"]
            if aspect == "" and shown.unit is not None:
                return amount(shown.value or 0.0, shown.unit, self.language)
        return self[ruling.gate.fact, aspect]

    def _of_finding(self, finding: Finding, blank: Blank) -> str:
        name, section = blank[0], finding.section
        if name not in finding.outcome.own:
            return self[blank]
        if name in section.page.get("dates", ()):
            return self._date(section.page["dates"][name], section.numbers)
        if name == "drug":
            return self._shortened(list(dict.fromkeys(self._drugs_of(finding))))
        if name == "reason":
            return self.reason(finding.rulings[0])
        if name == "rulings":
            colon = self.marks["colon"]
            return "\n".join(
                f"- {self._drugs[r.subject.drug]}{colon}{self.reason(r)}" for r in _distinct(finding.rulings)
            )
        if name == "labs":
            return self.listed([self.labels[ruling.gate.fact] for ruling in finding.rulings])
        if name == "items":
            return self._items()
        order = finding.order
        assert order is not None
        if name == "dose":
            known = order.dose is not None and isfinite(order.dose) and order.unit is not None
            return amount(order.dose or 0.0, order.unit or "", self.language) if known else self._unknown()
        if name == "interval":
            days = order.interval_days
            return self._unknown() if days is None or isnan(days) else amount(days, "d", self.language)
        raise LookupError(name)

    def _shortened(self, names: list[str]) -> str:
        if len(names) <= _NAMED:
            return self.listed(names)
        return f"{self.listed(names[:_NAMED])} {self.phrases['more'].format(count=len(names) - _NAMED)}"

    def _unknown(self) -> str:
        return self.phrases["not_recorded"]

    def _drugs_of(self, finding: Finding) -> list[str]:
        if finding.order is not None:
            return [self._drugs[finding.order.drug]]
        if finding.rulings:
            return [self._drugs[ruling.subject.drug] for ruling in finding.rulings]
        return self._moving

    @cached_property
    def _moving(self) -> list[str]:
        """What moves the tier: the drafts it rests on, judged or not; where one was replaced, what is in hand."""
        in_hand = [use.drug for use in self._decision.in_hand]
        drafted = {use.drug for use in self._facts.chart.uses if use.in_hand}
        evidence = [item for fact in self._rules.assessment.facts for item in self._facts[fact].evidence]
        moving = [item.drug for item in evidence if item.drug and item.used and item.drug in drafted]
        return [self._drugs[drug] for drug in moving or in_hand]

    def reason(self, ruling: Ruling) -> str:
        """Why a table row stops a drug, or what must be known first."""
        if ruling.result != "ask":
            return self._ruled(ruling.gate.words, ruling)
        if ruling.gate.unknown is not None:
            return self._ruled(ruling.gate.unknown, ruling)
        return f"{self.phrases['first']}{self.marks['colon']}{self.labels[ruling.gate.fact]}"

    def _ruled(self, words: Words, ruling: Ruling) -> str:
        sentence = words[self.language]
        return sentence.fill({blank: self._of_ruling(ruling, blank) for _, blank in sentence.parts})

    def _items(self) -> str:
        said = []
        for item in self._decision.unusable():
            label = self.labels.get(item.fact, item.fact)
            if item.asRecorded is not None and item.asRecorded.value is not None:
                label += f" {item.asRecorded.value:g} {escape(item.asRecorded.unit or '')}".rstrip()
            elif item.value is not None:
                label += f" {item.value:g}"
            if item.date:
                label += f" ({item.date})"
            said.append(f"{label}{self.marks['colon']}{self._rules.reasons[item.reason or ''][self.language]}")
        if count := self._facts.chart.unreadable:
            said.append(self.phrases["unreadable"].format(count=count))
        return self.marks["semicolon"].join(dict.fromkeys(said))


# Of several drugs a sentence names the first; the list below it has them all.
_NAMED = 2


class _Names(NamedTuple):
    facts: Mapping[str, str]
    drugs: Mapping[str, str]
    sites: Mapping[str, str]


@cache
def _names(language: str) -> _Names:
    """What is called how in a language; a site as the first fact words it that has it."""
    terms = terminology()
    sites: dict[str, str] = {}
    for definition in terms.facts.values():
        if isinstance(definition.get("sites"), dict):
            sites = {site: str(texts[language]) for site, texts in definition["sites"].items()} | sites
    return _Names(
        facts={name: str(definition[language]) for name, definition in terms.facts.items()},
        drugs={name: str(definition[language]) for name, definition in terms.drugs.items()},
        sites=FIXED[language]["sites"] | sites,
    )


def _distinct(rulings: list[Ruling]) -> list[Ruling]:
    """One ruling for each drug and piece of evidence, whatever rows it sets off."""
    kept: dict[tuple[str, ...], Ruling] = {}
    for ruling in rulings:
        shown = ruling.fact.shown
        evidence = (ruling.gate.id,) if shown is None else (shown.fact, shown.resource or "", str(shown.value))
        kept.setdefault((ruling.subject.drug, *evidence), ruling)
    return list(kept.values())
