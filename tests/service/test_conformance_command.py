"""`osteohooks conformance`: what it prints, and its exit status."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cds_hooks.conformance import FhirServer, KeyMinter, sample_of
from service import cli
from service.app import create_app
from service.config import Settings
from service.demo import demo_request, sample_requests
from tests.broken_parts import SAMPLE
from tests.broken_service import ISSUER, Broken
from tests.wsgi_adapter import BASE, Application, session_on


class Reached:
    """What the command finds under any address."""

    application: Application | None = None


@pytest.fixture(autouse=True)
def reached(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Reached]]:
    """Calls go to `Reached.application` in place of the network; without one nobody answers."""

    def request(session: requests.Session, method: str, url: str, **options: object) -> requests.Response:
        if Reached.application is None:
            raise requests.ConnectionError
        inside = f"{BASE}/{url.split('/', 3)[3]}"
        return session_on(Reached.application).request(method, inside, **options)  # type: ignore[arg-type]  # the very options that were given

    monkeypatch.setattr(requests.Session, "request", request, raising=True)
    yield Reached
    Reached.application = None


def conformance(*arguments: str | Path) -> int:
    return cli.main(["conformance", *map(str, arguments)])


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.json"
    path.write_text(json.dumps(SAMPLE))
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    private = ec.generate_private_key(ec.SECP384R1())
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def test_our_service_without_further_words(reached: type[Reached], capsys: pytest.CaptureFixture[str]) -> None:
    reached.application = create_app(Settings())
    assert conformance("http://127.0.0.1:8080/cds-services/") == 0
    told = capsys.readouterr()
    assert told.out.startswith("CDS Hooks conformance of http://127.0.0.1:8080\n")
    assert " 0 failed (0 MUST, 0 SHOULD), " in told.out.splitlines()[-1]
    assert told.err == ""


def test_a_service_of_others_that_keeps_all(reached: type[Reached], sample: Path) -> None:
    reached.application = Broken().app
    assert conformance(BASE, "--sample", sample, "--only", "response", "--only", "A.5-29") == 0


def test_a_service_that_fails(
    reached: type[Reached], sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached.application = Broken({"hard-stop", "500 for a web page"}).app
    output = tmp_path / "report.xml"
    assert conformance(BASE, "--sample", sample, "--format", "junit", "--output", output) == 1
    failures = [
        case.attrib["name"] for case in ElementTree.parse(output).iter("testcase") if case.find("failure") is not None
    ]
    assert failures == ["card-indicator"]
    assert capsys.readouterr().out.rstrip().endswith("not applicable")


def test_advice_alone_decides_nothing(reached: type[Reached], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reached.application = Broken({"500 for a web page"}).app
    assert conformance(BASE, "--sample", sample, "--only", "prefetch", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["conformant"] is True


def test_a_service_that_demands_tokens(reached: type[Reached], sample: Path, key: Path) -> None:
    public_key = KeyMinter(key.read_bytes(), ISSUER).public_key
    reached.application = Broken(public_key=public_key, base=BASE).app
    tokens = ("--token-key", key, "--iss", ISSUER)
    jku = ("--jku", f"{ISSUER}/jwks.json", "--origin", ISSUER)
    assert conformance(BASE, "--sample", sample, *tokens, *jku, "--only", "authentication") == 0


def test_a_fhir_server_of_the_suite_s_own(
    reached: type[Reached], sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached.application = Broken({"fetches nothing"}).app
    server = ("--fhir-server", "http://127.0.0.1:0/fhir")
    assert conformance(BASE, "--sample", sample, *server, "--only", "access-fetches") == 0, "advice decides nothing"
    told = capsys.readouterr().out
    assert "FAIL  SHOULD  access-fetches" in told
    assert conformance(BASE, "--sample", sample, "--only", "access-fetches") == 0
    assert "no address was given for a FHIR server" in capsys.readouterr().out


def test_an_address_that_is_taken(reached: type[Reached], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reached.application = Broken().app
    with FhirServer("http://127.0.0.1:0/fhir") as server:
        assert conformance(BASE, "--sample", sample, "--fhir-server", server.base) == 2
        assert f"--fhir-server: cannot listen at {server.base} (" in said(capsys)


@pytest.mark.parametrize("broken", [{"discovery elsewhere"}, {"discovery is a list"}])
def test_without_discovery_that_is_what_fails(reached: type[Reached], broken: set[str]) -> None:
    reached.application = Broken(broken).app
    assert conformance(BASE) == 1


def said(capsys: pytest.CaptureFixture[str]) -> str:
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("osteohooks: ")
    return line.removeprefix("osteohooks: ")


def test_nobody_answers(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance("http://127.0.0.1:9", "--sample", sample) == 2
    assert said(capsys) == "http://127.0.0.1:9: does not answer (ConnectionError)"


def test_no_sample_for_others(reached: type[Reached], capsys: pytest.CaptureFixture[str]) -> None:
    reached.application = Broken().app
    assert conformance(BASE) == 2
    assert "there is no sample request for any of its services; give files with the requests of order-sign" in said(
        capsys
    )
    assert conformance(BASE, "--only", "discovery") == 0, "discovery needs no sample"


def test_a_token_is_missing(reached: type[Reached], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reached.application = Broken(public_key=b"", base=BASE).app
    for samples in ([], [sample]):
        assert conformance(BASE, *(f"--sample={path}" for path in samples)) == 2
        assert said(capsys) == f"{BASE}: demands a client's token; give --token-key FILE and --iss URL"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--only", "A.99"], "--only: there is no check, section or requirement 'A.99'; the sections are discovery, "),
        (["--sample", "none.json"], "none.json: cannot be read"),
        (["--fhir-server", "https://127.0.0.1:1/fhir"], "--fhir-server: expected an http address with a port, such as"),
        (["--iss", ISSUER], "--token-key and --iss go together"),
        (["--token-key", "none.pem"], "--token-key and --iss go together"),
        (["--token-key", "none.pem", "--iss", ISSUER], "none.pem: cannot be read"),
        (["--token-key", __file__, "--iss", ISSUER], "expected a private key in PEM form"),
    ],
)
def test_what_cannot_be_used(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance(BASE, *arguments) == 2
    assert text in said(capsys)


def test_a_report_that_cannot_be_written(
    reached: type[Reached], sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached.application = Broken().app
    assert conformance(BASE, "--sample", sample, "--only", "discovery", "--output", tmp_path) == 2
    assert said(capsys) == f"{tmp_path}: cannot be written (Is a directory)"


def test_the_demo_under_each_hook() -> None:
    today = date(2026, 11, 20)
    requests_ = {request["hook"]: request for request in sample_requests(today)}
    assert list(requests_) == [
        "order-sign",
        "order-select",
        "patient-view",
        "encounter-start",
        "medication-refill",
        "problem-list-item-create",
    ]
    assert requests_["order-sign"] == json.loads(demo_request("order-sign", today))
    (selection,) = requests_["order-select"]["context"]["selections"]
    assert sample_of(requests_["order-select"]).drafts == {selection}
    assert "draftOrders" not in requests_["patient-view"]["context"]
    (taken,) = requests_["patient-view"]["prefetch"]["medicationRequests"]["entry"]
    assert taken["resource"]["status"] == "active"
