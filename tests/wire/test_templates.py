"""Prefetch templates: the good ones pass, each flaw is named with its key."""

import pytest

from cds_hooks import ORDER_SELECT, PATIENT_VIEW
from cds_hooks.templates import LONGEST, template_flaws


@pytest.mark.parametrize(
    "template",
    [
        "Patient/{{context.patientId}}",
        "Patient/{{ context.patientId }}",
        "Encounter/{{context.encounterId}}",
        "Practitioner/{{userPractitionerId}}",
        "Observation?patient={{context.patientId}}&code=http://loinc.org|38263-0,http://loinc.org|38267-1",
        "Observation?patient={{context.patientId}}&date=ge{{today() - 730 days}}&date=le{{today()}}",
        "Observation?patient={{context.patientId}}&date=ge{{today()-1 day}}&_sort=-date&_count=200",
        "Condition?patient={{context.patientId}}&code:in=http://example.org/ValueSet/fractures",
        "MedicationRequest?patient={{context.patientId}}&_lastUpdated=gt2026-01-01&_id=a",
        "Observation?patient={{context.patientId}}&combo-code=http://loinc.org|38263-0",
    ],
)
def test_a_template_that_a_client_can_satisfy(template: str) -> None:
    assert template_flaws(PATIENT_VIEW, {"key": template}) == ()


NO_TOKEN = "is no prefetch token of order-select"
NO_PARAMETER = "is more than a client must support"
NO_QUERY = "must be a relative FHIR read"


@pytest.mark.parametrize(
    ("template", "flaw"),
    [
        ("Medication/{{context.medication.id}}", NO_TOKEN),
        ("Patient/{{context.draftOrders}}", NO_TOKEN),  # a member of the context, but not marked as a token
        ("Patient/{{context.selections}}", NO_TOKEN),
        ("Patient/{{patientId}}", NO_TOKEN),
        ("Patient/{{xcontext.patientId}}", NO_TOKEN),
        ("Patient/{{%patient.id}}", NO_TOKEN),
        ("Observation?patient={{context.patientId}}&date=ge{{today() - 2 years}}", NO_TOKEN),
        ("Patient/{{}}", NO_TOKEN),
        ("Patient/{context.patientId}", "between {{ and }}"),
        ("Patient/{{context.patientId", "between {{ and }}"),
        ("Observation?patient={{context.patientId}}&_include=Observation:subject", '"_include" ' + NO_PARAMETER),
        ("Patient?_has:Observation:patient:code=1", '"_has:Observation:patient:code" ' + NO_PARAMETER),
        ("Observation?subject.name=x", '"subject.name" ' + NO_PARAMETER),
        ("Observation?code:not=x", '"code:not" ' + NO_PARAMETER),
        ("Observation?date=ap2026-01-01", '"date" ' + NO_PARAMETER),
        ("Observation?code=", '"code" ' + NO_PARAMETER),
        ("Observation?code=1&&date=ge2026", '"" ' + NO_PARAMETER),
        ("Observation?", NO_QUERY),
        ("Observation", NO_QUERY),
        ("", NO_QUERY),
        ("/Patient/{{context.patientId}}", NO_QUERY),
        ("https://ehr.example.org/Patient/{{context.patientId}}", NO_QUERY),
        ("Patient/{{context.patientId}}/$everything", NO_QUERY),
        ("Observation?code=" + "1" * LONGEST, f"has {LONGEST + 17} characters, more than {LONGEST}"),
    ],
)
def test_a_template_that_a_client_cannot_satisfy(template: str, flaw: str) -> None:
    (found,) = template_flaws(ORDER_SELECT, {"good": "Patient/{{context.patientId}}", "bad": template})
    assert found.startswith('prefetch "bad": ')
    assert flaw in found


def test_the_longest_template_passes() -> None:
    start = "Observation?code="
    assert template_flaws(PATIENT_VIEW, {"key": start + "1" * (LONGEST - len(start))}) == ()


def test_a_flaw_tells_which_tokens_there_are() -> None:
    (flaw,) = template_flaws(PATIENT_VIEW, {"key": "Patient/{{patient}}"})
    assert "context.encounterId, context.patientId, context.userId, today()" in flaw
    assert "{{patient}}" in flaw


# -- the 3.0 ballot ----------------------------------------------------------------------------------------------------

PATIENT = "Patient/{{context.patientId}}"
DRUGS = "context.draftOrders.entry.resource.ofType(MedicationRequest).medication.resolve().id"
BALLOT = {
    "patient": PATIENT,
    "meds": f"Medication?_id={{{{{DRUGS}}}}}",
    "doctors": "Practitioner?_id={{%patient.generalPractitioner.resolve().ofType(Practitioner).id}}",
    "labs": "Observation?patient={{%context.patientId|%patient.id}}&_maxresults=5",
    "roles": "PractitionerRole?practitioner={{%doctors.entry.resource.id}}",
}


def test_the_ballot_s_grammar_where_it_is_asked_for() -> None:
    assert template_flaws(ORDER_SELECT, BALLOT, ballot=True) == ()
    flaws = template_flaws(ORDER_SELECT, BALLOT)
    assert {flaw.partition(":")[0] for flaw in flaws} == {f'prefetch "{key}"' for key in BALLOT if key != "patient"}
    reasons = " ".join(flaws)
    for reason in ("paths belong to the 3.0 ballot", "alternatives belong to the 3.0 ballot", '"_maxresults" is more'):
        assert reason in reasons


def test_lookups_may_use_it() -> None:
    lookups = {"meds": BALLOT["meds"], "labs": BALLOT["labs"]}
    assert template_flaws(ORDER_SELECT, {"patient": PATIENT}, lookups) == ()


@pytest.mark.parametrize(
    ("templates", "flaw"),
    [
        ({"a": "Patient/{{%b.id}}"}, 'prefetch "a": %b is no prefetch key'),
        ({"a": "Patient/{{%b.id}}", "b": PATIENT}, 'prefetch "a": %b stands after it'),
        ({"a": "Patient/{{context.draftOrders.where(x).id}}"}, "is no element name"),
        ({"a": "Patient/{{context.draftOrders}}"}, "the hook has no such token"),
        ({"a": "Patient/{{context.nothing}}"}, "the hook has no such token"),
        ({"a": "Patient/{{context.nothing.id}}"}, "the context has no such member"),
        ({"a": "Patient/{{%patient}}"}, "no user id, today(), path from context or path from %key"),
    ],
)
def test_a_flaw_of_the_ballot_s_grammar(templates: dict[str, str], flaw: str) -> None:
    (found,) = template_flaws(ORDER_SELECT, templates, ballot=True)
    assert flaw in found


@pytest.mark.parametrize(
    ("templates", "circle"),
    [
        ({"a": "Patient/{{%a.id}}"}, {"%a needs %a"}),
        ({"a": "Patient/{{%b.id}}", "b": "Patient/{{%a.id}}"}, {"%a needs %b needs %a", "%b needs %a needs %b"}),
    ],
)
def test_keys_that_need_each_other_in_a_circle(templates: dict[str, str], circle: set[str]) -> None:
    flaws = template_flaws(ORDER_SELECT, templates, ballot=True)
    assert any(f"prefetch: {one}, a circle" in flaws for one in circle)


def test_a_lookup_is_no_second_prefetch_key() -> None:
    flaws = template_flaws(ORDER_SELECT, {"patient": PATIENT}, {"patient": PATIENT})
    assert flaws == ('lookup "patient": is a prefetch key as well',)


def test_a_lookup_s_own_flaws_are_named() -> None:
    (flaw,) = template_flaws(PATIENT_VIEW, {"patient": PATIENT}, {"x": "Medication?_id={{context.draftOrders.id}}"})
    assert flaw.startswith('lookup "x": ')
    (flaw,) = template_flaws(PATIENT_VIEW, {"patient": PATIENT}, {"x": "Medication?_id={{%later.id}}"})
    assert flaw == 'lookup "x": %later is no prefetch key'
