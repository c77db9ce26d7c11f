"""Guidelines beside the one that leads: what they say at every reading, who may lead, and what that never changes."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import product

import msgspec
import pytest

from fhir_profiles import RecordReader, Resource
from service.agreement import disagreements
from service.app import create_app
from service.assess import SILENT
from service.config import Settings
from service.decide import decide
from service.decision import Decision, Opinion
from service.fill import Filler
from service.pages import Guideline
from service.rules import Flawed, Rules, load_rules
from tests.builder import Record
from tests.fhir_pieces import PATIENT_ID, PREFETCH_KEYS, TODAY
from tests.front_door import ask, request_body

OWN = "tian_2025_ai_bone_loss"
OTHERS = (
    "aace_2020_osteoporosis",
    "asco_2019_osteoporosis",
    "esceo_2012_ai_bone_loss",
    "expert_groups_2017_bone_loss_table",
    "hadji_2017_ai_bone_loss",
    "scan_2015_ai_bone_loss",
)
HEIGHT = {SILENT: 0, "monitor": 1, "consider": 2, "treat": 3}
SCORES = (0.5, -0.5, -1.0, -1.01, -1.5, -1.51, -2.0, -2.01, -2.5, -2.51)


@lru_cache(maxsize=8)
def rules_led_by(name: str | None) -> Rules:
    return load_rules(leading=name)


def decided(record: Record, leading: str | None = None) -> Decision:
    """The decision on a whole record, every key told."""
    rules = rules_led_by(leading)
    bundle = msgspec.json.decode(json.dumps(record.bundle()).encode(), type=Resource)
    chart = RecordReader(rules.terms).read(PATIENT_ID, bundle.entry or [], PREFETCH_KEYS, TODAY)
    assert chart is not None
    found = decide(rules, chart, "patient-view")
    assert found is not None
    return found


def woman(t_score: float | None = None, inhibitor: bool = True) -> Record:
    record = Record().condition("breast-cancer").smoking("never")
    if t_score is not None:
        record.t_score("lumbar-spine", t_score)
    return record.drug("letrozole") if inhibitor else record


def advised(opinions: list[Opinion]) -> dict[str, str]:
    return {opinion.section.guideline: opinion.advice for opinion in opinions}


# -- who leads ---------------------------------------------------------------------------------------------------------


def test_every_other_guideline_has_one_opinion() -> None:
    assert sorted(section.guideline for section in rules_led_by(None).opinions) == sorted(OTHERS)


def test_the_one_that_assesses_leads_unless_a_site_says_otherwise() -> None:
    assert rules_led_by(None).leading == OWN
    assert rules_led_by(OWN).leading == OWN
    assert decided(woman(-1.7)).outcomes == decided(woman(-1.7), OWN).outcomes


def test_a_leading_guideline_that_nobody_knows() -> None:
    with pytest.raises(Flawed, match="the leading guideline who_1994 is none of aace_2020_osteoporosis, "):
        load_rules(leading="who_1994")


def test_a_folder_without_an_opinion_cannot_lead() -> None:
    with pytest.raises(Flawed, match="the leading guideline asco_2022_adjuvant_bisphosphonate is none of"):
        load_rules(leading="asco_2022_adjuvant_bisphosphonate")


@pytest.mark.parametrize("leading", OTHERS)
@pytest.mark.parametrize("t_score", SCORES)
@pytest.mark.parametrize("inhibitor", [True, False])
def test_another_leader_changes_the_advice_and_never_the_tier(leading: str, t_score: float, inhibitor: bool) -> None:
    own, led = (decided(woman(t_score, inhibitor), name) for name in (None, leading))
    assert led.tier == own.tier
    said = next(iter(_opinions_of(own, leading)), None)
    advice = own_advice(own) if said is None else said.advice
    recommended = {"treat": {"bma-recommend"}, "consider": {"bma-consider"}, "monitor": set()}[advice]
    assert set(led.outcomes) & {"bma-recommend", "bma-consider"} == recommended
    assert bool(led.verdicts) is (advice != "monitor")
    assert (OWN in advised(led.opinions)) is (advice != own_advice(own))
    assert leading not in advised(led.opinions)


def own_advice(decision: Decision) -> str:
    assert decision.tier is not None
    return str(decision.rules.guideline.page["advice"][decision.tier.tier])


def _opinions_of(decision: Decision, guideline: str) -> list[Opinion]:
    """The guideline's own opinion, where it differs from the tier's advice; nothing where it agrees or is silent."""
    return [opinion for opinion in decision.opinions if opinion.section.guideline == guideline]


def test_one_that_is_silent_leaves_the_lead_to_the_tier() -> None:
    """Hadji 2017 does not speak of a woman without an inhibitor."""
    led = decided(woman(-1.7, inhibitor=False), "hadji_2017_ai_bone_loss")
    assert "bma-consider" in led.outcomes
    assert OWN not in advised(led.opinions)


def test_the_gates_hold_whoever_leads() -> None:
    """ASCO 2019 treats on FRAX at a normal T-score, where the tier is low; a failing kidney rules out its agents."""
    record = woman(-0.5, inhibitor=False).frax(3.4, 24.0).lab("creatinine_clearance", 29.9)
    own, led = (decided(record, name) for name in (None, "asco_2019_osteoporosis"))
    assert not own.verdicts
    assert own.tier is not None
    assert own.tier.tier == "low"
    assert {verdict.agent.drug for verdict in led.verdicts if not verdict.stopped} == set()
    assert {"bma-recommend", "guideline-disagreement"} <= set(led.outcomes)
    assert advised(led.opinions)[OWN] == "monitor"


def test_without_a_tier_nothing_is_compared() -> None:
    for leading in (None, *OTHERS):
        found = decided(woman(), leading)
        assert "guideline-disagreement" not in found.outcomes
        assert not {"bma-recommend", "bma-consider"} & set(found.outcomes)


# -- what they say -----------------------------------------------------------------------------------------------------

# Whom a guideline speaks of is held fixed; every other fact goes from mildest to worst, (False, True) unless here.
SPOKEN_OF = {"inhibitor": True, "man": False, "before_menopause": False, "ovarian_suppression": False}
LADDERS: dict[str, tuple[float | bool, ...]] = {
    "t_score": SCORES,
    "hip_or_spine_t_score": SCORES,
    "frax_hip": (0.0, 2.9, 3.0),
    "frax_major": (0.0, 19.9, 20.0),
    "age": (60, 74, 75),
    "oral_glucocorticoid_months": (0.0, 6.0, 6.1),
}


def _ladder(guideline: str, fact: str) -> tuple[float | bool, ...]:
    if fact in SPOKEN_OF:
        return (SPOKEN_OF[fact],)
    if guideline.startswith("scan") and "fracture" in fact:
        return (False,)  # with one it does not speak of the patient
    return LADDERS.get(fact, (False, True))


@pytest.mark.parametrize("guideline", OTHERS)
def test_more_risk_is_never_answered_with_less(guideline: str) -> None:
    (section,) = (section for section in rules_led_by(None).opinions if section.guideline == guideline)
    ladders = [_ladder(guideline, fact) for fact in section.facts]
    assert section.decide is not None
    heights = {}
    for rungs in product(*(range(len(ladder)) for ladder in ladders)):
        rule = section.decide(*(ladder[rung] for ladder, rung in zip(ladders, rungs, strict=True)))
        heights[rungs] = HEIGHT[section.page["rules"][rule]["advice"]]
    assert set(heights.values()) >= {HEIGHT["monitor"], HEIGHT["treat"]}
    for rungs, height in heights.items():
        for place in range(len(rungs)):
            worse = (*rungs[:place], rungs[place] + 1, *rungs[place + 1 :])
            assert heights.get(worse, height) >= height, (section.facts[place], rungs)


def test_a_score_of_unknown_site_may_be_of_the_hip() -> None:
    """Told by its name alone, without a site: possible for those who name spine and hip, and no more than that."""
    record = woman(-0.5).add(
        {
            "resourceType": "Observation",
            "id": "siteless",
            "status": "final",
            "code": {"text": "T-score"},
            "effectiveDateTime": "2026-09-20",
            "valueQuantity": {"value": -2.6, "unit": "{T-score}"},
        }
    )
    assert [other for other in ask(record).others() if other.startswith("ESCEO")] == ["ESCEO 2012: monitor?"]
    assert [other for other in ask(woman(-0.5)).others() if other.startswith("ESCEO")] == ["ESCEO 2012: monitor"]


def test_a_smoking_status_dated_in_the_future_says_nothing() -> None:
    future = Record().condition("breast-cancer").t_score("lumbar-spine", -0.5).drug("letrozole")
    future.smoking("never", "2027-01-01")
    assert "Hadji 2017: monitor?" in ask(future).others()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("known", [True, False])
def test_every_reason_reads_as_a_sentence(lang: str, known: bool) -> None:
    """Also where its facts are not on record: then it says so."""
    record = woman(-1.7).frax(3.4, 24.0) if known else Record().condition("breast-cancer")
    found = decided(record)
    fill = Filler(found, lang)
    for section in found.rules.opinions:
        for rule, entry in section.page["rules"].items():
            text = fill.opinion(Opinion(section, rule, entry["advice"], ()))
            assert text
            assert not set("{}|\n") & set(text), rule
            assert "inf" not in text.split()


def test_an_opinion_that_advises_nothing_we_know_is_a_flaw() -> None:
    rules = rules_led_by(None)
    (section,) = (section for section in rules.opinions if section.guideline.startswith("hadji"))
    broken = {**section.page["rules"], "density": {**section.page["rules"]["density"], "advice": "wait"}}
    fresh = load_rules()
    (own,) = (s for s in fresh.opinions if s.guideline == section.guideline)
    own.page = {**own.page, "rules": broken}
    flaws = list(
        disagreements(
            [Guideline("hadji_2017_ai_bone_loss", rules.guidelines["hadji_2017_ai_bone_loss"].page, [own])], fresh.terms
        )
    )
    assert flaws == ["hadji_2017_ai_bone_loss/advice: rule density advises nothing we know"]


def test_an_unknown_fact_counts_as_unsettled() -> None:
    (hadji,) = _opinions_of(decided(woman(-1.7)), "hadji_2017_ai_bone_loss")
    assert hadji.unsettled == ("parent_hip_fracture",)


def test_a_site_chooses_who_leads() -> None:
    body = json.dumps(request_body(woman(-1.2).prefetch(), "patient-view")).encode()
    outcomes = {}
    for leading in (None, OWN, "hadji_2017_ai_bone_loss"):
        door = create_app(Settings(today=TODAY, leading_guideline=leading)).test_client()
        answer = json.loads(
            door.post("/cds-services/bone-health-patient-view", data=body, content_type="application/json").data
        )
        assessment = answer["extension"]["org.osteohooks.assessment"]
        assert assessment["tier"] == "high"
        outcomes[leading] = set(assessment["outcomes"])
    assert outcomes[None] == outcomes[OWN] >= {"bma-recommend"}
    assert not outcomes["hadji_2017_ai_bone_loss"] & {"bma-recommend", "bma-consider"}
    with pytest.raises(Flawed, match="the leading guideline hadji_2025 is none of aace_2020_osteoporosis, "):
        create_app(Settings(leading_guideline="hadji_2025"))
