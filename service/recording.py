"""An answer as the journal has it: a row for each finding that was shown or held back, and no datum of the patient."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from service.presenting import Pseudonymous, Recorded, evidence_parts, patient_parts
from service.store import Row

__all__ = ["clock_of", "rows"]

_NOT_RECORDED = frozenset({"off"})


def clock_of(today: date | None) -> Callable[[], datetime]:
    """The time, in UTC; on the day given where the service's clock was set."""

    def now() -> datetime:
        instant = datetime.now(UTC)
        return instant if today is None else datetime.combine(today, instant.timetz())

    return now


def rows(recorded: Recorded, pseudonyms: Pseudonymous, at: datetime) -> Iterator[Row]:
    """The rows of an answer given at a time, in UTC; what was held back stands under a card that never went out."""
    request, shown, voice = recorded.request, recorded.shown, recorded.voice
    caller = request.caller
    patient = pseudonyms.of(*patient_parts(request))
    edition = str(shown.decision.rules.guideline.page["edition"])
    out = [
        (card.uuid or "", position, finding, indicator, None)
        for card in recorded.cards
        for position, (finding, indicator) in enumerate(
            shown.cards[card.source.topic.code if card.source.topic else ""]
        )
    ]
    kept = [(topic, finding, why) for topic, finding, why in shown.held if why not in _NOT_RECORDED]
    held = [
        (voice.uuid("held", topic), position, finding, finding.indicator, why)
        for position, (topic, finding, why) in enumerate(kept)
    ]
    for card, position, finding, indicator, why in (*out, *held):
        evidence = pseudonyms.of(*evidence_parts(shown.grounds.of(finding)))
        yield Row(
            at=at,
            card=card,
            position=position,
            service=recorded.service,
            hook=request.hook.name,
            rule=finding.section.name,
            outcome=finding.outcome.code,
            edition=edition,
            indicator=indicator,
            language=voice.language,
            patient=patient,
            evidence=evidence,
            held=why,
            issuer=caller.iss if caller else None,
            tenant=caller.tenant if caller else None,
            role=recorded.asker.role,
        )
