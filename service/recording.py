"""An answer as the journal has it: a row for each finding that was shown or held back, and no datum of the patient."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from service.decision import Finding
from service.digests import Digests
from service.presenting import Pseudonymous, Recorded, patient_parts
from service.store import Row

__all__ = ["clock_of", "rows"]

_NOT_RECORDED = frozenset({"off"})


def clock_of(today: date | None) -> Callable[[], datetime]:
    """The time, in UTC; on the day given where the service's clock was set."""

    def now() -> datetime:
        instant = datetime.now(UTC)
        return instant if today is None else datetime.combine(today, instant.timetz())

    return now


def rows(recorded: Recorded, pseudonyms: Pseudonymous, digests: Digests, at: datetime) -> Iterator[Row]:
    """The rows of an answer given at a time, in UTC; what was held back stands under a card that never went out."""
    request, shown, voice = recorded.request, recorded.shown, recorded.voice
    caller = request.caller
    patient = pseudonyms.of(*patient_parts(request))
    hook, language, role = request.hook.name, voice.language, recorded.asker.role
    guidelines = shown.decision.rules.guidelines
    issuer, tenant = (caller.iss, caller.tenant) if caller else (None, None)

    def row(card: str, position: int, finding: Finding, indicator: str, held: str | None) -> Row:
        return Row(
            at=at,
            card=card,
            position=position,
            service=recorded.service,
            hook=hook,
            rule=finding.section.name,
            outcome=finding.outcome.code,
            edition=str(guidelines[finding.section.guideline].page["edition"]),
            indicator=indicator,
            language=language,
            patient=patient,
            evidence=digests.of(shown.grounds.of(finding)),
            held=held,
            issuer=issuer,
            tenant=tenant,
            role=role,
        )

    for card in recorded.cards:
        assert card.uuid is not None
        assert card.source.topic is not None
        for position, (finding, indicator) in enumerate(shown.cards[card.source.topic.code]):
            yield row(card.uuid, position, finding, indicator, None)
    places: Counter[str] = Counter()
    for topic, finding, why in shown.held:
        if why not in _NOT_RECORDED:
            yield row(voice.uuid("held", topic), places[topic], finding, finding.indicator, why)
            places[topic] += 1
