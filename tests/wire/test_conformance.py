"""The conformance suite: it looks at every requirement, finds each planted fault and nothing else, and passes us."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from werkzeug.serving import make_server

from cds_hooks import HOOKS
from cds_hooks.conformance import (
    CHECKS,
    REASONS,
    REQUIREMENTS,
    FhirServer,
    KeyMinter,
    Result,
    Sample,
    Target,
    run,
    sample_of,
)
from service.app import create_app
from service.config import Settings
from service.demo import sample_requests
from tests.broken_parts import SAMPLE, Checks
from tests.broken_service import (
    ACCESS_FAULTS,
    ALONE_FAULTS,
    ALONE_TOKEN_FAULTS,
    FAULTS,
    ISSUER,
    LARGEST,
    TOKEN_FAULTS,
    Broken,
)
from tests.builder import Record
from tests.front_door import request_body
from tests.wsgi_adapter import BASE, session_on

TODAY = date(2026, 11, 20)
MITRE_REQUIREMENTS = 220  # of CDS Hooks 2.0, as Inferno has them

# -- the register ----------------------------------------------------------------------------------


def test_the_requirements_are_numbered_without_a_gap() -> None:
    assert [int(name.rpartition("-")[2]) for name in REQUIREMENTS] == list(range(1, 71))
    assert {name.rpartition("-")[0] for name in REQUIREMENTS} == {f"A.{section}" for section in range(1, 12)}


def test_each_requirement_is_checked_or_has_a_reason_why_not() -> None:
    checked = {requirement for check in CHECKS for requirement in check.requirements}
    assert checked | REASONS.keys() == REQUIREMENTS.keys()
    assert checked & REASONS.keys() == set(), "a reason for what is checked is out of date"


def test_the_register_is_in_order() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids))
    for check in CHECKS:
        assert check.requirements, check.id
        assert all(1 <= number <= MITRE_REQUIREMENTS for number in check.mitre), check.id
        assert check.level in ("MUST", "SHOULD")
        assert check.says.endswith("."), check.id
    # What looks at all answers received comes after what makes them come.
    sections = list(dict.fromkeys(check.section for check in CHECKS))
    assert sections[-2:] == ["response", "transport"]


# -- the broken service ----------------------------------------------------------------------------


@cache
def minter() -> KeyMinter:
    private = ec.generate_private_key(ec.SECP384R1())
    return KeyMinter(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), ISSUER)


def results(faults: Collection[str], *, demands_tokens: bool, fhir_server: FhirServer | None = None) -> list[Result]:
    """What the suite finds on the broken service with these faults."""
    service = Broken(faults, public_key=minter().public_key if demands_tokens else None, base=BASE)
    target = Target(
        BASE,
        [sample_of(SAMPLE)],
        session=session_on(service.app),
        minter=minter() if demands_tokens else None,
        oversize=LARGEST + 1,
        clock=service.clock,
        fhir_server=fhir_server,
    )
    return list(run(target))


def with_verdict(verdict: str, found: list[Result]) -> set[str]:
    return {result.check.id for result in found if result.verdict == verdict}


@pytest.mark.parametrize("demands_tokens", [False, True])
def test_without_a_fault_everything_passes_that_applies(demands_tokens: bool) -> None:
    found = results((), demands_tokens=demands_tokens)
    assert [result for result in found if result.verdict == "fail"] == []
    for_tokens = {check.id for check in CHECKS if check.section == "authentication"} | {"feedback-token"}
    for_access = {check.id for check in CHECKS if check.section == "access"}
    not_applicable = {"https", "template-order", "system-actions", "system-action-description"}
    assert with_verdict("not applicable", found) == not_applicable | for_access | (
        set() if demands_tokens else for_tokens
    )


@pytest.mark.parametrize(("fault", "checks"), [*FAULTS.items(), *ALONE_FAULTS.items()])
def test_a_fault_is_found_and_nothing_else(fault: str, checks: Checks) -> None:
    assert with_verdict("fail", results({fault}, demands_tokens=False)) == set(checks)


@pytest.mark.parametrize(("fault", "checks"), [*TOKEN_FAULTS.items(), *ALONE_TOKEN_FAULTS.items()])
def test_a_fault_of_authentication_is_found_and_nothing_else(fault: str, checks: Checks) -> None:
    assert with_verdict("fail", results({fault}, demands_tokens=True)) == set(checks)


def test_without_a_fault_everything_passes_with_a_fhir_server() -> None:
    with FhirServer("http://127.0.0.1:0/fhir") as server:
        found = results((), demands_tokens=False, fhir_server=server)
    assert [result for result in found if result.verdict == "fail"] == []
    assert {check.id for check in CHECKS if check.section == "access"} <= with_verdict("pass", found)


@pytest.mark.parametrize(("fault", "checks"), ACCESS_FAULTS.items())
def test_a_fault_of_access_is_found_and_nothing_else(fault: str, checks: Checks) -> None:
    with FhirServer("http://127.0.0.1:0/fhir") as server:
        found = results({fault}, demands_tokens=False, fhir_server=server)
    assert with_verdict("fail", found) == set(checks)


def test_all_faults_at_once_are_found_and_nothing_else() -> None:
    planted = {**FAULTS, **TOKEN_FAULTS}
    expected = {check for checks in planted.values() for check in checks}
    assert with_verdict("fail", results(planted, demands_tokens=True)) == expected


def test_every_check_can_fail() -> None:
    planted = {**FAULTS, **TOKEN_FAULTS, **ALONE_FAULTS, **ALONE_TOKEN_FAULTS, **ACCESS_FAULTS}
    found = {check for checks in planted.values() for check in checks}
    assert {check.id for check in CHECKS} - found == {"https"}  # which has a test of its own below


@pytest.mark.parametrize(
    ("base", "verdict"),
    [
        ("http://cds.example.org", "fail"),
        ("https://cds.example.org/", "pass"),
        ("http://localhost:8080", "not applicable"),
        ("http://127.0.0.1", "not applicable"),
        ("http://[::1]:8080", "not applicable"),
    ],
)
def test_https(base: str, verdict: str) -> None:
    (result,) = run(Target(base), [check for check in CHECKS if check.id == "https"])
    assert result.verdict == verdict


# -- our own service -------------------------------------------------------------------------------


def our_samples(today: date) -> list[Sample]:
    return [sample_of(request, required=("patient",)) for request in sample_requests(today)]


def check_ours(found: list[Result], *, access: bool = False) -> None:
    """Ours passes whatever applies to a service that has neither links nor system actions."""
    assert [result for result in found if result.verdict == "fail"] == []
    skipped = [result for result in found if result.verdict == "not applicable"]
    assert {result.notes for result in skipped if result.check.section != "authentication"} == {
        ("no key was given to make tokens with",),
        ("no service has usageRequirements",),
        ("no service has version or hookVersion",),
        ("no template uses the result of another",),
        ("no answer had systemActions",),
        ("no card had links",),
        ("no answer to a sample request changes a draft order",),
        ("the service is on this machine",),
        *([] if access else [("no address was given for a FHIR server of the suite's own",)]),
    }


def test_our_service_passes() -> None:
    application = create_app(Settings(today=TODAY))
    target = Target(BASE, our_samples(TODAY), session=session_on(application))
    check_ours(list(run(target)))
    hooks = {service.hook for service in target.sampled()}
    assert hooks == HOOKS.keys()
    assert all(target.answer(service).cards for service in target.sampled()), "an answer without cards shows little"


@pytest.mark.parametrize(("seconds", "deadline"), [(30.0, False), (0.2, True)])
def test_our_service_passes_with_access_to_a_fhir_server(seconds: float, deadline: bool) -> None:
    """All but the deadline with more time than any machine needs; the deadline by itself."""
    with FhirServer("http://127.0.0.1:0/fhir") as server:
        settings = Settings(today=TODAY, private_fhir_servers=(server.base,), fhir_seconds=seconds)
        session = session_on(create_app(settings))
        target = Target(BASE, our_samples(TODAY), session=session, fhir_server=server, timeout=60)
        checks = [check for check in CHECKS if check.section == "access"]
        chosen = [check for check in checks if (check.id == "access-has-a-deadline") == deadline]
        assert {result.verdict for result in run(target, chosen)} == {"pass"}
        assert server.calls


@contextmanager
def serving(application: object) -> Iterator[str]:
    """An application under an address, in a thread."""
    server = make_server("127.0.0.1", 0, application, threaded=True)  # type: ignore[arg-type]  # any WSGI application
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_our_service_passes_over_the_network() -> None:
    with serving(create_app()) as base, requests.Session() as session:
        session.trust_env = False
        check_ours(list(run(Target(base, our_samples(datetime.now(UTC).date()), session=session))))


def test_a_draft_changed_by_us_is_one_of_the_request() -> None:
    """What the demo's patient leaves out: a wrong dose, answered with an update of an order as some EHRs send it."""
    record = Record().condition("breast-cancer").draft("ibandronate", dose="150 mg every 1 wk")
    (draft,) = record.drafts
    draft |= {"note": [], "encounter": None, "extension": [{}], "groupIdentifier": {"value": ""}, "priority": "routine"}
    sample = sample_of(request_body(record.prefetch(), "order-sign", drafts=[draft]))
    target = Target(BASE, [sample], session=session_on(create_app(Settings(today=TODAY))))
    wanted = ("changes-are-to-drafts", "no-empty-members")
    found = list(run(target, [check for check in CHECKS if check.id in wanted]))
    assert [(result.verdict, result.notes) for result in found] == [("pass", ())] * 2
    (service,) = target.sampled()
    (change,) = [
        a
        for card in target.answer(service).cards
        for s in card.get("suggestions", ())
        for a in s["actions"]
        if a["type"] == "update"
    ]
    assert change["resource"].keys() == draft.keys() - {"note", "encounter", "extension", "groupIdentifier"}
