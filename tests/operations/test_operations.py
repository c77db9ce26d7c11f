"""/healthz and /readyz, the id that each answer carries, and what is written of a call."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from service.app import create_app
from service.config import IssuerSettings, Settings
from service.operations import Check, operate
from tests.builder import Record
from tests.databases import KEY
from tests.fhir_pieces import TODAY
from tests.front_door import application, ask, post
from tests.service.test_serve import free_port

UUID = "2f1a4b0e-5f0c-4d2b-9a3e-6d1c7b8e9f10"


def test_health() -> None:
    answer = application(TODAY).test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("checks", "needed", "status", "said"),
    [
        ({}, (), 200, "ready"),
        ({"store": lambda: None}, ("store",), 200, "ready"),
        ({"store": lambda: "away"}, (), 200, "degraded"),
        ({"store": lambda: "away", "keys": lambda: None}, ("keys",), 200, "degraded"),
        ({"store": lambda: "away"}, ("store",), 503, "unavailable"),
    ],
)
def test_readiness(checks: Mapping[str, Check], needed: tuple[str, ...], status: int, said: str) -> None:
    app = Flask(__name__)
    operate(app, {}, checks, needed=needed)
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (status, said)
    assert answer.get_json()["checks"] == {name: check() or "ok" for name, check in checks.items()}


def test_every_answer_carries_the_id_of_its_call() -> None:
    assert ask(Record()).headers["X-Request-ID"] != ask(Record()).headers["X-Request-ID"]
    assert post(b"{").headers["X-Request-ID"]
    client = application(TODAY).test_client()
    for path in ("/none", "/cds-services", "/healthz"):
        assert client.get(path, headers={"X-Request-ID": UUID}).headers["X-Request-ID"] == UUID


def test_only_a_refused_call_leaves_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert ask(Record()).status == 200
    assert caplog.records == []
    assert post(b"{").status == 400
    (record,) = caplog.records
    assert record.msg == {"event": "refused", "call": "patient-view", "status": 400}


def test_a_call_that_fails_outside_the_hooks_tells_no_address(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask(__name__)

    @app.get("/<name>")
    def fail(name: str) -> str:
        raise ValueError(name)

    operate(app, {}, {})
    answer = app.test_client().get("/wilhelmina")
    assert (answer.status_code, answer.text) == (500, "The service failed.\n")
    (record,) = caplog.records
    assert isinstance(record.msg, dict)
    assert record.msg["event"] == "a call failed"
    assert "wilhelmina" not in record.getMessage()


@pytest.mark.parametrize(
    ("replay", "issuers", "status", "said"),
    [
        ("strict", True, 503, "unavailable"),
        ("log", True, 200, "degraded"),
        ("strict", False, 200, "degraded"),
    ],
)
def test_a_store_that_is_away_takes_the_service_out_only_where_nobody_could_be_let_in(
    replay: Any, issuers: bool, status: int, said: str, tmp_path: Path
) -> None:
    registered = (IssuerSettings(iss="a", jku="http://127.0.0.1:1/jwks"),) if issuers else ()
    settings = Settings(
        database=f"postgresql://127.0.0.1:{free_port()}/none",
        pseudonym_keys=(KEY,),
        state_directory=str(tmp_path),
        replay=replay,
        issuers=registered,
        public_base_url="http://127.0.0.1:8080",
    )
    app = create_app(settings)
    answer = app.test_client().get("/readyz")
    app.extensions["store"].close()
    assert (answer.status_code, answer.get_json()["status"]) == (status, said)
    assert answer.get_json()["checks"] == {"feedback": "away", "journal": "ok", "tokens": "away"}
