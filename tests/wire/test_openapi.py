"""The OpenAPI document: valid, and neither more nor less than the routes; live answers keep its schemas."""

import dataclasses
import json
from collections.abc import Iterator

import flask
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from cds_hooks import PATIENT_VIEW, Service, blueprint
from cds_hooks.conformance import Target
from cds_hooks.openapi import openapi
from tests.front_door import application
from tests.wire.record import PARSER, SERVICES, Json, body, view
from tests.wire.test_conformance import TODAY, our_samples
from tests.wsgi_adapter import BASE, session_on

ROUTES = [("/cds-services", "GET"), ("/cds-services/<id>", "POST"), ("/openapi.json", "GET")]


def document_of(app: flask.Flask, prefix: str = "") -> Json:
    response = app.test_client().get(f"{prefix}/openapi.json", headers={"Origin": "https://docs.example.org"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    document = response.get_json()
    assert isinstance(document, dict)
    return document


def operations(document: Json) -> set[tuple[str, str]]:
    return {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}


def endpoints(app: flask.Flask, document: Json) -> Iterator[str]:
    """The endpoint that each operation leads to."""
    routes = app.url_map.bind("service.example.org")
    for path, method in operations(document):
        endpoint, _ = routes.match(path, method)
        yield endpoint


def test_it_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(document_of(application(TODAY))).iter_errors()) == []
    secured = json.loads(openapi(SERVICES, ROUTES, secured=True))
    assert list(OpenAPIV31SpecValidator(secured).iter_errors()) == []


def test_a_broken_one_is_seen() -> None:
    document = document_of(application(TODAY))
    document["paths"]["/cds-services"]["get"]["responses"]["200"] = "the services"
    assert list(OpenAPIV31SpecValidator(document).iter_errors())


def test_it_has_every_route_of_the_services_and_no_other() -> None:
    document = document_of(application(TODAY))
    routed = {
        (rule.endpoint, method)
        for rule in application(TODAY).url_map.iter_rules()
        if rule.endpoint.startswith("cds_hooks.")
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert {endpoint for endpoint, _ in routed} == set(endpoints(application(TODAY), document))
    assert {method for _, method in routed} == {method for _, method in operations(document)}
    invoked = {path for path, method in operations(document) if method == "POST"}
    listed = application(TODAY).test_client().get("/cds-services").get_json()["services"]
    addresses = {f"/cds-services/{service['id']}" for service in listed}
    assert invoked == addresses | {f"{address}/feedback" for address in addresses}


def test_under_a_prefix() -> None:
    app = flask.Flask("two")
    for name, prefix in (("a", "/a"), ("b", "/b/")):
        routes = blueprint(SERVICES, PARSER, lambda *_: b"{}", origins="*", max_body=10_000)
        app.register_blueprint(routes, url_prefix=prefix, name=name)
    for prefix in ("/a", "/b"):
        document = document_of(app, prefix)
        assert all(path.startswith(f"{prefix}/") for path, _ in operations(document))
        assert {endpoint.partition(".")[0] for endpoint in endpoints(app, document)} == {prefix[1:]}


def validator(document: Json, schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": document["components"]})


def test_requests_and_answers_keep_its_schemas() -> None:
    document = document_of(application(TODAY))
    target = Target(BASE, our_samples(TODAY), session=session_on(application(TODAY)))
    assert list(validator(document, "discovery").iter_errors(target.discovery().document)) == []
    for service in target.sampled():
        assert list(validator(document, service.hook).iter_errors(service.request())) == []
        assert list(validator(document, "response").iter_errors(target.answer(service).document)) == []
        refused = target.invoke(service, b"{}", "nothing")
        assert list(validator(document, "outcome").iter_errors(refused.document)) == []
    reported = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:30:00Z"}
    assert list(validator(document, "feedback").iter_errors({"feedback": [reported]})) == []
    assert list(validator(document, "feedback").iter_errors({"feedback": [{**reported, "outcome": "ignored"}]}))
    assert list(validator(document, "order-sign").iter_errors({"hook": "order-sign"}))
    assert list(validator(document, "response").iter_errors({"cards": [{}]}))


def test_the_prefetch_stands_in_the_description() -> None:
    (operation,) = (
        methods["post"]
        for path, methods in document_of(application(TODAY))["paths"].items()
        if path.endswith("bone-health-order-sign")
    )
    assert "`patient`: `Patient/{{context.patientId}}`" in operation["description"]
    bare = json.loads(openapi([SERVICES[1]], ROUTES))
    assert bare["paths"]["/cds-services/select"]["post"]["summary"] == "Select"


@pytest.mark.parametrize(
    ("open_discovery", "secured"),
    [
        (False, {"discovery", "invoke-view", "invoke-select", "invoke-sign"}),
        (True, {"invoke-view", "invoke-select", "invoke-sign"}),
    ],
)
def test_what_wants_a_token(open_discovery: bool, secured: set[str]) -> None:
    routes = [*ROUTES, ("/cds-services/<id>", "OPTIONS")]
    document = json.loads(openapi(SERVICES, routes, secured=True, open_discovery=open_discovery))
    listed = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert {operation["operationId"] for operation in listed if "security" in operation} == secured
    assert all(("401" in operation["responses"]) == ("security" in operation) for operation in listed)
    assert "securitySchemes" not in json.loads(openapi(SERVICES, routes))["components"]


def test_a_route_that_nobody_described_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match=r"^nothing is known of the route PUT /cds-services$"):
        openapi(SERVICES, [("/cds-services", "PUT")])


def test_services_without_prefetch() -> None:
    bare = Service("bare", PATIENT_VIEW, "Bare", "Wants nothing.")
    document = json.loads(openapi([bare], ROUTES))
    assert document["paths"]["/cds-services/bare"]["post"]["description"] == "Wants nothing."


def test_two_schemas_of_one_name_are_refused_at_start() -> None:
    hook = dataclasses.replace(PATIENT_VIEW, name="response")
    with pytest.raises(ValueError, match="more than one schema has the name"):
        openapi([Service("a", hook, "A", "A hook named as a schema.")], ROUTES)


def test_an_error_at_its_address_is_an_outcome() -> None:
    response = application(TODAY).test_client().post("/openapi.json", data=body(view()))
    assert (response.status_code, response.get_json()["resourceType"]) == (405, "OperationOutcome")
