"""FHIR servers on a bad day: an answer in time, right on what is known, and what was not checked is said."""

import time
from typing import Any

import pytest

from tests.fhir_pieces import PATIENT_ID, Json
from tests.front_door import request_body
from tests.service.test_fhir_fallback import ME, ask, record, stored
from tests.wire.fhir_host import Asked, Handler, Respond, hosting, keeping, searchset
from tests.wire_rules import check_response

SECONDS = 0.3
WITHIN = 10.0  # for an answer, on the busiest machine: these servers would take for ever

PREFETCH = record().prefetch()
KEPT = keeping(stored(PREFETCH))
NOT_SENT = "not sent by the record system: "
OUTCOME: Json = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}


def conditions_fail(fault: Respond) -> Respond:
    """A server that is well but for one query."""

    def respond(asked: Asked, handler: Handler) -> None:
        (fault if asked.path == "Condition" else KEPT)(asked, handler)

    return respond


def drip(head: bytes, piece: bytes) -> Respond:
    def respond(asked: Asked, handler: Handler) -> None:
        handler.wfile.write(head)
        while not handler.server.closing.wait(0.02):
            handler.wfile.write(piece)

    return respond


def silent(asked: Asked, handler: Handler) -> None:
    handler.server.closing.wait()


def truncated(asked: Asked, handler: Handler) -> None:
    handler.send(b'{"resourceType":"Bundle","entry":[', Content_Length="5000")
    handler.close_connection = True


def broken_off(said: bytes, handler: Handler) -> None:
    handler.wfile.write(said)
    handler.close_connection = True


def endless(asked: Asked, handler: Handler) -> None:
    page = int(asked.parameters.get("page", 0)) + 1
    one = condition(f"c{page}", ME)
    handler.send(searchset(one, next=f"{handler.server.url}/Condition?page={page}"))


def in_a_circle(asked: Asked, handler: Handler) -> None:
    handler.send(searchset(next=f"{handler.server.url}/Condition?page=2"))


def condition(id: str, subject: str) -> Json:
    breast = {"coding": [{"system": "http://snomed.info/sct", "code": "254837009"}]}
    return {"resourceType": "Condition", "id": id, "subject": {"reference": subject}, "code": breast}


def sending(document: object, **options: Any) -> Respond:
    return lambda asked, handler: handler.send(document, **options)


def status(code: int) -> Respond:
    return sending(OUTCOME, status=code)


HTML = b"<html><body>Bad gateway</body></html>"

FAULTS: dict[str, tuple[Respond, str]] = {
    "silent": (silent, "deadline"),
    "drips its head": (drip(b"HTTP/1.1 200 OK\r\n", b"X"), "deadline"),
    "drips its body": (drip(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" "), "deadline"),
    **{f"status {code}": (status(code), f"status-{code}") for code in (400, 401, 403, 404, 410, 422, 429, 500, 503)},
    "status 204": (status(204), "status-204"),
    "truncated": (truncated, "connection"),
    "breaks off": (lambda asked, handler: broken_off(b"", handler), "connection"),
    "speaks no HTTP": (lambda asked, handler: broken_off(b"220 smtp.example.org\r\n", handler), "connection"),
    "HTML": (sending(HTML, content_type="text/html"), "content-type"),
    "HTML as JSON": (sending(HTML), "not-fhir"),
    "no content type": (sending(searchset(), content_type=""), "content-type"),
    "encoded": (sending(b"\x1f\x8b", Content_Encoding="gzip"), "encoded"),
    "not UTF-8": (sending(b'{"resourceType":"Bundle","id":"\xff"}'), "not-fhir"),
    "an empty body": (sending(b""), "not-fhir"),
    "a list": (sending([]), "not-fhir"),
    "a resource for a search": (sending(condition("c1", ME)), "not-a-bundle"),
    "an OperationOutcome": (sending(OUTCOME), "operation-outcome"),
    "endless pages": (endless, "too-many-pages"),
    "pages in a circle": (in_a_circle, "pages-in-a-circle"),
    "a next page elsewhere": (sending(searchset(next="http://169.254.169.254/latest")), "link-elsewhere"),
    "more announced than sent": (sending(searchset(total=9)), "fewer-than-announced"),
    "too large": (sending(searchset(condition("c1", ME), note="x" * 70_000)), "too-large"),
    "redirects": (sending(b"", status=302, Location="/fhir/Condition?x=1"), "status-302"),
}


ENDLESS = frozenset({"silent", "drips its head", "drips its body"})
BUT_CONDITIONS = request_body({key: value for key, value in PREFETCH.items() if key != "conditions"})


@pytest.mark.parametrize("name", FAULTS)
def test_one_query_that_fails(name: str, caplog: pytest.LogCaptureFixture) -> None:
    fault, cause = FAULTS[name]
    with hosting(fault) as server:
        started = time.monotonic()
        seconds = SECONDS if name in ENDLESS else 30.0
        answer = ask(server, BUT_CONDITIONS, fhir_seconds=seconds, fhir_max_bytes=60_000)
        assert time.monotonic() - started < WITHIN
        assert {asked.path for asked in server.asked} == {"Condition"}
    assert answer.status == 200
    check_response(answer.body)
    assert [line for line in caplog.messages if "FHIR" in line] == [
        f"not had from the FHIR server: conditions ({cause})"
    ]
    # What is known counts, and what is not is said.
    assert answer.assessment["tierRule"] == "H3a"
    assert answer.facts("t_score")[0]["value"] == -1.8
    assert any(f"{NOT_SENT}problem list" in text for text in answer.texts())
    assert "token-of" not in caplog.text


def test_every_query_fails() -> None:
    """Without the patient there is no answer: 412 says what to send, and why the server did not give it."""
    for fault, cause in ((status(500), "status-500"), (silent, "deadline"), (sending(HTML), "not-fhir")):
        with hosting(fault) as server:
            started = time.monotonic()
            answer = ask(server, request_body({}), fhir_seconds=SECONDS if fault is silent else 30.0)
            assert time.monotonic() - started < WITHIN
        assert answer.status == 412
        (issue,) = answer.body["issue"]
        assert issue["expression"] == ["prefetch.patient"]
        assert issue["details"]["text"].endswith("Send: Patient/{{context.patientId}}")
        assert issue["diagnostics"] == f"From the FHIR server it was not had: {cause}."


def test_a_server_that_is_down() -> None:
    with hosting(KEPT) as server:
        pass
    known = ask(server, BUT_CONDITIONS)
    assert (known.status, known.assessment["tierRule"]) == (200, "H3a")
    assert any(NOT_SENT in text for text in known.texts())
    assert ask(server, request_body({})).status == 412


def test_no_patient_costs_no_waiting_for_the_rest() -> None:
    def respond(asked: Asked, handler: Handler) -> None:
        (status(404) if asked.path.startswith("Patient/") else silent)(asked, handler)

    with hosting(respond) as server:
        started = time.monotonic()
        assert ask(server, request_body({}), fhir_seconds=30.0).status == 412
        assert time.monotonic() - started < WITHIN


@pytest.mark.parametrize(
    "patient",
    [{"resourceType": "Patient", "id": "p2"}, {"resourceType": "Practitioner", "id": PATIENT_ID}, {"id": PATIENT_ID}],
)
def test_another_patient_than_the_one_asked_for(patient: Json) -> None:
    with hosting(sending(patient)) as server:
        assert ask(server, request_body({}), fhir_seconds=30.0).status == 412


def test_a_server_that_ignores_what_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    """It answers every search with all it has: other patients, other types, other codes."""
    hip = {"coding": [{"system": "http://snomed.info/sct", "code": "359817006"}]}
    strangers = [
        {**condition("s1", "Patient/p2"), "code": hip},
        {**condition("s2", "https://elsewhere.example.org/fhir/Patient/p2"), "code": hip},
        {"resourceType": "Patient", "id": "p2", "birthDate": "1900-01-01"},
    ]
    everything = [*strangers, *stored(PREFETCH)]

    def respond(asked: Asked, handler: Handler) -> None:
        read = "/" in asked.path
        (KEPT if read else sending(searchset(*everything)))(asked, handler)

    with hosting(respond) as server:
        answer = ask(server, request_body({}), fhir_seconds=30.0)
        plain = ask(server, request_body(PREFETCH), fhir_seconds=30.0)
    assert answer.assessment == plain.assessment
    assert "FHIR" not in caplog.text


@pytest.mark.parametrize(
    "subject",
    [{}, {"identifier": {"value": "1"}}, {"reference": f"https://elsewhere.example.org/fhir/{ME}"}],
    ids=["nobody", "somebody by a number", "the same id elsewhere"],
)
def test_what_may_or_may_not_be_the_patient_s_makes_the_answer_incomplete(subject: Json) -> None:
    unclear = {**condition("u1", ME), "subject": subject}
    with hosting(sending(searchset(unclear))) as server:
        answer = ask(server, BUT_CONDITIONS, fhir_seconds=30.0)
    assert any(f"{NOT_SENT}problem list" in text for text in answer.texts())


def test_ten_thousand_resources() -> None:
    scores = [
        {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "subject": {"reference": ME},
            "code": {"coding": [{"system": "http://loinc.org", "code": "38267-1"}]},
            "valueQuantity": {"value": -1.8, "unit": "{T-score}", "code": "{T-score}"},
            "effectiveDateTime": "2026-09-21",
        }
        for number in range(10_000)
    ]
    body = request_body({key: value for key, value in PREFETCH.items() if key != "dxa"})
    with hosting(sending(searchset(*scores))) as server:
        answer = ask(server, body, fhir_seconds=30.0)
    assert answer.status == 200
    assert answer.assessment["tierRule"] == "H3a"
    assert len(answer.facts("t_score")) == 2000
