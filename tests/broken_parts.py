"""What the broken service sends when all is well, and the entries, cards and actions with one fault each.

Every fault is a name, what it changes, and the ids of the checks that must fail for it.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]
Checks = tuple[str, ...]

ID: Final = "sign"
HOOK: Final = "order-sign"
DRAFT: Final = "ServiceRequest/draft"

SAMPLE: Final[Json] = {
    "hook": HOOK,
    "hookInstance": "9a1d8a55-8c13-4e9f-8f0e-0c1b7f6f4a11",
    "context": {
        "userId": "Practitioner/dr",
        "patientId": "p1",
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": {"resourceType": "ServiceRequest", "id": "draft", "status": "draft"}}],
        },
    },
    "prefetch": {
        "patient": {"resourceType": "Patient", "id": "p1"},
        "labs": {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": {"resourceType": "Observation", "id": "o1", "status": "final"}}],
        },
        "procedures": None,
    },
    "extension": {"org.osteohooks.conformance": {"service": ID, "required": ["patient"]}},
}

ENTRY: Final[Json] = {
    "hook": HOOK,
    "id": ID,
    "title": "A service",
    "description": "Says whether there are laboratory results.",
    "prefetch": {
        "patient": "Patient/{{context.patientId}}",
        "labs": "Observation?patient={{context.patientId}}&category=laboratory&date=ge{{today() - 90 days}}&_count=50",
        "procedures": "Procedure?patient={{ context.patientId }}&code:in=http://example.org/ValueSet/x",
    },
    "usageRequirements": "A patient.",
    "version": "3.0.0",
    "extension": {"org.example.options": {"a": 1}},
}


def _asks(template: Any) -> Json:
    return {"prefetch": {"a": template}}


# Discovery lists one more service for each of these, whole but for what is named.
ENTRY_FAULTS: Final[dict[str, tuple[Json, Checks]]] = {
    "a hook that is no text": ({"hook": 17}, ("service-hook",)),
    "no id": ({"id": " "}, ("service-id",)),
    "an id with a space": ({"id": "my service"}, ("service-id-is-url-safe",)),
    "no description": ({"description": " "}, ("service-description",)),
    "no title": ({"title": 17}, ("service-title",)),
    "prefetch is a list": ({"prefetch": ["Patient/1"]}, ("service-prefetch",)),
    "a template that is no text": (_asks(17), ("service-prefetch",)),
    "usage requirements in a list": ({"usageRequirements": ["A patient."]}, ("service-usage-requirements",)),
    "a version in words": ({"version": "STU2"}, ("service-versions",)),
    "the same service twice": ({"id": ID}, ("service-ids",)),
    "an absolute template": (_asks("https://example.org/Patient/1"), ("template-is-relative",)),
    "a token of its own grammar": (_asks("Patient/{{patientId}}"), ("template-tokens", "template-tokens-of-today")),
    "a brace too few": (_asks("Patient/{{context.patientId}"), ("template-tokens", "template-is-relative")),
    "a token inside an order": (
        _asks("Medication/{{context.medication.id}}"),
        ("template-tokens-of-hook", "template-tokens-of-today"),
    ),
    "a Bundle as a token": (_asks("Patient/{{context.draftOrders}}"), ("template-tokens-of-hook",)),
    "a token that may be missing": (_asks("Encounter/{{context.encounterId}}"), ("template-tokens-are-there",)),
    "a chained search": (_asks("Observation?subject:Patient.name=x"), ("template-query",)),
    "a result used before it is asked for": (
        {"prefetch": {"a": "Location/{{%b.location.resolve().id}}", "b": "Encounter?patient={{context.patientId}}"}},
        ("template-order", "template-tokens-of-today"),
    ),
    "an endless template": (_asks("Observation?code=" + "1234-5," * 300), ("template-length",)),
    "an empty prefetch": ({"prefetch": {}}, ("no-empty-members",)),
    "an extension in a list": ({"extension": [{"org.example": 1}]}, ("extension-objects",)),
    "an extension without a domain": ({"extension": {"options": 1}}, ("extension-names",)),
}

CREATE: Final[Json] = {"type": "create", "description": "Orders it", "resource": {"resourceType": "ServiceRequest"}}
DELETE: Final[Json] = {"type": "delete", "description": "Removes it", "resourceId": DRAFT}
UPDATE: Final[Json] = {
    "type": "update",
    "description": "Changes it",
    "resource": {"resourceType": "ServiceRequest", "id": "draft", "_note": [None, {"id": "a"}], "note": ["x", None]},
}


def uuid(*names: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(names)))


def _suggestion(name: str, **members: Any) -> Json:
    return {"label": "Do it", "uuid": uuid(name), "isRecommended": False, "actions": [CREATE], **members}


def _acting(*actions: Json, **members: Any) -> Json:
    """A card with one suggestion of these actions."""
    suggestion = _suggestion(repr(actions), actions=list(actions), **members)
    return {"suggestions": [suggestion], "selectionBehavior": "any"}


def _linking(**members: Any) -> Json:
    link = {"label": "Read", "url": "https://example.org/a?b=c", "type": "absolute", **members}
    return {"links": [link]}


REASON: Final[Json] = {"code": "no", "system": "https://example.org/reasons", "display": "No"}

CARD: Final[Json] = {
    "summary": "x" * 139,
    "detail": "**There are results.** A < B; [read](https://example.org)",
    "indicator": "info",
    "source": {
        "label": "A guideline",
        "url": "https://example.org",
        "icon": "https://example.org/a.png",
        "topic": {"code": "labs", "system": "https://example.org/topics"},
    },
    "suggestions": [
        _suggestion("first", isRecommended=True),
        _suggestion("second", actions=[DELETE, UPDATE]),
        {"label": "Nothing", "uuid": uuid("third")},
    ],
    "selectionBehavior": "at-most-one",
    "overrideReasons": [REASON],
    "links": [
        {"label": "Read", "url": "https://example.org/a", "type": "absolute"},
        {
            "label": "Open",
            "url": "https://app.example.org/launch",
            "type": "smart",
            "appContext": "a",
            "autolaunchable": True,
        },
    ],
    "extension": {"org.example.card": {"a": 1}},
}
_STRANGE: Final[Json] = {**UPDATE, "resource": {"resourceType": "ServiceRequest", "id": "other"}}

# An answer has one more card for each of these, whole but for what is named.
CARD_FAULTS: Final[dict[str, tuple[Json, Checks]]] = {
    "a summary too long for browsers": ({"summary": "🦴" * 70}, ("card-summary",)),
    "no summary": ({"summary": " "}, ("card-summary",)),
    "a detail in a list": ({"detail": ["x"]}, ("card-detail",)),
    "a script in the detail": ({"detail": "<script>alert(1)</script>"}, ("card-detail-is-inert",)),
    "an event in the detail": ({"detail": '<b onclick="x()">x</b>'}, ("card-detail-is-inert",)),
    "hard-stop": ({"indicator": "hard-stop"}, ("card-indicator",)),
    "a source that is text": ({"source": "A guideline"}, ("card-source",)),
    "a source without a label": ({"source": {"url": "https://example.org"}}, ("card-source",)),
    "a relative icon": ({"source": {"label": "A", "icon": "a.png"}}, ("source-urls",)),
    "a topic that is text": ({"source": {"label": "A", "topic": "labs"}}, ("source-topic",)),
    "a topic without a system": ({"source": {"label": "A", "topic": {"code": "labs"}}}, ("source-topic",)),
    "a uuid that is a number": ({"uuid": 17}, ("uuids-are-text", "uuids-for-feedback")),
    "a uuid that is none": ({"uuid": "card-1"}, ("uuids-for-feedback",)),
    "a uuid twice": ({"uuid": uuid("card")}, ("uuids-are-unique",)),
    "a reason without words": ({"overrideReasons": [{"code": "a", "system": "b"}]}, ("override-reasons",)),
    "reasons that are text": ({"overrideReasons": ["no"]}, ("override-reasons",)),
    "one suggestion, not in a list": ({"suggestions": _suggestion("bare")}, ("suggestions",)),
    "no selection behavior": (
        {"suggestions": [_suggestion("unselected")], "selectionBehavior": None},
        ("selection-behavior", "no-empty-members"),
    ),
    "a selection behavior of its own": ({"selectionBehavior": "all"}, ("selection-behavior",)),
    "a suggestion without a label": (
        {"suggestions": [_suggestion("unnamed", label=17)], "selectionBehavior": "any"},
        ("suggestion-label",),
    ),
    "two recommended of at most one": (
        {"suggestions": [_suggestion(name, isRecommended=True) for name in "ab"]},
        ("is-recommended",),
    ),
    "recommended in words": (_acting(CREATE, isRecommended="yes"), ("is-recommended",)),
    "actions that are text": (
        {"suggestions": [_suggestion("said", actions="order it")], "selectionBehavior": "any"},
        ("suggestion-actions",),
    ),
    "a choice of actions": (_acting(CREATE, actionSelectionBehavior="any"), ("no-action-selection",)),
    "an action in capitals": (_acting({**CREATE, "type": "CREATE"}), ("action-type",)),
    "an action without words": (_acting({**CREATE, "description": 17}), ("action-description",)),
    "a resource as text": (_acting({**CREATE, "resource": "{}"}), ("action-resource",)),
    "a resource without a type": (_acting({**CREATE, "resource": {"id": "a"}}), ("action-resource",)),
    "a delete by id alone": (_acting({**DELETE, "resourceId": "draft"}), ("action-delete", "changes-are-to-drafts")),
    "a delete with a resource": (_acting({**DELETE, "resource": DRAFT}), ("action-delete",)),
    "a change to no draft": (_acting(_STRANGE), ("changes-are-to-drafts",)),
    "a link without a scheme": (_linking(url="example.org"), ("links",)),
    "a link of a type of its own": (_linking(type="app"), ("links",)),
    "a link that is text": ({"links": ["https://example.org"]}, ("links",)),
    "appContext on a plain link": (_linking(appContext="a"), ("link-app-context",)),
    "autolaunchable in words": (_linking(autolaunchable="yes"), ("link-autolaunchable",)),
    "a link in the open": (_linking(url="http://example.org"), ("links-are-https",)),
    "a detail that is null": ({"detail": None}, ("no-empty-members",)),
    "an empty list of links": ({"links": []}, ("no-empty-members",)),
    "a card's extension in a list": ({"extension": ["x"]}, ("extension-objects",)),
}

# And one more system action for each of these.
ACTION_FAULTS: Final[dict[str, tuple[Json, Checks]]] = {
    "a system action without a resource": ({"type": "create", "description": "x"}, ("system-actions",)),
    "a system action without words": ({**CREATE, "description": 17}, ("system-action-description",)),
}
