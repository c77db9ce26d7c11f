"""Words: every summary fits with the longest values, several drugs are counted, and a record's markup stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import inf, nan
from typing import Any, Final

import pytest

from cds_hooks.card import LONGEST_SUMMARY, utf16_length
from service.gates import Gate
from service.pages import Section
from service.rules import Rules, load_rules
from service.words import LANGUAGES, WORDS, Words, amount, each, number_text
from tests import codes
from tests.builder import Record
from tests.fhir_pieces import Json, concept
from tests.front_door import ask, findings

RECENT: Final = "2026-11-10"
RULES: Final = {market: load_rules(market) for market in ("cn", "us", "eu")}


# -- every summary, with the longest that can stand in each blank ------------------------------------------------------


class Longest:
    """Fills blanks as `service.fill` does, each with the longest text that it may have, whatever the patient."""

    def __init__(self, rules: Rules, section: Section, outcome: str, language: str) -> None:
        self._rules, self._section, self._outcome, self._language = rules, section, outcome, language

    def fill(self, words: Words) -> str:
        sentence = words[self._language]
        return sentence.fill({blank: self._blank(*blank) for blank in sentence.blanks})

    def _blank(self, name: str, aspect: str) -> str:
        section, language = self._section, self._language
        if name in section.numbers:
            number = section.numbers[name]
            printed = {"number": number_text(number.value), "each": each(number.value, number.unit, language)}
            return printed.get(aspect) or amount(number.value, number.unit, language)
        if name in section.page.get("dates", {}):
            return "2026-11-20"
        if name in section.page.get("blanks", ()):
            return self._of_finding(name)
        if name.removesuffix("_before") == self._rules.assessment.stem:
            return self._tier(aspect)
        return self._fact(name, aspect)

    def _tier(self, aspect: str) -> str:
        page = self._rules.assessment.page
        if aspect == "short":
            filler = Longest(self._rules, self._rules.assessment, self._outcome, self._language)
            return longest(filler.fill(Words(rule["short"])) for rule in page["rules"].values())
        return longest(word[self._language] for word in page["words"].values())

    def _fact(self, name: str, aspect: str) -> str:
        definition, language = self._rules.terms.facts[name], self._language
        if aspect == "label":
            return str(definition[language])
        if aspect == "date":
            return longest(["2026-11-20", self._phrase("undated")])
        if aspect == "drug":
            groups = [definition["group"]] if "group" in definition else []
            return self._longest_drug({*definition.get("drugs", ()), *self._in(groups)})
        if aspect == "use":
            return longest(use[language] for use in WORDS["uses"].values())
        if aspect == "site":
            sites = definition["sites"]
            named = sites if isinstance(sites, dict) else {site: WORDS["sites"][site] for site in sites}
            return longest(site[language] for site in named.values())
        if aspect == "fresh":
            return amount(definition["fresh"]["months"], "mo", language)
        reach = definition.get("plausible", {"from": 0, "to": 1_234_567})
        values = [reach["from"], reach["to"], reach["from"] + 1e-9, reach["to"] - 1e-9, reach["to"] - 0.123]
        return longest([self._phrase("not_recorded"), *(amount(v, definition["unit"], language) for v in values)])

    def _of_finding(self, name: str) -> str:
        gates = [gate for gate in self._rules.table.gates if self._outcome in (gate.outcome, gate.asks)]
        if name == "drug":
            return self._drugs(gates)
        if name == "reason":
            return longest(text for gate in gates for text in self._reasons(gate))
        if name == "labs":
            labels = {self._rules.terms.facts[gate.fact][self._language] for gate in gates}
            return ("、" if self._language == "zh" else ", ").join(sorted(labels))
        return {"dose": amount(99_999.99, "mg", "en"), "interval": amount(99_999.99, "d", self._language)}[name]

    def _drugs(self, gates: list[Gate]) -> str:
        """The drugs that a row stops, the inhibitors that move the tier, or the one drug of the order in question."""
        terms = self._rules.terms
        if self._section.page.get("each") == "order":
            stem = self._outcome.partition(":")[2].partition("-")[0]
            of_order = {drug for drug in terms.drugs if drug.startswith(stem)}
            return self._longest_drug(of_order or self._in(["bone_modifying_agent"]))
        drugs = set().union(*(gate.drugs for gate in gates)) or self._in(["aromatase_inhibitor"])
        # A pack of several drugs alone, or the two longest of single drugs; more only of those weighed for everyone.
        plain = {str(terms.drugs[drug][self._language]) for drug in drugs if "contains" not in terms.drugs[drug]}
        named = ("、" if self._language == "zh" else ", ").join(sorted(plain, key=utf16_length)[-2:])
        more = f" {self._phrase('more').format(count=99)}" if any(gate.candidates for gate in gates) else ""
        return longest([self._longest_drug(drugs), named + (more if len(plain) > 2 else "")])

    def _reasons(self, gate: Gate) -> Iterator[str]:
        for words in filter(None, (gate.words, gate.unknown)):
            sentence = words[self._language]
            yield sentence.fill({blank: self._of_gate(gate, *blank) for blank in sentence.blanks})
        yield f"{self._phrase('first')}: {self._fact(gate.fact, 'label')}"

    def _of_gate(self, gate: Gate, name: str, aspect: str) -> str:
        if name == "limit":
            return amount(float(gate.limit), gate.unit, self._language)
        return self._longest_drug(gate.drugs) if name == "drug" else self._fact(gate.fact, aspect)

    def _in(self, groups: Iterable[str]) -> set[str]:
        return set().union(*(self._rules.terms.drugs_in(group) for group in groups))

    def _longest_drug(self, drugs: Iterable[str]) -> str:
        return longest(str(self._rules.terms.drugs[drug][self._language]) for drug in drugs)

    def _phrase(self, name: str) -> str:
        return str(WORDS["phrases"][name][self._language])


def longest(texts: Iterable[str]) -> str:
    return max(texts, key=utf16_length)


SUMMARIES: Final = [
    (market, section, name)
    for market, rules in RULES.items()
    for section in rules.guideline.sections
    for name, outcome in section.outcomes.items()
    if outcome.summary is not None and (market == "cn" or section.stem in ("gates", "bone_modifying_agents"))
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("market", "section", "name"), SUMMARIES, ids=[f"{m} {name}" for m, _, name in SUMMARIES])
def test_every_summary_fits_with_the_longest_values(market: str, section: Section, name: str, language: str) -> None:
    summary = section.outcomes[name].summary
    assert summary is not None
    text = Longest(RULES[market], section, name, language).fill(summary)
    assert "{" not in text
    assert utf16_length(text) <= LONGEST_SUMMARY, f"{utf16_length(text)}: {text}"


def test_every_outcome_that_opens_a_card_was_looked_at() -> None:
    opening = {code for code, entry in RULES["cn"].outcomes.items() if entry["opens"]}
    worded = {outcome.code for section in RULES["cn"].guideline.sections for outcome in section.outcomes.values()}
    assert {name.partition(":")[0] for _, _, name in SUMMARIES} >= opening & worded


# -- several drugs -----------------------------------------------------------------------------------------------------

BISPHOSPHONATES: Final = (
    "M05BA04",
    "M05BB05",
    "M05BA07",
    "M05BB04",
    "M05BA06",
    "M05BA08",
    "M05BB08",
    "M05BA03",
    "M05BA02",
)


def on_the_list(*atc: str) -> Record:
    """Kidneys that rule out every bisphosphonate, and these on the list."""
    record = Record().condition("breast-cancer").t_score("lumbar-spine", 0.5)
    record.lab("creatinine_clearance", 5, None, RECENT)
    for code in atc:
        told = {"medicationCodeableConcept": concept(codes.ATC, code), "status": "active"}
        record.add({"resourceType": "MedicationRequest", "id": code, **told})
    return record


@pytest.mark.parametrize(
    ("lang", "summary"),
    [
        ("en", "No zoledronic acid, zoledronic acid, calcium and vitamin D3 pack and 7 more: creatinine clearance"),
        ("zh", "不用唑来膦酸、唑来膦酸、钙和维D3组合包装 等另7种：肌酐清除率 5 mL/min"),
    ],
)
def test_of_many_drugs_two_are_named_and_the_rest_is_counted(lang: str, summary: str) -> None:
    card = ask(on_the_list(*BISPHOSPHONATES), lang=lang).card_with("renal-block")
    assert card["summary"].startswith(summary)
    assert utf16_length(card["summary"]) <= LONGEST_SUMMARY
    assert len(set(re.findall(r"^- (.+?)(?:: |：)", card["detail"], re.MULTILINE))) == len(BISPHOSPHONATES)


@pytest.mark.parametrize(
    ("lang", "summary"), [("en", "No alendronate, ibandronate: "), ("zh", "不用阿仑膦酸钠、伊班膦酸钠：")]
)
def test_two_drugs_are_both_named(lang: str, summary: str) -> None:
    card = ask(on_the_list("M05BA04", "M05BA06"), lang=lang).card_with("renal-block")
    assert card["summary"].startswith(summary)


# -- markup ------------------------------------------------------------------------------------------------------------

HOSTILE: Final = "<img src=x onerror=alert(1)>[here](https://evil.example)|`x`**bold**\n# heading"
# Members of a resource that hold words; every code, date and number stays, so that the reader reads the same.
WORDY: Final = frozenset({"text", "display", "unit", "valueString", "comment", "description", "title", "name", "div"})


def spoiled(node: Any) -> Any:
    """A record with markup in every string that a person or a system may have written freely."""
    if isinstance(node, dict):
        words = {
            name: f"{member} {HOSTILE}" if isinstance(member, str) else spoiled(member) for name, member in node.items()
        }
        return {name: words[name] if name in WORDY else spoiled(member) for name, member in node.items()}
    return [spoiled(item) for item in node] if isinstance(node, list) else node


def observation(id: str, code: str, unit: Json) -> Json:
    told: Json = {"resourceType": "Observation", "id": id, "status": "final", "effectiveDateTime": RECENT}
    return {**told, "code": concept(codes.LOINC, code), "valueQuantity": {"value": 5, **unit}}


def talkative() -> Record:
    """A patient of whom much is printed: what could not be used, what was, on every topic."""
    record = Record().condition("breast-cancer", note=[{"text": "n"}]).drug("letrozole", coding="scd")
    record.t_score("femoral-neck", -2.6, how="body-site").t_score("unknown", -3.0)
    record.lab("serum_calcium", 1.8, None, RECENT).lab("egfr", 12, None, RECENT).fracture("hip", cause="low")
    record.add(observation("u1", "2160-0", {"unit": HOSTILE})).add(observation("u2", "62292-8", {"unit": "ng/mL"}))
    record.add(observation("u3", "38267-1", {"unit": "x", "code": HOSTILE}), key="dxa")
    record.drug("alendronate", dose="70 mg every 1 d", coding="scd").condition("jaw-osteonecrosis")
    return record.draft("ibandronate", dose="150 mg every 1 wk", note=[{"text": "n"}])


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("hook", ["patient-view", "order-sign"])
def test_no_markup_of_the_record_reaches_a_card(hook: str, lang: str) -> None:
    record = talkative()
    prefetch = spoiled(record.prefetch())
    answer = ask(prefetch, hook, drafts=spoiled(record.drafts), lang=lang)
    assert answer.status == 200
    shown = "\n".join(answer.texts())
    # It is there, as text: the units that could not be read are named.
    assert r"&lt;img src=x onerror=alert(1)&gt;\[here\]" in shown
    for markup in (
        r"<",
        r">",
        r"(?<!\\)\[here",
        r"(?<!\\)\]\(",
        r"(?<!\\)`",
        r"(?<!\\)\*\*bold",
        r"\n# ",
        r"://e",
        r"(?<!\\)\|\\",
    ):
        assert not re.search(markup, shown), markup
    # What is sent back to the client's own system is the client's own.
    assert {outcome for card in answer.cards for outcome in findings(card)} >= {"data-quality"}


def test_a_unit_without_words_is_printed_as_text() -> None:
    assert amount(5, "<b>", "en") == "5 &lt;b&gt;"


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4, "4"),
        (4.0, "4"),
        (-2.5, "-2.5"),
        (-2.56, "-2.56"),
        (-2.546, "-2.55"),
        (34.99, "34.99"),
        # Two decimals would put it on the limit: more are shown.
        (34.9996, "34.9996"),
        (-2.49999, "-2.5000"),
        (0.25, "0.25"),
        (1e7, "1e+07"),
        (-1.5e300, "-1.5e+300"),
        (9_999_999, "9999999"),
        (0.00001, "1e-05"),
        (0, "0"),
        (inf, ""),
        (nan, ""),
    ],
)
def test_a_number_for_a_reader(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "english", "chinese"),
    [
        (1, "mo", "1 month", "1个月"),
        (6, "mo", "6 months", "6个月"),
        (-2, "{T-score}", "-2.0", "-2.0"),
        (-2.25, "{T-score}", "-2.25", "-2.25"),
        (3, "%", "3%", "3%"),
        (5, "", "5", "5"),
        (5, "U/L", "5 U/L", "5 U/L"),
    ],
)
def test_an_amount_in_each_language(value: float, unit: str, english: str, chinese: str) -> None:
    assert (amount(value, unit, "en"), amount(value, unit, "zh")) == (english, chinese)


def test_an_interval_after_every() -> None:
    assert [each(1, "wk", language) for language in LANGUAGES] == ["week", "周"]
    assert [each(6, "mo", language) for language in LANGUAGES] == ["6 months", "6个月"]
    assert each(1, "h", "en") == "1 hour"


@pytest.mark.parametrize("dose", [1e30, 1e308, 1e-30])
def test_a_dose_beyond_reason_still_fits(dose: float) -> None:
    draft: Json = Record().draft("zoledronic-acid", dose="4 mg every 1 d").drafts[0]
    draft["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] |= {"value": dose, "code": "g", "unit": "g"}
    draft["dosageInstruction"][0]["timing"]["repeat"] |= {"period": 1e15, "periodUnit": "a"}
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.9)
    for lang in LANGUAGES:
        answer = ask(record, "order-sign", drafts=[draft], lang=lang)
        assert answer.status == 200
        assert ("dose-error" in answer.outcomes) is (dose > 1)
