"""A small CDS service with faults to switch on by name; without any it keeps every rule of the conformance suite."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Collection
from typing import Any, Final
from uuid import UUID, uuid4

import flask
import jwt
import requests
from werkzeug.exceptions import HTTPException

from tests.broken_parts import (
    ACTION_FAULTS,
    CARD,
    CARD_FAULTS,
    CREATE,
    ENTRY,
    ENTRY_FAULTS,
    HOOK,
    ID,
    Checks,
    Json,
    uuid,
)

LARGEST: Final = 64 * 1024
ISSUER: Final = "https://ehr.example.org"
PATH: Final = "/cds-services"
_PATIENCE: Final = 1.5  # seconds for the FHIR server

# How the service behaves, and the checks that must fail for it.
BEHAVIOUR_FAULTS: Final[dict[str, Checks]] = {
    "text/json": ("json-media-type",),
    "slow": ("answers-in-time",),
    "reads members in order": ("member-order",),
    "practitioners only": ("user-types",),
    "no charset": ("charset-parameter",),
    "no unknown members": ("unknown-members",),
    "unknown members change the cards": ("unknown-members",),
    "SMART v1 only": ("authorization-accepted",),
    "repeats the access token": ("access-token-is-not-repeated",),
    "new ids each time": ("repeated-hook-instance",),
    "500 without a context": ("missing-member",),
    "404 for a missing member": ("missing-member",),
    "500 for a wrong type": ("ill-typed-member",),
    "500 for a wrong fhirServer": ("ill-typed-optional-member",),
    "any hook": ("hook-mismatch",),
    "500 for broken JSON": ("malformed-json",),
    "400 for an unknown service": ("unknown-service",),
    "405 without Allow": ("wrong-method",),
    "404 for a wrong method": ("wrong-method",),
    "any media type": ("media-type",),
    "no limit": ("body-too-large",),
    "errors in plain text": ("error-outcome",),
    "500 for an absent key": ("prefetch-absent",),
    "500 for null": ("prefetch-null",),
    "412 for an empty Bundle": ("prefetch-empty-bundle",),
    "null is not empty": ("prefetch-empty-bundle",),
    "outcome taken for the patient": ("prefetch-operation-outcome",),
    "500 for an outcome entry": ("prefetch-outcome-entries",),
    "500 for a further page": ("prefetch-next-link",),
    "500 for a web page": ("prefetch-wrong-type",),
    "500 for another type": ("prefetch-other-resource",),
    "any patient": ("prefetch-other-patient",),
    "500 for a stray key": ("prefetch-stray-key",),
    "a stray key changes the cards": ("prefetch-stray-key",),
    "500 without prefetch": ("prefetch-none", "precondition-failed"),
    "412 without a body": ("precondition-outcome",),
    "preflight without methods": ("preflight-allows",),
    "preflight without headers": ("preflight-allows",),
    "no CORS on answers": ("cors-on-answers", "feedback-from-browsers"),
    "no CORS on errors": ("cors-on-errors",),
    "credentials for everybody": ("cors-credentials",),
    "one feedback at a time": ("feedback-batch",),
    "feedback only once": ("feedback-repeated",),
    "no comment alone": ("feedback-reasons",),
    "a display is needed": ("feedback-bare-reasons",),
    "known cards only": ("feedback-unknown-card",),
    "any feedback": ("feedback-malformed",),
    "no feedback from browsers": ("feedback-from-browsers",),
}
# What only shows where a token is demanded.
TOKEN_FAULTS: Final[dict[str, Checks]] = {
    "any text is a token": ("token-garbage",),
    "no signature checked": ("token-forged",),
    "expired is fine": ("token-expired",),
    "the future is fine": ("token-not-yet-valid",),
    "any audience": ("token-audience", "token-for-discovery"),
    "none is an algorithm": ("token-none",),
    "the public key is a secret": ("token-hs256",),
    "any issuer": ("token-issuer",),
    "a token for ever": ("token-replayed",),
    "a service's token for discovery": ("token-for-discovery",),
    "feedback from anybody": ("feedback-token",),
}
# What leaves other checks without a ground to stand on, so that it shows by itself alone.
ALONE_FAULTS: Final[dict[str, Checks]] = {
    "discovery elsewhere": ("discovery-path",),
    "discovery is a list": ("discovery-services",),
    "NaN in the answers": ("json-bodies",),
    "answers are lists": ("cards",),
    "cards are an object": ("cards",),
    "nothing is needed": ("precondition-failed",),
    "503 for everything": ("complete-request",),
    "chokes on access": ("authorization-accepted", "ill-typed-optional-member", "precondition-failed"),
    "preflight wants a token": ("preflight", "feedback-from-browsers"),
    "bare feedback": ("feedback-taken",),
    "preflight for nobody": ("preflight-allows", "feedback-from-browsers"),
}
ALONE_TOKEN_FAULTS: Final[dict[str, Checks]] = {
    "no token needed": ("token-missing", "feedback-token"),
    "says why": ("token-refusals-are-alike",),
    "no token is good": (
        "token-accepted",
        "complete-request",
        "discovery-path",
        "token-for-discovery",
        "feedback-taken",
    ),
}

# What only shows with a FHIR server of the suite's own.
ACCESS_FAULTS: Final[dict[str, Checks]] = {
    "fetches nothing": ("access-fetches", "access-follows-pages"),
    "forgets the token": ("access-presents-the-token",),
    "first page only": ("access-follows-pages",),
    "asks again": ("access-asks-nothing-twice",),
    "500 for a bad server": ("access-survives-a-bad-server",),
    "follows redirects": ("access-stays-with-the-server",),
    "waits long": ("access-has-a-deadline",),
}

FAULTS: Final[dict[str, Checks]] = {
    **{name: checks for faults in (ENTRY_FAULTS, CARD_FAULTS, ACTION_FAULTS) for name, (_, checks) in faults.items()},
    **BEHAVIOUR_FAULTS,
}


class Away(Exception):
    """The FHIR server does not answer."""


class Refused(Exception):
    """The answer is this status."""

    def __init__(self, status: int, text: str = "refused") -> None:
        super().__init__(text)
        self.status = status


class Broken:
    """The service with some faults; with a public key (PEM) it demands tokens, its address being `base`."""

    def __init__(self, faults: Collection[str] = (), *, public_key: bytes | None = None, base: str = "") -> None:
        self.faults, self.public_key, self.base = frozenset(faults), public_key, base
        self.late = 0.0
        self._nonces: set[str] = set()
        self._reports: set[bytes] = set()

    def clock(self) -> float:
        """The time as a caller would measure it; a slow service takes two seconds a call."""
        return time.monotonic() + self.late

    @property
    def app(self) -> flask.Flask:
        app = flask.Flask(__name__)
        app.register_error_handler(Refused, lambda error: self.refusal(error.status, str(error)))
        app.register_error_handler(HTTPException, lambda error: self.refusal(error.code or 500, error.name))
        routes: dict[str, Callable[..., flask.Response]] = {
            PATH: self.discovery,
            f"{PATH}/<id>": self.service,
            f"{PATH}/<id>/feedback": self.feedback,
        }
        for path, view in routes.items():
            methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
            app.add_url_rule(path, view_func=view, methods=methods, provide_automatic_options=False)
        app.after_request(self.cors)
        return app

    # -- what every call goes through --------------------------------------------------------------

    def cors(self, response: flask.Response) -> flask.Response:
        error = response.status_code >= 400
        if flask.request.method == "OPTIONS" and "preflight for nobody" in self.faults:
            return response
        if f"no CORS on {'errors' if error else 'answers'}" not in self.faults or flask.request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Origin"] = "*"
        if "credentials for everybody" in self.faults:
            response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    def refusal(self, status: int, text: str) -> flask.Response:
        if "errors in plain text" in self.faults and status not in (401, 412):
            return flask.Response(text, status=status)
        if "412 without a body" in self.faults and status == 412:
            return flask.Response(status=status)
        text = text if status != 401 or "says why" in self.faults else "refused"
        issue = {"severity": "error", "code": "processing", "details": {"text": text}}
        return flask.Response(
            json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}),
            status=status,
            content_type="application/json",
        )

    def only(self, method: str) -> flask.Response | None:
        """The answer to a preflight; refuses any other method than the one that is offered."""
        if flask.request.method == "OPTIONS":
            if "preflight wants a token" in self.faults:
                raise Refused(403)
            response = flask.Response(status=204)
            if "preflight without methods" not in self.faults:
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            if "preflight without headers" not in self.faults:
                response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
            return response
        if flask.request.method != method:
            if "404 for a wrong method" in self.faults:
                raise Refused(404)
            response = self.refusal(405, "wrong method")
            if "405 without Allow" not in self.faults:
                response.headers["Allow"] = f"{method}, OPTIONS"
            return response
        return None

    def send(self, document: Any) -> flask.Response:
        media_type = "text/json" if "text/json" in self.faults else "application/json"
        return flask.Response(json.dumps(document), content_type=media_type)

    def admit(self, *audiences: str) -> None:
        if self.public_key is not None:
            Token(self).check(flask.request.headers.get("Authorization"), audiences)

    def first_use(self, nonce: str) -> bool:
        new = nonce not in self._nonces
        self._nonces.add(nonce)
        return new

    # -- discovery ---------------------------------------------------------------------------------

    def discovery(self) -> flask.Response:
        answer = self.only("GET")
        if answer is not None:
            return answer
        service = [f"{self.base}{PATH}/{ID}"] if "a service's token for discovery" in self.faults else []
        self.admit(f"{self.base}{PATH}", *service)
        if "discovery elsewhere" in self.faults:
            return flask.redirect("/elsewhere")  # type: ignore[return-value]  # werkzeug's Response, as Flask says
        more = [{**ENTRY, "id": f"more-{n}", **ENTRY_FAULTS[name][0]} for n, name in enumerate(self.of(ENTRY_FAULTS))]
        return self.send([ENTRY] if "discovery is a list" in self.faults else {"services": [ENTRY, *more]})

    def of(self, faults: Collection[str]) -> list[str]:
        return [name for name in faults if name in self.faults]

    # -- invocation --------------------------------------------------------------------------------

    def service(self, id: str) -> flask.Response:
        answer = self.only("POST")
        if answer is not None:
            return answer
        self.late += 2 if "slow" in self.faults else 0
        if "503 for everything" in self.faults:
            return flask.Response("away", status=503)
        self.admit(f"{self.base}{PATH}/{id}")
        if id != ID:
            raise Refused(400 if "400 for an unknown service" in self.faults else 404)
        body = self.body()
        self.check(body)
        try:
            prefetch = self.fetched(body)
        except Away:
            prefetch = body.get("prefetch")
        if prefetch is None and "500 without prefetch" in self.faults:
            raise Refused(500)
        if not isinstance(prefetch, dict | None):
            raise Refused(400)
        received = {key: self.data(key, value) for key, value in (prefetch or {}).items()}
        patient = received.get("patient")
        if not self.is_patient(patient):
            if "nothing is needed" in self.faults:
                return self.send({"cards": []})
            raise Refused(412)
        if "labs" not in received and "500 for an absent key" in self.faults:
            raise Refused(500)
        strange = self.strange(body) or ("a stray key changes the cards" in self.faults and len(received) > 3)
        return self.answer(body, f"{bool(received.get('labs'))}, {bool(received.get('procedures'))}, {strange}")

    def fetched(self, body: Json) -> Any:
        """The prefetch with what it lacks from the FHIR server, as far as there is one."""
        prefetch, server = body.get("prefetch"), body.get("fhirServer")
        if "fhirAuthorization" not in body or not isinstance(prefetch, dict | None) or "fetches nothing" in self.faults:
            return prefetch
        found = dict(prefetch or {})
        again = "asks again" in self.faults
        for key, asked in {"patient": "/Patient/p1", "labs": "/Observation?patient=p1"}.items():
            value = found.get(key)
            told = key in found and not (again and (value is None or "issue" in value))
            links = value.get("link") or () if isinstance(value, dict) else ()
            if links and "first page only" not in self.faults:
                fetched = self.get(links[0]["url"], body)
            else:
                fetched = None if told else self.get(f"{server}{asked}", body)
            if fetched is not None:
                found[key] = fetched
        return found or prefetch

    def get(self, url: str, body: Json) -> Any:
        """A resource of the FHIR server, or None."""
        if not url.startswith("http://127.0.0.1") or ":9/" in url:
            return None
        headers = {"Authorization": f"Bearer {body['fhirAuthorization'].get('access_token')}"}
        try:
            response = requests.get(
                url,
                headers=headers if "forgets the token" not in self.faults else {},
                timeout=_PATIENCE,
                allow_redirects="follows redirects" in self.faults,
            )
        except requests.RequestException:
            self.late += 6 if "waits long" in self.faults else 0
            raise Away from None
        if "500 for a bad server" in self.faults and "json" not in response.headers.get("Content-Type", ""):
            raise Refused(500)
        return response.json() if response.status_code == 200 and "json" in response.headers["Content-Type"] else None

    def strange(self, body: Json) -> bool:
        return "unknown members change the cards" in self.faults and "orgExampleUnknown" in body

    def body(self) -> Json:
        raw = flask.request.get_data()
        if flask.request.mimetype != "application/json" and "any media type" not in self.faults:
            raise Refused(415)
        if flask.request.mimetype_params and "no charset" in self.faults:
            raise Refused(415)
        if len(raw) > LARGEST and "no limit" not in self.faults:
            raise Refused(413)
        try:
            body = json.loads(raw.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Refused(500 if "500 for broken JSON" in self.faults else 400) from None
        if not isinstance(body, dict):
            raise Refused(400)
        return body

    def check(self, body: Json) -> None:
        faults = self.faults
        context = body.get("context")
        if "context" not in body and "500 without a context" in faults:
            raise Refused(500)
        if "reads members in order" in faults and list(body)[-1] == "hook":
            raise Refused(500)
        if not isinstance(body.get("context", {}), dict):
            raise Refused(500 if "500 for a wrong type" in faults else 400)
        inside: Json = context or {}
        kinds = {"hook": str, "hookInstance": str, "context": dict}
        there = {name: name in body for name in kinds} | {
            name: name in inside for name in ("userId", "patientId", "draftOrders")
        }
        right = [isinstance(body.get(name), kind) for name, kind in kinds.items()]
        right += [isinstance(inside.get(name), str) for name in ("userId", "patientId")]
        right.append(isinstance(inside.get("draftOrders"), dict))
        if not all(there.values()):
            raise Refused(404 if "404 for a missing member" in faults else 400)
        if not all(right):
            raise Refused(500 if "500 for a wrong type" in faults else 400)
        try:
            UUID(body["hookInstance"])
        except ValueError:
            raise Refused(400) from None
        if body["hook"] != HOOK and "any hook" not in faults:
            raise Refused(400)
        if "practitioners only" in faults and not inside["userId"].startswith("Practitioner/"):
            raise Refused(400)
        if "no unknown members" in faults and "orgExampleUnknown" in body:
            raise Refused(400)
        self.check_access(body)

    def check_access(self, body: Json) -> None:
        server, access = body.get("fhirServer"), body.get("fhirAuthorization")
        if access is not None and "chokes on access" in self.faults:
            raise Refused(500)
        if server is not None and not str(server).startswith(("https://", "http://127.0.0.1")):
            raise Refused(500 if "500 for a wrong fhirServer" in self.faults else 400)
        if access is not None and (not isinstance(access, dict) or "scope" not in access or server is None):
            raise Refused(400)
        if access is not None and "SMART v1 only" in self.faults and access["scope"].endswith(".rs"):
            raise Refused(400)

    def data(self, key: str, value: Any) -> Any:
        """The resources under a key: None when there is nothing."""
        fault = {
            "500 for null": value is None and key == "labs",
            "500 for a web page": isinstance(value, str),
            "500 for a stray key": key not in ENTRY["prefetch"],
        }
        if value is None or not isinstance(value, dict):
            self.fail(fault)
            return []
        kind = value.get("resourceType")
        entries = value.get("entry")
        listed = entries if isinstance(entries, list) else []
        outcomes = [entry for entry in listed if entry.get("search", {}).get("mode") == "outcome"]
        fault["500 for an outcome entry"] = bool(outcomes)
        fault["500 for a further page"] = "link" in value
        fault["500 for another type"] = kind == "Basic"
        self.fail(fault)
        if kind == "OperationOutcome":
            return [{"resourceType": "Patient"}] if "outcome taken for the patient" in self.faults else []
        if kind == "Bundle":
            if entries is None and key == "procedures" and "412 for an empty Bundle" in self.faults:
                raise Refused(412)
            found = [entry["resource"] for entry in listed if entry not in outcomes]
            empty_is_some = key == "procedures" and "null is not empty" in self.faults
            return found or ([{"none": True}] if empty_is_some else [])
        return [value] if isinstance(kind, str) else []

    def fail(self, faults: dict[str, bool]) -> None:
        if any(there and name in self.faults for name, there in faults.items()):
            raise Refused(500)

    def is_patient(self, resources: Any) -> bool:
        if not resources or resources[0].get("resourceType") != "Patient":
            return False
        return "any patient" in self.faults or resources[0].get("id") in ("p1", None)

    def answer(self, body: Json, results: str) -> flask.Response:
        faults = self.faults
        planted = self.of(CARD_FAULTS)
        cards = [{**CARD, "uuid": uuid("card"), "detail": f"{CARD['detail']} Results: {results}."}]
        for name in planted:
            cards.append({**CARD, "uuid": uuid(name), **CARD_FAULTS[name][0]})
        if "new ids each time" in faults:
            cards.append({**CARD, "uuid": str(uuid4())})
        if "repeats the access token" in faults and "fhirAuthorization" in body:
            cards[0]["detail"] += str(body["fhirAuthorization"].get("access_token"))
        if "NaN in the answers" in faults:
            cards[0]["extension"] = {"org.example.card": float("nan")}
        if "answers are lists" in faults:
            return self.send(cards)
        document: Json = {"cards": {"a": 1} if "cards are an object" in faults else cards}
        actions = [ACTION_FAULTS[name][0] for name in self.of(ACTION_FAULTS)]
        if actions:
            document["systemActions"] = [CREATE, *actions]
        return self.send(document)

    # -- feedback ----------------------------------------------------------------------------------

    def feedback(self, id: str) -> flask.Response:
        if flask.request.method == "OPTIONS" and "no feedback from browsers" in self.faults:
            raise Refused(405)
        answer = self.only("POST")
        if answer is not None:
            return answer
        if "feedback from anybody" not in self.faults:
            self.admit(f"{self.base}{PATH}/{id}/feedback", f"{self.base}{PATH}/{id}")
        if id != ID:
            raise Refused(404)
        body = self.body()
        raw = flask.request.get_data()
        if raw in self._reports and "feedback only once" in self.faults:
            raise Refused(409)
        self._reports.add(raw)
        events = [body] if "bare feedback" in self.faults else body.get("feedback")
        if not isinstance(events, list) or not events or not all(map(_is_event, events)):
            if "any feedback" in self.faults:
                return self.send({})
            raise Refused(400)
        if len(events) > 1 and "one feedback at a time" in self.faults:
            raise Refused(400)
        for event in events:
            self.check_event(event)
        return self.send({"stored": len(events)})

    def check_event(self, event: Json) -> None:
        if event["card"] != uuid("card") and "known cards only" in self.faults:
            raise Refused(404)
        given = event.get("overrideReason", {})
        if "no comment alone" in self.faults and given.keys() == {"userComment"}:
            raise Refused(400)
        if "a display is needed" in self.faults and "reason" in given and "display" not in given["reason"]:
            raise Refused(400)


def _is_event(event: Any) -> bool:
    if not isinstance(event, dict):
        return False
    card, outcome, time_ = (event.get(name) for name in ("card", "outcome", "outcomeTimestamp"))
    if not isinstance(card, str) or not isinstance(time_, str) or not time_.endswith("Z"):
        return False
    return outcome == "overridden" or (outcome == "accepted" and bool(event.get("acceptedSuggestions")))


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


class Token:
    """Checks a token as a service with some faults does."""

    def __init__(self, service: Broken) -> None:
        self.service, self.faults = service, service.faults

    def check(self, authorization: str | None, audiences: Collection[str]) -> None:
        faults = self.faults
        if authorization is None:
            if "no token needed" in faults:
                return
            raise Refused(401, "no token")
        text = authorization.removeprefix("Bearer ")
        if "no token is good" in faults:
            raise Refused(401)
        try:
            header, claims = self.decoded(text)
        except (ValueError, TypeError, AttributeError):
            if "any text is a token" in faults:
                return
            raise Refused(401, "no JSON") from None
        self.check_signature(text, header)
        now = time.time()
        if claims.get("exp", 0) < now and "expired is fine" not in faults:
            raise Refused(401, "expired")
        if claims.get("nbf", 0) > now and "the future is fine" not in faults:
            raise Refused(401, "not yet")
        if claims.get("aud") not in audiences and "any audience" not in faults:
            raise Refused(401, "audience")
        if claims.get("iss") != ISSUER and "any issuer" not in faults:
            raise Refused(401, "issuer")
        if not self.service.first_use(str(claims.get("jti"))) and "a token for ever" not in faults:
            raise Refused(401, "replay")

    def decoded(self, text: str) -> list[Json]:
        """The header and the claims; ValueError, TypeError or AttributeError when they are none."""
        head, body, _ = text.split(".")
        parts = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, body)]
        for part in parts:
            part.get("alg")
        return parts

    def check_signature(self, text: str, header: Json) -> None:
        assert self.service.public_key is not None
        algorithm = header.get("alg")
        if algorithm in ("none", "None") and "none is an algorithm" in self.faults:
            return
        signed, _, signature = text.rpartition(".")
        if algorithm == "HS256" and "the public key is a secret" in self.faults:
            digest = hmac.new(self.service.public_key, signed.encode(), hashlib.sha256).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=") == signature.encode():
                return
        if algorithm == "ES384" and "no signature checked" in self.faults:
            return
        try:
            jwt.PyJWS().decode(text, self.service.public_key, algorithms=["ES384"])
        except jwt.PyJWTError:
            raise Refused(401, "signature") from None
