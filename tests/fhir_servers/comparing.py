"""One loaded record asked about in three ways, and the answers held against each other.

Told: the resources that the server holds and our templates ask for, chosen by this module's own reading of them, under
the prefetch keys. Prefetched: what the server finds for the templates, as a client would send it. Fetched: nothing but
the server's address and a token. The last two have to be as the first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qs

import requests
from flask import Flask

import service.answering
from service.app import create_app
from service.config import Settings
from tests.builder import Record
from tests.fhir_pieces import Json, prefetch_of
from tests.fhir_servers.loading import FHIR_JSON, Loaded, name_of
from tests.front_door import Answer, request_body
from tests.open_stores import shared

__all__ = ["Asked", "Found", "asked", "query", "services", "strayed", "templates"]

_TIMEOUT: Final = 30


class Found(NamedTuple):
    """What a server gave for a template: `value` as a client would send it, and how many pages that took."""

    value: Json
    pages: int


class Asked(NamedTuple):
    """What came of asking about a record under one hook.

    `answer` is the one for what was told; `unlike` says by the way of asking what differs from it, in nothing where all
    is well. `beyond` is what would differ if the service were given all that the server holds, also what no template
    asks for: no fault of the server's, and not to be had without prefetch either.
    """

    hook: str
    answer: Answer
    unlike: Mapping[str, list[str]]
    beyond: list[str]


@lru_cache(maxsize=2)
def _service(base: str) -> Flask:
    """The service, one for all records: to make one takes longer than to ask it. `_on` sets its clock."""
    # A server that has just been started is slow; how long is waited is not what is looked at here.
    with shared():
        return create_app(Settings(private_fhir_servers=(base,), fhir_seconds=30))


def _on(today: date) -> AbstractContextManager[object]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.combine(today, datetime.now(UTC).timetz())

    return patch.object(service.answering, "datetime", Clock)


def services(base: str) -> list[Json]:
    """What our discovery lists."""
    listed: list[Json] = _service(base).test_client().get("/cds-services").get_json()["services"]
    return listed


def templates(base: str) -> Mapping[str, str]:
    """The prefetch templates of our discovery, all services together."""
    return {key: template for each in services(base) for key, template in each["prefetch"].items()}


def query(session: requests.Session, base: str, template: str, patient_id: str) -> Found:
    """What the server gives for a template, all pages of it in one Bundle."""
    url = f"{base}/{template.replace('{{context.patientId}}', patient_id)}"
    first = _get(session, url)
    if first["resourceType"] != "Bundle":
        return Found(first, 1)
    pages, page = 1, first
    while following := next((link["url"] for link in page.get("link", ()) if link["relation"] == "next"), None):
        page = _get(session, following)
        first.setdefault("entry", []).extend(page.get("entry", ()))
        pages += 1
    first.pop("link", None)
    return Found(first, pages)


def _get(session: requests.Session, url: str) -> Json:
    answer = session.get(url, headers={"Accept": FHIR_JSON}, timeout=_TIMEOUT)
    answer.raise_for_status()
    found: Json = answer.json()
    return found


def strayed(template: str, found: Found, loaded: Loaded) -> list[str]:
    """Where the server gave other resources than the template asks for: each by name, `+` too many, `-` missing."""
    given = found.value
    entries = given.get("entry", ()) if given["resourceType"] == "Bundle" else [{"resource": given}]
    names = {name_of(entry["resource"]) for entry in entries}
    expected = {name_of(resource) for resource in loaded.stored if _is_asked_for(template, resource, loaded.patient_id)}
    return [*(f"+{name}" for name in sorted(names - expected)), *(f"-{name}" for name in sorted(expected - names))]


def _is_asked_for(template: str, resource: Json, patient_id: str) -> bool:
    kind, _, parameters = template.partition("?")
    if not parameters:
        return name_of(resource) == kind.replace("{{context.patientId}}", patient_id)
    codes = parse_qs(parameters).get("code", [""])[0].split(",")
    coded = {coding.get("code") for coding in resource.get("code", {}).get("coding", ())}
    return (
        resource["resourceType"] == kind
        and resource.get("subject", {}).get("reference") == f"Patient/{patient_id}"
        and (codes == [""] or not coded.isdisjoint(codes))
    )


def asked(base: str, loaded: Loaded, found: Mapping[str, Found], today: date) -> Iterator[Asked]:
    """The answers under each hook, for a record and what the server gave for each template."""
    patient_id = loaded.patient_id
    texts = templates(base).values()
    # A client that prefetches an order sends no Medication that the order refers to: ours to fetch in any case.
    wanted = [
        resource
        for resource in loaded.stored
        if resource["resourceType"] == "Medication" or any(_is_asked_for(text, resource, patient_id) for text in texts)
    ]
    _, told = prefetch_of(_bundle(wanted))
    _, whole = prefetch_of(_bundle(loaded.stored))
    prefetched = {key: one.value for key, one in found.items()}
    access = _access(base, patient_id)
    for hook in (each["hook"] for each in services(base)):

        def answer(prefetch: Json | None, hook: str = hook, **members: Any) -> Answer:
            return _post(base, _request(hook, prefetch, patient_id, today, members), hook, today)

        expected = answer(told)
        ways = {"prefetched": answer(prefetched, **access), "fetched": answer(None, **access)}
        differing = {way: list(unlike(expected, one)) for way, one in ways.items()}
        yield Asked(hook, expected, differing, list(unlike(expected, answer(whole))))


def _bundle(resources: list[Json]) -> Json:
    return {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}


def _access(base: str, patient_id: str) -> Json:
    token = {
        "access_token": "token-of-one-patient",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
        "subject": "osteohooks",
        "patient": patient_id,
    }
    return {"fhirServer": base, "fhirAuthorization": token}


def _request(hook: str, prefetch: Json | None, patient_id: str, today: date, members: Mapping[str, Any]) -> Json:
    """A drug or a problem among the drafts brings any patient into scope, so that there is an assessment to compare."""
    record = Record(patient_id=patient_id, today=today).draft("letrozole", id="draft1")
    problem = Record(patient_id=patient_id, today=today).condition("breast-cancer").entries[-1][1]["resource"]
    drafts = [{**problem, "id": "draft1"}] if hook == "problem-list-item-create" else record.drafts
    body = request_body(
        prefetch or {}, hook, patient_id=patient_id, drafts=drafts, selections=["MedicationRequest/draft1"]
    )
    if prefetch is None:
        del body["prefetch"]
    return {**body, **members}


def _post(base: str, body: Json, hook: str, today: date) -> Answer:
    with _on(today):
        response = _service(base).test_client().post(f"/cds-services/bone-health-{hook}", json=body)
    return Answer(response.status_code, dict(response.headers), response.get_data())


def unlike(expected: Answer, answer: Answer) -> Iterator[str]:
    """What differs: the status, the members of the assessment, the texts of the cards."""
    if answer.status != expected.status:
        yield f"status {answer.status}"
        return
    if answer.in_scope != expected.in_scope:
        yield "in scope" if answer.in_scope else "not in scope"
    elif expected.in_scope:
        here, there = answer.assessment, expected.assessment
        for name in dict.fromkeys((*there, *here)):
            yield from (f"{name}: {difference}" for difference in _between(here.get(name), there.get(name)))
    lines = [[line for text in each.texts() for line in text.splitlines()] for each in (answer, expected)]
    yield from (f"the cards: {difference}" for difference in _between(*lines))


def _between(here: Any, there: Any) -> Iterator[str]:
    """What one value has and the other has not; of two lists, item by item."""
    if here == there:
        return
    if not isinstance(here, list) or not isinstance(there, list):
        yield f"{_short(here)} for {_short(there)}"
        return
    more, less = ([item for item in one if item not in other] for one, other in ((here, there), (there, here)))
    yield from (f"+{_short(item)}" for item in more)
    yield from (f"-{_short(item)}" for item in less)
    if not more and not less:
        yield "in another order, or another number of times"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:197]}..."
