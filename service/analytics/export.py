"""Fates one by one, for others to count: as NDJSON, and as FHIR AuditEvents (R4), a line each."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from service.analytics.fates import Fate

__all__ = ["FORMATS", "audit_event", "lines"]

FORMATS: Final = ("ndjson", "audit-event")

_PSEUDONYM: Final = "https://osteohooks.org/NamingSystem/patient-pseudonym"
_CLIENT: Final = "https://osteohooks.org/NamingSystem/client"
_KIND: Final = "https://osteohooks.org/CodeSystem/card-fate"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"


def lines(fates: Iterable[Fate], form: str) -> Iterator[bytes]:
    """A line for each fate in one of FORMATS, without its line break.

    An AuditEvent that is no valid FHIR raises ValueError: no line of an export is unchecked.
    """
    if form == "ndjson":
        return (msgspec.json.encode(_plain(fate)) for fate in fates)
    return _checked(fates)


def _checked(fates: Iterable[Fate]) -> Iterator[bytes]:
    from fhir.resources.R4B.auditevent import AuditEvent

    for fate in fates:
        event = audit_event(fate)
        AuditEvent.model_validate(event)
        yield msgspec.json.encode(event)


def _plain(fate: Fate) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in msgspec.structs.asdict(fate).items() if value is not None}


def audit_event(fate: Fate) -> dict[str, Any]:
    """A fate as a FHIR R4 AuditEvent: who asked, of whom (by pseudonym), which card, and what became of it."""
    details = {
        "service": fate.service,
        "hook": fate.hook,
        "rule": fate.rule,
        "outcome": fate.outcome,
        "edition": fate.edition,
        "indicator": fate.indicator,
        "language": fate.language,
        "reason": fate.why,
        "told": None if fate.told_at is None else _instant(fate.told_at),
    }
    client = {"identifier": {"system": _CLIENT, "value": fate.site}} if fate.site else {"display": "not authenticated"}
    return {
        "resourceType": "AuditEvent",
        "type": {
            "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
            "code": "rest",
            "display": "RESTful Operation",
        },
        "subtype": [{"system": _KIND, "code": fate.kind}],
        "action": "E",
        "recorded": _instant(fate.at),
        "outcome": "0",
        "agent": [{"who": client, "requestor": True, **({"type": {"text": fate.role}} if fate.role else {})}],
        "source": {"observer": {"display": "Osteohooks"}},
        "entity": [
            {
                "what": {"identifier": {"system": _PSEUDONYM, "value": fate.patient}},
                "type": {"system": _ENTITY, "code": "1", "display": "Person"},
                "role": {"system": _ROLE, "code": "1", "display": "Patient"},
            },
            {
                "what": {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{fate.card}"}},
                "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
                "detail": [{"type": name, "valueString": value} for name, value in details.items() if value],
            },
        ],
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
