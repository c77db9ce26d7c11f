"""The orders a card may suggest: valid FHIR, coded drafts in the doses of the pages, read back as what they are."""

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cds_hooks import Action, Suggestion
from fhir_profiles import Entry, RecordReader, Resource, terminology
from fhir_profiles.chart import Use
from service.orders import Order, check_orders, load_orders
from service.pages import Number, Section
from service.rules import Rules, load_rules
from service.words import LANGUAGES, Words, number_text

MARKETS = ("cn", "us", "eu")
ORDERS = load_orders()
DRUG_ORDERS = {name: order for name, order in ORDERS.items() if order.drug is not None}
BY_ID = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
BY_DRUG_ID = pytest.mark.parametrize("order", DRUG_ORDERS.values(), ids=DRUG_ORDERS)
UUID = "5b9f4d3c-0000-5000-8000-000000000001"
ROUTES = {"47625008": "iv", "34206005": "sc", "26643006": "oral"}
# A day of the page's unit, in the unit of the order's timing.
PERIODS = {"mo": "mo", "wk": "wk", "mg/d": "d", "[iU]/d": "d"}


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


def section(rules: Rules, stem: str) -> Section:
    return next(section for section in rules.guideline.sections if section.stem == stem)


def dosage(order: Order, language: str = "en") -> Any:
    (only,) = order.resource[language]["dosageInstruction"]
    return only


def dose_of(order: Order) -> Any:
    (rate,) = dosage(order)["doseAndRate"]
    return rate["doseQuantity"]


class Creation(msgspec.Struct):
    """An action, its resource as our own reader has it."""

    resource: Resource


class Suggested(msgspec.Struct):
    """A suggestion of one action."""

    actions: tuple[Creation]


def read_back(order: Order, language: str = "en") -> Use:
    """The order as our own reader understands it in the hook's drafts."""
    raw = order.suggestion(language, "p1", UUID, recommended=False)
    (creation,) = msgspec.json.decode(raw, type=Suggested).actions
    draft = creation.resource
    patient = Resource(resourceType="Patient", id="p1", birthDate="1958-01-01", gender="female")
    today = datetime.date(2026, 11, 20)
    chart = RecordReader().read("p1", [Entry(resource=patient)], [], today, drafts=[Entry(resource=draft)])
    assert chart is not None
    (use,) = chart.uses
    return use


def test_every_order_is_valid_fhir() -> None:
    assert len(ORDERS) > 15
    check_orders(ORDERS)


def test_an_order_that_is_not_fhir_is_named() -> None:
    good = ORDERS["dxa"]
    broken = {**good.resource["en"], "status": {"no": "code"}}
    bad = Order("bad", None, good.label, {}, {"en": broken, "zh": good.resource["zh"]})
    with pytest.raises(ValueError, match=r"order bad \(en\)") as caught:
        check_orders({"good": good, "bad": bad})
    assert "good" not in str(caught.value)
    assert "(zh)" not in str(caught.value)


@BY_ID
def test_every_order_is_a_coded_draft(order: Order) -> None:
    for resource in order.resource.values():
        assert (resource["status"], resource["intent"]) == ("draft", "order")
        concept = resource["medicationCodeableConcept"] if order.drug else resource["code"]
        assert concept["text"]
        for coding in concept["coding"]:
            assert coding["system"].startswith("http://")
            assert coding["code"]


@BY_ID
def test_an_order_says_the_same_in_every_language_in_other_words(order: Order) -> None:
    assert set(order.label) == set(order.resource) == set(LANGUAGES)
    assert len(set(order.label.values())) == len(LANGUAGES)
    without_text = [list(_untexted(order.resource[language])) for language in LANGUAGES]
    assert without_text[0] == without_text[1]
    assert len({str(resource) for resource in order.resource.values()}) == len(LANGUAGES)


def _untexted(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a resource with its place, the texts for readers left out."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "text":
                yield from _untexted(value, f"{place}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _untexted(value, f"{place}.{index}")
    else:
        yield place, node


@BY_ID
def test_the_patient_stands_in_every_order_and_cannot_leave_the_string(order: Order) -> None:
    for patient in ("p1", 'a"b\\'):
        (action,) = msgspec.json.decode(order.suggestion("zh", patient, UUID, recommended=False))["actions"]
        decoded = action["resource"]
        assert decoded["subject"] == {"reference": f"Patient/{patient}"}
        assert decoded == {**order.resource["zh"], "subject": decoded["subject"]}


@BY_ID
@pytest.mark.parametrize("recommended", [True, False])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_suggestion_encoded_at_start_is_the_one_that_would_be_built(
    order: Order, language: str, recommended: bool
) -> None:
    raw = order.suggestion(language, "p1", UUID, recommended=recommended)
    resource = {**order.resource[language], "subject": {"reference": "Patient/p1"}}
    action = Action(type="create", description=order.label[language], resource=resource)
    built = Suggestion(label=order.label[language], uuid=UUID, is_recommended=recommended, actions=(action,))
    assert bytes(raw) == msgspec.json.encode(built)


def named_by_pages() -> set[str]:
    named: set[str] = set()
    for market in MARKETS:
        rules = load_rules(market)
        named |= {agent.order for agent in rules.agents if agent.order}
        for guideline in rules.guidelines.values():
            for page in guideline.sections:
                for outcome in page.outcomes.values():
                    named |= {*outcome.orders, *outcome.orders_for.values()}
    return named


def test_the_pages_name_every_order_and_no_other() -> None:
    assert named_by_pages() == set(ORDERS)


@BY_DRUG_ID
def test_the_drug_is_one_we_know(order: Order) -> None:
    assert order.drug in terminology().drugs


@pytest.mark.parametrize("market", MARKETS)
def test_an_agent_is_ordered_as_its_page_says(market: str) -> None:
    rules = load_rules(market)
    page = section(rules, "bone_modifying_agents")
    rows = {row["id"]: row for row in page.page["agents"]}
    assert [agent.rank for agent in rules.agents if agent.rank] == [1, 2, 3]
    for agent in rules.agents:
        assert agent.order is not None
        order = ORDERS[agent.order]
        assert order.drug == agent.drug
        dose, interval = stated(Words({"en": rows[agent.id]["en"]}), page.numbers)
        check_dose(order, dose)
        check_interval(order, interval)
        assert ROUTES[dosage(order)["route"]["coding"][0]["code"]] == agent.route


def stated(words: Words, numbers: dict[str, Number]) -> tuple[Number, Number]:
    """The dose and the interval that an agent's sentence prints."""
    blanks = sorted(name for name, _ in words.blanks)
    (dose,) = (numbers[name] for name in blanks if name.endswith("_dose"))
    (interval,) = (numbers[name] for name in blanks if name.endswith("_interval"))
    return dose, interval


def check_dose(order: Order, number: Number) -> None:
    quantity = dose_of(order)
    assert quantity["value"] == number.value
    assert quantity["code"] == number.unit.removesuffix("/d")
    for language in LANGUAGES:
        printed = f"{number_text(number.value)} {quantity['unit']}"
        assert printed in order.label[language]
        assert printed in dosage(order, language)["text"]


def check_interval(order: Order, number: Number) -> None:
    repeat = dosage(order)["timing"]["repeat"]
    assert repeat["frequency"] == 1
    assert repeat["periodUnit"] == PERIODS[number.unit]
    assert repeat["period"] == (1 if number.unit.endswith("/d") else number.value)


def test_the_monthly_correction_is_the_limit_it_corrects_to(rules: Rules) -> None:
    numbers = section(rules, "order_dose").numbers
    check_dose(ORDERS["risedronate_monthly"], numbers["risedronate_monthly_dose"])
    check_interval(ORDERS["risedronate_monthly"], numbers["risedronate_monthly_interval"])


@pytest.mark.parametrize("name", ["calcium_older", "calcium_younger", "vitamin_d_ordinary", "vitamin_d_osteoporosis"])
def test_a_supplement_is_ordered_as_its_page_says(rules: Rules, name: str) -> None:
    number = section(rules, "supplements").numbers[name]
    check_dose(ORDERS[name], number)
    check_interval(ORDERS[name], number)


def test_a_dose_that_two_pages_name_is_one(rules: Rules) -> None:
    offered, limits = (section(rules, stem).numbers for stem in ("bone_modifying_agents", "order_dose"))
    shared = {name for name in offered.keys() & limits.keys() if name.endswith("_dose")}
    assert len(shared) >= 6
    for name in shared:
        assert (offered[name].value, offered[name].unit) == (limits[name].value, limits[name].unit), name


@pytest.mark.parametrize("language", LANGUAGES)
@BY_DRUG_ID
def test_our_own_order_is_read_back_as_what_it_is(order: Order, language: str) -> None:
    use = read_back(order, language)
    quantity, repeat = dose_of(order), dosage(order)["timing"]["repeat"]
    assert (use.drug, use.dose, use.unit) == (order.drug, quantity["value"], quantity["code"])
    assert use.route == ROUTES[dosage(order)["route"]["coding"][0]["code"]]
    assert use.interval_days == pytest.approx(repeat["period"] * {"d": 1, "wk": 7, "mo": 30}[repeat["periodUnit"]])


@BY_DRUG_ID
def test_our_own_order_is_no_dose_error(rules: Rules, order: Order) -> None:
    decide = section(rules, "order_dose").decide
    assert decide is not None
    use = read_back(order)
    dose = use.dose if use.unit == "mg" else float("nan")
    assert list(decide(use.drug, use.route, dose, use.interval_days, True)) == []
