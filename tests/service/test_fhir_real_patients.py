"""Whole records on a FHIR server: the answer without any prefetch is the answer with all of it."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest

from service.app import create_app
from service.config import Settings
from tests.fhir_pieces import Json
from tests.front_door import request_body
from tests.service.test_fhir_fallback import authorization
from tests.test_real_patients import RECORDS, newest_date
from tests.wire.fhir_host import hosting, keeping, matches, searchset


def loaded(bundle: Json) -> tuple[str, list[Json]]:
    """The patient's id, and the resources as a server keeps them: each with an id, references by type and id."""
    names: dict[str, str] = {}
    resources: list[Json] = []
    for number, entry in enumerate(bundle["entry"]):
        resource = {"id": f"made-{number}", **entry["resource"]}
        name = f"{resource['resourceType']}/{resource['id']}"
        if name not in names.values():
            resources.append(resource)
        for address in (entry.get("fullUrl"), name):
            if address:
                names[address] = name

    def named(match: re.Match[str]) -> str:
        return f'"reference": {json.dumps(names.get(json.loads(match[1]), json.loads(match[1])))}'

    resources = json.loads(re.sub(r'"reference": ("(?:[^"\\]|\\.)*")', named, json.dumps(resources)))
    (patient,) = {one["id"] for one in resources if one["resourceType"] == "Patient"}
    return patient, resources


def prefetched(templates: Mapping[str, str], patient: str, resources: list[Json]) -> Json:
    """What a client sends that runs the templates on the same resources, with the medicines they refer to."""
    prefetch: Json = {}
    for key, template in templates.items():
        kind, _, query = template.replace("{{context.patientId}}", patient).partition("?")
        wanted = dict(parse_qsl(query))
        found = [one for one in resources if one["resourceType"] == kind and matches(one, wanted)]
        prefetch[key] = searchset(*found)
    prefetch["patient"] = next(one for one in resources if one["resourceType"] == "Patient")
    medicines = [{"resource": one} for one in resources if one["resourceType"] == "Medication"]
    prefetch["medicationRequests"].setdefault("entry", []).extend(medicines)
    return prefetch


@pytest.mark.parametrize("name", RECORDS)
def test_without_prefetch_as_with_it(name: str) -> None:
    patient, resources = loaded(RECORDS[name])
    with hosting(keeping(resources, page=20)) as host:
        settings = Settings(today=newest_date(RECORDS[name]), private_fhir_servers=(host.url,), fhir_seconds=30.0)
        client = create_app(settings).test_client()
        (service, *_) = client.get("/cds-services").get_json()["services"]

        def ask(prefetch: Json, **access: Any) -> Any:
            sent = {**request_body(prefetch, patient_id=patient), **access}
            response = client.post("/cds-services/bone-health-patient-view", json=sent)
            assert response.status_code == 200
            answer = response.get_json()
            for card in answer["cards"]:
                del card["uuid"]
                for suggestion in card.get("suggestions", ()):
                    del suggestion["uuid"]
            return answer

        whole = ask(prefetched(service["prefetch"], patient, resources))
        assert host.asked == []
        assert ask({}, fhirServer=host.url, fhirAuthorization=authorization()) == whole
