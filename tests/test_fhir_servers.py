"""The comparison with FHIR servers of others finds what it should: shown on stand-ins, without Java or Node."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import requests
import responses

from tests.builder import Record
from tests.fhir_pieces import TODAY, Json
from tests.fhir_servers import __main__ as command
from tests.fhir_servers.comparing import Found, asked, query, services, strayed, templates
from tests.fhir_servers.loading import Loaded, load, local
from tests.fhir_servers.servers import SERVERS, FhirServer, NotStarted
from tests.wire.fhir_host import Asked, Handler, Respond, hosting, keeping


def loaded(record: Record) -> Loaded:
    """The record as a server holds it that changes nothing."""
    return Loaded(record.patient_id, local(record.bundle(), set()))


def woman() -> Record:
    return Record(age=68).condition("breast-cancer").t_score("lumbar-spine", -1.8).drug("letrozole")


def found_on(base: str, patient_id: str) -> dict[str, Found]:
    with requests.Session() as session:
        session.trust_env = False
        return {key: query(session, base, text, patient_id) for key, text in templates(base).items()}


# -- loading -----------------------------------------------------------------------------------------------------------


def entry(kind: str, id: str | None, url: str | None = None, **members: object) -> Json:
    resource = {"resourceType": kind, **({"id": id} if id else {}), **members}
    return {"resource": resource, **({"fullUrl": url} if url else {})}


def reference(to: str) -> Json:
    return {"reference": to}


def test_references_within_a_record_hold_on_a_server() -> None:
    bundle = {
        "entry": [
            entry("Patient", "a", "https://ehr.example.org/Patient/a"),
            entry("Medication", None, "urn:uuid:1-2-3"),
            entry(
                "MedicationRequest",
                "r",
                subject=reference("https://ehr.example.org/Patient/a"),
                medicationReference=reference("urn:uuid:1-2-3"),
                encounter=reference("urn:uuid:9-9-9"),
                requester=reference("Practitioner/p"),
                reasonReference=[reference("https://elsewhere.example.org/Condition/c")],
            ),
            entry("Condition", "c", subject=reference("urn:uuid:a")),
        ]
    }
    taken = {"Patient/a", "Condition/c", "Condition/c-2"}
    patient, medication, order, condition = local(bundle, taken)
    assert (patient["id"], medication["id"], order["id"], condition["id"]) == ("a-2", "1-2-3", "r", "c-3")
    assert order["subject"] == condition["subject"] == reference("Patient/a-2")
    assert order["medicationReference"] == reference("Medication/1-2-3")
    assert order["encounter"] == {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:9-9-9"}}
    assert order["requester"] == reference("Practitioner/p")
    assert order["reasonReference"] == [reference("https://elsewhere.example.org/Condition/c")]
    assert {"Patient/a-2", "Medication/1-2-3", "MedicationRequest/r", "Condition/c-3"} < taken
    assert bundle["entry"][2]["resource"]["subject"] == reference("https://ehr.example.org/Patient/a"), "not touched"


class Server:
    """Takes what is put, but for what it refuses; gives it back with a member more."""

    def __init__(self, refused: dict[str, bytes], added: Json) -> None:
        self.refused, self.added = refused, added
        self.order: list[str] = []
        self.kept: dict[str, Json] = {}

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str | bytes]:
        assert request.url is not None
        name = "/".join(request.url.rsplit("/", 2)[-2:])
        if request.method == "PUT":
            self.order.append(name)
            if name in self.refused:
                return 422, {}, self.refused[name]
            assert isinstance(request.body, bytes)
            self.kept[name] = json.loads(request.body)
            return 201, {}, ""
        return 200, {}, json.dumps({**self.kept[name], "meta": {"versionId": "1"}, **self.added})


def test_what_a_server_refuses_and_changes_is_told() -> None:
    issue = {"diagnostics": "No such\n code", "expression": ["Condition.code"]}
    server = Server(
        {"Condition/c": json.dumps({"issue": [issue]}).encode(), "Condition/d": b"<html>"},
        {"text": {"status": "generated"}},
    )
    resources: list[Json] = [
        {"resourceType": "Condition", "id": "c"},
        {"resourceType": "Condition", "id": "d"},
        {"resourceType": "Observation", "id": "o", "code": {"coding": [{"code": "1"}]}},
        {"resourceType": "Patient", "id": "a", "text": {"status": "generated"}},
    ]
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, requests.Session() as session:
        for method in (responses.PUT, responses.GET):
            mock.add_callback(method, re.compile("http://fhir.test/.*"), server.answer)
        found = load(session, "http://fhir.test", resources)
    assert server.order[0] == "Patient/a", "nothing is found by a reference that was written before the patient"
    assert found.patient_id == "a"
    assert found.has_patient
    assert found.refused == {
        "Condition/c": "422 No such code Condition.code",
        "Condition/d": "422 Unprocessable Entity",
    }
    assert [resource["id"] for resource in found.stored] == ["a", "o"]
    assert found.changed == {"Observation/o": ["text"]}


# -- comparing ---------------------------------------------------------------------------------------------------------


def test_a_server_that_gives_what_is_asked_for() -> None:
    record = loaded(woman().drug("alendronate"))
    with hosting(keeping(record.stored, page=1)) as server:
        found = found_on(server.url, record.patient_id)
        assert (found["medicationRequests"].pages, found["dxa"].pages) == (2, 1)
        for key, text in templates(server.url).items():
            assert strayed(text, found[key], record) == []
        results = list(asked(server.url, record, found, TODAY))
        assert [one.hook for one in results] == [service["hook"] for service in services(server.url)]
    for one in results:
        assert one.answer.assessment["tierRule"] == "H3a"
        assert one.unlike == {"prefetched": [], "fetched": []}
        assert one.beyond == []


def without(resources: list[Json], kind: str) -> Respond:
    return keeping([resource for resource in resources if resource["resourceType"] != kind])


def test_a_server_that_loses_a_result() -> None:
    record = loaded(woman())
    with hosting(without(record.stored, "Observation")) as server:
        found = found_on(server.url, record.patient_id)
        texts = templates(server.url)
        lost = {key: names for key, text in texts.items() if (names := strayed(text, found[key], record))}
        (observation,) = (one["id"] for one in record.stored if one["resourceType"] == "Observation")
        assert lost == {"dxa": [f"-Observation/{observation}"]}
        for one in asked(server.url, record, found, TODAY):
            for way in ("prefetched", "fetched"):
                assert "missing: +t_score" in one.unlike[way]


def test_a_server_that_is_not_asked_for_lack_of_leave() -> None:
    """Fetching that fails shows, though what was prefetched is right."""
    record = loaded(woman())

    def respond(request: Asked, handler: Handler) -> None:
        if "authorization" in request.headers:
            handler.send({}, 403)
        else:
            keeping(record.stored)(request, handler)

    with hosting(respond) as server:
        found = found_on(server.url, record.patient_id)
        for one in asked(server.url, record, found, TODAY):
            assert one.unlike == {"prefetched": [], "fetched": ["status 412"]}


def test_what_no_template_asks_for_is_told_apart() -> None:
    record = loaded(Record().condition("breast-cancer").t_score("femoral-neck", -2.1, how="body-site-text", lang="zh"))
    with hosting(keeping(record.stored)) as server:
        found = found_on(server.url, record.patient_id)
        view = next(asked(server.url, record, found, TODAY))
    assert view.unlike == {"prefetched": [], "fetched": []}
    assert any(line.startswith("tier: ") for line in view.beyond)


def test_a_server_that_gives_too_much() -> None:
    record = loaded(woman())
    text = "Observation?patient={{context.patientId}}&code=1234-5"
    (result,) = (one for one in record.stored if one["resourceType"] == "Observation")
    page = {"resourceType": "Bundle", "entry": [{"resource": result}]}
    assert strayed(text, Found(page, 1), record) == [f"+Observation/{result['id']}"]


# -- servers -----------------------------------------------------------------------------------------------------------


def server(
    start: str, *, fetch: str = "", build: str = "", needs: tuple[tuple[tuple[str, ...], int], ...] = ()
) -> FhirServer:
    python = (sys.executable, "-c")
    return FhirServer(
        "A server", Path(__file__).parent, needs, (*python, fetch), (*python, build) if build else (), (*python, start)
    )


def test_a_server_runs_and_ends() -> None:
    one = server("import sys; print('ready http://127.0.0.1:1/fhir', flush=True); sys.stdin.read()")
    with one.running() as base:
        assert base == "http://127.0.0.1:1/fhir"


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (server("raise SystemExit(3)"), "A server: ended before it was ready, with status 3"),
        (server("print('no')"), "A server: ended before it was ready, with status 0"),
        (server("", build="raise SystemExit(4)"), "status 4, in tests"),
    ],
)
def test_a_server_that_does_not_start(one: FhirServer, told: str) -> None:
    with pytest.raises(NotStarted, match=told), one.running():
        raise AssertionError("it did not start")


def test_what_is_missing_is_named() -> None:
    python = (sys.executable, "--version")
    assert server("").missing() == ""
    assert server("", needs=((python, 3),)).missing() == ""
    assert server("", needs=((python, 4), (("no-such-program",), 1))).missing() == (
        f"{sys.executable} is not 4 or later; no no-such-program here"
    )


def test_the_command_says_what_was_not_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    absent = {name: one._replace(needs=((("no-such-program",), 1),)) for name, one in SERVERS.items()}
    monkeypatch.setattr(command, "SERVERS", absent)
    assert command.main(["--where-present"]) == 0
    not_run = [f"{name}: not run (no no-such-program here)" for name in ("HAPI FHIR", "Medplum")]
    assert capsys.readouterr().out.splitlines() == not_run
    assert command.main(["hapi"]) == 2
    unreachable = {"hapi": server("", fetch="raise SystemExit(5)")}
    monkeypatch.setattr(command, "SERVERS", unreachable)
    capsys.readouterr()
    assert command.main(["--where-present"]) == 0
    assert re.fullmatch(r"A server: not run \(.* status 5, in tests\)\n", capsys.readouterr().out)
    assert command.main([]) == 2
    monkeypatch.setattr(command, "SERVERS", {"hapi": server("", build="raise SystemExit(6)")})
    assert command.main(["--where-present"]) == 2
    monkeypatch.setattr(command, "SERVERS", absent)
    with pytest.raises(SystemExit, match="2"):
        command.main(["blaze"])
