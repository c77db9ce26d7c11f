"""What was set aside stays away, from that patient, on that evidence, for its time; and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select, update

from service.config import QuietSettings, Settings
from service.recall import Recall
from service.store.tables import answered, feedback
from tests.builder import Record
from tests.databases import Make
from tests.drafts import ibandronate_weekly
from tests.fhir_pieces import TODAY, Json
from tests.front_door import Answer, findings
from tests.operations.looped import PATIENCE, Loop
from tests.operations.test_metrics import sample

Start = Callable[..., Loop]
TOPICS: Final = ["tier", "supplements", "monitoring"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a service with an empty store."""
    started: list[Loop] = []

    def with_settings(settings: Settings | None = None, **members: Any) -> Loop:
        loop = Loop(settings or Settings(state_directory=str(tmp_path), **members), monkeypatch)
        started.append(loop)
        return loop

    yield with_settings
    for loop in started:
        loop.store.close()


@pytest.fixture
def loop(start: Start) -> Loop:
    return start()


def high(**person: Any) -> Record:
    return Record(**person).condition("breast-cancer").t_score("lumbar-spine", -2.8).drug("letrozole")


def topics(answer: Answer) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answer.cards]


def card(answer: Answer, topic: str) -> Json:
    return next(card for card in answer.cards if card["source"]["topic"]["code"] == topic)


def set_aside(loop: Loop, topic: str, code: str | None, record: Record | None = None) -> Answer:
    """A first answer, one of whose cards is set aside."""
    answer = loop.ask(record or high())
    assert topics(answer) == TOPICS
    loop.override(card(answer, topic), code)
    loop.settle()
    return answer


@pytest.mark.parametrize(
    ("code", "last", "first_again"),
    [
        ("patient-refuses", date(2027, 11, 19), date(2027, 11, 20)),
        ("not-convenient-feasible", date(2026, 12, 19), date(2026, 12, 20)),
        ("patient-contraindication", date(2028, 9, 1), None),
        ("cds-not-applicable", date(2028, 9, 1), None),
        ("action-completed", date(2027, 11, 19), date(2027, 11, 20)),
    ],
)
def test_how_long_a_card_stays_away(code: str, last: date, first_again: date | None, loop: Loop) -> None:
    before = set_aside(loop, "supplements", code)
    # Nothing else may change in so long a time: the bone density was measured yesterday, whenever that is.
    loop.today = last
    assert "supplements" not in topics(loop.ask(high()))
    assert loop.ask(high()).outcomes >= {"calcium-vitamin-d"}
    if first_again is not None:
        loop.today = first_again
        again = loop.ask(high())
        assert card(again, "supplements")["detail"] == card(before, "supplements")["detail"]


def test_the_answer_is_otherwise_the_same(loop: Loop) -> None:
    before = set_aside(loop, "supplements", "patient-refuses")
    held = sample(
        "osteohooks_held_back_total",
        rule="tian_2025_ai_bone_loss/supplements",
        outcome="calcium-vitamin-d",
        why="declined",
    )
    after = loop.ask(high())
    assert topics(after) == ["tier", "monitoring"]
    assert after.assessment == before.assessment
    assert [one["detail"] for one in after.cards] == [card(before, topic)["detail"] for topic in topics(after)]
    assert (
        sample(
            "osteohooks_held_back_total",
            rule="tian_2025_ai_bone_loss/supplements",
            outcome="calcium-vitamin-d",
            why="declined",
        )
        > held
    )


@pytest.mark.parametrize("code", [None, "recipient-does-not-understand", "some-reason-of-ours"])
def test_without_a_reason_that_fits_it_is_shown_again(code: str | None, loop: Loop) -> None:
    set_aside(loop, "supplements", code)
    assert topics(loop.ask(high())) == TOPICS


def test_a_code_of_another_system_is_another_reason(loop: Loop) -> None:
    reason = {"code": "patient-refuses", "system": "https://ehr.example.org/reasons"}
    item = {"card": card(loop.ask(high()), "supplements")["uuid"], "outcome": "overridden"}
    item |= {"outcomeTimestamp": "2026-11-20T12:00:00Z", "overrideReason": {"reason": reason}}
    loop.tell(item)
    loop.settle()
    assert topics(loop.ask(high())) == TOPICS


def test_while_the_store_is_away_the_memory_stays_as_it_is(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    set_aside(loop, "supplements", "patient-refuses")
    loop.store.close()
    recall = Recall(loop.store.database, loop.memory)
    assert recall.state is None
    for _ in range(2):
        recall.look()
    assert recall.state == "closed"
    assert [record.msg for record in caplog.records] == [{"event": "the memory is not up to date", "cause": "closed"}]
    assert sample("osteohooks_memory_age_seconds") > 0
    assert "supplements" not in topics(loop.ask(high()))


def journal(loop: Loop) -> list[Any]:
    loop.written()
    return loop.store.database.read(lambda c: list(c.execute(select(answered))), within=30)


@pytest.mark.parametrize(("show", "recorded"), [("silent", True), ("off", False)])
def test_what_is_silent_is_on_record_and_what_is_off_is_not(show: Any, recorded: bool, start: Start) -> None:
    loop = start(quiet=(QuietSettings(rule="tian_2025_ai_bone_loss/supplements", show=show),))
    loop.ask(high())
    rows = journal(loop)
    shown = {row.outcome for row in rows if row.held is None}
    assert {"risk-tier", "order-safety-labs"} <= shown
    assert "calcium-vitamin-d" not in shown
    held = [row for row in rows if row.held is not None]
    assert [(row.outcome, row.held) for row in held] == [("calcium-vitamin-d", "silent")] * 2 * recorded
    assert {row.card for row in held}.isdisjoint(row.card for row in rows if row.held is None)


def test_what_is_put_on_record(loop: Loop) -> None:
    answer = loop.ask(high())
    rows = journal(loop)
    assert {(row.card, row.outcome) for row in rows} == {
        (one["uuid"], outcome) for one in answer.cards for outcome in findings(one)
    }
    first = next(row for row in rows if row.card == answer.cards[0]["uuid"] and row.position == 0)
    assert (first.indicator, first.hook, first.language) == ("warning", "patient-view", "en")
    assert (first.service, first.role, first.issuer) == ("bone-health-patient-view", "practitioner", None)
    assert (first.rule, first.edition) == ("tian_2025_ai_bone_loss/classification", "2025.1")
    assert first.at.date() == TODAY
    assert {len(row.patient) for row in rows} == {len(row.evidence) for row in rows} == {32}


def test_it_stays_away_in_every_language_and_on_every_hook(loop: Loop) -> None:
    set_aside(loop, "monitoring", "patient-refuses")
    assert "monitoring" not in topics(loop.ask(high(), lang="zh"))
    # A draft of the inhibitor that is taken already is nothing new.
    signing = loop.ask(high(), "order-sign", drafts=Record().draft("letrozole").drafts)
    assert "tier" in topics(signing)
    assert "monitoring" not in topics(signing)


def test_it_stays_away_from_that_patient_only(loop: Loop) -> None:
    set_aside(loop, "supplements", "patient-refuses")
    assert topics(loop.ask(high(patient_id="another"))) == TOPICS


@pytest.mark.parametrize(
    ("evidence", "topic"),
    [
        (lambda record: record.t_score("lumbar-spine", -3.1, "2026-11-19"), "tier"),
        (lambda record: record.t_score("total-hip", -1.0, "2026-11-19"), "tier"),
        (lambda record: record.fracture("hip", "2026-10-01"), "tier"),
        (lambda record: record.frax(4.0, 25.0), "tier"),
        (lambda record: record.lab("vitamin_d_25oh", 20, None, "2026-11-19"), "supplements"),
        (lambda record: record.drug("calcium-carbonate", dose="500 mg every 1 d"), "supplements"),
    ],
)
def test_new_evidence_brings_it_back_at_once(evidence: Callable[[Record], Record], topic: str, loop: Loop) -> None:
    set_aside(loop, topic, "patient-contraindication")
    assert topic not in topics(loop.ask(high()))
    assert topic in topics(loop.ask(evidence(high())))


@pytest.mark.parametrize("topic", TOPICS)
def test_what_is_nothing_new_brings_nothing_back(topic: str, loop: Loop) -> None:
    set_aside(loop, topic, "patient-contraindication")
    refilled = high().drug("letrozole", start="2026-11-01")
    renamed = high()
    for _, entry in renamed.entries:
        entry["resource"]["id"] = f"new-{entry['resource']['id']}"
    other = high().condition("reflux") if topic != "tier" else high()
    for record in (refilled, renamed, other):
        assert topic not in topics(loop.ask(record))


@pytest.mark.parametrize("topic", TOPICS)
def test_what_changes_by_itself_is_no_new_evidence(topic: str, loop: Loop) -> None:
    """A birthday, months of treatment, a clearance that is computed with the age."""
    record = high(born="1958-01-01").lab("creatinine", 0.9, "mg/dL", "2026-11-10").lab("weight", 60, None, "2026-11-10")
    record.drug("alendronate", dose="70 mg every 1 wk", start="2020-01-01", end="2022-01-01", status="stopped")
    set_aside(loop, topic, "patient-contraindication", record)
    # Beyond the birthday, within the time in which the laboratory's values are fresh.
    loop.today = date(2027, 1, 25)
    assert topic not in topics(loop.ask(record))


def test_a_clearance_that_is_computed_with_the_age_is_no_new_evidence(loop: Loop) -> None:
    record = high(born="1958-01-01").lab("creatinine", 2.0, "mg/dL", "2026-11-10").lab("weight", 60, None, "2026-11-10")
    before = loop.ask(record)
    loop.override(card(before, "safety"), "patient-contraindication")
    loop.settle()
    assert "safety" not in topics(loop.ask(record))
    loop.today = date(2027, 1, 25)
    after = loop.ask(record)
    assert "renal-block" in after.outcomes
    then, now = (each.facts("creatinine_clearance")[0]["value"] for each in (before, after))
    assert then > now, "a year older"
    assert "safety" not in topics(after)


def test_a_result_that_was_corrected_is_new_evidence(loop: Loop) -> None:
    set_aside(loop, "tier", "patient-contraindication")
    corrected = Record().condition("breast-cancer").t_score("lumbar-spine", -3.1).drug("letrozole")
    elsewhere = Record().condition("breast-cancer").t_score("total-hip", -2.8).drug("letrozole")
    for record in (corrected, elsewhere):
        assert "tier" in topics(loop.ask(record))


def test_what_becomes_more_urgent_comes_back(loop: Loop) -> None:
    record = high().drug("denosumab", dose="60 mg", resource="MedicationAdministration", start="2026-05-10")
    first = card(loop.ask(record), "safety")
    assert (first["indicator"], findings(first)) == ("info", ["denosumab-sequential"])
    loop.override(first, "patient-contraindication")
    loop.settle()
    assert "safety" not in topics(loop.ask(record))
    loop.today = date(2026, 12, 20)
    assert card(loop.ask(record), "safety")["indicator"] == "warning"


def test_agents_that_were_declined_are_not_offered_on_a_card_that_comes_for_another_reason(loop: Loop) -> None:
    record = high().lab("creatinine_clearance", 80, None, "2026-11-10").lab("serum_calcium", 2.3, None, "2026-11-10")
    answer = set_aside(loop, "tier", "patient-refuses", record)
    assert "suggestions" in card(answer, "tier")
    record.lab("bmi", 17, None, "2026-11-19")
    after = card(loop.ask(record), "tier")
    assert "weight" in findings(after)
    assert "bma-recommend" not in findings(after)
    assert "suggestions" not in after


def test_critical_advice_is_never_held_back(loop: Loop) -> None:
    drafts = [ibandronate_weekly()]
    first = loop.ask(high(), "order-sign", drafts=drafts)
    for one in first.cards:
        loop.override(one, "patient-contraindication", hook="order-sign")
    loop.settle()
    after = loop.ask(high(), "order-sign", drafts=drafts)
    assert [one["indicator"] for one in after.cards] == ["critical"]
    assert after.cards[0]["detail"] == first.cards[0]["detail"]


def test_a_critical_card_goes_out_whole(loop: Loop) -> None:
    """Also what else stands on it, though that was set aside while nothing critical was there."""
    record = high().lab("creatinine_clearance", 28, None, "2026-11-10")
    warned = loop.ask(record)
    assert card(warned, "safety")["indicator"] == "warning"
    loop.override(card(warned, "safety"), "patient-contraindication")
    loop.settle()
    assert "safety" not in topics(loop.ask(record))
    critical = card(loop.ask(record.drug("raloxifene")), "safety")
    assert critical["indicator"] == "critical"
    assert set(findings(critical)) == {"serm-with-endocrine-therapy", *findings(card(warned, "safety"))}


def test_the_last_word_counts(loop: Loop) -> None:
    answer = set_aside(loop, "supplements", "not-convenient-feasible")
    loop.today = date(2026, 11, 21)
    loop.override(card(answer, "supplements"), "patient-refuses")
    loop.settle()
    loop.today = date(2027, 11, 20)
    assert "supplements" not in topics(loop.ask(high()))
    loop.today = date(2027, 11, 21)
    assert "supplements" in topics(loop.ask(high()))


def test_a_client_s_clock_that_is_far_ahead_does_not_prolong_it(loop: Loop) -> None:
    answer = loop.ask(high())
    loop.override(card(answer, "supplements"), "not-convenient-feasible", on=date(2036, 1, 1))
    loop.settle()
    assert "supplements" not in topics(loop.ask(high()))
    loop.today = date(2026, 12, 21)
    assert "supplements" in topics(loop.ask(high()))


def dxa_order(status: str, **more: Any) -> Json:
    code = {"coding": [{"system": "http://loinc.org", "code": "83311-1"}]}
    return {"resourceType": "ServiceRequest", "id": "dxa", "status": status, "intent": "order", "code": code, **more}


def without_dxa() -> Record:
    return Record().condition("breast-cancer").drug("letrozole")


def test_advice_that_was_taken_up_is_not_repeated_once_its_order_shows(loop: Loop) -> None:
    answer = loop.ask(without_dxa())
    order = next(s for s in card(answer, "monitoring")["suggestions"] if "DXA" in s["label"])
    loop.accept(card(answer, "monitoring"), order)
    loop.settle()
    assert "order-dxa" in findings(card(loop.ask(without_dxa()), "monitoring")), "the order does not show yet"
    for status, repeated in (("active", False), ("completed", False), ("revoked", True), ("entered-in-error", True)):
        asked = loop.ask(without_dxa().add(dxa_order(status)))
        shown = {outcome for one in asked.cards for outcome in findings(one)}
        assert ("order-dxa" in shown) is repeated, status
        assert "order-dxa" in asked.outcomes
    assert "order-dxa" in str(loop.ask(without_dxa().add(dxa_order("active", doNotPerform=True))).cards)
    stranger = dxa_order("active", subject={"reference": "Patient/another"})
    assert "order-dxa" in str(loop.ask(without_dxa().add(stranger)).cards)


def test_an_order_that_nobody_advised_silences_nothing(loop: Loop) -> None:
    assert "order-dxa" in str(loop.ask(without_dxa().add(dxa_order("active"))).cards)


def test_a_draft_that_was_taken_up_is_not_advised_again_at_signing(loop: Loop) -> None:
    record = without_dxa()
    letrozole = Record().draft("letrozole").drafts
    first = loop.ask(record, "order-sign", drafts=letrozole)
    order = next(s for s in card(first, "monitoring")["suggestions"] if "DXA" in s["label"])
    loop.accept(card(first, "monitoring"), order, "order-sign")
    loop.settle()
    drafted = {**order["actions"][0]["resource"], "id": "taken-up"}
    again = loop.ask(record, "order-sign", drafts=[*letrozole, drafted])
    assert "order-dxa" not in {outcome for one in again.cards for outcome in findings(one)}
    assert "order-dxa" in again.outcomes


@pytest.mark.parametrize("remembers", [True, False])
def test_the_memory_can_be_turned_off(remembers: bool, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    beside: list[Any] = []

    class Upkeep:
        def __init__(self, tasks: list[Any]) -> None:
            beside.extend(tasks)

        def close(self) -> None:
            """Nothing was started."""

    monkeypatch.setattr("service.loop.Upkeep", Upkeep)
    loop = start(memory=remembers)
    answer = loop.ask(high())
    loop.override(card(answer, "supplements"), "patient-refuses")
    loop.written()
    for task in beside:
        task()
    assert ("supplements" not in topics(loop.ask(high()))) is remembers


def test_a_worker_hears_of_it_by_itself(start: Start, new_settings: Make) -> None:
    """On either database, and another worker as well."""
    settings = new_settings(today=None)
    here, there = start(settings), start(settings)
    answer = here.ask(high())
    here.override(card(answer, "supplements"), "patient-refuses")
    ends = time.monotonic() + PATIENCE
    while any("supplements" in topics(loop.ask(high())) for loop in (here, there)):
        assert time.monotonic() < ends
        time.sleep(0.05)
    order = next(s for s in card(answer, "monitoring")["suggestions"] if "25-OH" in s["label"])
    here.accept(card(answer, "monitoring"), order)
    here.settle()
    kinds = [item.reason for known in here.memory._known.values() for item in known.values()]
    assert set(kinds) == {"declined", "ordered"}


def test_another_client_cannot_silence_a_card(loop: Loop) -> None:
    answer = loop.ask(high())
    loop.override(card(answer, "supplements"), "patient-refuses")
    loop.settle()
    loop.store.database.write(lambda c: c.execute(update(feedback).values(issuer="https://other.example")), within=30)
    Recall(loop.store.database, loop.memory).look()
    assert topics(loop.ask(high())) == TOPICS
