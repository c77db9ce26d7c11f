"""Client authentication from the settings to the routes of the service: a real key pair, files, a key server."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_hooks.minting import SigningKey
from service.app import create_app
from service.callers import trust_of
from service.config import Settings, SettingsError
from tests.front_door import request_body
from tests.wire.clients import answer, key_set, serving

BASE = "https://cds.example.org/bone"
ISS = "https://ehr.example.org/auth"
KEY = SigningKey.generate()
VIEW = "/cds-services/bone-health-patient-view"
BODY = json.dumps(request_body({"patient": {"resourceType": "Patient", "id": "p1"}}, patient_id="p1")).encode()

PRODUCTION = f"""
mode = "production"
workers = 1
public_base_url = "{BASE}"
origins = ["https://ehr.example.org"]
"""
DEMO = f'public_base_url = "{BASE}"\n'
ISSUER = f'[[issuers]]\niss = "{ISS}"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ehr.jwks.json").write_bytes(key_set(KEY))
    return tmp_path


def load(folder: Path, text: str) -> Settings:
    path = folder / "settings.toml"
    path.write_text(text)
    return Settings.load({}, path)


def call(asked: FlaskClient, key: SigningKey | None = KEY, path: str = VIEW, **claims: Any) -> int:
    headers = {}
    if key is not None:
        headers["Authorization"] = "Bearer " + key.token(**{"iss": ISS, "aud": BASE + path, **claims})
    if path == "/cds-services":
        return asked.get(path, headers=headers).status_code
    return asked.post(path, data=BODY, content_type="application/json", headers=headers).status_code


def test_demo_mode_without_issuers_asks_nobody() -> None:
    assert trust_of(Settings()) is None
    asked = create_app(Settings()).test_client()
    assert call(asked, None) == 200
    assert call(asked, None, "/cds-services") == 200


@pytest.mark.parametrize("mode", [PRODUCTION, DEMO], ids=["production", "demo"])
def test_a_key_in_a_file(mode: str, folder: Path) -> None:
    asked = create_app(load(folder, f'{mode}{ISSUER}jwks_file = "ehr.jwks.json"')).test_client()
    assert call(asked) == 200
    assert call(asked, path="/cds-services") == 200
    assert call(asked, None) == 401
    assert call(asked, None, "/cds-services") == 401
    assert call(asked, SigningKey.generate()) == 401
    assert call(asked, iss="https://evil.example") == 401
    assert call(asked, aud="http://localhost/cds-services/bone-health-patient-view") == 401


def test_a_key_in_the_settings(folder: Path) -> None:
    jwk = ", ".join(f'{name} = "{value}"' for name, value in KEY.jwk.items())
    asked = create_app(load(folder, f"{PRODUCTION}{ISSUER}jwks = {{keys = [{{{jwk}}}]}}")).test_client()
    assert call(asked) == 200
    assert call(asked, SigningKey.generate()) == 401


def test_a_key_from_a_server_in_demo_mode(folder: Path) -> None:
    with serving(answer(key_set(KEY))) as server:
        jku = f"http://127.0.0.1:{server.port}/jwks.json"
        asked = create_app(load(folder, f'{DEMO}{ISSUER}jku = "{jku}"')).test_client()
        assert server.heads == []  # nothing is fetched before somebody calls
        assert call(asked, jku=jku) == 200
        assert call(asked) == 200
        assert call(asked, jku=f"{jku}?") == 401
        assert call(asked, SigningKey.generate()) == 401
        assert len(server.heads) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
def test_in_production_no_key_from_an_address_that_is_not_public(
    host: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answer(key_set(KEY))) as server:
        jku = f"https://{host}:{server.port}/jwks.json"
        asked = create_app(load(folder, f'{PRODUCTION}{ISSUER}jku = "{jku}"')).test_client()
        assert call(asked, jku=jku) == 503
        assert server.heads == []
    assert caplog.messages == [
        f"no key set from {jku}: address-not-public",
        f"client authentication: keys-away (iss '{ISS}')",
    ]


def test_each_choice_of_the_site_counts(folder: Path) -> None:
    text = f"""{PRODUCTION}
    replay = "log"
    open_discovery = true
    max_token_lifetime_seconds = 600
    leeway_seconds = 0
    {ISSUER}
    jwks_file = "ehr.jwks.json"
    tenants = ["north"]
    audiences = ["osteohooks"]
    """
    asked = create_app(load(folder, text)).test_client()
    assert call(asked, None, "/cds-services") == 200
    assert call(asked) == 401
    assert call(asked, tenant="south") == 401
    assert call(asked, tenant="north") == 200
    assert call(asked, tenant="north", aud="osteohooks") == 200
    assert call(asked, tenant="north", seconds=600) == 200
    assert call(asked, tenant="north", seconds=601) == 401
    assert call(asked, tenant="north", seconds=0) == 401


@pytest.mark.parametrize(("replay", "second"), [("strict", 401), ("log", 200), ("off", 200)])
def test_the_second_use_of_a_token(replay: str, second: int, folder: Path) -> None:
    text = f'{PRODUCTION}replay = "{replay}"\n{ISSUER}jwks_file = "ehr.jwks.json"'
    asked = create_app(load(folder, text)).test_client()
    headers = {"Authorization": "Bearer " + KEY.token(ISS, BASE + "/cds-services")}
    assert [asked.get("/cds-services", headers=headers).status_code for _ in range(2)] == [200, second]


def test_only_the_algorithms_of_the_site(folder: Path) -> None:
    text = f'{PRODUCTION}algorithms = ["RS384"]\n{ISSUER}jwks_file = "ehr.jwks.json"'
    with pytest.raises(SettingsError) as caught:
        create_app(load(folder, text))
    assert caught.value.problems == ("issuers[0].jwks_file: no key of this JWK set can be used with RS384",)


def test_every_key_that_cannot_be_had_is_named(folder: Path) -> None:
    (folder / "empty.json").write_text("")
    text = f"""{PRODUCTION}
    [[issuers]]
    iss = "a"
    jwks_file = "missing.json"
    [[issuers]]
    iss = "b"
    jwks_file = "empty.json"
    [[issuers]]
    iss = "c"
    jwks = {{}}
    """
    with pytest.raises(SettingsError) as caught:
        create_app(load(folder, text))
    assert caught.value.problems == (
        "issuers[0].jwks_file: cannot be read: No such file or directory",
        "issuers[1].jwks_file: not a JWK set",
        "issuers[2].jwks: not a JWK set",
    )


def test_settings_that_nobody_has_judged_are_judged() -> None:
    """Settings made by a program, not loaded: production without issuers must not become a service open to all."""
    for settings in (Settings(mode="production"), Settings(host="0.0.0.0")):
        with pytest.raises(SettingsError):
            create_app(settings)


def test_in_process_nobody_is_asked(folder: Path) -> None:
    settings = load(folder, f'{PRODUCTION}{ISSUER}jwks_file = "ehr.jwks.json"')
    assert call(create_app(settings, in_process=True).test_client(), None) == 200


@pytest.fixture
def whole_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_no_token_in_the_log(whole_log: pytest.LogCaptureFixture, folder: Path) -> None:
    text = f'{PRODUCTION}replay = "log"\n{ISSUER}jwks_file = "ehr.jwks.json"'
    asked = create_app(load(folder, text)).test_client()
    tokens = [
        KEY.token(ISS, BASE + "/cds-services"),
        KEY.token(ISS, BASE + "/cds-services", seconds=0),
        SigningKey.generate().token(ISS, BASE + "/cds-services"),
        KEY.token("https://evil.example/Ottilie-Quast", BASE + "/cds-services"),
    ]
    for token in (*tokens, *tokens):
        asked.get("/cds-services", headers={"Authorization": f"Bearer {token}"})
    assert len(whole_log.records) >= 5
    for token in tokens:
        assert [piece for piece in token.split(".") if piece in whole_log.text] == []
    assert "Ottilie" not in whole_log.text
