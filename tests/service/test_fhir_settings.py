"""Which FHIR servers the settings let be asked, in demo mode and in production."""

import json
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.minting import SigningKey
from service.access import access_of, grants_of
from service.app import create_app
from service.cli import main
from service.config import Settings, SettingsError
from tests.fhir_pieces import TODAY, Json
from tests.front_door import request_body
from tests.service.test_fhir_fallback import BUT_PROCEDURES, authorization, record, stored
from tests.wire.clients import answer, certificate, serving
from tests.wire.fhir_host import hosting, keeping

BASE = "https://cds.example.org"
ISS = "https://ehr.example.org/auth"
PATH = "/cds-services/bone-health-patient-view"
KEY = SigningKey.generate()
PRODUCTION = f"""
mode = "production"
workers = 1
public_base_url = "{BASE}"
origins = ["https://ehr.example.org"]
"""
ISSUER = f'[[issuers]]\niss = "{ISS}"\njwks_file = "ehr.jwks.json"\n'
NOT_SENT = "not sent by the record system: procedures"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ehr.jwks.json").write_text(json.dumps(KEY.key_set()))
    return tmp_path


def load(folder: Path, text: str) -> Settings:
    path = folder / "settings.toml"
    path.write_text(text)
    return Settings.load({}, path)


def refused(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        grants_of(load(folder, text))
    return caught.value.problems


def fetched(settings: Settings, server: str, token: str | None = None, **grant: Any) -> bool:
    """Whether the missing key was had."""
    client = create_app(settings).test_client()
    body = {**BUT_PROCEDURES, "fhirServer": server, "fhirAuthorization": authorization(**grant)}
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = client.post(PATH, json=body, headers=headers)
    assert response.status_code == 200
    return NOT_SENT not in response.get_data(as_text=True)


# -- demo mode ---------------------------------------------------------------------------------------------------------


def test_without_a_setting_no_server_is_asked(folder: Path) -> None:
    with hosting(keeping([])) as host:
        assert not fetched(Settings(), host.url)
        assert not fetched(Settings(fhir_servers=("https://fhir.example.org",)), host.url)
        assert not fetched(Settings(fhir_servers=(host.url,)), host.url)  # not at an address that is not public
        assert host.connections == 0
        assert fetched(Settings(private_fhir_servers=(host.url,)), host.url)


def test_a_server_from_the_environment() -> None:
    with hosting(keeping([])) as host:
        settings = Settings.load({"OSTEOHOOKS_PRIVATE_FHIR_SERVERS": f"https://other.example.org/r4, {host.url}"})
        assert fetched(settings, f"{host.url}/")
        localhost = host.url.replace("127.0.0.1", "localhost")
        assert not fetched(settings, localhost)
        assert fetched(Settings(private_fhir_servers=(localhost,)), localhost)


@pytest.mark.parametrize(
    "form",
    ["localhost", "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "127.0.0.1.nip.io"],
)
@pytest.mark.parametrize("listed", [False, True], ids=["not registered", "registered as public"])
def test_no_form_of_an_address_inside(form: str, listed: bool) -> None:
    with hosting(keeping([])) as host:
        url = host.url.replace("127.0.0.1", form)
        servers = ("https://fhir.example.org", *([url] if listed and not form.endswith("nip.io") else []))
        assert not fetched(Settings(fhir_servers=servers), url)
        assert host.connections == 0


def test_each_setting_counts(folder: Path) -> None:
    text = """
    fhir_servers = ["https://a.example.org/r4"]
    private_fhir_servers = ["http://10.0.0.1:8080/r4"]
    fhir_seconds = 1.5
    fhir_max_pages = 2
    fhir_max_resources = 3
    fhir_max_bytes = 4
    """
    settings = load(folder, text)
    (grant,) = grants_of(settings).values()
    assert [(server.url, server.private) for server in grant.servers] == [
        ("https://a.example.org/r4", False),
        ("http://10.0.0.1:8080/r4", True),
    ]
    values = settings.fhir_seconds, settings.fhir_max_pages, settings.fhir_max_resources, settings.fhir_max_bytes
    assert values == (1.5, 2, 3, 4)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('fhir_servers = ["fhir"]', "a list of http or https base addresses of FHIR servers"),
        ('private_fhir_servers = ["https://a.example/r4/"]', "each without a closing slash"),
        ("fhir_seconds = 0", "a number above 0, up to 30"),
        ("fhir_seconds = 31", "a number above 0, up to 30"),
        ("fhir_max_pages = 0", "a whole number, 1 or more"),
        ("fhir_max_resources = 0", "a whole number, 1 or more"),
        ("fhir_max_bytes = 0", "a whole number of bytes, 1 or more"),
        ('fhir_ca_file = ""', "a file of certificates to trust"),
    ],
)
def test_a_value_that_cannot_be(line: str, problem: str, folder: Path) -> None:
    (found,) = refused(folder, line)
    assert found.startswith(line.partition(" = ")[0])
    assert problem in found


def test_every_address_that_is_none_is_named(folder: Path) -> None:
    wrong = "https://a.example/../b"
    text = f'public_base_url = "{BASE}"\nfhir_servers = ["{wrong}"]\n{ISSUER}private_fhir_servers = ["{wrong}"]'
    expected = "expected the http or https base address of a FHIR server, without a query"
    assert refused(folder, text) == (f"fhir_servers: {expected}", f"issuers[0].private_fhir_servers: {expected}")


def test_a_file_of_certificates_is_looked_at_when_the_service_starts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty.pem").write_text("nothing")
    assert refused(folder, 'fhir_ca_file = "missing.pem"') == (
        "fhir_ca_file: cannot be used: No such file or directory",
    )
    assert refused(folder, 'fhir_ca_file = "empty.pem"')[0].startswith("fhir_ca_file: cannot be used: ")
    assert main(["serve", "--config", str(folder / "settings.toml")]) == 2
    assert "fhir_ca_file" in capsys.readouterr().err


# -- production --------------------------------------------------------------------------------------------------------


def test_production_has_its_servers_with_its_issuers(folder: Path) -> None:
    assert refused(folder, f'{PRODUCTION}fhir_servers = ["https://a.example.org/r4"]\n{ISSUER}') == (
        "fhir_servers, private_fhir_servers: in production they stand with each of the issuers",
    )
    text = f'{PRODUCTION}{ISSUER}fhir_servers = ["https://a.example.org/r4"]\n'
    assert refused(folder, text) == (
        "issuers[0].client_id: tokens for FHIR servers are for somebody; set who we are to this client",
    )
    text += 'client_id = "osteohooks"\nprivate_fhir_servers = ["http://10.0.0.1/r4"]'
    assert refused(folder, text) == ("issuers[0]: production asks FHIR servers over https only",)


def test_production_without_servers_asks_none(folder: Path) -> None:
    settings = load(folder, PRODUCTION + ISSUER)
    assert access_of(settings, None, 9, lambda: TODAY) is None  # type: ignore[arg-type]  # it is not looked at


def test_a_server_in_production(folder: Path) -> None:
    """Over TLS with the site's own certificates, for a caller who is known and with a token that is ours."""
    _, context = certificate(folder, "localhost")
    nothing = answer(b'{"resourceType":"Bundle"}', "200 OK", "Content-Type: application/fhir+json")
    with serving(nothing, context) as server:
        url = f"https://localhost:{server.port}/r4"
        other = '[[issuers]]\niss = "https://other.example"\njwks_file = "ehr.jwks.json"\n'
        listed = f'client_id = "osteohooks"\nprivate_fhir_servers = ["{url}"]\n'
        trusted = 'fhir_ca_file = "certificate.pem"\nreplay = "off"\n'

        def ask(text: str, **grant: Any) -> bool:
            return fetched(load(folder, PRODUCTION + text), url, KEY.token(ISS, BASE + PATH), **grant)

        assert ask(trusted + ISSUER + listed + other)
        assert len(server.heads) == 1
        assert b"Authorization: Bearer token-of-the-patient" in server.heads[0]
        assert not ask(trusted + ISSUER + other + listed)  # another client's server
        assert not ask(trusted + ISSUER + listed, subject="somebody-else")
        assert not ask(trusted + ISSUER + listed.replace("private_", ""))  # localhost is not public
        assert len(server.heads) == 1
        assert not ask('replay = "off"\n' + ISSUER + listed)  # a certificate that no authority has signed
        assert len(server.heads) == 1


def test_nothing_is_fetched_for_a_caller_who_is_not_known(folder: Path) -> None:
    prefetch = record().prefetch()
    with hosting(keeping(stored(prefetch))) as host:
        text = f'public_base_url = "{BASE}"\nprivate_fhir_servers = ["{host.url}"]\n{ISSUER}'
        client = create_app(load(folder, text)).test_client()
        body: Json = {**request_body({}), "fhirServer": host.url, "fhirAuthorization": authorization()}
        assert client.post(PATH, json=body).status_code == 401
        assert host.connections == 0
        token = KEY.token(ISS, BASE + PATH)
        assert client.post(PATH, json=body, headers={"Authorization": f"Bearer {token}"}).status_code == 200
