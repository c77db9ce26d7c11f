"""The shipped code tables: every code is well formed, stands for one thing, and the look-ups find the closest one."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_profiles.resources import CodeableConcept, Coding
from fhir_profiles.terminology import Terminology, terminology

FOLDER = Path(__file__).resolve().parents[2] / "fhir_profiles"
ICD10, ICD10CM = "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM, ATC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.whocc.no/atc"

GROUPS = {
    "aromatase_inhibitor",
    "endocrine_therapy",
    "other_endocrine_therapy",
    "ovarian_suppression",
    "bisphosphonate",
    "bone_modifying_agent",
    "antiresorptive",
    "anabolic",
    "serm",
    "systemic_oestrogen",
    "menopausal_hormone_therapy",
    "igf1",
    "calcium",
    "vitamin_d",
    "active_vitamin_d",
    "vitamin_k2",
    "glucocorticoid",
    "proton_pump_inhibitor",
    "vitamin_k_antagonist",
    "cardiac_glycoside",
    "thiazide",
    "loop_diuretic",
    "thyroid_hormone",
    "nephrotoxic",
    "nsaid",
    "cdk46_inhibitor",
    "chemotherapy",
    "oestrogen_like_herb",
}
ROUTES = {"oral", "iv", "sc", "im", "vaginal", "transdermal", "nasal"}
DRUG_FIELDS = {"en", "zh", "groups", "names", "strength_by_name", "elemental_fraction", "route", "contains"}
DRUG_SYSTEMS = {"atc", "snomed", "rxnorm", "products"}
CONDITION_FIELDS = {"en", "zh", "fracture", "mechanism", "weakens_bone"}
CONDITION_SYSTEMS = {"snomed", "icd10", "icd10cm", "icd10pcs"}
SITES = {
    "hip",
    "vertebra",
    "proximal-humerus",
    "humerus",
    "pelvis",
    "distal-forearm",
    "forearm",
    "femur-shaft",
    "other",
    "unspecified",
}
NATURES = {"plain", "osteoporotic", "pathological", "neoplastic", "atypical"}
SHAPES = {
    "snomed": re.compile(r"[1-9]\d{5,17}"),
    "rxnorm": re.compile(r"[1-9]\d*"),
    "atc": re.compile(r"[A-Z](\d\d([A-Z]([A-Z](\d\d)?)?)?)?"),
    # The reader looks a code up by its category and longer prefixes: a shorter entry would never be found.
    "icd10": re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?\*?"),
    "icd10cm": re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?\*?"),
    "icd10pcs": re.compile(r"[0-9A-HJ-NP-Z]{4,7}\*?"),
}


def family(folder: str) -> dict[str, dict[str, Any]]:
    definitions: dict[str, dict[str, Any]] = {}
    for path in sorted((FOLDER / folder).glob("*.yaml")):
        for key, definition in yaml.safe_load(path.read_text("utf-8")).items():
            assert key not in definitions, f"{key} is defined twice, the second time in {path.name}"
            definitions[key] = definition
    return definitions


DRUGS, CONDITIONS = family("drugs"), family("conditions")
SYSTEMS: dict[str, list[str]] = yaml.safe_load((FOLDER / "systems.yaml").read_text("utf-8"))


def codes(definition: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(system, code) of a drug or a condition, as written."""
    for system in sorted((DRUG_SYSTEMS | CONDITION_SYSTEMS) & definition.keys()):
        for code in definition[system]:
            yield ("rxnorm" if system == "products" else system), code


def verhoeff(digits: str) -> int:
    """0 for a number whose last digit is its Verhoeff check digit (SNOMED CT identifiers)."""
    rotation = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for position, character in enumerate(reversed(digits)):
        digit = int(character)
        for _ in range(position % 8):
            digit = rotation[digit]
        # Multiplication in the dihedral group of ten elements.
        if check < 5:
            check = (check + digit) % 5 if digit < 5 else 5 + (check + digit) % 5
        else:
            check = 5 + (check - digit) % 5 if digit < 5 else (check - digit) % 5
    return check


def coded(system: str, code: str) -> CodeableConcept:
    return CodeableConcept(coding=[Coding(system=system, code=code)])


@pytest.fixture(scope="module")
def terms() -> Terminology:
    return terminology()


@pytest.mark.parametrize("definitions", [DRUGS, CONDITIONS], ids=["drugs", "conditions"])
def test_a_code_stands_for_one_thing(definitions: dict[str, dict[str, Any]]) -> None:
    claimed = defaultdict(list)
    for key, definition in definitions.items():
        for system, code in codes(definition):
            claimed[system, code.rstrip("*")].append(key)
    assert {code: keys for code, keys in claimed.items() if len(keys) > 1} == {}


@pytest.mark.parametrize("definitions", [DRUGS, CONDITIONS], ids=["drugs", "conditions"])
def test_every_code_is_well_formed(definitions: dict[str, dict[str, Any]]) -> None:
    flawed = [
        (key, system, code)
        for key, definition in definitions.items()
        for system, code in codes(definition)
        if not isinstance(code, str)
        or not SHAPES[system].fullmatch(code)
        or (system == "snomed" and verhoeff(code) != 0)
    ]
    assert flawed == []


def test_the_check_digit_is_seen_to_fail() -> None:
    assert verhoeff("64859006") == 0
    assert [verhoeff(f"6485900{digit}") == 0 for digit in range(10)].count(True) == 1
    assert verhoeff("64895006") != 0, "two neighbours swapped"


@pytest.mark.parametrize(("definitions", "fields"), [(DRUGS, DRUG_FIELDS), (CONDITIONS, CONDITION_FIELDS)])
def test_every_entry_has_its_names_and_known_fields_only(
    definitions: dict[str, dict[str, Any]], fields: set[str]
) -> None:
    systems = DRUG_SYSTEMS if definitions is DRUGS else CONDITION_SYSTEMS
    for key, definition in definitions.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", key)
        assert definition["en"].isascii(), key
        assert re.search(r"[\u4e00-\u9fff]", definition["zh"]), key
        assert definition.keys() <= fields | systems, key
        assert definition.keys() & (systems | {"names"}), f"{key} cannot be found in a record"


def test_names_of_drugs_are_unique() -> None:
    named = defaultdict(list)
    for key, drug in DRUGS.items():
        for name in drug.get("names", ()):
            named[name.casefold()].append(key)
    assert {name: keys for name, keys in named.items() if len(keys) > 1} == {}


def test_drugs_say_what_they_are() -> None:
    for key, drug in DRUGS.items():
        assert drug["groups"], key
        assert set(drug["groups"]) <= GROUPS, key
        assert drug.get("route", "oral") in ROUTES, key
        assert 0 < drug.get("elemental_fraction", 1) <= 1, key
        for code, product in drug.get("products", {}).items():
            assert product.keys() <= {"strength", "unit", "route"}, code
            assert ("strength" in product) == ("unit" in product), code
            assert product.get("unit", "mg") in {"mg", "[iU]"}, code
            assert product.get("route", "oral") in ROUTES, code
        for name, stated in drug.get("strength_by_name", {}).items():
            assert name in drug["names"], name
            assert stated.keys() == {"strength", "unit"}, name


def test_every_group_has_a_drug() -> None:
    assert {group for drug in DRUGS.values() for group in drug["groups"]} == GROUPS


def test_a_combination_is_what_its_parts_are() -> None:
    combinations = {key: drug for key, drug in DRUGS.items() if "contains" in drug}
    assert combinations
    for key, drug in combinations.items():
        parts = {group for part in drug["contains"] for group in DRUGS[part]["groups"]}
        assert set(drug["groups"]) == parts, key


def test_fractures_and_mechanisms_use_the_closed_lists() -> None:
    for key, condition in CONDITIONS.items():
        if fracture := condition.get("fracture"):
            assert fracture.keys() <= {"site", "nature", "flag"}, key
            assert fracture["site"] in SITES, key
            assert fracture["nature"] in NATURES, key
        assert condition.get("mechanism", "low") in {"low", "high", "unknown"}, key
    assert all(
        CONDITIONS[key]["fracture"]["nature"] == "plain" for key in ("collapsed_vertebra", "femoral_shaft_fracture")
    )


def test_systems_are_named_once() -> None:
    uris = [uri for aliases in SYSTEMS.values() for uri in aliases]
    assert len(uris) == len(set(uris))
    used = {system for definition in (*DRUGS.values(), *CONDITIONS.values()) for system, _ in codes(definition)}
    assert used < SYSTEMS.keys()


@pytest.mark.parametrize("code", ["2693643", "2693646", "2693648"])
def test_palopegteriparatide_is_no_drug_of_ours(terms: Terminology, code: str) -> None:
    assert terms.drug_of(coded(RXNORM, code)) is None


@pytest.mark.parametrize(
    ("system", "code", "site", "nature"),
    [
        (ICD10CM, "M80.051A", "hip", "osteoporotic"),
        (ICD10CM, "M80051A", "hip", "osteoporotic"),
        (ICD10CM, "M80.88XA", "vertebra", "osteoporotic"),
        (ICD10CM, "M80.0B1A", "pelvis", "osteoporotic"),
        (ICD10CM, "M80.00XA", "unspecified", "osteoporotic"),
        (ICD10, "M80.05", "unspecified", "osteoporotic"),  # pelvis and thigh with WHO
        (ICD10, "M80.900x001", "unspecified", "osteoporotic"),
        (ICD10CM, "M84.48XA", "unspecified", "pathological"),
        (ICD10CM, "M84.58XA", "unspecified", "neoplastic"),
        (ICD10CM, "M84.750A", "femur-shaft", "atypical"),
        (ICD10CM, "S72.141A", "hip", "plain"),
        (ICD10CM, "S72.21XA", "femur-shaft", "plain"),
        (ICD10CM, "S72.90XA", "unspecified", "plain"),
        (ICD10CM, "M48.56XA", "vertebra", "plain"),
        (ICD10CM, "S32.010A", "vertebra", "plain"),
        (ICD10CM, "S32.10XA", "pelvis", "plain"),
        (ICD10CM, "S32.2XXA", "other", "plain"),
        (ICD10CM, "S42.301A", "other", "plain"),
        (ICD10CM, "S52.501A", "distal-forearm", "plain"),
        (ICD10CM, "S52.601A", "distal-forearm", "plain"),
        (ICD10CM, "S52.301A", "other", "plain"),
        (ICD10CM, "S52.90XA", "forearm", "plain"),
    ],
)
def test_the_longest_prefix_of_a_fracture_wins(
    terms: Terminology, system: str, code: str, site: str, nature: str
) -> None:
    (key,) = terms.conditions_of(coded(system, code))
    fracture = CONDITIONS[key]["fracture"]
    assert (fracture["site"], fracture["nature"]) == (site, nature)


@pytest.mark.parametrize(
    ("system", "code", "key"),
    [
        (ICD10, "C50.900x001", "breast_cancer"),
        (ICD10CM, "I25.2", "myocardial_infarction"),
        (ICD10CM, "I25.10", "ischaemic_heart_disease"),
        (ICD10CM, "N18.6", "ckd_5"),
        (ICD10CM, "E83.51", "hypocalcaemia"),
        (ICD10CM, "K22.70", "upper_gi_disease"),
        (ICD10CM, "K22.2", "oesophageal_emptying_disorder"),
        (ICD10CM, "W06.XXXA", "fall_of_unknown_height"),
        (ICD10CM, "V43.52XA", "accident_or_assault"),
    ],
)
def test_a_code_finds_its_condition(terms: Terminology, system: str, code: str, key: str) -> None:
    assert terms.conditions_of(coded(system, code)) == (key,)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (ICD10, "E83.5"),  # with WHO any disorder of calcium metabolism
        (ICD10CM, "M87.188"),  # drug-induced osteonecrosis elsewhere than in the jaw
        (ICD10CM, "Y92.009"),  # the place of an accident
        ("http://snomed.info/sct", "109346000"),  # osteoporotic bone marrow defect
    ],
)
def test_a_code_that_only_looks_right_finds_nothing(terms: Terminology, system: str, code: str) -> None:
    assert terms.conditions_of(coded(system, code)) == ()


@pytest.mark.parametrize(
    ("code", "drug", "strength"),
    [
        ("705824", "zoledronic_acid", 5),
        ("1114085", "zoledronic_acid", 4),
        ("993456", "denosumab", 60),
        ("1046398", "denosumab", 120),
        ("904932", "ibandronate", 150),
        ("904946", "ibandronate", 50),
        ("904952", "ibandronate", 3),
        ("904492", "alendronate_d3_2800", 70),
        ("203769", "letrozole", None),
    ],
)
def test_a_product_says_its_strength(terms: Terminology, code: str, drug: str, strength: float | None) -> None:
    product = terms.drug_of(coded(RXNORM, code))
    assert product is not None
    assert (product.drug, product.strength) == (drug, strength)


@pytest.mark.parametrize(
    ("text", "drug"),
    [
        ("来曲唑片 2.5mg", "letrozole"),
        ("唑来膦酸注射液", "zoledronic_acid"),
        ("碳酸钙D3片", "calcium_with_d3"),
        ("碳酸钙片", "calcium_carbonate"),
        ("醋酸泼尼松龙片", "prednisolone"),
        ("艾司奥美拉唑镁肠溶片", "esomeprazole"),
        ("依降钙素注射液", "elcatonin"),
        ("ethinyl estradiol 0.03 MG", "ethinylestradiol"),
        ("risedronate sodium 35 MG Oral Tablet", "risedronate"),
        ("atorvastatin calcium 20 MG Oral Tablet", None),
        ("阿托伐他汀钙片", None),
        ("Letrozole allergy", None),
    ],
)
def test_whole_names_the_longest_first(terms: Terminology, text: str, drug: str | None) -> None:
    named = terms.drug_named(text)
    assert (named and named.drug) == drug
