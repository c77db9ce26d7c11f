"""Client authentication at the routes: what is asked of whom, and what the client gets to see."""

import json
from collections.abc import Sequence

import flask
import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import LanguageAccept
from werkzeug.test import TestResponse

from cds_hooks import Authenticate, Caller, HookRequest, Response, Service, Unavailable, blueprint, encode
from cds_hooks.minting import SigningKey
from tests.wire.clients import ABSENT, BASE, ISS, KEY, NOW, bearer, claims, trust
from tests.wire.record import PARSER, SERVICES, Resource, body, view

EHR = "https://ehr.example.org"
MAX_BODY = 10_000


def answer(service: Service, request: HookRequest[Resource], languages: LanguageAccept, raw: bytes) -> bytes:
    caller = request.caller
    who = {} if caller is None else {"iss": caller.iss, "jti": caller.jti, "tenant": caller.tenant or "-"}
    return encode(Response(cards=(), extension={"caller": who}))


def client(authenticate: Authenticate | None, open_discovery: bool = False) -> FlaskClient:
    app = flask.Flask("wire")
    routes = blueprint(
        SERVICES,
        PARSER,
        answer,
        origins=(EHR,),
        max_body=MAX_BODY,
        authenticate=authenticate,
        open_discovery=open_discovery,
    )
    app.register_blueprint(routes)
    return app.test_client()


def sent(token: str | None = None, **headers: str) -> dict[str, str]:
    return {"Origin": EHR, **headers, **({} if token is None else {"Authorization": token})}


def post(asked: FlaskClient, path: str, token: str | None = None, raw: bytes | None = None) -> TestResponse:
    return asked.post(path, data=raw or body(view()), content_type="application/json", headers=sent(token))


def check_401(response: TestResponse) -> None:
    assert response.status_code == 401
    assert response.data == b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}'
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Access-Control-Allow-Origin"] == EHR


def test_the_answer_is_told_who_calls() -> None:
    response = post(client(trust().authenticate), "/cds-services/view", bearer(claims(tenant="north")))
    assert response.status_code == 200
    assert response.get_json()["extension"]["caller"] == {"iss": ISS, "jti": "nonce-1", "tenant": "north"}


def test_without_authentication_nobody_is_known() -> None:
    response = post(client(None), "/cds-services/view")
    assert response.get_json()["extension"]["caller"] == {}


@pytest.mark.parametrize(
    "token",
    [
        None,
        "Basic dTpw",
        "Bearer a.b.c",
        bearer(claims(iss="https://evil.example")),
        bearer(claims(aud=f"{BASE}/cds-services/sign")),
        bearer(claims(aud="http://localhost/cds-services/view")),
        bearer(claims(exp=NOW - 100, iat=NOW - 200)),
        bearer(claims(jti=ABSENT)),
        bearer(key=SigningKey.generate(), kid=KEY.kid),
    ],
)
def test_401_tells_nothing(token: str | None) -> None:
    check_401(post(client(trust().authenticate), "/cds-services/view", token))


def test_the_second_use_of_a_token() -> None:
    asked = client(trust().authenticate)
    assert post(asked, "/cds-services/view", bearer()).status_code == 200
    check_401(post(asked, "/cds-services/view", bearer()))


def test_a_token_is_for_the_public_address_whatever_the_host_header_says() -> None:
    asked = client(trust().authenticate)
    for host in ("evil.example", "cds.example.org"):
        token = bearer(claims(aud=f"https://{host}/cds-services/view"))
        check_401(asked.post("/cds-services/view", data=body(view()), headers=sent(token, Host=host)))
    token = bearer()
    response = asked.post(
        "/cds-services/view",
        data=body(view()),
        content_type="application/json",
        headers=sent(token, Host="evil.example"),
    )
    assert response.status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_discovery(method: str) -> None:
    token = bearer(claims(aud=f"{BASE}/cds-services"))
    closed, opened = client(trust().authenticate), client(trust().authenticate, open_discovery=True)
    assert closed.open("/cds-services", method=method, headers=sent()).status_code == 401
    assert closed.open("/cds-services", method=method, headers=sent(bearer())).status_code == 401
    assert closed.open("/cds-services", method=method, headers=sent(token)).status_code == 200
    assert opened.open("/cds-services", method=method, headers=sent()).status_code == 200
    check_401(post(opened, "/cds-services/view"))


def test_who_is_not_known_does_not_learn_which_services_there_are() -> None:
    asked = client(trust().authenticate)
    check_401(post(asked, "/cds-services/none"))
    response = post(asked, "/cds-services/none", bearer(claims(aud=f"{BASE}/cds-services/none")))
    assert response.status_code == 404


def test_the_body_is_not_read_before_the_token() -> None:
    asked = client(trust().authenticate)
    for raw in (b"x" * (MAX_BODY + 1), b"{"):
        check_401(post(asked, "/cds-services/view", None, raw))
    check_401(asked.post("/cds-services/view", data="x", content_type="text/plain", headers=sent()))
    assert post(asked, "/cds-services/view", bearer(), b"x" * (MAX_BODY + 1)).status_code == 413


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/view", "/cds-services/none"])
def test_a_preflight_never_wants_a_token(path: str) -> None:
    def nobody(paths: Sequence[str], authorization: str | None) -> Caller:
        raise AssertionError

    response = client(nobody).options(path, headers=sent())
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


def test_503_says_when_to_come_back() -> None:
    def away(paths: Sequence[str], authorization: str | None) -> Caller:
        raise Unavailable(7)

    response = post(client(away), "/cds-services/view", bearer())
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "7"
    assert response.headers["Access-Control-Allow-Origin"] == EHR
    (issue,) = response.get_json()["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "transient")


def test_each_route_asks_for_its_own_address() -> None:
    seen: list[Sequence[str]] = []

    def remember(paths: Sequence[str], authorization: str | None) -> Caller:
        seen.append(paths)
        return Caller(iss=ISS, tenant=None, jti="1")

    asked = client(remember)
    asked.get("/cds-services")
    post(asked, "/cds-services/sign")
    post(asked, "/cds-services/%76iew")
    assert seen == [("/cds-services",), ("/cds-services/sign",), ("/cds-services/view",)]


def test_a_request_shows_nothing_of_the_caller_in_its_text() -> None:
    parsed = PARSER.parse(
        json.dumps(view()).encode(), SERVICES[0].hook, None, Caller(iss=ISS, tenant="t", jti="secret")
    )
    assert parsed.caller == Caller(iss=ISS, tenant="t", jti="secret")
    assert "secret" not in repr(parsed)
