"""What a decision is made of: the tier, the findings, the agents, and the evidence behind them."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from msgspec import Struct

from fhir_profiles import Evidence, Facts
from fhir_profiles.chart import Use
from service.gates import Ruling
from service.pages import Outcome, Section
from service.rules import Agent, Rules

__all__ = ["SEVERITY", "Decision", "Finding", "Opinion", "Tier", "Verdict"]

SEVERITY = {"info": 0, "warning": 1, "critical": 2}


class Tier(Struct, frozen=True, gc=False):
    """The assessment: `tier` is None while it cannot be named, `rule` is then the page's rule for that."""

    tier: str | None
    rule: str
    at_least: str
    at_most: str

    @property
    def provisional(self) -> bool:
        return self.at_least != self.at_most


class Finding(Struct):
    """One outcome that applies. `rulings` are the table rows behind it, `order` the order it is about.

    `correctable`: the order may be suggested anew with another dosage, since no row of the table stops it.
    """

    section: Section
    outcome: Outcome
    indicator: str
    rulings: list[Ruling] = []
    order: Use | None = None
    correctable: bool = False

    @classmethod
    def of(cls, section: Section, name: str) -> "Finding":
        """The finding of an outcome that a section names."""
        outcome = section.outcomes[name]
        return cls(section, outcome, outcome.indicator)


class Verdict(Struct, frozen=True, gc=False):
    """An agent for this patient: what the table says of it; clear when it says nothing that stops."""

    agent: Agent
    rulings: tuple[Ruling, ...]
    # Ruled out, to be corrected or to be asked about first: not to be suggested.
    stopped: bool


class Opinion(Struct, frozen=True, gc=False):
    """What another guideline would do from the same facts. `unsettled`: what is unknown and could change it."""

    section: Section
    rule: str
    advice: str
    unsettled: tuple[str, ...]


@dataclass(slots=True)
class Decision:
    """Everything an answer is made of. `tier` is None where the guideline does not apply at all."""

    rules: Rules
    facts: Facts
    tier: Tier | None
    before: Tier | None
    findings: list[Finding]
    verdicts: list[Verdict]
    recommended: Agent | None
    opinions: list[Opinion]
    missing: list[str]
    silent: bool
    in_hand: tuple[Use, ...]
    before_problems: Tier | None = None
    # What was looked at, as of so many facts.
    _seen: tuple[int, list[Evidence]] = (0, [])

    @property
    def outcomes(self) -> list[str]:
        """The outcome codes that apply, sorted."""
        return sorted({finding.outcome.code for finding in self.findings})

    def unusable(self) -> list[Evidence]:
        """What was on record and could not be used, as far as a clinician should know of it."""
        reasons, missing = self.rules.reasons, self.missing
        return [
            item
            for item in self.evidence()
            if item.reason
            and (told := reasons[item.reason]["told"]) != "never"
            and (told == "always" or item.fact in missing)
        ]

    def evidence(self) -> list[Evidence]:
        """What was looked at, once each: behind every fact worked out, then what could not be used."""
        if self._seen[0] != len(self.facts):
            self._seen = (len(self.facts), self._evidence())
        return self._seen[1]

    def _evidence(self) -> list[Evidence]:
        seen: dict[tuple[Any, ...], Evidence] = {}
        for fact in self.facts.worked_out(self.rules.listed):
            for item in fact.evidence:
                seen.setdefault(_USED(item), item)
        for item in self.facts.chart.refused:
            seen.setdefault(_REFUSED(item), item)
        return sorted(
            seen.values(), key=lambda item: (item.fact, item.date or "", item.resource or "", item.site or "")
        )


# What tells one piece of evidence from another.
_USED = attrgetter("fact", "resource", "site", "value", "date", "drug")
_REFUSED = attrgetter("fact", "resource", "site", "reason", "date", "drug")
