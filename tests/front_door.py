"""Ask the service as an EHR does: a CDS Hooks request in, the decoded answer out.

answer = ask(Record(age=68).condition("breast-cancer").t_score("lumbar-spine", -1.8).drug("letrozole"))
answer.assessment["tier"], answer.outcomes, answer.suggested_drugs()
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from service.app import create_app
from service.config import Settings
from tests.builder import Record
from tests.fhir_pieces import PATIENT_ID, TODAY, Json, prefetch_of
from tests.suggested import drug_of, interval_days

HOOK_INSTANCE: Final = "2f1a4b0e-5f0c-4d2b-9a3e-6d1c7b8e9f10"
_ASSESSMENT: Final = "org.osteohooks.assessment"


@lru_cache(maxsize=64)
def application(today: date) -> Flask:
    """The service with its clock set; one per date."""
    return create_app(Settings(today=today))


@dataclass(frozen=True)
class Answer:
    """What the front door gave back."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def cards(self) -> list[Json]:
        cards = self.body["cards"]
        assert isinstance(cards, list)
        return cards

    @property
    def assessment(self) -> Json:
        """The assessment; KeyError where the patient is not in scope."""
        found = self.body["extension"][_ASSESSMENT]
        assert isinstance(found, dict)
        return found

    @property
    def in_scope(self) -> bool:
        return _ASSESSMENT in self.body.get("extension", {})

    @property
    def outcomes(self) -> frozenset[str]:
        return frozenset(self.assessment.get("outcomes", ()))

    @property
    def tier_members(self) -> Json:
        """tier, provisional, atLeast, atMost and tierRule, as far as they are there."""
        names = ("tier", "provisional", "atLeast", "atMost", "tierRule")
        return {name: self.assessment[name] for name in names if name in self.assessment}

    def facts(self, name: str) -> list[Json]:
        """The facts of that name in the assessment, used or not."""
        return [fact for fact in self.assessment.get("facts", ()) if fact["fact"] == name]

    def used(self, name: str) -> list[Json]:
        return [fact for fact in self.facts(name) if fact["used"]]

    def card_with(self, outcome: str) -> Json:
        """The card that carries a finding; StopIteration where none does."""
        return next(card for card in self.cards if outcome in findings(card))

    def orders(self) -> Iterator[Json]:
        """Every resource that a suggestion would create or update."""
        for card in self.cards:
            for suggestion in card.get("suggestions", ()):
                for action in suggestion.get("actions", ()):
                    if "resource" in action:
                        yield action["resource"]

    def suggested_drugs(self) -> frozenset[str]:
        """The drugs among the suggested orders, each by its name in tests/codes.py."""
        return frozenset(drug_of(order) for order in self.orders() if order["resourceType"] == "MedicationRequest")

    def suggested_intervals(self, drug: str) -> list[float | None]:
        """The dose interval in days of each suggested order of a drug; None where an order has none."""
        orders = [order for order in self.orders() if order["resourceType"] == "MedicationRequest"]
        return [interval_days(order) for order in orders if drug_of(order) == drug]

    def texts(self) -> list[str]:
        """Everything a reader sees, card by card."""
        return [text for card in self.cards for text in card_texts(card)]


def findings(card: Json) -> list[str]:
    """The outcome codes that a card carries."""
    return [finding["outcome"] for finding in card["extension"]["org.osteohooks.findings"]]


def card_texts(card: Json) -> Iterator[str]:
    """The words of a card: summary, detail, and the labels and descriptions of its suggestions and links."""
    yield card["summary"]
    yield card.get("detail", "")
    for suggestion in card.get("suggestions", ()):
        yield suggestion["label"]
        yield from (action["description"] for action in suggestion.get("actions", ()))
    yield from (link["label"] for link in card.get("links", ()))
    yield from (reason["display"] for reason in card.get("overrideReasons", ()))


def request_body(
    prefetch: Mapping[str, Any],
    hook: str = "patient-view",
    *,
    patient_id: str = PATIENT_ID,
    drafts: Sequence[Any] = (),
    selections: Sequence[str] = (),
    hook_instance: str = HOOK_INSTANCE,
) -> Json:
    """A CDS Hooks request; order hooks carry the draft orders, order-select the selections too."""
    context: Json = {"userId": "Practitioner/dr", "patientId": patient_id}
    if hook != "patient-view":
        entries = [{"resource": draft} for draft in drafts]
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    if hook == "order-select":
        context["selections"] = list(selections)
    return {"hook": hook, "hookInstance": hook_instance, "context": context, "prefetch": dict(prefetch)}


def post(body: bytes, hook: str = "patient-view", *, lang: str = "en", today: date = TODAY, **headers: str) -> Answer:
    """Post a body, whatever it holds, to the service of that hook."""
    sent = {"Content-Type": "application/json", "Accept-Language": lang, **headers}
    response = application(today).test_client().post(f"/cds-services/bone-health-{hook}", data=body, headers=sent)
    return Answer(response.status_code, dict(response.headers), response.get_data())


def ask(
    record: Record | Mapping[str, Any],
    hook: str = "",
    *,
    drafts: Sequence[Any] | None = None,
    selections: Sequence[str] | None = None,
    lang: str = "en",
    today: date | None = None,
    omit: Collection[str] = (),
    hook_instance: str = HOOK_INSTANCE,
) -> Answer:
    """Ask about a Record, a Bundle (a whole record) or a prefetch as it stands.

    Without `hook`: order-sign where the record has draft orders, else patient-view. `omit` names the prefetch keys
    that are not told.
    """
    if isinstance(record, Record):
        patient_id, prefetch = record.patient_id, record.prefetch(omit)
        drafts = record.drafts if drafts is None else drafts
        selections = record.selections if selections is None else selections
        today = today or record.today
    else:
        is_bundle = record.get("resourceType") == "Bundle"
        patient_id, told = prefetch_of(record) if is_bundle else (record["patient"]["id"], dict(record))
        prefetch = {key: value for key, value in told.items() if key not in omit}
    hook = hook or ("order-sign" if drafts else "patient-view")
    request = request_body(
        prefetch,
        hook,
        patient_id=patient_id,
        drafts=drafts or (),
        selections=selections or (),
        hook_instance=hook_instance,
    )
    return post(json.dumps(request).encode(), hook, lang=lang, today=today or TODAY)


class FastDoor:
    """The same door for tens of thousands of bodies: WSGI without a client's cookies and redirects, and no store."""

    def __init__(self, hook: str = "patient-view", today: date = TODAY) -> None:
        self._application = create_app(Settings(today=today), in_process=True)
        path = f"/cds-services/bone-health-{hook}"
        self._environ = EnvironBuilder(path, method="POST", content_type="application/json").get_environ()

    def assessment(self, body: bytes) -> Json:
        """The assessment in the answer to a body, which must be 200."""
        environ = {**self._environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        chunks, status, _ = run_wsgi_app(self._application, environ, buffered=True)
        assert status.startswith("200"), status
        found = json.loads(b"".join(chunks))["extension"][_ASSESSMENT]
        assert isinstance(found, dict)
        return found
