"""Whole records onto a FHIR server, resource by resource: what it took, what it refused, what it changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, Final

import requests

from tests.fhir_pieces import Json

__all__ = ["Loaded", "load", "local"]

FHIR_JSON: Final = "application/fhir+json"
_URN: Final = "urn:uuid:"
_AT_ONCE: Final = 4
_TIMEOUT: Final = 30


@dataclass
class Loaded:
    """A record as a server holds it.

    `stored` are the resources as the server gives them back; `refused` says why, by the `Type/id` of each that it did
    not take; `changed` names the members that it gives back otherwise than it got them, `id` and `meta` left aside.
    """

    patient_id: str
    stored: list[Json] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)

    @property
    def has_patient(self) -> bool:
        return any(resource["resourceType"] == "Patient" for resource in self.stored)


def name_of(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def local(bundle: Mapping[str, Any], taken: set[str]) -> list[Json]:
    """The resources of a Bundle as one server can hold them beside those of other records.

    Each keeps its id where that is free, else gets a number after it; the names go to `taken`. References within the
    Bundle become `Type/id`. A `urn:uuid:` that leads out of the Bundle leads nowhere: it becomes the logical reference
    that it is, an identifier. All other references stay as they are.
    """
    resources: list[Json] = []
    names: dict[str, str] = {}
    for entry in bundle["entry"]:
        resource, url = entry["resource"], entry.get("fullUrl")
        kind, id = resource["resourceType"], resource.get("id") or str(url).rpartition(":")[2]
        numbered = chain([id], (f"{id}-{number}" for number in count(2)))
        free = next(name for name in numbered if f"{kind}/{name}" not in taken)
        taken.add(f"{kind}/{free}")
        names |= {name: f"{kind}/{free}" for name in (url, f"urn:uuid:{id}", f"{kind}/{id}") if name}
        resources.append({**resource, "id": free})
    found: list[Json] = [_renamed(resource, names) for resource in resources]
    return found


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        copy = {member: _renamed(value, names) for member, value in node.items()}
        if isinstance(reference := node.get("reference"), str):
            if reference in names:
                copy["reference"] = names[reference]
            elif reference.startswith(_URN):
                del copy["reference"]
                copy["identifier"] = {"system": "urn:ietf:rfc:3986", "value": reference}
        return copy
    return [_renamed(item, names) for item in node] if isinstance(node, list) else node


def load(session: requests.Session, base: str, resources: Iterable[Json]) -> Loaded:
    """Put each resource of one record on the server, and read it back."""
    # HAPI finds by reference only what was written after the resource that is referred to: the patient first.
    patient, *others = sorted(resources, key=lambda resource: bool(resource["resourceType"] != "Patient"))
    loaded = Loaded(patient["id"])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = [_put(session, base, patient), *pool.map(lambda each: _put(session, base, each), others)]
        for resource, outcome in zip((patient, *others), outcomes, strict=True):
            if isinstance(outcome, str):
                loaded.refused[name_of(resource)] = outcome
                continue
            loaded.stored.append(outcome)
            if differing := _differing(resource, outcome):
                loaded.changed[name_of(resource)] = differing
    return loaded


def _put(session: requests.Session, base: str, resource: Json) -> Json | str:
    """The resource as it is kept, or why it is not."""
    url = f"{base}/{name_of(resource)}"
    body = json.dumps(resource).encode()
    answer = session.put(url, data=body, headers={"Content-Type": FHIR_JSON, "Accept": FHIR_JSON}, timeout=_TIMEOUT)
    if answer.status_code not in (200, 201):
        return f"{answer.status_code} {_reason(answer)}"
    stored = session.get(url, headers={"Accept": FHIR_JSON}, timeout=_TIMEOUT)
    stored.raise_for_status()
    found: Json = stored.json()
    return found


def _reason(answer: requests.Response) -> str:
    """The first issue of an OperationOutcome, in one line."""
    try:
        issue = answer.json()["issue"][0]
    except (ValueError, LookupError, TypeError):
        return answer.reason
    told = " ".join(str(issue.get("diagnostics") or issue.get("details", {}).get("text", "")).split())
    return " ".join([told, *issue.get("expression", ())])


def _differing(sent: Json, kept: Json) -> list[str]:
    """The paths, without indices, at which what was kept is not what was sent."""
    found = dict.fromkeys(_differences(sent, kept, ""))
    return [path for path in found if path.partition(".")[0] not in ("id", "meta")]


def _differences(sent: Any, kept: Any, path: str) -> Iterable[str]:
    if isinstance(sent, dict) and isinstance(kept, dict):
        for name in dict.fromkeys((*sent, *kept)):
            yield from _differences(sent.get(name), kept.get(name), f"{path}.{name}" if path else name)
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for one, other in zip(sent, kept, strict=True):
            yield from _differences(one, other, path)
    elif sent != kept:
        yield path
