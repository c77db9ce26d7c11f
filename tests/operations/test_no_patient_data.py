"""Nothing of a patient is left anywhere: store, log and metrics of a production server are searched.

Every patient of `tests/patients.py` is given a name, numbers, addresses and notes of her own; each string of hers that
could tell who she is, or what was written about her, is then looked for in every byte that the service has left.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import requests
from cryptography.fernet import Fernet
from sqlalchemy import Connection, Table, select

from cds_hooks.minting import SigningKey
from service.config import Settings
from service.store import database_of
from service.store.tables import METADATA
from tests.builder import Record
from tests.command_line import OSTEOHOOKS, ROOT, environment
from tests.databases import Make
from tests.drafts import ibandronate_weekly
from tests.fhir_pieces import Json, prefetch_of
from tests.front_door import request_body
from tests.operations.looped import PATIENCE, SYSTEM
from tests.patients import bundles
from tests.service.test_serve import free_port

BASE: Final = "https://cds.example.org"
ISS: Final = "https://ehr.example.org/auth"
# Where in a resource stands what names a person, or is free text; a code's own `display` tells of nobody.
TELLING: Final = frozenset(
    {
        "family",
        "given",
        "text",
        "value",
        "line",
        "city",
        "birthDate",
        "id",
        "fullUrl",
        "reference",
        "valueString",
        "div",
    }
)
# Shorter strings stand anywhere by chance, and tell nothing.
SHORTEST: Final = 5


def named(number: int, bundle: Json) -> Json:
    """The same record of a woman who can be told from all others."""
    who = f"Quast{number}lieb"
    (patient,) = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"]
    was = patient["id"]
    bundle = json.loads(json.dumps(bundle).replace(f'"Patient/{was}"', f'"Patient/person-{who}"'))
    (patient,) = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"]
    patient |= {
        "id": f"person-{who}",
        "name": [{"family": who, "given": [f"Ottilie-{who}", "Änne"], "text": f"Ottilie Änne {who}"}],
        "identifier": [{"system": "urn:mrn", "value": f"MRN-{number:03}-4711"}, {"value": f"51094207{number:02}X"}],
        "telecom": [{"system": "phone", "value": f"+49 351 4711{number:02}"}],
        "address": [{"line": [f"Gasse der {who} 7"], "city": f"{who}hausen"}],
        "text": {"status": "generated", "div": f"<div>Frau {who}, 67 Jahre</div>"},
    }
    for place, entry in enumerate(bundle["entry"]):
        resource = entry["resource"]
        if resource is not patient:
            resource["id"] = f"{resource['resourceType'].lower()}-{who}-{place}"
            resource["note"] = [{"text": f"{who} klagt seit Ostern über Rückenschmerz"}]
    return bundle


def telling(node: Any, key: str = "") -> Iterator[str]:
    """Every string in a document that could tell of a person."""
    if isinstance(node, dict):
        for name, member in node.items():
            yield from telling(member, name)
    elif isinstance(node, list):
        for item in node:
            yield from telling(item, key)
    elif isinstance(node, str) and key in TELLING and len(node) >= SHORTEST:
        yield node


def requests_about(bundle: Json) -> Iterator[tuple[str, bytes]]:
    """What a client sends of one patient: hooks that are answered, and calls that must be refused."""
    patient_id, prefetch = prefetch_of(bundle)
    view = request_body(prefetch, patient_id=patient_id)
    view["context"] |= {"userId": f"Practitioner/arzt-{patient_id}", "encounterId": f"fall-{patient_id}"}
    view["extension"] = {"org.example": {"text": f"frei {patient_id}"}}
    yield "patient-view", json.dumps(view).encode()
    signing = request_body(prefetch, "order-sign", patient_id=patient_id, drafts=[ibandronate_weekly()])
    yield "order-sign", json.dumps(signing).encode()
    without = {key: value for key, value in prefetch.items() if key != "patient"}
    yield "patient-view", json.dumps(request_body(without, patient_id=patient_id)).encode()
    yield "patient-view", json.dumps(view).encode()[:-20]
    yield "patient-view", json.dumps({**view, "context": {"patientId": f"{patient_id}/x y"}}).encode()
    broken = {**prefetch, "labs": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Observation",
        "id": patient_id, "valueQuantity": {"value": f"hoch {patient_id}"}}}, {"resource": patient_id}]}}  # fmt: skip
    yield "patient-view", json.dumps(request_body(broken, patient_id=patient_id)).encode()


class Client:
    """A client that may call, and names the patient wherever it can."""

    def __init__(self, url: str, key: SigningKey) -> None:
        self._url, self._key = url, key
        self._session = requests.Session()
        self._session.trust_env = False
        self.tokens: list[str] = []

    def post(self, path: str, body: bytes, who: str) -> requests.Response:
        token = self._key.token(ISS, f"{BASE}{path}")
        self.tokens.append(token)
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept-Language": f"zh, x-{who}",
            "X-Request-ID": who,
            "traceparent": who,
        }
        return self._session.post(f"{self._url}{path}?patient={who}", data=body, headers=headers, timeout=30)

    def get(self, path: str) -> requests.Response:
        return self._session.get(f"{self._url}{path}", timeout=30)


def call_about(client: Client, bundle: Json) -> Iterator[str]:
    """Send everything about one patient; further strings that must not be found."""
    who, _ = prefetch_of(bundle)
    statuses = set()
    for hook, body in requests_about(bundle):
        path = f"/cds-services/bone-health-{hook}"
        response = client.post(path, body, who)
        statuses.add(response.status_code)
        if response.status_code != 200:
            continue
        for card in response.json()["cards"][:1]:
            comment = f"Patientin {who} möchte das nicht, sagt Schwester Anna-{who}"
            display = f"Wunsch von {who}"
            reason = {"code": "patient-refuses", "system": SYSTEM, "display": display}
            item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-20T12:00:00Z"}
            item["overrideReason"] = {"reason": reason, "userComment": comment}
            assert client.post(f"{path}/feedback", json.dumps({"feedback": [item]}).encode(), who).status_code == 200
            item["outcome"] = comment
            assert client.post(f"{path}/feedback", json.dumps({"feedback": [item]}).encode(), who).status_code == 400
            yield from (comment, display)
    assert {200, 400, 412} <= statuses
    assert client.post(f"/cds-services/{who}", b"{}", who).status_code == 404
    assert client.get(f"/demo/{who}").status_code == 404


def left_behind(settings: Settings) -> Iterator[bytes]:
    """Every byte in the store: its files, and where it is a server's, every row."""
    for path in Path(settings.state_directory).rglob("*"):
        if path.is_file():
            yield path.read_bytes()
    database = database_of(settings)
    for table in METADATA.sorted_tables:
        rows = database.read(partial(_rows, table), within=30)
        assert table.name == "used_token" or rows, "there is nothing to be searched"
        yield repr(rows).encode()
    database.close()


def _rows(table: Table, connection: Connection) -> list[Any]:
    return list(connection.execute(select(table)))


def test_nothing_of_a_patient_is_left(new_settings: Make, tmp_path: Path) -> None:
    key, port = SigningKey.generate(), free_port()
    settings = new_settings(today=None, comments="encrypt", comment_keys=(Fernet.generate_key().decode(),))
    file = tmp_path / "production.toml"
    given = {
        **{"mode": "production", "port": port, "workers": 2, "public_base_url": BASE, "origins": [ISS[:23]]},
        **{name: getattr(settings, name) for name in ("database", "state_directory", "comments")},
        **{name: list(getattr(settings, name)) for name in ("comment_keys", "pseudonym_keys")},
    }
    (tmp_path / "jwks.json").write_text(json.dumps(key.key_set()))
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items() if value is not None]
    file.write_text("\n".join([*lines, "[[issuers]]", f'iss = "{ISS}"', 'jwks_file = "jwks.json"', ""]))
    log = tmp_path / "log"
    people = [named(number, bundle) for number, bundle in enumerate(bundles().values())]
    people.append(named(99, Record().condition("breast-cancer").t_score("spine", -2.8).drug("letrozole").bundle()))
    needles = {text for bundle in people for text in telling(bundle)}
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [*OSTEOHOOKS, "serve", "--config", str(file)],
            cwd=ROOT,
            env={name: value for name, value in environment().items() if name != "OSTEOHOOKS_TODAY"},
            stdout=stream,
            stderr=stream,
        )
        try:
            client = Client(f"http://127.0.0.1:{port}", key)
            wait_for(client)
            for bundle in people:
                needles |= set(call_about(client, bundle))
            exposed = client.get("/metrics").content
        finally:
            server.terminate()
            server.wait(PATIENCE)
    assert len(needles) > 300
    written = log.read_bytes()
    assert all("event" in json.loads(line) for line in written.splitlines()), "production writes JSON alone"
    assert written.count(b'"refused"') > len(people)
    assert b"osteohooks_cards_total" in exposed
    haystack = b"\0".join((written, exposed, *left_behind(settings)))
    assert len(haystack) > 50_000
    found = [text for text in sorted(needles) if any(form in haystack for form in forms(text))]
    assert found == []
    assert not any(token.encode() in haystack for token in client.tokens)


def forms(text: str) -> Iterator[bytes]:
    """A text as it may be written: as it is, escaped in JSON or in Python, in UTF-16."""
    yield text.encode()
    yield json.dumps(text)[1:-1].encode()
    yield repr(text)[1:-1].encode()
    yield text.encode("utf-16-le")


def wait_for(client: Client) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            if client.get("/readyz").json()["status"] == "ready":
                return
        except requests.ConnectionError:
            assert time.monotonic() < ends, "the server does not answer"
        time.sleep(0.05)


def test_the_search_finds_what_is_there() -> None:
    bundle = named(3, Record(born="1958-05-20").condition("breast-cancer").bundle())
    found = set(telling(bundle))
    assert {"Quast3lieb", "Ottilie-Quast3lieb", "MRN-003-4711", "+49 351 471103", "1958-05-20"} <= found
    assert {"person-Quast3lieb", "Gasse der Quast3lieb 7", "<div>Frau Quast3lieb, 67 Jahre</div>"} <= found
    assert any("Rückenschmerz" in text for text in found)
    assert "Änne" not in found, "four letters are found anywhere"
    assert len(list(forms("möchte"))) == 4
