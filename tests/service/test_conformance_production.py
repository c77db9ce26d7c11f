"""The conformance suite against our service in production mode: clients authenticated, origins listed."""

from datetime import UTC, datetime

import pytest

from cds_hooks.conformance import KeyMinter, Target, run
from cds_hooks.minting import SigningKey
from service.app import create_app
from service.config import IssuerSettings, Settings
from tests.wire.test_conformance import our_samples
from tests.wsgi_adapter import session_on

BASE = "https://cds.example.org/bone"
ORIGIN = "https://ehr.example.org"


def target(**settings: object) -> Target:
    minter = KeyMinter(SigningKey.generate().pem(), ORIGIN)
    production = Settings(
        **{
            "mode": "production",
            "issuers": (IssuerSettings(iss=ORIGIN, jwks=minter.key_set),),
            "public_base_url": BASE,
            "origins": (ORIGIN,),
            "workers": 1,
            **settings,
        }  # type: ignore[arg-type]  # the settings of one test
    )
    return Target(
        BASE,
        our_samples(datetime.now(UTC).date()),
        session=session_on(create_app(production), BASE),
        minter=minter,
        origin=ORIGIN,
    )


@pytest.mark.parametrize("open_discovery", [False, True])
def test_our_service_passes_in_production(open_discovery: bool) -> None:
    results = list(run(target(open_discovery=open_discovery)))
    assert [result for result in results if result.verdict == "fail"] == []
    judged = {result.check.id for result in results if result.verdict == "pass"}
    tokens = {result.check.id for result in results if result.check.section == "authentication"}
    assert tokens - judged == ({"token-for-discovery"} if open_discovery else set())
    assert "https" in judged


def test_what_a_lenient_setting_costs() -> None:
    failed = {result.check.id for result in run(target(replay="log")) if result.verdict == "fail"}
    assert failed == {"token-replayed"}
