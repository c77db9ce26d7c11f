"""The server of production under known clients and hostile ones: what it answers, how it stops, what it logs."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import requests

from cds_hooks.minting import SigningKey
from service.demo import sample_requests
from tests.command_line import OSTEOHOOKS, ROOT
from tests.fhir_pieces import Json
from tests.service.test_serve import free_port
from tests.wire_rules import check_response

ISS: Final = "https://ehr.example.org/auth"
OTHER_ISS: Final = "https://other.example.org/auth"
PUBLIC: Final = "https://cds.example.org"
ORIGIN: Final = "https://ehr.example.org"
DRAIN: Final = 2
# Stands in whatever is personal or secret, and nowhere else.
SECRET: Final = "zaphod"
T_SCORE: Final = -1.7391


ODD: Final[list[Any]] = [
    SECRET,
    [[SECRET]],
    {SECRET: SECRET},
    {"resourceType": SECRET, "id": SECRET},
    {"resourceType": "Bundle", "entry": [{"resource": {SECRET: 1}}, SECRET]},
    7,
]


def personal(request: Json) -> Json:
    """A demo request of a person: with a name, an address, free texts, and values to be recognised by."""
    text = json.dumps(request).replace("demo-1", f"{SECRET}-1").replace("1958-02-01", "1957-03-09")
    request = json.loads(text.replace("-1.8", str(T_SCORE)).replace("Practitioner/demo", f"Practitioner/{SECRET}"))
    patient = request["prefetch"]["patient"]
    patient["name"] = [{"family": SECRET, "given": [SECRET]}]
    patient["address"] = [{"text": f"1 {SECRET} street"}]
    patient["text"] = {"status": "generated", "div": f"<div>{SECRET}</div>"}
    request["hookInstance"] = str(uuid4())
    request["fhirServer"] = f"https://127.0.0.1:9/{SECRET}"
    request["fhirAuthorization"] = {
        "access_token": SECRET,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "user/*.rs",
        "subject": SECRET,
    }
    return request


@dataclass
class Server:
    """The running server: its process, where it listens, what it writes, and a client's key."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    key: SigningKey
    session: requests.Session

    def call(self, request: Any, hook: str = "", *, token: str | None = "", **options: Any) -> requests.Response:
        """Post a request to the service of its hook, with a good token unless another or none is given."""
        path = f"/cds-services/bone-health-{hook or request['hook']}"
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        # A connection each: one whose call was refused before its body was read is closed by the server.
        headers = {"Content-Type": "application/json", "Origin": ORIGIN, "Connection": "close"}
        headers |= self.bearer(path, token)
        headers |= options.pop("headers", {})
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.session.post(url, data=body, headers=headers, timeout=20, **options)

    def bearer(self, path: str, token: str | None = "") -> dict[str, str]:
        if token is None:
            return {}
        return {"Authorization": f"Bearer {token or self.key.token(ISS, PUBLIC + path)}"}

    def raw(self, sent: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(sent)
        return connection

    def begin(self, request: Json, part: int = 100) -> tuple[socket.socket, bytes]:
        """The first bytes of a call on a connection of its own, and what is left to send."""
        path, body = f"/cds-services/bone-health-{request['hook']}", json.dumps(request).encode()
        head = [
            f"POST {path} HTTP/1.1",
            "Host: cds.example.org",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in self.bearer(path).items()),
        ]
        return self.raw("\r\n".join([*head, "", ""]).encode() + body[:part]), body[part:]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def requests_of_a_person() -> list[Json]:
    return [personal(request) for request in sample_requests(datetime.now(UTC).date())]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("production")
    key, port, log = SigningKey.generate(), free_port(), folder / "log"
    (folder / "jwks.json").write_text(json.dumps(key.key_set()))
    (folder / "production.toml").write_text(
        f'mode = "production"\nport = {port}\nworkers = 1\npublic_base_url = "{PUBLIC}"\norigins = ["{ORIGIN}"]\n'
        f'max_body_bytes = 200000\ndrain_seconds = {DRAIN}\n[[issuers]]\niss = "{ISS}"\njwks_file = "jwks.json"\n'
        f'[[issuers]]\niss = "{OTHER_ISS}"\njwks_file = "jwks.json"\n'
    )
    settings = {name: value for name, value in os.environ.items() if not name.startswith("OSTEOHOOKS_")}
    with log.open("wb") as written, requests.Session() as session:
        session.trust_env = False
        process = subprocess.Popen(
            [*OSTEOHOOKS, "serve", "--config", str(folder / "production.toml")],
            cwd=ROOT,
            env=settings,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
        try:
            for _ in range(300):
                if listens(port) or process.poll() is not None:
                    break
                time.sleep(0.1)
            yield Server(process, port, log, key, session)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def check_refusal(answer: requests.Response, *statuses: int) -> None:
    assert answer.status_code in statuses
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert SECRET not in answer.text


def test_known_clients_are_answered(server: Server, requests_of_a_person: list[Json]) -> None:
    for request in requests_of_a_person:
        answer = server.call(request)
        assert answer.status_code == 200
        check_response(answer.json())
        assert answer.json()["cards"]
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_the_same_call_again_has_the_same_answer(server: Server, requests_of_a_person: list[Json]) -> None:
    for request in requests_of_a_person:
        first, again = (server.call(request).content for _ in range(2))
        assert first == again
        token = server.key.token(OTHER_ISS, f"{PUBLIC}/cds-services/bone-health-{request['hook']}")
        answers = [
            json.loads(first),
            server.call({**request, "hookInstance": str(uuid4())}).json(),
            server.call(request, token=token).json(),
            server.call({**request, "extension": {"org.example": 1}}).json(),
        ]
        ids = [card["uuid"] for answer in answers for card in answer["cards"]]
        assert len(ids) == len(set(ids)) == 4 * len(answers[0]["cards"])


def test_forgers_are_refused(server: Server, requests_of_a_person: list[Json]) -> None:
    request = requests_of_a_person[0]
    path = f"/cds-services/bone-health-{request['hook']}"
    good, other = server.key.token(ISS, PUBLIC + path), SigningKey.generate()
    assert server.call(request, token=good).status_code == 200
    claims = {"iss": ISS, "aud": PUBLIC + path, "iat": 0, "exp": 1, "jti": SECRET, "sub": SECRET}
    tokens = [
        good,  # used before
        good[:-4] + "AAAA",
        other.token(ISS, PUBLIC + path),
        server.key.token(f"https://{SECRET}.example.org", PUBLIC + path),
        server.key.token(ISS, f"https://{SECRET}.example.org"),
        server.key.sign(json.dumps(claims).encode(), {"kid": SECRET}),
        server.key.sign(json.dumps(claims).encode(), {}),
        f"{SECRET}.{SECRET}.{SECRET}",
        SECRET * 2000,
        None,
    ]
    for token in tokens:
        answer = server.call(request, token=token)
        check_refusal(answer, 401)
        assert answer.json()["issue"] == [{"severity": "error", "code": "login"}]


def hostile_bodies(request: Json) -> Iterator[tuple[Any, tuple[int, ...], dict[str, str]]]:
    """What a hostile client sends, which statuses may answer it, and with which headers."""
    for member in ("hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization"):
        for odd in ODD:
            yield {**request, member: odd}, (200, 400, 412), {}
    for member in request["context"]:
        yield {**request, "context": {**request["context"], member: [SECRET]}}, (200, 400), {}
    for key in request["prefetch"]:
        for odd in ODD:
            changed = copy.deepcopy(request)
            changed["prefetch"][key] = odd
            yield changed, (200, 412), {}
    raw = json.dumps(request).encode()
    marked = json.dumps({**request, "note": f"<script>{SECRET}</script>"}).encode()
    for body in (
        b"",
        SECRET.encode(),
        raw[:-9],
        raw + marked,
        raw.replace(b": ", b": NaN", 1),
        marked.decode().encode("utf-16"),
    ):
        yield body, (400,), {}
    yield b'{"a":' * 5000 + raw, (400,), {}
    yield raw + b" " * 200_000, (413,), {}
    yield raw, (415,), {"Content-Type": f"application/{SECRET}"}
    yield raw, (415,), {"Content-Encoding": "gzip"}
    yield raw, (200,), {"Accept-Language": SECRET, "X-Patient": SECRET, "Referer": f"https://{SECRET}.example.org"}
    older = {"resourceType": "MedicationOrder", "id": SECRET, "note": SECRET}
    context = {**request["context"], "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": older}]}}
    yield {**request, "context": context}, (400,), {}


def test_hostile_bodies_are_refused_or_answered(server: Server, requests_of_a_person: list[Json]) -> None:
    sign = requests_of_a_person[0]
    for body, statuses, headers in hostile_bodies(sign):
        answer = server.call(body, sign["hook"], headers=headers)
        if answer.status_code == 200 and 200 in statuses:
            check_response(answer.json())
        else:
            check_refusal(answer, *statuses)


def test_hostile_addresses_are_refused(server: Server) -> None:
    base = f"http://127.0.0.1:{server.port}"
    for method, path, status in (
        ("POST", f"/cds-services/{SECRET}", 404),
        ("GET", f"/cds-services/{SECRET}/{SECRET}?patient={SECRET}", 404),
        ("DELETE", "/cds-services", 405),
        (SECRET.upper(), "/cds-services/bone-health-patient-view", 405),
        ("GET", f"/openapi.json?{SECRET}", 200),
    ):
        headers = {"Origin": ORIGIN, "Content-Type": "application/json"}
        headers |= server.bearer(path.partition("?")[0])
        answer = server.session.request(method, base + path, headers=headers, data=b"{}", timeout=20)
        if status == 200:
            assert answer.status_code == 200
        else:
            check_refusal(answer, status)


def test_a_body_that_is_announced_too_long_is_not_waited_for(server: Server) -> None:
    path = "/cds-services/bone-health-patient-view"
    bearer = server.bearer(path)["Authorization"]
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: {bearer}\r\n"
    with server.raw(f"{head}Content-Length: 10000000000\r\n\r\n".encode()) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "sent",
    [
        f"{SECRET}\r\n\r\n",
        f"GET /{SECRET} HTTP/9.9\r\n\r\n",
        f"POST /cds-services/bone-health-patient-view HTTP/1.1\r\nContent-Length: {SECRET}\r\n\r\n",
        f"GET /cds-services HTTP/1.1\r\nHost: x\r\nX: {SECRET * 200_000}\r\n\r\n",
        f"GET /cds-services/%ff%00{SECRET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_its_connection_and_nothing_else(
    server: Server, sent: str, requests_of_a_person: list[Json]
) -> None:
    with server.raw(b"") as connection:
        try:
            connection.sendall(sent.encode())
            assert b" 500 " not in connection.recv(100)
        except (ConnectionResetError, BrokenPipeError):
            pass  # closed before all of it was sent
    assert server.call(requests_of_a_person[0]).status_code == 200


def test_a_client_that_goes_away_costs_nothing(server: Server, requests_of_a_person: list[Json]) -> None:
    for _ in range(8):  # more than there are threads
        server.begin(requests_of_a_person[0])[0].close()
    assert server.call(requests_of_a_person[0]).status_code == 200


def test_a_stop_lets_requests_end_and_does_not_wait_for_ever(server: Server, requests_of_a_person: list[Json]) -> None:
    """After this the server is gone."""
    connection, rest = server.begin(requests_of_a_person[0])
    stalled, _ = server.begin(requests_of_a_person[0])
    with connection, stalled:
        time.sleep(0.3)  # both are being read
        server.process.send_signal(signal.SIGTERM)
        for _ in range(100):
            if not listens(server.port):
                break
            time.sleep(0.02)
        connection.sendall(rest)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        check_response(json.loads(body))
        server.process.wait(timeout=20)
    with pytest.raises(ProcessLookupError):
        os.killpg(server.process.pid, 0)


def test_no_log_holds_a_secret(server: Server, requests_of_a_person: list[Json]) -> None:
    """Of all the calls above, or, alone, of a few."""
    if server.process.poll() is None:
        test_known_clients_are_answered(server, requests_of_a_person)
        test_forgers_are_refused(server, requests_of_a_person)
        server.process.terminate()
        server.process.wait(timeout=20)
    log = server.log.read_text(encoding="utf-8", errors="replace").lower()
    assert "signature" in log, "what this reads is the log"
    assert "replay" in log
    for secret in (SECRET, "1957-03-09", str(T_SCORE).lstrip("-"), "eyj", "bearer "):
        assert secret not in log, f"{secret} stands in the log"
    assert "traceback" not in log
