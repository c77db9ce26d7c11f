"""Requests completed from a FHIR server, for any service: servers stand-ins, the queries as they are sent."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from datetime import date
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from cds_hooks import ORDER_SIGN, PATIENT_VIEW, Caller, Hook, HookRequest, Service
from cds_hooks.deadline import Deadline
from cds_hooks.fhir_access import FhirAccess, Grant
from cds_hooks.fhir_server import FhirServer
from cds_hooks.pages import Limits
from tests.wire.fhir_host import Asked, Handler, hosting, keeping, searchset
from tests.wire.record import PARSER, Json, Resource, body, observation, sign, view

BASE = "https://fhir.example.org/r4"
LIMITS = Limits(pages=3, bytes=10_000, resources=50)
TODAY = date(2026, 11, 20)
PATIENT = {"resourceType": "Patient", "id": "p1"}
ME = {"reference": "Patient/p1"}


def service(prefetch: Mapping[str, str], hook: Hook = PATIENT_VIEW, **options: Any) -> Service:
    return Service("view", hook, "View", "Looks.", prefetch, **{"ballot": True, **options})


def access(*urls: str, seconds: float = 30, **options: Any) -> FhirAccess[Resource]:
    servers = tuple(FhirServer(url, private=True) for url in urls or (BASE,))
    given = {"limits": LIMITS, "threads": 4, "today": lambda: TODAY, **options}
    grants = given.pop("grants", {None: Grant(servers=servers)})
    return FhirAccess(PARSER, grants, seconds=seconds, **given)


def authorization(**members: Any) -> Json:
    good = {"access_token": "token-1", "token_type": "Bearer", "expires_in": 300, "scope": "user/*.rs", "subject": "us"}
    return {**good, **members}


def completed(
    asked: Service,
    request: Json,
    through: FhirAccess[Resource] | None = None,
    *,
    server: str = BASE,
    caller: Caller | None = None,
    **grant: Any,
) -> HookRequest[Resource]:
    sent = body({**request, "fhirServer": server, "fhirAuthorization": authorization(**grant)})
    parsed = PARSER.parse(sent, asked.hook, asked.prefetch, caller)
    through = through or access()
    return through.complete(asked, parsed, sent, through.until())


def summary(request: HookRequest[Resource], key: str) -> tuple[str, list[str | None]] | None:
    received = request.received.get(key)
    return None if received is None else (received.state, [entry.resource.id for entry in received.entries])


@pytest.fixture
def fhir() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as stand_in:
        yield stand_in


def calls(fhir: responses.RequestsMock) -> list[str]:
    return sorted(str(call.request.url).removeprefix("https://fhir.example.org:443/r4/") for call in fhir.calls)


def put(fhir: responses.RequestsMock, path: str, document: Json, **options: Any) -> None:
    fhir.get(f"https://fhir.example.org:443/r4/{path}", json=document, **options)


# -- queries -----------------------------------------------------------------------------------------------------------


def test_a_read_and_a_search(fhir: responses.RequestsMock) -> None:
    put(fhir, "Patient/p1", PATIENT)
    put(fhir, "Observation", searchset(observation("o1", subject=ME, code={"coding": [{"code": "1"}]})))
    prefetch = {
        "patient": "Patient/{{context.patientId}}",
        "dxa": "Observation?patient={{context.patientId}}&code=1,http://loinc.org|2&date=ge{{today() - 20 days}}",
    }
    request = completed(service(prefetch), view())
    assert summary(request, "patient") == ("told", ["p1"])
    assert summary(request, "dxa") == ("told", ["o1"])
    assert request.not_had == {}
    read, search = calls(fhir)[1], urlsplit(calls(fhir)[0])
    assert read == "Patient/p1"
    assert parse_qs(search.query) == {"patient": ["p1"], "code": ["1,http://loinc.org|2"], "date": ["ge2026-10-31"]}
    assert {call.request.headers["Authorization"] for call in fhir.calls} == {"Bearer token-1"}


@pytest.mark.parametrize(("sent", "asked"), [("p1", "p1"), ("Patient/p1", "p1"), ("a~b:c_d", "a~b%3Ac_d")])
def test_the_patient_s_id(sent: str, asked: str, fhir: responses.RequestsMock) -> None:
    put(fhir, f"Patient/{asked}", {"resourceType": "Patient", "id": sent.removeprefix("Patient/")})
    request = view(context={"userId": "Practitioner/dr", "patientId": sent})
    assert completed(service({"patient": "Patient/{{context.patientId}}"}), request).not_had == {}


@pytest.mark.parametrize(
    "other", [{**PATIENT, "id": "p2"}, {"resourceType": "Patient"}, {"resourceType": "Basic", "id": "p1"}]
)
def test_another_resource_than_the_one_asked_for(other: Json, fhir: responses.RequestsMock) -> None:
    put(fhir, "Patient/p1", other)
    found = completed(ONE, view())
    assert (found.received, found.not_had) == ({}, {"patient": "another-resource"})


@pytest.mark.parametrize("id", [".", ".."])
def test_an_id_that_leads_upwards(id: str, fhir: responses.RequestsMock) -> None:
    request = view(context={"userId": "Practitioner/dr", "patientId": id})
    found = completed(service({"patient": "Patient/{{context.patientId}}"}), request)
    assert found.not_had == {"patient": "no-value-for-token"}


@pytest.mark.parametrize(
    "document", [b"\xff", b'{"resourceType":"Patient","id":"p1","name":"\xff"}', b"{", b'{"id":"p1"}']
)
def test_what_is_no_fhir(document: bytes, fhir: responses.RequestsMock) -> None:
    fhir.get("https://fhir.example.org:443/r4/Patient/p1", body=document, content_type="application/fhir+json")
    assert completed(ONE, view()).not_had == {"patient": "not-fhir"}


def test_a_patient_of_another_form(fhir: responses.RequestsMock) -> None:
    put(fhir, "Patient/p1", {**PATIENT, "code": 5})
    assert completed(ONE, view()).not_had == {"patient": "not-fhir"}


def test_a_token_that_the_client_gives_no_value(fhir: responses.RequestsMock) -> None:
    prefetch = {
        "encounter": "Encounter/{{context.encounterId}}",
        "role": "PractitionerRole?_id={{userPractitionerRoleId}}",
    }
    found = completed(service(prefetch), view())
    assert found.received == {}
    assert found.not_had == dict.fromkeys(prefetch, "no-value-for-token")


PEOPLE = {
    "conditions": "Condition?patient={{context.patientId}}",
    "roles": "PractitionerRole?_id={{%conditions.entry.resource.asserter.resolve().ofType(PractitionerRole).id}}",
    "people": "Practitioner?_id={{%roles.entry.resource.practitioner.resolve().id|%conditions.entry.resource.id}}",
}
CONDITION = {"resourceType": "Condition", "id": "c1", "subject": ME, "asserter": {"reference": "PractitionerRole/r1"}}
ROLE = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/d1"}}


def test_keys_that_need_each_other(fhir: responses.RequestsMock) -> None:
    put(fhir, "Condition", searchset(CONDITION))
    put(fhir, "PractitionerRole", searchset(ROLE))
    put(fhir, "Practitioner", searchset({"resourceType": "Practitioner", "id": "d1"}))
    request = completed(service(PEOPLE), view())
    assert [summary(request, key) for key in PEOPLE] == [("told", ["c1"]), ("told", ["r1"]), ("told", ["d1"])]
    assert calls(fhir) == ["Condition?patient=p1", "Practitioner?_id=d1,c1", "PractitionerRole?_id=r1"]


def test_a_key_that_needs_one_that_the_client_sent(fhir: responses.RequestsMock) -> None:
    put(fhir, "PractitionerRole", searchset())
    request = completed(service(PEOPLE), view(prefetch={"conditions": searchset(CONDITION), "people": None}))
    assert summary(request, "roles") == ("told", [])
    assert calls(fhir) == ["PractitionerRole?_id=r1"]


def test_nothing_to_ask_for_is_an_answer(fhir: responses.RequestsMock) -> None:
    request = completed(service(PEOPLE), view(prefetch={"conditions": None}))
    assert summary(request, "roles") == summary(request, "people") == ("told", [])
    assert request.not_had == {}


def test_a_key_whose_need_is_not_had(fhir: responses.RequestsMock) -> None:
    put(fhir, "Condition", {}, status=500)
    request = completed(service(PEOPLE), view())
    assert request.received == {}
    needs = "needs-another-key"
    assert request.not_had == {"conditions": "status-500", "roles": needs, "people": needs}


def test_a_key_whose_need_is_had_in_part(fhir: responses.RequestsMock) -> None:
    put(fhir, "PractitionerRole", searchset(ROLE))
    prefetch = {"conditions": searchset(CONDITION, total=5), "people": None}
    request = completed(service(PEOPLE), view(prefetch=prefetch))
    assert summary(request, "conditions") == ("partial", ["c1"])
    assert summary(request, "roles") == ("partial", ["r1"])
    assert request.not_had == {"roles": "needs-another-key"}


def test_resources_of_the_context(fhir: responses.RequestsMock) -> None:
    put(fhir, "Medication", searchset({"resourceType": "Medication", "id": "m1"}))
    path = "context.draftOrders.entry.resource.ofType(MedicationRequest).medication.resolve().id"
    order = {"resourceType": "MedicationRequest", "medicationReference": {"reference": "Medication/m1"}}
    request = completed(service({"drugs": f"Medication?_id={{{{{path}}}}}"}, ORDER_SIGN), sign(order))
    assert summary(request, "drugs") == ("told", ["m1"])


def test_a_request_that_is_too_deep_for_paths(fhir: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser may have had a shallower stack."""
    monkeypatch.setattr("msgspec.json.decode", too_deep)
    assert completed(ONE, view()).not_had == {"patient": "too-deep"}


def test_an_answer_that_is_too_deep_for_paths(fhir: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    put(fhir, "Condition", searchset(CONDITION))
    monkeypatch.setattr("cds_hooks.fetching.msgspec", SimpleNamespace(json=SimpleNamespace(decode=too_deep)))
    request = completed(service(PEOPLE), view())
    assert summary(request, "conditions") == ("told", ["c1"])
    assert request.not_had == dict.fromkeys(("roles", "people"), "needs-another-key")


def too_deep(*_: Any) -> None:
    raise RecursionError


# -- lookups -----------------------------------------------------------------------------------------------------------

LOOKUPS = service(
    {"orders": "MedicationRequest?patient={{context.patientId}}"},
    lookups={"drugs": "Medication?_id={{%orders.entry.resource.medication.resolve().id}}"},
)
ORDER = {"resourceType": "MedicationRequest", "id": "r1", "subject": ME}
BY_REFERENCE = {**ORDER, "medicationReference": {"reference": "Medication/m1"}}
DRUG = {"resourceType": "Medication", "id": "m1"}


def test_what_the_data_refer_to(fhir: responses.RequestsMock) -> None:
    put(fhir, "Medication", searchset(DRUG))
    request = completed(LOOKUPS, view(prefetch={"orders": searchset(BY_REFERENCE)}))
    assert summary(request, "drugs") == ("told", ["m1"])
    assert calls(fhir) == ["Medication?_id=m1"]


@pytest.mark.parametrize("orders", [[ORDER], [BY_REFERENCE, DRUG], [{**ORDER, "medication": {"concept": {}}}], []])
def test_nothing_is_looked_up_that_is_there(orders: list[Json], fhir: responses.RequestsMock) -> None:
    request = completed(LOOKUPS, view(prefetch={"orders": searchset(*orders)}))
    assert request.received["orders"].state == "told"
    assert request.not_had == {}


def test_without_what_they_refer_to_data_are_not_all_known(fhir: responses.RequestsMock) -> None:
    put(fhir, "Medication", {}, status=404)
    request = completed(LOOKUPS, view(prefetch={"orders": searchset(BY_REFERENCE)}))
    assert summary(request, "orders") == ("partial", ["r1"])
    assert request.not_had == {"drugs": "status-404"}


@pytest.mark.parametrize(("statement", "state"), [(ORDER, "told"), (BY_REFERENCE, "partial")])
def test_a_lookup_that_time_did_not_allow(statement: Json, state: str) -> None:
    """What refers to nothing is known without it."""

    def respond(asked: Asked, handler: Handler) -> None:
        handler.server.closing.wait()

    path = "entry.resource.medication.resolve().id"
    asked = service(
        {"orders": "MedicationRequest?patient={{context.patientId}}", "others": "MedicationRequest?subject=x"},
        lookups={"drugs": f"Medication?_id={{{{%orders.{path}|%others.{path}}}}}"},
    )
    with hosting(respond) as host:
        sent = view(prefetch={"others": searchset(statement)})
        request = completed(asked, sent, access(host.url, seconds=0.2), server=host.url)
    assert request.received["others"].state == state
    assert request.not_had == {"orders": "deadline", **({} if state == "told" else {"drugs": "deadline"})}


def test_a_key_that_time_did_not_allow() -> None:
    def respond(asked: Asked, handler: Handler) -> None:
        handler.server.closing.wait()

    with hosting(respond) as host:
        request = completed(service(PEOPLE), view(), access(host.url, seconds=0.2), server=host.url)
    assert (request.received, request.not_had) == ({}, dict.fromkeys(PEOPLE, "deadline"))


def test_a_query_that_notices_first_that_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it ran out of time too, though the query seems to have ended by itself."""

    def respond(asked: Asked, handler: Handler) -> None:
        handler.server.closing.wait()

    monkeypatch.setattr("cds_hooks.fetching.wait", lambda under_way, *_: futures.wait(under_way))
    with hosting(respond) as host:
        request = completed(service(PEOPLE), view(), access(host.url, seconds=0.2), server=host.url)
    assert (request.received, request.not_had) == ({}, dict.fromkeys(PEOPLE, "deadline"))


def test_what_is_incomplete_already_stays_so(fhir: responses.RequestsMock) -> None:
    put(fhir, "Medication", {}, status=404)
    request = completed(LOOKUPS, view(prefetch={"orders": searchset(BY_REFERENCE, total=2)}))
    assert summary(request, "orders") == ("partial", ["r1"])


def test_a_lookup_that_follows_no_reference(fhir: responses.RequestsMock) -> None:
    asked = service(
        {"orders": "MedicationRequest?patient={{context.patientId}}"},
        lookups={"groups": "Group?code={{%orders.entry.resource.groupIdentifier.value}}"},
    )
    put(fhir, "Group", searchset({"resourceType": "Group", "id": "g1", "code": {"coding": [{"code": "7"}]}}))
    orders = searchset({**ORDER, "groupIdentifier": {"value": "7"}})
    assert summary(completed(asked, view(prefetch={"orders": orders})), "groups") == ("told", ["g1"])
    assert calls(fhir) == ["Group?code=7"]


def test_a_lookup_that_is_not_allowed_is_left(fhir: responses.RequestsMock) -> None:
    request = completed(LOOKUPS, view(prefetch={"orders": searchset(BY_REFERENCE)}), server="https://evil.example/r4")
    assert summary(request, "orders") == ("told", ["r1"])
    assert request.not_had == {}


def test_only_some_keys(fhir: responses.RequestsMock) -> None:
    put(fhir, "MedicationRequest", searchset(BY_REFERENCE))
    through = access()
    sent = body({**view(), "fhirServer": BASE, "fhirAuthorization": authorization()})
    parsed = PARSER.parse(sent, PATIENT_VIEW, LOOKUPS.prefetch)
    first = through.complete(LOOKUPS, parsed, sent, through.until(), {"orders"})
    assert list(first.received) == ["orders"]
    assert calls(fhir) == ["MedicationRequest?patient=p1"]


# -- who may, and with what --------------------------------------------------------------------------------------------

ONE = service({"patient": "Patient/{{context.patientId}}"})


@pytest.mark.parametrize(
    ("iss", "server", "subject", "why"),
    [
        ("a", "https://a.example/r4", "us-at-a", None),
        ("b", "https://b.example/r4", "anybody", None),
        ("a", "https://b.example/r4", "us-at-a", "server-not-allowed"),
        ("b", "https://a.example/r4", "us-at-a", "server-not-allowed"),
        ("c", "https://a.example/r4", "us-at-a", "server-not-allowed"),
        (None, "https://a.example/r4", "us-at-a", "server-not-allowed"),
        ("a", "https://a.example/r4", "us-at-b", "subject"),
        ("a", "https://a.example/r4", "US-AT-A", "subject"),
    ],
)
def test_each_issuer_has_its_own_servers(iss: str | None, server: str, subject: str, why: str | None) -> None:
    grants = {
        "a": Grant(servers=[FhirServer("https://a.example/r4")], client_id="us-at-a"),
        "b": Grant(servers=[FhirServer("https://b.example/r4")]),
    }
    through = access(grants=grants)
    caller = None if iss is None else Caller(iss=iss, tenant=None, jti="1")
    with responses.RequestsMock() as fhir:
        if why is None:
            fhir.get(f"{server.replace('.example', '.example:443')}/Patient/p1", json=PATIENT)
        request = completed(ONE, view(), through, server=server, caller=caller, subject=subject)
    assert request.not_had == ({} if why is None else {"patient": why})
    assert through.failures == ({} if why is None else {why: 1})


def test_a_scope_that_lets_a_part_through(fhir: responses.RequestsMock) -> None:
    put(fhir, "Condition", searchset(CONDITION))
    asked = service({"conditions": PEOPLE["conditions"]})
    request = completed(asked, view(), scope="user/Condition.s?category=problem-list-item")
    assert summary(request, "conditions") == ("partial", ["c1"])
    assert request.not_had == {"conditions": "scope"}


def test_no_token_no_id_and_no_answer_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    patient = {**PATIENT, "id": "ottilie-quast", "name": [{"family": "Quast"}]}
    with caplog.at_level(logging.DEBUG), hosting(keeping([patient])) as host:
        sent = view(context={"userId": "Practitioner/dr", "patientId": "ottilie-quast"})
        prefetch = {**ONE.prefetch, "conditions": PEOPLE["conditions"], "labs": "Observation?subject=x"}
        through = access(host.url)
        completed(service(prefetch), sent, through, server=host.url, access_token="secret-token", scope="user/*.r")
        completed(service(prefetch), sent, through, server="https://ottilie.example/r4", access_token="secret-token")
    assert caplog.text.count("not had from the FHIR server") == 2
    assert "secret-token" not in caplog.text
    assert "ottilie" not in caplog.text.lower()


def test_no_address_in_a_log_whatever_the_server_sends(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 warns of headers that it cannot read, and names the address."""

    def respond(asked: Asked, handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n : broken\r\nbroken\r\n\r\n")
        handler.close_connection = True

    with caplog.at_level(logging.DEBUG), hosting(respond) as host:
        sent = view(context={"userId": "Practitioner/dr", "patientId": "ottilie-quast"})
        assert completed(ONE, sent, access(host.url), server=host.url).not_had
    assert "ottilie" not in caplog.text


# -- at once -----------------------------------------------------------------------------------------------------------


def test_queries_are_under_way_together() -> None:
    """Each waits for the others: one after the other would never end."""
    together = threading.Barrier(4, timeout=20)

    def respond(asked: Asked, handler: Handler) -> None:
        together.wait()
        handler.send(searchset())

    kinds = ("Condition", "Procedure", "Observation", "Encounter")
    with hosting(respond) as host:
        asked = service({kind.lower(): f"{kind}?patient={{{{context.patientId}}}}" for kind in kinds})
        request = completed(asked, view(), access(host.url), server=host.url)
    assert [received.state for received in request.received.values()] == ["told"] * 4


def test_keys_are_in_the_order_of_the_templates_whoever_answers_first() -> None:
    """The same data give the same answer, word for word."""
    answered = threading.Event()

    def respond(asked: Asked, handler: Handler) -> None:
        if asked.path == "Condition":
            assert answered.wait(20)
        handler.send(searchset())
        answered.set()

    kinds = ("Condition", "Procedure", "Observation")
    asked = service({kind.lower(): f"{kind}?patient={{{{context.patientId}}}}" for kind in kinds})
    with hosting(respond) as host:
        request = completed(asked, view(prefetch={"observation": None}), access(host.url), server=host.url)
    assert list(request.received) == ["condition", "procedure", "observation"]


def test_more_queries_than_threads() -> None:
    with hosting(keeping([PATIENT])) as host:
        asked = service({f"k{number}": "Patient/{{context.patientId}}" for number in range(9)})
        request = completed(asked, view(), access(host.url, threads=2), server=host.url)
    assert len(request.received) == 9


def test_threads_that_are_all_taken_cost_no_more_than_the_deadline() -> None:
    def silent(asked: Asked, handler: Handler) -> None:
        handler.server.closing.wait()

    with hosting(silent) as host:
        asked = service({f"k{number}": "Patient/{{context.patientId}}" for number in range(9)})
        started = time.monotonic()
        request = completed(asked, view(), access(host.url, threads=2, seconds=0.2), server=host.url)
        assert time.monotonic() - started < 10
    assert request.received == {}
    assert set(request.not_had.values()) == {"deadline"}


def test_what_has_come_by_the_deadline_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[Deadline] = []

    def begun(seconds: float) -> Deadline:
        deadlines.append(Deadline(seconds))
        return deadlines[0]

    def respond(asked: Asked, handler: Handler) -> None:
        if asked.parameters.get("page"):
            deadlines[0].end()
            handler.server.closing.wait()
        handler.send(searchset(CONDITION, next="?page=2"))

    monkeypatch.setattr("cds_hooks.fhir_access.Deadline", begun)
    with hosting(respond) as host:
        request = completed(service({"conditions": PEOPLE["conditions"]}), view(), access(host.url), server=host.url)
    assert summary(request, "conditions") == ("partial", ["c1"])
    assert request.not_had == {"conditions": "deadline"}


@pytest.mark.parametrize("patient", [None, 404], ids=["the deadline", "a required key that failed"])
def test_nothing_goes_on_when_nobody_waits(patient: int | None) -> None:
    """A server that drips for ever would keep its thread for ever."""
    ended = threading.Event()

    def respond(asked: Asked, handler: Handler) -> None:
        if asked.path == "Patient/p1":
            handler.send(PATIENT, patient or 200)
            return
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while not handler.server.closing.wait(0.02):
                handler.wfile.write(b"X")
        except OSError:
            ended.set()
            raise

    prefetch = {"dxa": DXA.prefetch["dxa"], "patient": "Patient/{{context.patientId}}"}
    with hosting(respond) as host:
        through = access(host.url, seconds=30 if patient else 0.3)
        request = completed(service(prefetch, required=frozenset({"patient"})), view(), through, server=host.url)
        assert ended.wait(20)
    assert request.not_had["dxa"] == ("given-up" if patient else "deadline")


def test_time_that_has_passed_already_counts() -> None:
    with hosting(keeping([PATIENT])) as host:
        through = access(host.url)
        sent = body({**view(), "fhirServer": host.url, "fhirAuthorization": authorization()})
        parsed = PARSER.parse(sent, PATIENT_VIEW, ONE.prefetch)
        request = through.complete(ONE, parsed, sent, time.monotonic())
        assert host.asked == []
    assert request.not_had == {"patient": "deadline"}


def test_a_fault_of_ours_is_not_taken_for_one_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(requests.Session, "get", broken)
    with pytest.raises(KeyError, match="ours"):
        completed(ONE, view())


# -- limits ------------------------------------------------------------------------------------------------------------

DXA = service({"dxa": "Observation?patient={{context.patientId}}"})


def scores(number: int) -> list[Json]:
    return [observation(f"o{one}", subject=ME) for one in range(number)]


@pytest.mark.parametrize(("number", "kept", "why"), [(50, 50, None), (51, 50, "too-many-resources")])
def test_as_many_resources_as_allowed_and_one_more(
    number: int, kept: int, why: str | None, fhir: responses.RequestsMock
) -> None:
    put(fhir, "Observation", searchset(*scores(number)))
    request = completed(DXA, view())
    assert len(request.received["dxa"].entries) == kept
    assert request.not_had == ({} if why is None else {"dxa": why})


def test_resources_are_counted_over_all_pages_those_of_the_client_too() -> None:
    with hosting(lambda asked, handler: handler.send(searchset(*scores(20)))) as host:
        first = searchset(*scores(40), next=f"{host.url}/Observation?page=2")
        request = completed(DXA, view(prefetch={"dxa": first}), access(host.url), server=host.url)
        assert len(request.received["dxa"].entries) == 50
        many = searchset(*scores(60), next=f"{host.url}/Observation?page=2")
        request = completed(DXA, view(prefetch={"dxa": many}), access(host.url), server=host.url)
        assert len(request.received["dxa"].entries) == 60
    assert request.not_had == {"dxa": "too-many-resources"}


def test_bytes_are_counted_over_all_pages(fhir: responses.RequestsMock) -> None:
    page = searchset(*scores(5), next="?page=2", note="x" * 6000)
    put(fhir, "Observation", page)
    fhir.get("https://fhir.example.org:443/r4?page=2", json=page)
    request = completed(DXA, view())
    assert len(request.received["dxa"].entries) == 5
    assert request.not_had == {"dxa": "too-large"}


@pytest.mark.parametrize(("total", "why"), [(2, None), (1, None), (3, "fewer-than-announced")])
def test_the_announced_total(total: int, why: str | None, fhir: responses.RequestsMock) -> None:
    put(fhir, "Observation", searchset(*scores(2), total=total))
    request = completed(DXA, view())
    assert request.received["dxa"].state == ("told" if why is None else "partial")
    assert request.not_had == ({} if why is None else {"dxa": why})


def test_what_cannot_be_read_is_said(fhir: responses.RequestsMock) -> None:
    broken = observation("o9", subject=ME, valueInteger="five")
    put(fhir, "Observation", searchset(*scores(1), broken, {"resourceType": 5}))
    request = completed(DXA, view())
    assert summary(request, "dxa") == ("partial", ["o0"])
    assert [(one.resource_type, one.id, one.position) for one in request.unreadable] == [
        ("Observation", "o9", 1),
        (None, None, 2),
    ]


def test_a_page_of_the_client_s_that_cannot_be_read_is_not_followed(fhir: responses.RequestsMock) -> None:
    first = {**searchset(*scores(1), next=f"{BASE}/Observation?page=2"), "total": "many"}
    request = completed(DXA, view(prefetch={"dxa": first}))
    assert summary(request, "dxa") == ("partial", ["o0"])
    assert len(request.unreadable) == 1


def test_messages_of_the_server_make_an_answer_incomplete(fhir: responses.RequestsMock) -> None:
    page = searchset(*scores(1))
    page["entry"].append({"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}})
    put(fhir, "Observation", page)
    assert summary(completed(DXA, view()), "dxa") == ("partial", ["o0"])


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        ({"subject": ME}, True),
        ({"subject": {"reference": f"{BASE}/Patient/p1"}}, True),
        ({"subject": {"reference": "Patient/p1/_history/3"}}, True),
        ({"patient": ME}, True),
        ({"subject": {"reference": "Patient/p12"}}, False),
        ({"subject": {"reference": "Patient/P1"}}, False),
        ({"subject": {"reference": "Group/p1"}}, False),
        ({"subject": {"reference": "Patient/p2"}, "patient": {"display": "?"}}, False),
        ({}, None),
        ({"subject": {"display": "she"}}, None),
        ({"subject": {"reference": "urn:uuid:1"}}, None),
        ({"subject": {"reference": "#p"}}, None),
        ({"subject": {"reference": "https://elsewhere.example.org/Patient/p1"}}, None),
    ],
)
def test_whose_a_resource_is(members: Json, kept: bool | None, fhir: responses.RequestsMock) -> None:
    """The patient's, another's, or nobody can tell: then the answer is incomplete."""
    put(fhir, "Observation", searchset(observation("o1", **members)))
    expected = ("partial", []) if kept is None else ("told", ["o1"] if kept else [])
    assert summary(completed(DXA, view()), "dxa") == expected


@pytest.mark.parametrize(
    ("coding", "kept"),
    [
        ([{"system": "http://loinc.org", "code": "1"}], True),
        ([{"code": "1"}], True),
        ([{"code": "9"}, {"code": "1"}], True),
        ([{"system": "http://loinc.org", "code": "2"}], True),
        ([{"system": "http://other.example", "code": "2"}], False),
        ([{"code": "2"}], False),
        ([{"code": "11"}], False),
        ([], False),
        (None, False),
    ],
)
def test_what_a_resource_is_about(coding: list[Json] | None, kept: bool, fhir: responses.RequestsMock) -> None:
    put(fhir, "Observation", searchset(observation("o1", subject=ME, code={"coding": coding})))
    asked = service({"dxa": "Observation?patient={{context.patientId}}&code=1,http://loinc.org|2"})
    assert summary(completed(asked, view()), "dxa") == ("told", ["o1"] if kept else [])
