"""What prefetch left out, fetched from the client's FHIR server: asked through the front door, real servers behind."""

from collections.abc import Mapping
from typing import Any

from service.app import create_app
from service.config import Settings
from tests.builder import Record
from tests.fhir_pieces import TODAY, Json
from tests.front_door import Answer, request_body
from tests.wire.fhir_host import FhirHost, hosting, keeping

SCOPE = "user/*.read"


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
