"""What stands in a sentence's blanks: numbers, facts, the tier, and the drug or order in question.

Every string that comes from the record is escaped for Markdown (some clients render raw HTML in it).
"""

from collections.abc import Iterable
from datetime import date
from math import isfinite, isnan
from typing import Any

from cds_hooks import escape
from fhir_profiles.chart import Evidence
from fhir_profiles.dates import add_months, when
from service.assess import UNCLASSIFIED
from service.decision import Decision, Finding, Opinion, Tier
from service.gates import Ruling
from service.rules import Agent
from service.words import WORDS, Words, amount

__all__ = ["Filler"]


class Filler:
    """Fills the sentences of one decision in one language."""

    def __init__(self, decision: Decision, language: str) -> None:
        self._decision, self.language = decision, language
        self._facts, self._rules = decision.facts, decision.rules

    def say(self, words: Words, finding: Finding | None = None, ruling: Ruling | None = None) -> str:
        """One sentence, for a finding or for the table row behind one."""
        return words[self.language].fill(lambda name, aspect: self._blank(name, aspect, finding, ruling))

    def word(self, group: str, name: str) -> str:
        """A fixed word."""
        return str(WORDS[group][name][self.language])

    def opinion(self, opinion: Opinion) -> str:
        """The criterion behind another guideline's advice."""
        return self.say(opinion.section.reasons[opinion.rule]["why"], Finding(opinion.section, _NONE, "info"))

    def mark(self, name: str) -> str:
        """A mark of punctuation, as the language sets it."""
        return self.word("marks", name)

    def label(self, fact: str) -> str:
        """What a fact is called."""
        return str(self._rules.terms.facts[fact][self.language])

    def drug(self, key: str) -> str:
        """What a drug is called."""
        return str(self._rules.terms.drugs[key][self.language])

    def agent(self, agent: Agent) -> str:
        """An agent with its dose, as its page words it."""
        return self.say(agent.words)

    def listed(self, items: Iterable[str]) -> str:
        """Several things in a row, each once."""
        return self.mark("comma").join(dict.fromkeys(items))

    def _blank(self, name: str, aspect: str, finding: Finding | None, ruling: Ruling | None) -> str:
        if ruling is not None and name in ("fact", "limit", "drug"):
            return self._of_ruling(ruling, name, aspect)
        if finding is not None:
            section = finding.section
            if name in section.page.get("dates", {}):
                return self._date(section.page["dates"][name], section.numbers)
            if name in section.page.get("blanks", ()):
                return self._of_finding(finding, name)
        stem = self._rules.assessment.stem
        if name in (stem, f"{stem}_before"):
            return self._tier(name == stem, aspect)
        return self._fact(name, aspect)

    # -- the tier ------------------------------------------------------------------------------------

    def _tier(self, now: bool, aspect: str) -> str:
        decision = self._decision
        tier: Tier | None = decision.tier if now else decision.before or decision.tier
        assert tier is not None
        section = self._rules.assessment
        if aspect in ("short", "why"):
            return self.say(section.reasons[tier.rule][aspect], Finding(section, _NONE, "info"))
        word = {"": tier.tier or UNCLASSIFIED, "at_least": tier.at_least, "at_most": tier.at_most}[aspect]
        return str(section.page["words"][word][self.language])

    # -- facts ---------------------------------------------------------------------------------------

    def _fact(self, name: str, aspect: str) -> str:
        definition = self._rules.terms.facts[name]
        if aspect == "label":
            return self.label(name)
        if aspect == "fresh":
            return amount(definition["fresh"]["months"], "mo", self.language)
        fact = self._facts[name]
        shown = fact.shown
        if aspect == "":
            unit = definition.get("unit", "")
            value = shown.value if shown is not None and shown.value is not None else fact.presumed
            if isinstance(value, float | int) and not isinstance(value, bool) and isfinite(value):
                return amount(float(value), unit, self.language)
            if isinstance(value, str) and value in self._rules.terms.facts:
                return self.label(value)  # a fact that says which other one decides
            return self.word("phrases", "not_recorded")
        return self._aspect(shown, aspect)

    def _aspect(self, shown: Evidence | None, aspect: str) -> str:
        if aspect == "date":
            return shown.date if shown is not None and shown.date else self.word("phrases", "undated")
        value = getattr(shown, aspect) if shown is not None else None
        if value is None:
            return self.word("phrases", "not_recorded")
        if aspect == "drug":
            return self.drug(value)
        if aspect == "use":
            return self.word("uses", value)
        return self.site(value)

    def site(self, site: str) -> str:
        """What a site of measurement or fracture is called."""
        for definition in self._rules.terms.facts.values():
            if site in definition.get("sites", ()) and isinstance(definition["sites"], dict):
                return str(definition["sites"][site][self.language])
        return self.word("sites", site)

    def _date(self, entry: dict[str, str], numbers: dict[str, Any]) -> str:
        shown = self._facts[entry["fact"]].shown
        day = when(shown.date) if shown is not None else None
        start: date = day.first if day is not None else self._facts.chart.today
        return add_months(start, int(numbers[entry["add"]].value)).isoformat()

    # -- rulings, orders, lists ------------------------------------------------------------------------

    def _of_ruling(self, ruling: Ruling, name: str, aspect: str) -> str:
        if name == "drug":
            return self.drug(ruling.subject.drug)
        if name == "limit":
            return amount(float(ruling.gate.limit), ruling.gate.unit, self.language)
        shown = ruling.fact.shown
        if shown is not None and shown.fact in self._rules.terms.facts and ruling.result != "ask":
            # What blocks may be another fact's evidence: an eGFR behind a clearance (README, Kidney).
            if aspect == "label":
                return self.label(shown.fact)
            if aspect == "" and shown.value is None:
                return self.word("phrases", "on_record")
            if aspect == "" and shown.unit is not None:
                return amount(shown.value or 0.0, shown.unit, self.language)
        return self._fact(ruling.gate.fact, aspect)

    def _of_finding(self, finding: Finding, name: str) -> str:
        if name == "drug":
            return self._shortened(list(dict.fromkeys(self._drugs(finding))))
        if name == "reason":
            return self.reason(finding.rulings[0])
        if name == "rulings":
            colon = self.mark("colon")
            return "\n".join(
                f"- {self.drug(r.subject.drug)}{colon}{self.reason(r)}" for r in _distinct(finding.rulings)
            )
        if name == "labs":
            return self.listed(self.label(ruling.gate.fact) for ruling in finding.rulings)
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
        return f"{self.listed(names[:_NAMED])} {self.word('phrases', 'more').format(count=len(names) - _NAMED)}"

    def _unknown(self) -> str:
        return self.word("phrases", "not_recorded")

    def _drugs(self, finding: Finding) -> list[str]:
        if finding.order is not None:
            return [self.drug(finding.order.drug)]
        if finding.rulings:
            return [self.drug(ruling.subject.drug) for ruling in finding.rulings]
        # What moves the tier: the drafts it rests on, judged or not; none where one was replaced by what is in hand.
        drafted = {use.drug for use in self._facts.chart.uses if use.in_hand}
        evidence = [item for fact in self._rules.assessment.facts for item in self._facts[fact].evidence]
        moving = [item.drug for item in evidence if item.used and item.drug in drafted]
        return [self.drug(drug) for drug in moving if drug] or [self.drug(use.drug) for use in self._decision.in_hand]

    def reason(self, ruling: Ruling) -> str:
        """Why a table row stops a drug, or what must be known first."""
        if ruling.result != "ask":
            return self.say(ruling.gate.words, None, ruling)
        if ruling.gate.unknown is not None:
            return self.say(ruling.gate.unknown, None, ruling)
        return f"{self.word('phrases', 'first')}{self.mark('colon')}{self.label(ruling.gate.fact)}"

    def _items(self) -> str:
        said = []
        for item in self._decision.unusable():
            name = self._rules.terms.facts.get(item.fact)
            label = str(name[self.language]) if name else item.fact
            if item.asRecorded is not None and item.asRecorded.value is not None:
                label += f" {item.asRecorded.value:g} {escape(item.asRecorded.unit or '')}".rstrip()
            elif item.value is not None:
                label += f" {item.value:g}"
            if item.date:
                label += f" ({item.date})"
            said.append(f"{label}{self.mark('colon')}{self._rules.reasons[item.reason or ''][self.language]}")
        if count := self._facts.chart.unreadable:
            said.append(self.word("phrases", "unreadable").format(count=count))
        return self.mark("semicolon").join(dict.fromkeys(said))


# Of several drugs a sentence names the first; the list below it has them all.
_NAMED = 2
_NONE: Any = None


def _distinct(rulings: list[Ruling]) -> list[Ruling]:
    """One ruling for each drug and piece of evidence, whatever rows it sets off."""
    kept: dict[tuple[str, ...], Ruling] = {}
    for ruling in rulings:
        shown = ruling.fact.shown
        evidence = (ruling.gate.id,) if shown is None else (shown.fact, shown.resource or "", str(shown.value))
        kept.setdefault((ruling.subject.drug, *evidence), ruling)
    return list(kept.values())
