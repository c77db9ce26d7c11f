"""What prefetch left out, fetched from the client's FHIR server: asked through the front door, real servers behind."""

import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from service.app import create_app
from service.config import Settings
from tests.builder import Record
from tests.fhir_pieces import PATIENT_ID, TODAY, Json
from tests.front_door import HOOK_INSTANCE, Answer, request_body
from tests.wire.fhir_host import Asked, FhirHost, Handler, hosting, keeping, searchset

SCOPE = "user/*.read"
ME = f"Patient/{PATIENT_ID}"


def record() -> Record:
    return Record(age=68).condition("breast-cancer").t_score("lumbar-spine", -1.8).drug("letrozole")


def stored(prefetch: Mapping[str, Any]) -> list[Json]:
    """The resources of a prefetch, as a server keeps them."""
    found: list[Json] = []
    for value in prefetch.values():
        if value is None:
            continue
        found += (
            [entry["resource"] for entry in value.get("entry", ())] if value["resourceType"] == "Bundle" else [value]
        )
    return found


def authorization(**members: Any) -> Json:
    return {
        "access_token": "token-of-the-patient",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": SCOPE,
        "subject": "osteohooks",
        **members,
    }


def ask(server: FhirHost, body: Json, hook: str = "patient-view", grant: Json | None = None, **settings: Any) -> Answer:
    chosen = {"private_fhir_servers": (server.url,), "fhir_seconds": 5.0, **settings}
    client = create_app(Settings(today=TODAY, **chosen)).test_client()
    sent = {**body, "fhirServer": server.url, "fhirAuthorization": grant or authorization()}
    response = client.post(f"/cds-services/bone-health-{hook}", json=sent)
    return Answer(response.status_code, dict(response.headers), response.get_data())


def test_one_missing_key() -> None:
    prefetch = record().prefetch()
    body = request_body({key: value for key, value in prefetch.items() if key != "dxa"})
    with hosting(keeping(stored(prefetch))) as server:
        answer = ask(server, body)
        assert server.paths() == ["Observation"]
        assert server.asked[0].headers["authorization"] == "Bearer token-of-the-patient"
    assert answer.status == 200
    assert answer.assessment["tierRule"] == "H3a"


def test_no_prefetch_at_all() -> None:
    prefetch = record().prefetch()
    with hosting(keeping(stored(prefetch))) as server:
        without = ask(server, request_body({}))
        with_all = ask(server, request_body(prefetch))
        assert len(server.asked) == 9
    assert without.assessment == with_all.assessment
    assert [card["detail"] for card in without.cards] == [card["detail"] for card in with_all.cards]


# -- what is fetched, and what is not ----------------------------------------------------------------------------------


def refused(asked: Asked, handler: Handler) -> None:
    raise AssertionError("nothing was to be asked")


def test_a_whole_prefetch_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread is started, no deadline begun, no byte read twice."""
    monkeypatch.setattr("cds_hooks.fhir_access.Deadline", None)
    monkeypatch.setattr("cds_hooks.fhir_access._BODY", None)
    before = threading.enumerate()  # other tests' applications may have theirs
    with hosting(refused) as server:
        answer = ask(server, request_body(record().prefetch()))
        assert server.asked == []
    assert answer.assessment["tierRule"] == "H3a"
    assert [one for one in threading.enumerate() if one.name.startswith("fhir") and one not in before] == []


@pytest.mark.parametrize("value", [None, {"resourceType": "Bundle", "type": "searchset", "total": 0}])
def test_what_the_client_has_looked_for_in_vain_is_not_asked_again(value: Json | None) -> None:
    with hosting(refused) as server:
        answer = ask(server, request_body({**record().prefetch(), "procedures": value}))
        assert server.asked == []
    assert not any("procedures" in text for text in answer.texts())


@pytest.mark.parametrize("value", [{"resourceType": "OperationOutcome"}, "<html>", 17])
def test_what_the_client_has_failed_to_fetch_is_not_asked_again(value: Any) -> None:
    """CDS Hooks 2.0: an OperationOutcome is there "to prevent ... an unneeded follow-up query"."""
    with hosting(refused) as server:
        answer = ask(server, request_body({**record().prefetch(), "procedures": value}))
        assert server.asked == []
    assert any("not sent by the record system: procedures" in text for text in answer.texts())


def test_a_page_of_the_client_s_is_followed() -> None:
    prefetch = record().prefetch()
    scores = prefetch["dxa"]["entry"]

    def respond(asked: Asked, handler: Handler) -> None:
        assert asked.parameters == {"page": "2"}
        handler.send(searchset(*(entry["resource"] for entry in scores)))

    with hosting(respond) as server:
        first = searchset(next=f"{server.url}/Observation?page=2", total=len(scores))
        answer = ask(server, request_body({**prefetch, "dxa": first}))
        assert len(server.asked) == 1
    whole = ask(server, request_body(prefetch))
    assert answer.assessment == whole.assessment
    assert [card["detail"] for card in answer.cards] == [card["detail"] for card in whole.cards]


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:9/fhir/Condition?page=2",
        "https://127.0.0.1/fhir/Condition?page=2",
        "{host}/other/Condition?page=2",
        "{base}/../other?page=2",
        "{base}/%2e%2e/other?page=2",
        "{base}x/Condition?page=2",
        "//169.254.169.254/latest",
        "http://user@127.0.0.1/fhir",
        "file:///etc/passwd",
        "{base}/Condition?page=2#fragment",
        "{base}/Condition?page=2\r\nX-Header: 1",
        "http://[::1",
        "",
    ],
)
def test_a_page_elsewhere_is_not_followed(link: str) -> None:
    with hosting(refused) as server:
        host = server.url.removesuffix("/fhir")
        first = searchset(next=link.format(base=server.url, host=host))
        answer = ask(server, request_body({**record().prefetch(), "conditions": first}))
        assert server.asked == []
    assert answer.status == 200
    assert any("not sent by the record system: problem list" in text for text in answer.texts())


@pytest.mark.parametrize(
    "link", ["?page=2", "Condition?page=2", "{path}?page=2", "{base}/Condition?page=2", "{base}?page=2"]
)
def test_a_page_below_the_same_address_is_followed(link: str) -> None:
    with hosting(keeping([])) as server:
        first = searchset(next=link.format(base=server.url, path="/fhir/Condition"))
        ask(server, request_body({**record().prefetch(), "conditions": first}))
        assert [asked.parameters for asked in server.asked] == [{"page": "2"}]


def test_several_pages() -> None:
    prefetch = record().prefetch()
    more = [
        {"resourceType": "Condition", "id": f"c{number}", "subject": {"reference": ME}, "code": {"text": "x"}}
        for number in range(25)
    ]
    resources = [*more, *stored(prefetch)]
    with hosting(keeping(resources, page=5)) as server:
        answer = ask(server, request_body({}))
        assert server.paths().count("Condition") == 6
    assert answer.assessment["tierRule"] == "H3a"
    with hosting(keeping(resources, page=5)) as server:
        answer = ask(server, request_body({}), fhir_max_pages=5)
        assert server.paths().count("Condition") == 5
    assert any("not sent by the record system: problem list" in text for text in answer.texts())


def test_connections_are_kept_and_nothing_else() -> None:
    """No cookie and no token of one call is there in the next."""

    def respond(asked: Asked, handler: Handler) -> None:
        handler.send({"resourceType": "Bundle"}, Set_Cookie="session=1; Path=/")

    with hosting(respond) as server:
        client = create_app(Settings(today=TODAY, private_fhir_servers=(server.url,), fhir_seconds=30.0)).test_client()
        body = request_body({key: value for key, value in record().prefetch().items() if key != "procedures"})
        tokens = ["one", "two", "three"]
        for token in tokens:
            sent = {**body, "fhirServer": server.url, "fhirAuthorization": authorization(access_token=token)}
            assert client.post("/cds-services/bone-health-patient-view", json=sent).status_code == 200
        assert [asked.headers["authorization"] for asked in server.asked] == [
            "Bearer one",
            "Bearer two",
            "Bearer three",
        ]
        assert not any("cookie" in asked.headers for asked in server.asked)
        assert server.connections == 1


# -- leave -------------------------------------------------------------------------------------------------------------


def cause(caplog: pytest.LogCaptureFixture) -> str | None:
    """Why procedures were not had, as the log has it."""
    found = re.search(r"procedures \(([\w-]+)\)", caplog.text)
    return found and found[1]


BUT_PROCEDURES = request_body({key: value for key, value in record().prefetch().items() if key != "procedures"})


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        ({"expires_in": 0}, "expired"),
        ({"expires_in": -1}, "expired"),
        ({"access_token": "two words"}, "token"),
        ({"access_token": "line\nbreak"}, "token"),
        ({"access_token": "umläut"}, "token"),
        ({"scope": "launch openid"}, "scope"),
        ({"scope": "user/Procedure.write"}, "scope"),
        ({"scope": "user/Procedure.r"}, "scope"),
        ({"scope": "user/Observation.rs"}, "scope"),
        ({"scope": "patient/*.rs", "patient": "p2"}, "scope"),
        ({"scope": "user/Procedure.rs?date=gt2020"}, "scope"),
        ({"scope": "user/Procedure.read"}, None),
        ({"scope": "openid user/Procedure.rs"}, None),
        ({"scope": "system/*.*"}, None),
        ({"scope": "patient/*.cruds", "patient": PATIENT_ID}, None),
        ({"scope": "patient/Procedure.s", "patient": ME}, None),
        ({"scope": "user/*.rs", "patient": "p2"}, None),
    ],
)
def test_what_a_token_allows(grant: Json, why: str | None, caplog: pytest.LogCaptureFixture) -> None:
    with hosting(keeping([])) as server:
        answer = ask(server, BUT_PROCEDURES, grant=authorization(**grant))
        # A scope that lets only a part through is used, and what it brings is incomplete.
        assert len(server.asked) == (why is None or "?" in grant.get("scope", ""))
    assert answer.status == 200
    assert cause(caplog) == why
    assert any("not sent by the record system: procedures" in text for text in answer.texts()) is (why is not None)


def test_a_token_that_expires_before_the_deadline_is_not_used_longer() -> None:
    def silent(asked: Asked, handler: Handler) -> None:
        handler.server.closing.wait()

    with hosting(silent) as server:
        started = time.monotonic()
        ask(server, BUT_PROCEDURES, grant=authorization(expires_in=1), fhir_seconds=30.0)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("without", ["fhirServer", "fhirAuthorization"])
def test_without_a_server_or_a_token_nothing_is_fetched(without: str, caplog: pytest.LogCaptureFixture) -> None:
    with hosting(refused) as server:
        client = create_app(Settings(today=TODAY, private_fhir_servers=(server.url,))).test_client()
        sent = {**BUT_PROCEDURES, "fhirServer": server.url, "fhirAuthorization": authorization()}
        del sent["fhirAuthorization"], sent[without if without == "fhirServer" else "hookInstance"]
        sent["hookInstance"] = HOOK_INSTANCE
        assert client.post("/cds-services/bone-health-patient-view", json=sent).status_code == 200
        assert server.asked == []
    assert "FHIR" not in caplog.text


# -- what the record refers to -----------------------------------------------------------------------------------------

LETROZOLE = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "72965"}]}
MEDICATION: Json = {"resourceType": "Medication", "id": "m1", "code": LETROZOLE}


def by_reference(**members: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "r1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": ME},
        "authoredOn": TODAY.isoformat(),
        "medicationReference": {"reference": "Medication/m1"},
        **members,
    }


def without_drug() -> Json:
    return Record(age=68).condition("breast-cancer").t_score("lumbar-spine", -1.8).prefetch()


def test_a_medicine_that_is_a_resource_of_its_own() -> None:
    prefetch = without_drug()
    with hosting(keeping([MEDICATION, by_reference(), *stored(prefetch)])) as server:
        fetched = ask(server, request_body({}))
        assert server.paths().count("Medication") == 1
        asked_alone = ask(server, request_body({**prefetch, "medicationRequests": searchset(by_reference())}))
        assert server.paths().count("Medication") == 2
        there = searchset(by_reference(), MEDICATION)
        not_asked = ask(server, request_body({**prefetch, "medicationRequests": there}))
        assert server.paths().count("Medication") == 2
    assert fetched.assessment == asked_alone.assessment == not_asked.assessment
    assert fetched.assessment["tierRule"] == "H3a"


def test_an_order_whose_medicine_cannot_be_had_makes_the_orders_incomplete() -> None:
    prefetch = {**without_drug(), "medicationRequests": searchset(by_reference())}
    with hosting(lambda asked, handler: handler.send({}, 500)) as server:
        answer = ask(server, request_body(prefetch))
    assert any("not sent by the record system: medication orders" in text for text in answer.texts())


@pytest.mark.parametrize("hook", ["order-sign", "order-select"])
def test_a_draft_order_by_reference(hook: str) -> None:
    prefetch = without_drug()
    draft = by_reference(status="draft")
    body = request_body(prefetch, hook, drafts=[draft], selections=["MedicationRequest/r1"])
    with hosting(keeping([MEDICATION])) as server:
        answer = ask(server, body, hook)
        assert server.paths() == ["Medication"]
    assert answer.assessment["tierRule"] == "H3a"
    assert answer.assessment["withoutDraftOrders"]["tierRule"] == "M2"
    with hosting(keeping([{**MEDICATION, "code": {"text": "paracetamol"}}])) as server:
        unknown = ask(server, body, hook)
        assert server.paths() == ["Medication"]
    assert (unknown.status, unknown.body) == (200, {"cards": []})


def test_a_draft_order_whose_medicine_cannot_be_had() -> None:
    """Empty cards would read as "all clear"."""
    body = request_body(without_drug(), "order-sign", drafts=[by_reference(status="draft")])
    with hosting(lambda asked, handler: handler.send({}, 403)) as server:
        answer = ask(server, body, "order-sign")
    assert answer.status == 412
    (issue,) = answer.body["issue"]
    assert issue["expression"] == ["context.draftOrders"]
    assert issue["diagnostics"] == "From the FHIR server it was not had: status-403."


def test_drafts_that_are_not_ours_cost_no_query() -> None:
    draft = {"resourceType": "MedicationRequest", "id": "r1", "medicationCodeableConcept": {"text": "paracetamol"}}
    with hosting(refused) as server:
        answer = ask(server, request_body({}, "order-sign", drafts=[draft]), "order-sign")
        assert server.asked == []
    assert answer.body == {"cards": []}
