"""The orders a card may suggest: FHIR resources in YAML, encoded once around the patient's id.

`check_orders` builds each with the FHIR R4B models of `fhir.resources`; the parent process and the tests
call it, a worker never does (the models cost more than the whole answer).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec

from cds_hooks import Action
from fhir_profiles import load_yaml
from service.words import LANGUAGES

__all__ = ["Order", "check_orders", "load_orders"]

_PATIENT = "{patient}"


@dataclass(frozen=True, slots=True)
class Order:
    """One order in every language; `drug` for what it orders, None for a test.

    `_halves`: the JSON of the action that creates it, split around the patient's id.
    """

    id: str
    drug: str | None
    label: Mapping[str, str]
    _halves: Mapping[str, tuple[bytes, bytes]]
    resource: Mapping[str, dict[str, Any]]

    @property
    def codes(self) -> frozenset[tuple[str, str]]:
        """The codes of a test, each with its system; none for a medicine."""
        code = next(iter(self.resource.values())).get("code", {})
        return frozenset((coding["system"], coding["code"]) for coding in code.get("coding", ()))

    def creation(self, language: str, patient_id: str) -> msgspec.Raw:
        """The actions of a suggestion that creates it for a patient, as JSON."""
        before, after = self._halves[language]
        # The id is a FHIR id or comes from the record: encoded, it cannot leave its string.
        return msgspec.Raw(before + msgspec.json.encode(patient_id)[1:-1] + after)


def load_orders() -> dict[str, Order]:
    """Every order of `orders/*.yaml` by its id."""
    orders = {}
    for path in sorted(files("service").joinpath("orders").iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".yaml"):
            for name, entry in load_yaml(path).items():
                orders[name] = _order(name, entry)
    return orders


def _order(name: str, entry: Mapping[str, Any]) -> Order:
    resources, halves = {}, {}
    for language in LANGUAGES:
        resource = {**_spoken(entry["resource"], language), "subject": {"reference": f"Patient/{_PATIENT}"}}
        action = Action(type="create", description=entry["label"][language], resource=resource)
        before, after = msgspec.json.encode([action]).split(_PATIENT.encode())
        resources[language], halves[language] = resource, (before, after)
    return Order(name, entry.get("drug"), entry["label"], halves, resources)


def _spoken(node: Any, language: str) -> Any:
    """A tree with every {en: ..., zh: ...} replaced by the language's own."""
    if isinstance(node, dict):
        if node.keys() == set(LANGUAGES):
            return node[language]
        return {key: _spoken(value, language) for key, value in node.items()}
    return [_spoken(value, language) for value in node] if isinstance(node, list) else node


def check_orders(orders: Mapping[str, Order]) -> None:
    """Build every order with the FHIR R4B models. Raises ValueError naming the orders that are not valid FHIR."""
    from fhir.resources.R4B import get_fhir_model_class

    flaws = []
    for order in orders.values():
        for language, resource in order.resource.items():
            model = get_fhir_model_class(resource["resourceType"])
            try:
                model.model_validate(resource)
            except ValueError as error:
                flaws.append(f"order {order.id} ({language}): {error}")
    if flaws:
        raise ValueError("; ".join(flaws))
