"""An answer as the journal has it: each finding that was shown or held back, and no datum of the patient."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from service.decision import Finding
from service.digests import Digests
from service.presenting import Recorded
from service.rules import Rules
from service.store import Answer, Found, Journal

__all__ = ["clock_of", "recorder"]

_NOT_RECORDED: Final = frozenset({"off"})


def clock_of(today: date | None) -> Callable[[], datetime]:
    """The time, in UTC; on the day given where the service's clock was set."""

    def now() -> datetime:
        instant = datetime.now(UTC)
        return instant if today is None else datetime.combine(today, instant.timetz())

    return now


def recorder(
    rules: Rules, digests: Digests, journal: Journal, now: Callable[[], datetime]
) -> Callable[[Recorded], None]:
    """What puts an answer on record; what was held back stands under a card that never went out."""
    editions = {name: str(guideline.page["edition"]) for name, guideline in rules.guidelines.items()}

    def record(recorded: Recorded) -> None:
        request, shown, voice = recorded.request, recorded.shown, recorded.voice
        caller = request.caller
        issuer, tenant = (caller.iss, caller.tenant) if caller else (None, None)
        answer = Answer(
            at=now(),
            service=recorded.service,
            hook=request.hook.name,
            language=voice.language,
            patient=recorded.pseudonyms[0],
            issuer=issuer,
            tenant=tenant,
            role=recorded.asker.role,
        )
        grounds = shown.grounds

        def found(card: str, position: int, finding: Finding, indicator: str, held: str | None = None) -> Found:
            section, code = finding.section, finding.outcome.code
            evidence = digests.of(grounds.of(finding))
            return Found(card, position, section.name, code, editions[section.guideline], indicator, evidence, held)

        findings = []
        for card in recorded.cards:
            assert card.uuid is not None
            assert card.source.topic is not None
            for position, (finding, indicator) in enumerate(shown.cards[card.source.topic.code]):
                findings.append(found(card.uuid, position, finding, indicator))
        places: Counter[str] = Counter()
        for topic, finding, why in shown.held:
            if why not in _NOT_RECORDED:
                unsent = voice.uuid("held", topic)
                findings.append(found(unsent, places[topic], finding, finding.indicator, why))
                places[topic] += 1
        journal.append(answer, findings)

    return record
