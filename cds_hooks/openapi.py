"""An OpenAPI 3.1 document of some services, made of their routes, their hooks and our JSON Schemas.

OpenAPI 3.1 takes JSON Schema 2020-12 as it is, so the schemas are the very ones that requests and answers are held
against; only their references are led to where they stand in the document.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec

from cds_hooks.discovery import PATH, Service

__all__ = ["DOCUMENT", "FEEDBACK", "INVOCATION", "openapi"]

# The routes of a CDS service, as Flask writes them.
INVOCATION: Final = f"{PATH}/<id>"
FEEDBACK: Final = f"{INVOCATION}/feedback"
DOCUMENT: Final = "/openapi.json"

Json = dict[str, Any]

_JSON: Final = "application/json"
_REFUSALS: Final[Mapping[int, str]] = {
    400: "The body is not a request of this hook.",
    412: "Data without which the service cannot answer were not received.",
    413: "The body is too long.",
    415: "The body is not application/json.",
    500: "The service failed.",
    503: "The service could not answer in time, or could not check the client's token; try again.",
}
_FEEDBACK_REFUSALS: Final[Mapping[int, str]] = {
    **{status: _REFUSALS[status] for status in (413, 415, 500)},
    400: "The batch is malformed: every fault is named by its index, and nothing of it is kept.",
    503: "It cannot be kept at the moment: send it again, after as many seconds as Retry-After says.",
}
_RECEIVED: Final[Json] = {
    "type": "object",
    "required": ["received"],
    "properties": {"received": {"description": "how many outcomes the batch has", "type": "integer", "minimum": 0}},
}


def openapi(
    services: Sequence[Service],
    routes: Iterable[tuple[str, str]],
    *,
    prefix: str = "",
    secured: bool = False,
    open_discovery: bool = False,
) -> bytes:
    """The document as JSON.

    `routes` are the paths below `prefix` with their methods; `secured` says that clients are authenticated, discovery
    left out with `open_discovery`. Raises ValueError for a route that is none of a CDS service.
    """
    paths: dict[str, Json] = {}
    for path, method in routes:
        if (path, method) not in _OPERATIONS:
            raise ValueError(f"nothing is known of the route {method} {path}")
        is_open = not secured or method == "OPTIONS" or path == DOCUMENT or (open_discovery and path == PATH)
        for address, operation in _OPERATIONS[path, method](services):
            paths.setdefault(prefix + address, {})[method.lower()] = operation if is_open else _secured(operation)
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "CDS Hooks services",
            "version": "2.0.1",
            "description": "The version is that of CDS Hooks. Unknown members of a request are passed over.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(services)},
    }
    if secured:
        document["components"]["securitySchemes"] = {
            "client": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A token of the client, made for this call: CDS Hooks 2.0, Trusting CDS Clients.",
            }
        }
    return msgspec.json.encode(document)


# -- operations ------------------------------------------------------------------------------------


def _reference(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _content(schema: str) -> Json:
    return {_JSON: {"schema": _reference(schema)}}


def _refused(text: str) -> Json:
    return {"description": text, "content": _content("outcome")}


def _secured(operation: Json) -> Json:
    responses = {**operation["responses"], "401": _refused("The client has not proved who it is.")}
    return {**operation, "security": [{"client": []}], "responses": responses}


def _discovery(services: Sequence[Service]) -> Iterable[tuple[str, Json]]:
    yield (
        PATH,
        {
            "operationId": "discovery",
            "summary": "The services there are, and what each one asks to be prefetched",
            "responses": {"200": {"description": "The services.", "content": _content("discovery")}},
        },
    )


def _invocation(services: Sequence[Service]) -> Iterable[tuple[str, Json]]:
    for service in services:
        yield (
            _address(service),
            {
                "operationId": f"invoke-{service.id}",
                "summary": service.title,
                "description": _description(service),
                "parameters": [
                    {
                        "name": "Accept-Language",
                        "in": "header",
                        "description": "The languages that the reader prefers (RFC 9110, 12.5.4).",
                        "schema": {"type": "string"},
                    }
                ],
                "requestBody": {"required": True, "content": _content(service.hook.name)},
                "responses": {
                    "200": {"description": "Cards, perhaps none.", "content": _content("response")},
                    **{str(status): _refused(text) for status, text in _REFUSALS.items()},
                },
            },
        )


def _description(service: Service) -> str:
    """The description, with the prefetch that is asked for; Markdown (CommonMark), as OpenAPI has it."""
    parts = [service.description, service.usage_requirements]
    if service.prefetch:
        parts.append("Prefetch:")
        parts.append("\n".join(f"- `{key}`: `{template}`" for key, template in service.prefetch.items()))
    return "\n\n".join(part for part in parts if part)


def _preflight_of_discovery(services: Sequence[Service]) -> Iterable[tuple[str, Json]]:
    yield PATH, _preflight("discovery")


def _preflight_of_invocation(services: Sequence[Service]) -> Iterable[tuple[str, Json]]:
    return ((_address(service), _preflight(service.id)) for service in services)


def _feedback(services: Sequence[Service]) -> Iterable[tuple[str, Json]]:
    for service in services:
        yield (
            f"{_address(service)}/feedback",
            {
                "operationId": f"feedback-{service.id}",
                "summary": f"What users did with the cards: {service.title}",
                "requestBody": {"required": True, "content": _content("feedback")},
                "responses": {
                    "200": {
                        "description": "The whole batch is kept; so it is when it was kept before.",
                        "content": {_JSON: {"schema": _RECEIVED}},
                    },
                    **{str(status): _refused(text) for status, text in _FEEDBACK_REFUSALS.items()},
                },
            },
        )


def _preflight_of_feedback(services: Sequence[Service]) -> Iterable[tuple[str, Json]]:
    return ((f"{_address(service)}/feedback", _preflight(f"feedback-{service.id}")) for service in services)


def _preflight(name: str) -> Json:
    return {
        "operationId": f"preflight-{name}",
        "summary": "What a browser asks before it calls (CORS)",
        "responses": {"204": {"description": "Nothing but headers."}},
    }


def _document(services: Sequence[Service]) -> Iterable[tuple[str, Json]]:
    yield (
        DOCUMENT,
        {
            "operationId": "openapi",
            "summary": "This document",
            "responses": {"200": {"description": "OpenAPI 3.1.", "content": {_JSON: {"schema": {"type": "object"}}}}},
        },
    )


def _address(service: Service) -> str:
    return f"{PATH}/{service.id}"


_OPERATIONS: Final[Mapping[tuple[str, str], Callable[[Sequence[Service]], Iterable[tuple[str, Json]]]]] = {
    (PATH, "GET"): _discovery,
    (PATH, "OPTIONS"): _preflight_of_discovery,
    (INVOCATION, "POST"): _invocation,
    (INVOCATION, "OPTIONS"): _preflight_of_invocation,
    (FEEDBACK, "POST"): _feedback,
    (FEEDBACK, "OPTIONS"): _preflight_of_feedback,
    (DOCUMENT, "GET"): _document,
}


# -- schemas ---------------------------------------------------------------------------------------


def _schemas(services: Sequence[Service]) -> Json:
    """The schemas of requests and answers, and of their parts, side by side."""
    found: Json = {}
    for name in (
        "definitions",
        "discovery",
        "response",
        "outcome",
        "feedback",
        *sorted({s.hook.name for s in services}),
    ):
        schema = json.loads(files(__package__).joinpath("schemas", f"{name}.json").read_bytes())
        parts = schema.pop("$defs", {})
        del schema["$schema"]
        if name != "definitions":
            parts[name] = schema
        twice = parts.keys() & found.keys()
        if twice:
            raise ValueError(f"more than one schema has the name {', '.join(sorted(twice))}")
        found |= {part: _led(value) for part, value in parts.items()}
    return found


def _led(value: Any) -> Any:
    """A schema with its references to definitions led to the components."""
    if isinstance(value, dict):
        return {
            name: f"#/components/schemas/{member.rpartition('/')[2]}" if name == "$ref" else _led(member)
            for name, member in value.items()
        }
    return [_led(item) for item in value] if isinstance(value, list) else value
