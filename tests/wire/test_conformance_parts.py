"""The parts of the conformance suite: templates, samples, tokens, reports."""

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from cds_hooks.conformance import (
    CHECKS,
    FORMATS,
    Check,
    KeyMinter,
    NotApplicable,
    Result,
    Target,
    Unusable,
    chosen,
    closing,
    failed,
    read_sample,
    run,
    sample_of,
)
from cds_hooks.conformance.target import NOT_JSON, strict_json
from cds_hooks.conformance.templates import flaws_of_form, flaws_of_query, flaws_of_tokens, names_used, plain_tokens
from tests.broken_parts import DRAFT, SAMPLE, Json

# -- templates: the examples of CDS Hooks 2.0 and of the 3.0 ballot, and what they forbid ----------


@pytest.mark.parametrize(
    ("token", "is_plain"),
    [
        ("{{context.patientId}}", True),
        ("{{ context.patientId }}", True),
        ("{{userPractitionerId}}", True),
        ("{{userRelatedPersonId}}", True),
        ("{{today()}}", True),
        ("{{today() - 90 days}}", True),
        ("{{today()+1 day}}", True),
        (
            "{{context.draftOrders.entry.resource.ofType(MedicationRequest).medication.ofType(Reference).resolve()}}",
            False,
        ),
        ("{{context.performer.resolve().ofType(PractitionerRole).practitioner}}", False),
        ("{{%context.patientId}}", False),
        ("{{%encounter.location.location}}", False),
        ("{{context.patientId|context.encounterId}}", False),
        ("{{ today() | %a.b }}", False),
    ],
)
def test_a_token(token: str, is_plain: bool) -> None:
    template = f"Patient/{token}"
    assert list(flaws_of_tokens(template)) == []
    assert list(flaws_of_form(template)) == []
    assert plain_tokens(template) is is_plain


@pytest.mark.parametrize(
    "token",
    [
        "{{patientId}}",
        "{{}}",
        "{{context}}",
        "{{context.}}",
        "{{Patient.id}}",
        "{{context.a.where(b=1)}}",
        "{{context.a.ofType(resource)}}",
        "{{context.a.ofType(Resource)}}",
        "{{context.a.ofType(DomainResource)}}",
        "{{today() - 2 months}}",
        "{{today() * 2 days}}",
        "{{userId}}",
        "{{userPatientId|context.a}}",
        "{context.patientId}",
        "{{context.patientId}",
        "{{context.patientId}}}",
        "{{context.a||context.b}}",
    ],
)
def test_no_token(token: str) -> None:
    assert list(flaws_of_tokens(f"Patient/{token}"))


@pytest.mark.parametrize(
    ("template", "is_relative"),
    [
        ("Patient/{{context.patientId}}", True),
        ("Observation?patient={{context.patientId}}", True),
        ("Patient", False),
        ("/Patient/1", False),
        ("patient/1", False),
        ("https://example.org/Patient/1", False),
        ("Patient/1/$everything", False),
    ],
)
def test_the_form_of_a_template(template: str, is_relative: bool) -> None:
    assert (list(flaws_of_form(template)) == []) is is_relative


@pytest.mark.parametrize(
    ("query", "is_common"),
    [
        ("_id=1", True),
        ("code:in=http://example.org/vs&_count=2&_maxresults=5", True),
        ("date=ge2026-01-01&_sort=-date", True),
        ("date=ge{{today() - 5 days}}", True),
        ("date=sa2026-01-01", False),
        ("date=ap2026", False),
        ("_sort:desc=date", False),
        ("_include=Observation:subject", False),
        ("subject.name=x", False),
        ("_has:Observation:patient:code=1", False),
        ("code:not=1", False),
    ],
)
def test_the_query_of_a_template(query: str, is_common: bool) -> None:
    assert (list(flaws_of_query(f"Observation?{query}")) == []) is is_common
    assert list(flaws_of_query("Patient/1")) == []


def test_the_members_that_a_template_names() -> None:
    template = "A?a={{context.patientId}}&b={{context.medications.entry}}&c={{%context.x|%b.context}}&d={{today()}}"
    assert list(names_used(template)) == [("patientId", True), ("medications", False), ("x", True)]


# -- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b'{"a":1,}', b'{"a":1}//', b'{"a":NaN}', b"[Infinity]", b'{"a":1,"a":2}', b"[" * 100_000],
)
def test_what_is_no_json(text: bytes) -> None:
    assert strict_json(text) is NOT_JSON


def test_json() -> None:
    assert strict_json('{"a": [1, null, "ü"]}'.encode()) == {"a": [1, None, "ü"]}


# -- samples ---------------------------------------------------------------------------------------


def test_a_sample() -> None:
    sample = sample_of(SAMPLE)
    assert (sample.hook, sample.service, sample.required) == ("order-sign", "sign", ("patient",))
    assert sample.drafts == {DRAFT}
    assert sample.members == {}, "what is for the suite alone is not sent"
    other = sample_of({**SAMPLE, "extension": {"org.example": {"a": 1}}, "fhirServer": "https://ehr.example.org"})
    assert other.members == {"extension": {"org.example": {"a": 1}}, "fhirServer": "https://ehr.example.org"}
    assert (other.service, other.required) == (None, ())
    assert sample_of({**SAMPLE, "prefetch": {}, "extension": {}}, "here", ("a",)).required == ("a",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("{", "expected JSON"),
        ("[]", "request: received an array; expected"),
        ('{"hook": "a", "context": {}}', "hookInstance is missing; expected a UUID"),
        (json.dumps({**SAMPLE, "prefetch": None}), "prefetch: received null; expected"),
        (
            json.dumps({**SAMPLE, "extension": {"org.osteohooks.conformance": {"required": "patient"}}}),
            "required: received",
        ),
    ],
)
def test_what_is_no_sample(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Unusable) as caught:
        read_sample(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def discovering(*services: Json) -> Target:
    """A target whose discovery is known and which answers nothing else."""
    responses.get("https://cds.example.org/cds-services", json={"services": list(services)})
    return Target("https://cds.example.org/", [sample_of(SAMPLE)])


@responses.activate
def test_which_sample_goes_to_which_service() -> None:
    any_service = sample_of({**SAMPLE, "extension": {}})
    target = discovering(
        {"id": "sign", "hook": "order-sign"}, {"id": "b", "hook": "order-sign"}, {"id": "c"}, {"id": 1}
    )
    target.samples = [any_service, sample_of(SAMPLE)]
    sign, other = target.services()
    assert (sign.sample, other.sample) == (target.samples[1], any_service)
    assert (sign.required, other.required) == (("patient",), ())
    assert sign.keys == ("patient", "labs", "procedures"), "where discovery says nothing, the keys of the sample"


@responses.activate
def test_a_target_without_a_sample() -> None:
    target = discovering({"id": "a", "hook": "patient-view", "prefetch": {"x": "Patient/1"}})
    target.samples = []
    (service,) = target.services()
    assert (service.required, service.drafts, service.keys) == ((), frozenset(), ("x",))
    with pytest.raises(NotApplicable, match="no sample request"):
        target.sampled()
    found = {result.check.id: result for result in run(target) if result.verdict == "not applicable"}
    assert found["complete-request"].notes == ("there is no sample request for any of its services",)


@responses.activate
def test_a_hook_of_somebody_and_no_prefetch() -> None:
    """Nothing is known of its context, and it asks for nothing: what does not apply says so."""
    responses.post("https://cds.example.org/cds-services/own", json={"cards": []})
    for path in ("cds-services", "cds-services/own"):
        responses.options(f"https://cds.example.org/{path}", status=404)
    target = discovering({"id": "own", "hook": "org.example.hook", "description": "x", "title": "x"})
    target.samples = [sample_of({**SAMPLE, "hook": "org.example.hook", "prefetch": {}, "extension": {}})]
    found = {result.check.id: result.notes for result in run(target) if result.verdict == "not applicable"}
    assert found["user-types"] == ("no service is on a published hook that has a user",)
    assert found["prefetch-null"] == ("no service asks for prefetch",)
    assert found["prefetch-other-patient"] == ("no service asks for prefetch",)
    assert found["precondition-failed"] == ("the samples do not say which prefetch keys are required",)
    assert found["template-tokens"] == ("no service asks for prefetch",)
    assert found["cors-credentials"] == ("the service is not made for browsers",)
    assert found["card-summary"] == ("no answer had a card",)
    assert found["extension-names"] == ("no answer has an extension",)


@responses.activate
def test_no_patient_among_the_keys() -> None:
    responses.post("https://cds.example.org/cds-services/a", json={"cards": []})
    target = discovering({"id": "a", "hook": "order-sign", "prefetch": {"x": "Observation?code=1", "y": "Condition/1"}})
    target.samples = [sample_of({**SAMPLE, "prefetch": {"x": None}, "extension": {}})]
    (result,) = run(target, chosen(["prefetch-other-patient"]))
    assert result.notes == ("no service asks for the patient",)
    assert [r.verdict for r in run(target, chosen(["prefetch-next-link", "prefetch-outcome-entries"]))] == ["pass"] * 2


@responses.activate
def test_the_result_of_an_earlier_template() -> None:
    earlier = {"a": "Encounter/{{%context.encounterId}}", "b": "Location/{{%a.location.location.resolve().id}}"}
    target = discovering({"id": "x", "hook": "order-sign", "prefetch": earlier}, {"id": "y", "hook": "order-sign"})
    (result,) = run(target, chosen(["template-order"]))
    assert result.verdict == "pass"


@responses.activate
def test_no_answer_is_a_failure() -> None:
    target = discovering({"id": "sign", "hook": "order-sign"})
    (result,) = run(target, chosen(["complete-request"]))
    assert (result.verdict, result.notes) == ("fail", ("no answer: ConnectionError",))


@responses.activate
def test_nothing_listed() -> None:
    found = {result.check.id: result for result in run(discovering(), chosen(["discovery"]))}
    assert found["discovery-services"].verdict == "pass"
    assert found["service-hook"].notes == ("discovery lists no service",)


# -- tokens ----------------------------------------------------------------------------------------


def pem(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (rsa.generate_private_key(65537, 2048), "RS384"),
    ],
)
def test_a_token_can_be_verified(key: PrivateKeyTypes, algorithm: str) -> None:
    minter = KeyMinter(pem(key), "https://ehr.example.org", "https://ehr.example.org/jwks.json")
    token = minter("https://cds.example.org/cds-services", tenant="a")
    claims = jwt.decode(token, minter.public_key, [algorithm], audience="https://cds.example.org/cds-services")
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["iss"], claims["tenant"]) == ("https://ehr.example.org", "a")
    header = jwt.get_unverified_header(token)
    assert header == {"alg": algorithm, "typ": "JWT", "kid": minter.kid, "jku": "https://ehr.example.org/jwks.json"}
    assert len(base64.urlsafe_b64decode(f"{minter.kid}=")) == 32
    assert jwt.decode(minter("x"), minter.public_key, [algorithm], audience="x")["jti"] != claims["jti"]


@pytest.mark.parametrize(
    "content",
    [
        b"no key",
        pem(ec.generate_private_key(ec.SECP384R1()), b"secret"),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256K1())),
    ],
)
def test_what_is_no_key(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        KeyMinter(content, "https://ehr.example.org")


# -- choosing and reporting ------------------------------------------------------------------------


def test_checks_are_chosen_by_any_of_their_names() -> None:
    assert chosen([]) == CHECKS
    assert [check.id for check in chosen(["discovery-path"])] == ["discovery-path"]
    assert {check.section for check in chosen(["cors"])} == {"cors"}
    assert {check.id for check in chosen(["A.5-29"])} >= {"precondition-failed", "precondition-outcome"}
    assert {check.id for check in chosen(["cds-hooks_2.0@83", "card-detail"])} == {"card-summary", "card-detail"}
    with pytest.raises(KeyError, match=r"^'A\.99'$"):
        chosen(["cors", "A.99"])


def a_check(id: str, level: Any = "MUST") -> Check:
    return Check(id, "part", ("A.1-1",), (2,), level, "It is so.", lambda target: ())


RESULTS = [
    Result(a_check("good"), "pass"),
    Result(a_check("bad"), "fail", ("<here>", "there")),
    Result(dataclasses.replace(a_check("advised", "SHOULD"), mitre=()), "fail", ("there",)),
    Result(a_check("other"), "not applicable", ("there is none",)),
]
CLOSING = "4 checks: 1 passed, 2 failed (1 MUST, 1 SHOULD), 1 not applicable"


def test_only_a_must_decides() -> None:
    assert failed(RESULTS)
    assert not failed([RESULTS[0], RESULTS[2], RESULTS[3]])
    assert closing(RESULTS) == CLOSING


def test_a_table() -> None:
    assert FORMATS["table"]("https://cds.example.org", RESULTS) == (
        "CDS Hooks conformance of https://cds.example.org\n"
        "\n"
        "part\n"
        "  pass  MUST    good     A.1-1\n"
        "  FAIL  MUST    bad      A.1-1\n"
        "          rule: It is so.\n"
        "          MITRE: cds-hooks_2.0@2\n"
        "          <here>\n"
        "          there\n"
        "  FAIL  SHOULD  advised  A.1-1\n"
        "          rule: It is so.\n"
        "          there\n"
        "  n/a   MUST    other    A.1-1 - there is none\n"
        "\n"
        f"{CLOSING}\n"
    )
    assert closing([]) in FORMATS["table"]("https://cds.example.org", [])


def test_json_for_programs() -> None:
    document = json.loads(FORMATS["json"]("https://cds.example.org", RESULTS))
    assert (document["target"], document["conformant"], document["summary"]) == (
        "https://cds.example.org",
        False,
        CLOSING,
    )
    assert document["checks"][1] == {
        "id": "bad",
        "section": "part",
        "level": "MUST",
        "verdict": "fail",
        "says": "It is so.",
        "requirements": ["A.1-1"],
        "mitre": ["cds-hooks_2.0@2"],
        "notes": ["<here>", "there"],
    }
    assert "notes" not in document["checks"][0]


def test_junit_for_build_servers() -> None:
    root = ElementTree.fromstring(FORMATS["junit"]("https://cds.example.org", RESULTS))
    counts = {"tests": "4", "failures": "1", "errors": "0", "skipped": "2"}
    assert root.attrib == counts
    (suite,) = root
    assert suite.attrib == {"name": "CDS Hooks conformance of https://cds.example.org", **counts}
    assert suite[0].attrib == {"classname": "part", "name": "good"}
    assert [[(child.tag, child.attrib["message"]) for child in case] for case in suite] == [
        [],
        [("failure", "It is so.")],
        [("skipped", "advised, and not kept: It is so.")],
        [("skipped", "not applicable")],
    ]
    assert suite[1][0].text == "A.1-1\ncds-hooks_2.0@2\n<here>\nthere"


def test_without_a_session_one_is_made() -> None:
    assert Target("https://cds.example.org").session is None
    assert isinstance(Target("https://cds.example.org")._session, requests.Session)
