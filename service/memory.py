"""What a worker remembers of advice that users set aside, so that it is not repeated.

The store knows; a worker holds a picture of it (`recall.py` renews it every two seconds), so that no call waits for the
store. While that is away the picture stays as it is; without one everything is shown.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from service.decision import Finding
from service.digests import Grounds
from service.memory_page import ORDERED, MemoryPage

__all__ = ["Memory", "Recollection", "SetAside"]


@dataclass(frozen=True, slots=True)
class SetAside:
    """One piece of advice that a user set aside, or accepted (`reason` is then ORDERED), on a day.

    `evidence` is the digest of what it rested on.
    """

    patient: str
    rule: str
    outcome: str
    evidence: str
    reason: str
    told: date


# By rule, outcome and digest of the evidence: what was told last.
Known = Mapping[tuple[str, str, str], SetAside]


class Memory:
    """The picture that one worker has, by pseudonym of the patient."""

    def __init__(self, page: MemoryPage) -> None:
        self.page = page
        self._known: dict[str, Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, items: Iterable[SetAside], *, anew: bool = False) -> None:
        """Add to the picture what was told since, in the order told; `anew` puts it in place of what is there."""
        known = {} if anew else self._known
        for item in items:
            # Never changed once it is there: a call may be reading it.
            known[item.patient] = {**known.get(item.patient, {}), (item.rule, item.outcome, item.evidence): item}
        self._known = known

    def of(self, pseudonyms: Collection[str]) -> Known:
        """What was set aside for a patient; `pseudonyms` are all that the patient may have."""
        found: dict[tuple[str, str, str], SetAside] = {}
        for pseudonym in pseudonyms:
            found.update(self._known.get(pseudonym, {}))
        return found


@dataclass(frozen=True, slots=True)
class Recollection:
    """What is remembered of one patient, asked of one answer.

    `digests` gives every digest that an evidence may have; `ordered` tells whether an order, by its id, is among the
    drafts or in the record.
    """

    page: MemoryPage
    known: Known
    digests: Callable[[str], Collection[str]]
    ordered: Callable[[str], bool]
    today: date

    def why(self, grounds: Grounds, finding: Finding) -> str | None:
        """Why a finding is held back: the reason that was given, `ordered`, or None where it is not."""
        rule, outcome = finding.section.name, finding.outcome.code
        if finding.indicator == "critical" or not any(key[:2] == (rule, outcome) for key in self.known):
            return None
        for digest in self.digests(grounds.of(finding)):
            item = self.known.get((rule, outcome, digest))
            if item is not None and self._lasts(item) and (item.reason != ORDERED or self._all_ordered(finding)):
                return item.reason
        return None

    def _lasts(self, item: SetAside) -> bool:
        until = self.page.until(item.reason, item.outcome, item.told)
        return until is None or self.today < until

    def _all_ordered(self, finding: Finding) -> bool:
        outcome = finding.outcome
        asked = {ruling.gate.fact for ruling in finding.rulings}
        names = (*outcome.orders, *(name for fact, name in outcome.orders_for.items() if fact in asked))
        return bool(names) and all(map(self.ordered, names))
