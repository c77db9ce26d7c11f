"""The last step of an answer: what of a decision is shown to who asks, said, counted, and put on record.

Neither the memory nor the record may delay an answer: the one is a picture in this process, the other a queue.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct

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

__all__ = ["Presenting", "Pseudonymous", "Recorded"]


class Pseudonymous(Protocol):
    """What makes keyed pseudonyms that nobody can turn back: `service.store.sealing.Pseudonyms`."""

    def all_of(self, *parts: str) -> tuple[str, ...]:
        """The pseudonym under each key, the newest first."""
        ...


class Recorded(Struct, frozen=True):
    """One answer as it was given: who asked about whom, what was shown on which card, what was held back.

    `pseudonyms` are the patient's, the newest first; there are none without a store.
    """

    service: str
    request: HookRequest[Resource]
    pseudonyms: tuple[str, ...]
    asker: Asker
    voice: Voice
    shown: Shown
    cards: Sequence[Card]


class Presenting:
    """Presents decisions; `memory` needs `pseudonyms` and `digests`, and without it nothing is remembered.

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
        digests: Digests | None = None,
        record: Callable[[Recorded], None] = lambda recorded: None,
    ) -> None:
        self._rules, self._burden, self._most = rules, burden, most
        self.memory, self._pseudonyms, self._digests, self._record = memory, pseudonyms, digests, record
        self._behind = facts_behind(rules)

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
        pseudonyms = self._pseudonyms_of(request)
        recollection = self._recollection(pseudonyms, decision)
        shown = choose(decision, Grounds(decision, self._behind), self._burden, asker, recollection, self._most)
        built: list[Card] = []

        def building(plans: Iterable[Plan]) -> list[Card]:
            built.extend(build(plans))
            return built

        answer = speak(decision, voice, building, shown.decision)
        recorded = Recorded(service, request, pseudonyms, asker, voice, shown, built)
        _count(recorded)
        self._record(recorded)
        return answer

    def _pseudonyms_of(self, request: HookRequest[Resource]) -> tuple[str, ...]:
        """Those of the patient: made of the client, its tenant, and the id that the patient has there."""
        if self._pseudonyms is None:
            return ()
        caller = request.caller
        issuer, tenant = (caller.iss, caller.tenant or "") if caller is not None else ("", "")
        return self._pseudonyms.all_of("patient", issuer, tenant, request.patient_id)

    def _recollection(self, pseudonyms: tuple[str, ...], decision: Decision) -> Recollection | None:
        if not self.memory or self._digests is None:
            return None
        known = self.memory.of(pseudonyms)
        if not known:
            return None
        return Recollection(
            page=self.memory.page,
            known=known,
            digests=self._digests.all_of,
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
