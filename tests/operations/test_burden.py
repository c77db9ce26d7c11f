"""What a site has chosen to show: through the front door, with every answer's assessment unchanged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from cds_hooks import Caller
from service.app import create_app
from service.burden import Burden, role_of
from service.config import QuietSettings, Settings, SettingsError
from tests.builder import Record
from tests.drafts import ibandronate_weekly
from tests.fhir_pieces import TODAY, Json
from tests.front_door import Answer, findings, request_body
from tests.operations.test_metrics import sample

GUIDELINE: Final = "tian_2025_ai_bone_loss"


def high() -> Record:
    """A woman whose answer has a warning, several cards, and nothing critical."""
    return Record().condition("breast-cancer").t_score("lumbar-spine", -2.8).drug("letrozole")


def ask_with(
    quiet: Sequence[QuietSettings], record: Record, hook: str = "patient-view", drafts: Sequence[Json] = (), **more: Any
) -> Answer:
    """Ask a service with these settings, without clients' tokens."""
    user = more.pop("user", "Practitioner/dr")
    app = create_app(Settings(today=TODAY, quiet=tuple(quiet), **more), in_process=True)
    body = request_body(record.prefetch(), hook, drafts=drafts)
    body["context"]["userId"] = user
    response = app.test_client().post(f"/cds-services/bone-health-{hook}", json=body)
    return Answer(response.status_code, dict(response.headers), response.get_data())


def topics(answer: Answer) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answer.cards]


def outcomes(answer: Answer) -> set[str]:
    return {outcome for card in answer.cards for outcome in findings(card)}


WHOLE: Final = ask_with((), high())
CRITICAL: Final = ask_with((), high(), "order-sign", [ibandronate_weekly()])


def test_the_answers_compared_are_worth_it() -> None:
    assert topics(WHOLE) == ["tier", "supplements", "monitoring"]
    assert CRITICAL.cards[0]["indicator"] == "critical"


@pytest.mark.parametrize("show", ["off", "silent"])
def test_advice_that_is_not_shown_still_stands_in_the_assessment(show: Any) -> None:
    rule = f"{GUIDELINE}/monitoring"
    labels = {"rule": rule, "outcome": "btm-baseline", "why": show}
    before = sample("osteohooks_held_back_total", **labels)
    answer = ask_with([QuietSettings(rule=rule, show=show)], high())
    assert topics(answer) == ["tier", "supplements"]
    assert answer.assessment == WHOLE.assessment
    assert sample("osteohooks_held_back_total", **labels) == before + 1


def test_one_outcome_leaves_the_rest_of_its_card() -> None:
    answer = ask_with([QuietSettings(outcome="btm-baseline", show="off")], high())
    assert outcomes(answer) == outcomes(WHOLE) - {"btm-baseline"}


def test_a_card_whose_advice_is_held_back_offers_no_agents() -> None:
    record = high().lab("creatinine_clearance", 80, None, "2026-11-10").lab("serum_calcium", 2.3, None, "2026-11-10")
    quiet = QuietSettings(outcome="bma-recommend", show="off")
    (tier,), (whole,) = (
        [card for card in ask_with(tables, record).cards if card["source"]["topic"]["code"] == "tier"]
        for tables in ([quiet], [])
    )
    assert "suggestions" in whole
    assert "| denosumab" in whole["detail"]
    assert "suggestions" not in tier
    assert "| denosumab" not in tier["detail"]


def test_what_opens_no_card_alone_stays_away_with_what_does() -> None:
    rule = f"{GUIDELINE}/monitoring"
    before = sample("osteohooks_held_back_total", rule=rule, outcome="btm-monitor", why="off")
    tables = [QuietSettings(outcome=code, show="off") for code in ("btm-baseline", "order-safety-labs", "order-dxa")]
    assert topics(ask_with(tables, high())) == ["tier", "supplements"]
    assert sample("osteohooks_held_back_total", rule=rule, outcome="btm-monitor", why="off") == before + 1


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (QuietSettings(show="off", hook="patient-view"), False),
        (QuietSettings(show="off", hook="order-sign"), True),
        (QuietSettings(show="off", role="practitioner"), False),
        (QuietSettings(show="off", role="patient"), True),
        (QuietSettings(show="off", site="north-clinic"), True),
        (QuietSettings(ceiling="info"), True),
        (QuietSettings(show="on"), True),
    ],
)
def test_a_table_counts_where_all_that_it_names_fits(table: QuietSettings, shown: bool) -> None:
    assert bool(ask_with([table], high()).cards) is shown


def test_the_last_that_says_something_counts() -> None:
    off, on = QuietSettings(show="off"), QuietSettings(show="on", role="practitioner")
    assert topics(ask_with([off, on, QuietSettings(ceiling="info")], high())) == topics(WHOLE)
    assert ask_with([on, off], high()).cards == []
    assert ask_with([off, on], high(), user="Patient/pat").cards == []


def test_a_ceiling_makes_no_card_louder_and_loses_none() -> None:
    assert {card["indicator"] for card in WHOLE.cards} == {"warning", "info"}
    lowered = ask_with([QuietSettings(ceiling="info")], high())
    assert {card["indicator"] for card in lowered.cards} == {"info"}
    assert outcomes(lowered) == outcomes(WHOLE)
    lifted = ask_with([QuietSettings(ceiling="info"), QuietSettings(ceiling="critical")], high())
    assert lifted.cards == WHOLE.cards


@pytest.mark.parametrize(
    "quiet", [[QuietSettings(show="off")], [QuietSettings(show="silent")], [QuietSettings(ceiling="info")]]
)
def test_critical_advice_is_shown_whatever_a_table_says(quiet: list[QuietSettings]) -> None:
    loud = ask_with(quiet, high(), "order-sign", [ibandronate_weekly()])
    assert loud.cards[0]["indicator"] == "critical"
    assert loud.cards[0]["summary"] == CRITICAL.cards[0]["summary"]


def test_a_trial_without_any_card() -> None:
    quiet = [QuietSettings(show="silent", critical_too=True)]
    silent = ask_with(quiet, high(), "order-sign", [ibandronate_weekly()])
    assert silent.cards == []
    assert silent.assessment == CRITICAL.assessment


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_no_more_cards_than_the_site_wants_the_loudest_first(most: int) -> None:
    answer = ask_with((), high(), max_cards=most)
    assert answer.cards == WHOLE.cards[:most]
    assert answer.assessment == WHOLE.assessment


def test_every_critical_card_goes_out_whatever_the_cap() -> None:
    answer = ask_with((), high(), "order-sign", [ibandronate_weekly()], max_cards=1)
    criticals = [card for card in CRITICAL.cards if card["indicator"] == "critical"]
    assert answer.cards == criticals


def test_names_that_nothing_has_stop_the_start() -> None:
    tables = (QuietSettings(rule=f"{GUIDELINE}/monitoring"), QuietSettings(rule="monitoring", outcome="order-dxb"))
    with pytest.raises(SettingsError) as caught:
        create_app(Settings(quiet=tables), in_process=True)
    assert caught.value.problems == (
        "quiet[1].rule: there is no such rule",
        "quiet[1].outcome: there is no such outcome",
    )


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ("Practitioner/1", "practitioner"),
        ("PractitionerRole/1", "practitioner-role"),
        ("Patient/1", "patient"),
        ("RelatedPerson/1", "related-person"),
        ("1", None),
        ("Device/1", None),
    ],
)
def test_a_role_is_the_kind_of_the_user(user: str, role: str | None) -> None:
    assert role_of(user) == role


def test_a_site_is_a_client_or_one_of_its_tenants() -> None:
    burden = Burden([QuietSettings(site="https://ehr.example.org", show="off"), QuietSettings(site="north", show="on")])
    caller = Caller(iss="https://ehr.example.org", tenant="north", jti="1")
    assert burden.asker("patient-view", "x", caller.iss, caller.tenant).sites == {"https://ehr.example.org", "north"}
    # A client may name any tenant: one that no table knows must not stay in memory.
    assert burden.asker("patient-view", "x", "other", "any").sites == frozenset()
    assert json.dumps(list(burden.asker("patient-view", "x").sites)) == "[]"
