"""The routes: every status, CORS on every answer, an OperationOutcome on every error."""

import json
import logging
from collections.abc import Collection
from io import BytesIO
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import LanguageAccept
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.test import TestResponse

from cds_hooks import ORDER_SIGN, HookRequest, Parser, PreconditionFailed, Response, Service, blueprint, encode
from tests.wire.record import (
    PARSER,
    PREFETCH,
    SANDBOX_FIRST_SELECT,
    SANDBOX_SIGN,
    SANDBOX_VIEW,
    SERVICES,
    SIGN,
    VIEW,
    Json,
    Resource,
    body,
    bundle,
    observation,
    view,
)

MAX_BODY = 20_000
EHR = "https://ehr.example.org"


def answer(service: Service, request: HookRequest[Resource], languages: LanguageAccept, raw: bytes) -> bytes:
    """Says what came in; a patient named "fault" makes it fail, "patient" under 412 is missing."""
    if request.patient_id == "fault":
        raise KeyError("the name of a patient")
    if request.patient_id == "unavailable":
        raise ServiceUnavailable("the name of a patient")
    if request.patient_id == "nobody":
        raise PreconditionFailed("patient", PREFETCH["patient"])
    extension = {
        "service": service.id,
        "received": {key: value.state for key, value in request.received.items()},
        "unreadable": len(request.unreadable),
        "language": languages.best_match(["en", "zh"], "en"),
        "bytes": len(raw),
    }
    return encode(Response(cards=(), extension=extension))


def client(origins: Collection[str] = (EHR,), prefix: str | None = None) -> FlaskClient:
    app = flask.Flask("wire")

    @app.get("/elsewhere")
    def elsewhere() -> str:
        return "another page"

    routes = blueprint(SERVICES, PARSER, answer, origins=origins, max_body=MAX_BODY)
    app.register_blueprint(routes, url_prefix=prefix)
    return app.test_client()


CLIENT = client()


def post(
    raw: bytes, service: str = "view", content_type: str | None = "application/json", **headers: str
) -> TestResponse:
    return CLIENT.post(
        f"/cds-services/{service}", data=raw, content_type=content_type, headers={"Origin": EHR, **headers}
    )


def check_refusal(response: TestResponse, status: int, code: str) -> Json:
    """The only issue of a refusal of this status, which must be an OperationOutcome that a browser may read."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    outcome = response.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert issue["details"]["text"]
    assert isinstance(issue, dict)
    return issue


def test_discovery() -> None:
    response = CLIENT.get("/cds-services")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert [service["id"] for service in response.get_json()["services"]] == ["view", "select", "sign"]


def test_discovery_by_its_head_alone() -> None:
    response = CLIENT.head("/cds-services")
    assert (response.status_code, response.data) == (200, b"")


def test_an_answer() -> None:
    raw = body(view(prefetch={"dxa": bundle(observation("o1")), "patient": "broken", "stray": 1}))
    response = post(raw, **{"Accept-Language": "fr, zh;q=0.8"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    assert response.get_json()["extension"] == {
        "service": "view",
        "received": {"dxa": "told", "patient": "failed"},
        "unreadable": 1,
        "language": "zh",
        "bytes": len(raw),
    }


@pytest.mark.parametrize(
    ("service", "request_"),
    [("select", SANDBOX_FIRST_SELECT), ("sign", SANDBOX_SIGN), ("view", SANDBOX_VIEW)],
    ids=["order-select", "order-sign", "patient-view"],
)
def test_the_official_sandbox_is_answered(service: str, request_: Json) -> None:
    response = post(body(request_), service)
    assert response.status_code == 200
    assert response.get_json()["extension"]["unreadable"] == 0


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_the_media_type_of_a_request(content_type: str) -> None:
    assert post(body(view()), content_type=content_type).status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/fhir+json", "multipart/form-data"])
def test_415_for_another_media_type(content_type: str | None) -> None:
    check_refusal(post(body(view()), content_type=content_type), 415, "not-supported")


def test_415_for_a_content_encoding() -> None:
    check_refusal(post(body(view()), **{"Content-Encoding": "gzip"}), 415, "not-supported")
    assert post(body(view()), **{"Content-Encoding": "identity"}).status_code == 200


def test_400_tells_where_and_what_was_expected() -> None:
    issue = check_refusal(post(body(view(hookInstance="secret"))), 400, "value")
    assert issue["expression"] == ["hookInstance"]
    assert issue["details"]["text"] == (
        "hookInstance: received another string; expected a UUID, 8-4-4-4-12 hexadecimal digits."
    )


def test_400_for_the_hook_of_another_service() -> None:
    response = post(body(view(hook="order-sign")))
    assert check_refusal(response, 400, "value")["expression"] == ["hook"]


def test_400_says_where_the_json_ends() -> None:
    issue = check_refusal(post(body(view())[:-1]), 400, "structure")
    assert issue["diagnostics"] == "Input data was truncated"


@pytest.mark.parametrize(
    "path", ["/cds-services/none", "/cds-services/view/feedback", "/cds-services/", "/cds-services/a/b/c"]
)
def test_404(path: str) -> None:
    response = CLIENT.post(path, data=body(view()), content_type="application/json", headers={"Origin": EHR})
    check_refusal(response, 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/cds-services", "GET, HEAD, OPTIONS"),
        ("DELETE", "/cds-services", "GET, HEAD, OPTIONS"),
        ("GET", "/cds-services/view", "OPTIONS, POST"),
        ("PUT", "/cds-services/view", "OPTIONS, POST"),
        ("BREW", "/cds-services/view", "OPTIONS, POST"),
    ],
)
def test_405(method: str, path: str, allow: str) -> None:
    response = CLIENT.open(path, method=method, headers={"Origin": EHR})
    check_refusal(response, 405, "not-supported")
    assert response.headers["Allow"] == allow


def test_412_names_the_key_and_what_to_send() -> None:
    asked = view()
    asked["context"]["patientId"] = "nobody"
    issue = check_refusal(post(body(asked)), 412, "required")
    assert issue["expression"] == ["prefetch.patient"]
    assert '"patient"' in issue["details"]["text"]
    assert "Patient/{{context.patientId}}" in issue["details"]["text"]


def padded(length: int) -> bytes:
    raw = body(view())
    return raw + b" " * (length - len(raw))


def test_413_by_the_announced_length() -> None:
    assert post(padded(MAX_BODY)).status_code == 200
    for length in (MAX_BODY + 1, MAX_BODY + 2, 10 * MAX_BODY):
        check_refusal(post(padded(length)), 413, "too-long")


def test_413_for_a_body_in_chunks() -> None:
    def chunked(raw: bytes) -> TestResponse:
        environ: dict[str, Any] = {"wsgi.input": BytesIO(raw), "wsgi.input_terminated": True}
        return CLIENT.post(
            "/cds-services/view",
            content_type="application/json",
            headers={"Origin": EHR, "Transfer-Encoding": "chunked"},
            environ_overrides={**environ, "CONTENT_LENGTH": ""},
        )

    assert chunked(padded(MAX_BODY)).status_code == 200
    check_refusal(chunked(padded(MAX_BODY + 1)), 413, "too-long")


def test_a_body_that_comes_in_pieces() -> None:
    class Dripping(BytesIO):
        """Gives less than it is asked for, as a server may."""

        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size or 7))

    raw = padded(MAX_BODY)
    response = CLIENT.post(
        "/cds-services/view",
        content_type="application/json",
        environ_overrides={"wsgi.input": Dripping(raw), "CONTENT_LENGTH": str(len(raw))},
    )
    assert response.status_code == 200


def test_400_for_a_body_shorter_than_announced() -> None:
    response = CLIENT.post(
        "/cds-services/view",
        content_type="application/json",
        headers={"Origin": EHR},
        environ_overrides={"wsgi.input": BytesIO(b"{"), "CONTENT_LENGTH": "100"},
    )
    check_refusal(response, 400, "processing")


def test_500_tells_nothing_and_the_log_no_datum(caplog: pytest.LogCaptureFixture) -> None:
    asked = view()
    asked["context"]["patientId"] = "fault"
    with caplog.at_level(logging.DEBUG):
        issue = check_refusal(post(body(asked)), 500, "exception")
    assert issue["details"]["text"] == "The service failed."
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("KeyError in answer, line ")
    assert record.exc_info is None
    assert "patient" not in caplog.text


def test_an_error_of_the_web_framework_keeps_its_status_and_not_its_words() -> None:
    asked = view()
    asked["context"]["patientId"] = "unavailable"
    issue = check_refusal(post(body(asked)), 503, "processing")
    assert issue["details"]["text"] == "Service Unavailable."


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/view", "/cds-services/none"])
def test_a_preflight_needs_no_authentication(path: str) -> None:
    asked = {
        "Origin": EHR,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = CLIENT.options(path, headers=asked)
    assert (response.status_code, response.data) == (204, b"")
    assert "Content-Type" not in response.headers
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Accept-Language"


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/none/feedback"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{EHR}.evil.example", None])
def test_an_origin_that_is_not_listed(path: str, origin: str | None) -> None:
    response = CLIENT.get(path, headers={"Origin": origin} if origin else {})
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://anyone.example"}])
def test_any_origin(headers: dict[str, str]) -> None:
    anyone = client(origins="*")
    for response in (anyone.get("/cds-services", headers=headers), anyone.get("/cds-services/x/y", headers=headers)):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in response.headers


def test_no_answer_allows_credentials() -> None:
    for asked in (CLIENT, client(origins=["*"])):
        for response in (asked.get("/cds-services", headers={"Origin": EHR}), asked.options("/cds-services/view")):
            assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origins", [["*", EHR], [f"{EHR}/"], ["ehr.example.org"], ["null"], EHR, [""]])
def test_origins_that_are_none_are_refused_at_start(origins: Collection[str]) -> None:
    with pytest.raises(ValueError, match="origins must be"):
        client(origins=origins)


def test_a_service_on_a_hook_that_the_parser_does_not_know_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match=r"^the parser does not know the hook patient-view$"):
        blueprint((VIEW, SIGN), Parser(Resource, [ORDER_SIGN]), answer, origins=(), max_body=1)


def test_other_pages_of_the_application_are_left_alone() -> None:
    assert "Vary" not in CLIENT.get("/elsewhere").headers
    missing = CLIENT.get("/cds-services-else")
    assert (missing.status_code, missing.mimetype) == (404, "text/html")
    assert "Vary" not in missing.headers


def test_under_a_prefix() -> None:
    prefixed = client(prefix="/r4")
    assert prefixed.get("/r4/cds-services").status_code == 200
    check_refusal(prefixed.get("/r4/cds-services/a/b", headers={"Origin": EHR}), 404, "not-found")
    assert prefixed.get("/cds-services").mimetype == "text/html"


def test_a_redirection_is_no_error() -> None:
    response = CLIENT.post("/cds-services//view", headers={"Origin": EHR})
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/cds-services/view")


WORDS = st.sampled_from(["hook", "hookInstance", "context", "prefetch", "patientId", "userId", "draftOrders"])
FHIR_WORDS = st.sampled_from(["resourceType", "entry", "resource", "id", "link", "total", "search", "dxa"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["patient-view", "Bundle"]),
    lambda inner: st.lists(inner) | st.dictionaries(WORDS | FHIR_WORDS | st.text(), inner),
)
# What junk would do to a request that is good but for it.
MEMBERS = st.dictionaries(
    st.sampled_from(["prefetch", "fhirServer", "fhirAuthorization", "extension", "context"]), JUNK
)
BODIES = st.one_of(
    st.binary(),
    JUNK.map(lambda value: json.dumps(value).encode()),
    MEMBERS.map(lambda members: body(view(**members))),
    st.dictionaries(st.sampled_from(["dxa", "patient", "stray"]), JUNK).map(lambda p: body(view(prefetch=p))),
    st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=4)).map(
        lambda cut: body(view())[: cut[0]] + cut[1] + body(view())[cut[0] :]
    ),
)


@given(BODIES, st.sampled_from(["view", "select", "sign"]), st.sampled_from(["application/json", "text/json"]))
def test_junk_is_never_the_fault_of_the_service(raw: bytes, service: str, content_type: str) -> None:
    response = post(raw, service, content_type)
    assert response.status_code in (200, 400, 413, 415)
    if response.status_code != 200:
        assert response.get_json()["resourceType"] == "OperationOutcome"
