"""HealthChain with one rule: the risk tier of a woman by her lowest T-score and an aromatase inhibitor.

    uvicorn --factory healthchain_app:plain | modelled

`plain` looks at the prefetched resources as they are, `modelled` through the FHIR models, as its documentation does it.
Runs in an environment of its own, see requirements.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from healthchain.fhir import convert_prefetch_to_fhir_objects
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models.requests.cdsrequest import CDSRequest
from healthchain.models.responses.cdsresponse import Card, CDSResponse, Source

T_SCORES = {"38267-1", "104938-6", "38264-8", "80946-7", "80945-9", "38263-0", "80948-3", "80947-5"}
INHIBITORS = {"200064", "199224", "310261"}


def plain() -> HealthChainAPI:
    return _app(_plain)


def modelled() -> HealthChainAPI:
    return _app(_modelled)


def _app(tier_of: Callable[[dict[str, Any]], str]) -> HealthChainAPI:
    app = HealthChainAPI()
    service = CDSHooksService()

    @service.hook("patient-view", id="tier")
    def view(request: CDSRequest) -> CDSResponse:
        tier = tier_of(request.prefetch or {})
        return CDSResponse(cards=[Card(summary=f"Tier: {tier}", indicator="info", source=Source(label="HealthChain"))])

    app.register_service(service, path="/cds")
    return app


def _tier(scores: Iterable[float], inhibitor: bool) -> str:
    lowest = min(scores, default=None)
    if lowest is None:
        return "unknown"
    if lowest <= -2.5 or (inhibitor and lowest < -1):
        return "high"
    return "moderate" if inhibitor or lowest < -1 else "low"


def _plain(prefetch: dict[str, Any]) -> str:
    resources = _resources(prefetch)
    scores = [
        resource["valueQuantity"]["value"]
        for resource in resources
        if resource["resourceType"] == "Observation"
        and resource["status"] == "final"
        and any(coding["code"] in T_SCORES for coding in resource["code"]["coding"])
    ]
    return _tier(scores, _inhibitor(resources))


def _resources(prefetch: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        entry["resource"]
        for value in prefetch.values()
        for entry in (value.get("entry", ()) if value["resourceType"] == "Bundle" else ({"resource": value},))
    ]


def _inhibitor(resources: Iterable[dict[str, Any]]) -> bool:
    return any(
        resource["resourceType"] == "MedicationRequest"
        and resource["status"] == "active"
        and any(coding["code"] in INHIBITORS for coding in resource["medicationCodeableConcept"]["coding"])
        for resource in resources
    )


def _modelled(prefetch: dict[str, Any]) -> str:
    """Every resource as a model; what its models refuse it leaves as it was, and then there is no tier to be told."""
    converted = convert_prefetch_to_fhir_objects(prefetch)
    if refused := sorted(key for key, value in converted.items() if isinstance(value, dict)):
        raise ValueError(f"refused by the models: {', '.join(refused)}")
    resources = [entry.resource for value in converted.values() for entry in getattr(value, "entry", None) or ()]
    scores = [
        float(resource.valueQuantity.value)
        for resource in resources
        if resource.__class__.__name__ == "Observation"
        and resource.status == "final"
        and any(coding.code in T_SCORES for coding in resource.code.coding)
    ]
    inhibitor = any(
        resource.__class__.__name__ == "MedicationRequest"
        and resource.status == "active"
        and any(coding.code in INHIBITORS for coding in resource.medicationCodeableConcept.coding)
        for resource in resources
    )
    return _tier(scores, inhibitor)
