"""The last step of an answer: what of a decision is shown to who asks, said, counted, and put on record.

Neither the memory nor the record may delay an answer: the one is a picture in this process, the other a queue.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cds_hooks import Card, HookRequest
from cds_hooks.guard import Build, Plan
from fhir_profiles import Resource
from service import metrics
from service.burden import Asker, Burden
from service.decision import Decision
from service.digests import Digests, Grounds, facts_behind
from service.memory import Memory, Recollection
from service.quiet import Shown, choose
from service.rules import Rules
from service.speak import speak
from service.voice import Voice

__all__ = ["Presenting", "Pseudonymous", "Recorded", "patient_parts"]


class Pseudonymous(Protocol):
    """What makes keyed pseudonyms that nobody can turn back: `service.store.sealing.Pseudonyms`."""

    def of(self, *parts: str) -> str:
        """The pseudonym under the newest key, in hexadecimal."""
        ...

    def all_of(self, *parts: str) -> tuple[str, ...]:
        """The pseudonym under each key, the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer as it was given: who asked about whom, what was shown on which card, what was held back."""

    service: str
    request: HookRequest[Resource]
    asker: Asker
    voice: Voice
    shown: Shown
    cards: Sequence[Card]


def patient_parts(request: HookRequest[Resource]) -> tuple[str, ...]:
    """What a patient's pseudonym is made of: the client, its tenant, and the id that the patient has there."""
    caller = request.caller
    return ("patient", caller.iss if caller else "", (caller.tenant if caller else None) or "", request.patient_id)


class Presenting:
    """Presents decisions; `memory` needs `pseudonyms`, and without it nothing is remembered.

    `record` is told of every answer about a patient in scope, and must return at once.
    """

    def __init__(
        self,
        rules: Rules,
        burden: Burden,
        most: int,
        *,
        memory: Memory | None = None,
        pseudonyms: Pseudonymous | None = None,
        record: Callable[[Recorded], None] = lambda recorded: None,
    ) -> None:
        self._rules, self._burden, self._most = rules, burden, most
        self.memory, self._pseudonyms, self._record = memory, pseudonyms, record
        self._behind = facts_behind(rules)
        self.digests = Digests([] if pseudonyms is None else pseudonyms.all_of("evidence"))

    def __call__(
        self,
        service: str,
        request: HookRequest[Resource],
        decision: Decision | None,
        voice: Voice,
        build: Build,
    ) -> bytes:
        """The JSON of the answer of a service, by its id; `build` builds its cards."""
        if decision is None or decision.silent:
            return speak(decision, voice, build)
        caller = request.caller
        sites = (caller.iss, caller.tenant) if caller is not None else ()
        asker = self._burden.asker(request.hook.name, request.user_id, *sites)
        recollection = self._recollection(request, decision)
        shown = choose(decision, Grounds(decision, self._behind), self._burden, asker, recollection, self._most)
        built: list[Card] = []

        def building(plans: Iterable[Plan]) -> list[Card]:
            built.extend(build(plans))
            return built

        answer = speak(decision, voice, building, shown.decision)
        recorded = Recorded(service, request, asker, voice, shown, built)
        _count(recorded)
        self._record(recorded)
        return answer

    def _recollection(self, request: HookRequest[Resource], decision: Decision) -> Recollection | None:
        pseudonyms = self._pseudonyms
        if not self.memory or pseudonyms is None:
            return None
        known = self.memory.of(pseudonyms.all_of(*patient_parts(request)))
        if not known:
            return None
        return Recollection(
            page=self.memory.page,
            known=known,
            digests=self.digests.all_of,
            ordered=lambda name: self._ordered(name, decision),
            today=decision.facts.chart.today,
        )

    def _ordered(self, name: str, decision: Decision) -> bool:
        """Whether an examination that a card may suggest is among the drafts or in the record.

        Medicines need no such look: one that is ordered is new evidence, and its rule sees it.
        """
        return not decision.facts.chart.requested.isdisjoint(self._rules.orders[name].codes)


def _count(recorded: Recorded) -> None:
    for card in recorded.cards:
        assert card.source.topic is not None
        for finding, indicator in recorded.shown.cards[card.source.topic.code]:
            metrics.CARDS[finding.section.name, finding.outcome.code, indicator].inc()
    for _, finding, why in recorded.shown.held:
        metrics.HELD_BACK[finding.section.name, finding.outcome.code, why].inc()
