"""The suite's own FHIR server: what it finds, how it fails when it is to, and what it notes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cds_hooks.conformance import FhirServer
from cds_hooks.conformance.fhir_server import Call, Mood

PATIENT = {"resourceType": "Patient", "id": "a"}
RESULT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "subject": {"reference": "Patient/a"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "38265-5"}]},
}
OTHER = {**RESULT, "id": "o2", "subject": {"reference": "urn:uuid:b"}, "code": {"text": "T-score"}}
UNOWNED = {"resourceType": "Observation", "id": "o3", "code": RESULT["code"]}
SESSION = requests.Session()
SESSION.trust_env = False


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer("http://127.0.0.1:0/fhir/") as server:
        server.keep([PATIENT, RESULT, OTHER, UNOWNED, None, "x", {"resourceType": "Observation"}])
        yield server


def names(answer: requests.Response) -> list[str]:
    bundle = answer.json()
    assert bundle["resourceType"] == "Bundle"
    assert bundle["total"] == len(bundle.get("entry", ()))
    return [entry["resource"]["id"] for entry in bundle.get("entry", ())]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Observation", ["o1", "o2", "o3"]),
        ("Observation?patient=a", ["o1", "o3"]),
        ("Observation?subject=Patient/b&_sort=-date&date=ge2020-01-01", ["o2", "o3"]),
        ("Observation?patient=a&code=1234-5,38265-5", ["o1", "o3"]),
        ("Observation?code=http://loinc.org|38265-5&patient=a", ["o1", "o3"]),
        ("Observation?code=http://snomed.info/sct|38265-5", []),
        ("Observation?_id=o2,o9", ["o2"]),
        ("Condition?patient=a", []),
    ],
)
def test_a_search(server: FhirServer, query: str, found: list[str]) -> None:
    assert names(SESSION.get(f"{server.base}/{query}")) == found
    kind, _, form = query.partition("?")
    posted = SESSION.post(f"{server.base}/{kind}/_search", data=form.encode())
    assert names(posted) == found


def test_a_read(server: FhirServer) -> None:
    found = SESSION.get(f"{server.base}/Patient/a", headers={"Authorization": "Bearer x"})
    assert found.json() == PATIENT
    assert found.headers["Content-Type"] == "application/fhir+json"
    missing = SESSION.get(f"{server.base}/Patient/z")
    assert (missing.status_code, missing.json()["issue"][0]["code"]) == (404, "not-found")
    assert server.calls == [Call("Patient/a", "Bearer x"), Call("Patient/z", None)]


def test_a_page(server: FhirServer) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": RESULT}], "total": 1}
    address = server.page(bundle)
    assert address.startswith(f"{server.base}?")
    assert SESSION.get(address).json() == bundle
    assert SESSION.get(f"{address}1").status_code == 404


@pytest.mark.parametrize(
    ("mood", "status", "content_type"),
    [("error", 500, "application/fhir+json"), ("web page", 200, "text/html"), ("redirect", 302, None)],
)
def test_a_mood_passes(server: FhirServer, mood: Mood, status: int, content_type: str | None) -> None:
    with server.being(mood):
        answer = SESSION.get(f"{server.base}/Patient/a", allow_redirects=False)
        assert (answer.status_code, answer.headers.get("Content-Type")) == (status, content_type)
        if mood == "redirect":
            assert server.strayed == 0
            assert SESSION.get(answer.headers["Location"]).status_code == 404
            assert server.strayed == 1
            assert SESSION.post(answer.headers["Location"]).status_code == 404
            assert server.strayed == 2
    assert SESSION.get(f"{server.base}/Patient/a").json() == PATIENT


def test_silence_ends(server: FhirServer) -> None:
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(requests.Session().get(f"{server.base}/Patient/a").status_code)
    )
    with server.being("silent"):
        asking.start()
        asking.join(0.2)
        assert answers == []
    asking.join(10)
    assert answers == [200]


@pytest.mark.parametrize("base", ["https://127.0.0.1:1/fhir", "http://127.0.0.1/fhir", "http:///fhir", "fhir"])
def test_an_address_that_is_none(base: str) -> None:
    with pytest.raises(ValueError, match="expected an http address with a port"):
        FhirServer(base)
