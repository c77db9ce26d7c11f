"""Ask the service as an EHR does: a CDS Hooks request in, the decoded answer out.

answer = ask(Record(age=68).condition("breast-cancer").t_score("lumbar-spine", -1.8).drug("letrozole"))
answer.assessment["tier"], answer.outcomes, answer.suggested_drugs()
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from io import BytesIO
from typing import Any, Final, Literal

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from service.app import create_app
from service.config import Settings
from tests.builder import Record
from tests.fhir_pieces import PATIENT_ID, TODAY, Json, prefetch_of
from tests.open_stores import shared
from tests.suggested import drug_of, interval_days

Market = Literal["cn", "us", "eu"]
HOOK_INSTANCE: Final = "2f1a4b0e-5f0c-4d2b-9a3e-6d1c7b8e9f10"
# Where the drafts lie in the context (CDS Hooks library).
DRAFTS_IN: Final = {
    "order-select": "draftOrders",
    "order-sign": "draftOrders",
    "medication-refill": "medications",
    "problem-list-item-create": "conditions",
}
_ASSESSMENT: Final = "org.osteohooks.assessment"
# The table of other guidelines, as its headings and words are printed; Chinese into English.
_OTHERS: Final = ("others would", "其他指南")
_HANGS_ON: Final = ("hangs on", "取决于")
_ADVICE: Final = {"治疗": "treat", "考虑": "consider", "监测": "monitor"}
_NAMES: Final = {
    "专家组汇总表（PMC5498589）": "Expert groups' table (PMC5498589)",
    "新加坡SCAN 2015": "Singapore SCAN 2015",
    "Tian与Zhang 2025": "Tian and Zhang 2025",
}


@cache
def application(today: date, market: Market = "cn") -> Flask:
    """The service with its clock set; one per date and market, for all tests."""
    with shared():
        return create_app(Settings(today=today, market=market))


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

    def created_drugs(self) -> frozenset[str]:
        """The drugs that a suggestion would order anew, those of drafts put right left out."""
        return frozenset(drug_of(order) for order in self._resources("create") if _is_drug(order))

    def corrected_drugs(self) -> frozenset[str]:
        """The drugs of the drafts that a suggestion would put right."""
        return frozenset(drug_of(order) for order in self._resources("update"))

    def _resources(self, kind: str) -> Iterator[Json]:
        for card in self.cards:
            for suggestion in card.get("suggestions", ()):
                yield from (action["resource"] for action in suggestion["actions"] if action["type"] == kind)

    def suggested_drugs(self) -> frozenset[str]:
        """The drugs among the suggested orders, each by its name in tests/codes.py."""
        return frozenset(drug_of(order) for order in self.orders() if _is_drug(order))

    def suggested_intervals(self, drug: str) -> list[float | None]:
        """The dose interval in days of each suggested order of a drug; None where an order has none."""
        orders = [order for order in self.orders() if order["resourceType"] == "MedicationRequest"]
        return [interval_days(order) for order in orders if drug_of(order) == drug]

    def others(self) -> list[str]:
        """Who would act otherwise, by the table on the tier card; `?` marks what hangs on something unknown."""
        found: list[str] = []
        inside = False
        details = [card["detail"] for card in self.cards if card["source"]["topic"]["code"] == "tier"]
        for line in "\n".join(details).splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not line.startswith("|"):
                inside = False
            elif cells[0] in _OTHERS:
                inside = True
            elif inside and set(cells[0]) != {"-"}:
                open_question = any(words in cells[2] for words in _HANGS_ON)
                name, advice = _NAMES.get(cells[0], cells[0]), _ADVICE.get(cells[1], cells[1])
                found.append(f"{name}: {advice}{'?' if open_question else ''}")
        return found

    def texts(self) -> list[str]:
        """Everything a reader sees, card by card."""
        return [text for card in self.cards for text in card_texts(card)]


def _is_drug(order: Json) -> bool:
    return bool(order["resourceType"] == "MedicationRequest")


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
    """A CDS Hooks request; hooks about drafts carry them, order-select the selections too."""
    context: Json = {"userId": "Practitioner/dr", "patientId": patient_id}
    if hook in DRAFTS_IN:
        entries = [{"resource": draft} for draft in drafts]
        context[DRAFTS_IN[hook]] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    if hook == "encounter-start":
        context["encounterId"] = "visit"
    if hook == "order-select":
        context["selections"] = list(selections)
    return {"hook": hook, "hookInstance": hook_instance, "context": context, "prefetch": dict(prefetch)}


def post(
    body: bytes,
    hook: str = "patient-view",
    *,
    lang: str = "en",
    today: date = TODAY,
    market: Market = "cn",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Post a body, whatever it holds, to the service of that hook."""
    sent = {"Content-Type": "application/json", "Accept-Language": lang, **(headers or {})}
    client = application(today, market).test_client()
    response = client.post(f"/cds-services/bone-health-{hook}", data=body, headers=sent)
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
    market: Market = "cn",
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
    return post(json.dumps(request).encode(), hook, lang=lang, today=today or TODAY, market=market)


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
