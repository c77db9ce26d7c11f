"""The orders a card may suggest: FHIR resources in YAML, encoded once around the patient's id and a uuid.

`check_orders` builds each with the FHIR R4B models of `fhir.resources`; the parent process and the tests
call it, a worker never does (the models cost more than the whole answer).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec

from cds_hooks import Action, Suggestion
from fhir_profiles import load_yaml
from service.words import LANGUAGES

__all__ = ["Order", "check_orders", "load_orders"]

_PATIENT, _UUID = "{patient}", "{uuid}"


@dataclass(frozen=True, slots=True)
class Order:
    """One order in every language; `drug` for what it orders, None for a test.

    `_pieces`: the JSON of the suggestion to create it, by its language and whether it is recommended, split around the
    suggestion's uuid and the patient's id.
    """

    id: str
    drug: str | None
    label: Mapping[str, str]
    _pieces: Mapping[tuple[str, bool], tuple[bytes, bytes, bytes]]
    resource: Mapping[str, dict[str, Any]]

    @property
    def codes(self) -> frozenset[tuple[str, str]]:
        """The codes of a test, each with its system; none for a medicine."""
        code = next(iter(self.resource.values())).get("code", {})
        return frozenset((coding["system"], coding["code"]) for coding in code.get("coding", ()))

    def suggestion(self, language: str, patient_id: str, uuid: str, *, recommended: bool) -> msgspec.Raw:
        """The suggestion to create it for a patient, as JSON."""
        head, middle, tail = self._pieces[language, recommended]
        # The id is a FHIR id or comes from the record: encoded, it cannot leave its string.
        return msgspec.Raw(b"".join((head, uuid.encode(), middle, msgspec.json.encode(patient_id)[1:-1], tail)))


def load_orders() -> dict[str, Order]:
    """Every order of `orders/*.yaml` by its id."""
    orders = {}
    for path in sorted(files("service").joinpath("orders").iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".yaml"):
            for name, entry in load_yaml(path).items():
                orders[name] = _order(name, entry)
    return orders


def _order(name: str, entry: Mapping[str, Any]) -> Order:
    resources, pieces = {}, {}
    for language in LANGUAGES:
        resource = {**_spoken(entry["resource"], language), "subject": {"reference": f"Patient/{_PATIENT}"}}
        label = entry["label"][language]
        action = Action(type="create", description=label, resource=resource)
        for recommended in (False, True):
            whole = Suggestion(label=label, uuid=_UUID, is_recommended=recommended, actions=(action,))
            head, rest = msgspec.json.encode(whole).split(_UUID.encode())
            middle, tail = rest.split(_PATIENT.encode())
            pieces[language, recommended] = head, middle, tail
        resources[language] = resource
    return Order(name, entry.get("drug"), entry["label"], pieces, resources)


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
