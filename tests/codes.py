"""The tests' own code tables, kept apart from the service's so that a slip in one shows in the other.

Codes: LOINC, SNOMED CT, ICD-10-CM, RxNorm, WHO ATC. Names of fields and sites are the public contract's.
"""

from __future__ import annotations

from typing import Final

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC: Final = "http://www.whocc.no/atc"
UCUM: Final = "http://unitsofmeasure.org"
BMD_REFERENCE: Final = "https://osteohooks.org/CodeSystem/bmd-reference"
ICD10_PROCEDURES: Final = "http://www.cms.gov/Medicare/Coding/ICD10"
SYSTEMS: Final = {"loinc": LOINC, "snomed": SNOMED, "icd": ICD10, "rxnorm": RXNORM, "atc": ATC}

# A site without a code of its own (femoral neck, distal third of the radius) needs a body site beside the code.
T_SCORE: Final = {
    "lumbar-spine": "38267-1",
    "spine": "104938-6",
    "total-hip": "38264-8",
    "femoral-neck": "38263-0",
    "femur": "38263-0",
    "distal-third-radius": "38265-5",
    "forearm": "38265-5",
    "calcaneus": "38266-3",
    "unknown": "38265-5",
}
T_SCORE_SIDE: Final = {
    ("total-hip", "left"): "80946-7",
    ("total-hip", "right"): "80945-9",
    ("femur", "left"): "80948-3",
    ("femur", "right"): "80947-5",
    ("forearm", "left"): "80944-2",
    ("forearm", "right"): "80943-4",
    ("calcaneus", "left"): "80950-9",
    ("calcaneus", "right"): "80949-1",
}
Z_SCORE: Final = {"total-hip": "80933-5", "femur": "80934-3", "lumbar-spine": "85394-5", "forearm": "80932-7"}
DENSITY: Final = {"lumbar-spine": "24966-4", "total-hip": "38261-4", "femur": "24701-5", "forearm": "24890-6"}
DXA_PANEL: Final = "83311-1"

# Sites as a report names them; the first code is SNOMED CT's where one was seen in a public source.
BODY_SITE: Final[dict[str, tuple[str | None, str, str]]] = {
    "lumbar-spine": ("122496007", "Lumbar spine", "腰椎"),
    "femoral-neck": ("29627003", "Femoral neck", "股骨颈"),
    "total-hip": (None, "Total hip", "全髋"),
    "femur": ("71341001", "Femur", "股骨"),
    "distal-third-radius": (None, "Distal third of radius", "桡骨远端1/3"),
    "forearm": (None, "Forearm", "前臂"),
    "spine": (None, "Spine", "脊柱"),
    "calcaneus": (None, "Calcaneus", "跟骨"),
}

# name -> {unit: LOINC code}; a laboratory reports a substance under a code of its unit's kind.
MEASUREMENT: Final[dict[str, dict[str, str]]] = {
    "creatinine": {"mg/dL": "2160-0", "umol/L": "14682-9"},
    "creatinine_clearance": {"mL/min": "35591-7", "mL/s": "2164-2"},
    "egfr": {"mL/min/{1.73_m2}": "98979-8"},
    "serum_calcium": {"mmol/L": "2000-8", "mg/dL": "17861-6"},
    "ionised_calcium": {"mmol/L": "1995-0"},
    "albumin": {"g/L": "1751-7", "g/dL": "1751-7"},
    "phosphate": {"mmol/L": "14879-1", "mg/dL": "2777-1"},
    "vitamin_d_25oh": {"nmol/L": "14635-7", "ng/mL": "62292-8"},
    "pth": {"pg/mL": "2731-8", "pmol/L": "14866-8"},
    "alp": {"U/L": "6768-6"},
    "p1np": {"ug/L": "47255-5"},
    "bone_alkaline_phosphatase": {"ug/L": "17838-4"},
    "ctx": {"pg/mL": "41171-0"},
    "urine_calcium": {"mg/(24.h)": "6874-2", "mmol/(24.h)": "14637-3"},
    "serum_potassium": {"mmol/L": "2823-3"},
    "serum_magnesium": {"mmol/L": "2601-3", "mg/dL": "19123-9"},
    "corrected_calcium": {"mmol/L": "29265-6", "mg/dL": "46099-8"},
    "vitamin_d3_25oh": {"ng/mL": "1989-3", "nmol/L": "14635-7"},
    "vitamin_d2_25oh": {"ng/mL": "49054-0"},
    "bone_alkaline_phosphatase_activity": {"U/L": "1777-2"},
    "ntx": {"nmol/mmol{creat}": "14115-0"},
    "urine_calcium_concentration": {"mg/dL": "18488-7", "mmol/L": "25362-5"},
    "urine_calcium_spot": {"mg/dL": "17862-4", "mmol/L": "2004-0"},
    "urine_calcium_ratio": {"mg/g{creat}": "9321-1", "mmol/mmol{creat}": "24518-3"},
    "urine_volume": {"mL": "3167-4", "L": "3167-4"},
    "weight": {"kg": "29463-7", "[lb_av]": "29463-7"},
    "bmi": {"kg/m2": "39156-5"},
    "waist": {"cm": "8280-0"},
    "igf1": {"ng/mL": "2484-4", "nmol/L": "29775-4"},
    "child_pugh": {"{score}": "98153-0"},
    "bilirubin": {"mg/dL": "1975-2", "umol/L": "14631-6"},
    "inr": {"{INR}": "6301-6"},
}
VITALS: Final = frozenset({"weight", "bmi", "waist"})
# Answers to the smoking status: (system, code) of SNOMED CT or LOINC.
SMOKING_STATUS: Final = "72166-2"
SMOKING: Final = {
    "daily": (SNOMED, "449868002"),
    "some days": (LOINC, "LA18977-1"),
    "former": (SNOMED, "8517006"),
    "never": (SNOMED, "266919005"),
    "never (LOINC)": (LOINC, "LA18978-9"),
    "smoker, status unknown": (SNOMED, "77176002"),
    "undetermined": (SNOMED, "373068000"),
}
FRAX_PANEL, FRAX_MAJOR, FRAX_HIP = "90264-3", "90265-0", "90266-8"

CONDITION: Final[dict[str, dict[str, str]]] = {
    "breast-cancer": {"snomed": "254837009", "icd": "C50.911"},
    "breast-cancer-in-situ": {"icd": "D05.11"},
    "breast-cancer-history": {"snomed": "429087003", "icd": "Z85.3"},
    "osteoporosis": {"snomed": "64859006", "icd": "M81.0"},
    "osteopenia": {"snomed": "312894000", "icd": "M85.80"},
    "ckd-3": {"snomed": "433144002", "icd": "N18.30"},
    "ckd-4": {"snomed": "431857002", "icd": "N18.4"},
    "ckd-5": {"snomed": "433146000", "icd": "N18.5"},
    "dialysis": {"icd": "Z99.2"},
    "hypocalcaemia": {"snomed": "5291005", "icd": "E83.51"},
    "hypercalcaemia": {"snomed": "66931009", "icd": "E83.52"},
    "reflux": {"snomed": "235595009", "icd": "K21.9"},
    "oesophageal-stricture": {"snomed": "63305008", "icd": "K22.2"},
    "achalasia": {"snomed": "45564002", "icd": "K22.0"},
    "barrett": {"snomed": "302914006", "icd": "K22.70"},
    "oesophageal-varices": {"icd": "I85.00"},
    "bariatric-surgery": {"icd": "Z98.84"},
    "jaw-osteonecrosis": {"icd": "M87.180"},
    "atypical-femoral-fracture": {"icd": "M84.750A"},
    "venous-thrombosis": {"snomed": "128053003", "icd": "I82.409"},
    "pulmonary-embolism": {"snomed": "59282003", "icd": "I26.99"},
    "myocardial-infarction": {"snomed": "22298006", "icd": "I25.2"},
    "stroke": {"snomed": "230690007", "icd": "I63.9"},
    "bone-metastasis": {"snomed": "94222008", "icd": "C79.51"},
    "radiotherapy-history": {"snomed": "429479009", "icd": "Z92.3"},
    "hyperparathyroidism": {"snomed": "66999008", "icd": "E21.3"},
    "hypercalciuria": {"snomed": "71938000", "icd": "R82.994"},
    "kidney-stone": {"snomed": "95570007", "icd": "N20.0"},
    "hepatic-failure": {"snomed": "59927004", "icd": "K72.90"},
    "cirrhosis": {"snomed": "19943007", "icd": "K74.60"},
    "malabsorption": {"snomed": "32230006", "icd": "K90.0"},
    "after-menopause": {"snomed": "76498008", "icd": "Z78.0"},
    "before-menopause": {"snomed": "309606002"},
    "pregnancy": {"snomed": "77386006"},
    "type-2-diabetes": {"snomed": "44054006", "icd": "E11.9"},
    "anorexia": {"snomed": "56882008", "icd": "F50.00"},
    "malnutrition": {"icd": "E46"},
    "ascites": {"snomed": "389026000", "icd": "R18.8"},
    "hepatic-encephalopathy": {"snomed": "13920009"},
    "parent-hip-fracture": {"snomed": "391096007"},
    "glucocorticoid-long-term-use": {"icd": "Z79.52"},
    "inhibitor-long-term-use": {"icd": "Z79.811"},
    "appendicitis": {"snomed": "74400008"},
    "er-negative": {"icd": "Z17.1"},
    "chemotherapy-history": {"icd": "Z92.21"},
    "ovaries-removed": {"icd": "Z90.722"},
    "uterus-removed": {"icd": "Z90.710"},
    "chronic-hepatitis": {"icd": "B18.1"},
    "angina": {"icd": "I20.9"},
    "peripheral-arterial-disease": {"icd": "I73.9"},
    "paget-disease": {"snomed": "2089002", "icd": "M88.9"},
}
PROCEDURE: Final = {
    "bone-density-scan": (SNOMED, "312681000"),
    "tooth-extraction": (SNOMED, "55162003"),
    "radiotherapy": (SNOMED, "108290001"),
    "external-beam-radiotherapy": (SNOMED, "33195004"),
    "hip-fracture-surgery": (ICD10_PROCEDURES, "0QS604Z"),
    "chemotherapy": (SNOMED, "367336001"),
}

# site -> nature -> {system: code}
FRACTURE: Final[dict[str, dict[str, dict[str, str]]]] = {
    "hip": {
        "plain": {"snomed": "359817006", "icd": "S72.009A"},
        "osteoporotic": {"snomed": "431031001", "icd": "M80.051A"},
    },
    "vertebra": {
        "plain": {"snomed": "42942008", "icd": "S22.000A"},
        "osteoporotic": {"snomed": "240198002", "icd": "M80.08XA"},
    },
    "proximal-humerus": {"plain": {"snomed": "42636007", "icd": "S42.201A"}},
    "humerus": {"plain": {"snomed": "66308002"}, "osteoporotic": {"icd": "M80.021A"}},
    "pelvis": {"plain": {"snomed": "91037003", "icd": "S32.89XA"}},
    "distal-forearm": {"plain": {"snomed": "123971006", "icd": "S52.501A"}},
    "forearm": {"plain": {"snomed": "65966004"}, "osteoporotic": {"icd": "M80.031A"}},
    "femoral-shaft": {"plain": {"snomed": "26442006"}},
    "subtrochanteric": {"plain": {"snomed": "263229001"}},
    "ankle": {"plain": {"snomed": "16114001"}},
    "unspecified": {
        "osteoporotic": {"snomed": "443165006", "icd": "M80.00XA"},
        "neoplastic": {"snomed": "203449003"},
    },
}
# External causes (ICD-10-CM chapter 20): W01 and W18 falls on one level, V43 a car, W19 a fall not described.
CAUSE: Final = {"low": "W18.30XA", "low-w01": "W01.0XXA", "low-w00": "W00.0XXA", "high": "V43.52XA", "fall": "W19.XXXA"}

# drug -> {coding: (system, code, display)}; the texts are what a local system would print.
Coded = tuple[str, str, str]
DRUG: Final[dict[str, dict[str, Coded]]] = {
    "letrozole": {
        "rxnorm-in": (RXNORM, "72965", "letrozole"),
        "scd": (RXNORM, "200064", "letrozole 2.5 MG Oral Tablet"),
        "group": (RXNORM, "1163195", "letrozole Oral Product"),
        "pill-group": (RXNORM, "1163196", "letrozole Pill"),
        "component": (RXNORM, "316135", "letrozole 2.5 MG"),
        "brand": (RXNORM, "203769", "Femara"),
        "branded-product": (RXNORM, "153124", "letrozole 2.5 MG Oral Tablet [Femara]"),
        "atc": (ATC, "L02BG04", "letrozole"),
    },
    "anastrozole": {
        "rxnorm-in": (RXNORM, "84857", "anastrozole"),
        "scd": (RXNORM, "199224", "anastrozole 1 MG Oral Tablet"),
        "group": (RXNORM, "1157702", "anastrozole Oral Product"),
        "pill-group": (RXNORM, "1157703", "anastrozole Pill"),
        "component": (RXNORM, "315382", "anastrozole 1 MG"),
        "brand": (RXNORM, "262485", "Arimidex"),
        "branded-product": (RXNORM, "151124", "anastrozole 1 MG Oral Tablet [Arimidex]"),
        "atc": (ATC, "L02BG03", "anastrozole"),
        "snomed": (SNOMED, "386910003", "Anastrozole (substance)"),
        "snomed-product": (SNOMED, "108774000", "Product containing anastrozole"),
    },
    "exemestane": {
        "scd": (RXNORM, "310261", "exemestane 25 MG Oral Tablet"),
        "group": (RXNORM, "1163788", "exemestane Oral Product"),
        "pill-group": (RXNORM, "1163789", "exemestane Pill"),
        "component": (RXNORM, "330333", "exemestane 25 MG"),
        "brand": (RXNORM, "262105", "Aromasin"),
        "branded-product": (RXNORM, "261317", "exemestane 25 MG Oral Tablet [Aromasin]"),
        "atc": (ATC, "L02BG06", "exemestane"),
    },
    "tamoxifen": {"scd": (RXNORM, "313195", "tamoxifen 20 MG Oral Tablet"), "atc": (ATC, "L02BA01", "tamoxifen")},
    "toremifene": {"atc": (ATC, "L02BA02", "toremifene")},
    "alendronate": {
        "scd": (RXNORM, "904431", "alendronic acid 70 MG Oral Tablet"),
        "rxnorm-in": (RXNORM, "46041", "alendronic acid"),
        "atc": (ATC, "M05BA04", "alendronic acid"),
    },
    "alendronate-d3": {"scd": (RXNORM, "904492", "alendronic acid 70 MG / cholecalciferol 2800 UNT Oral Tablet")},
    "risedronate": {"atc": (ATC, "M05BA07", "risedronic acid")},
    "ibandronate": {
        "scd": (RXNORM, "904932", "ibandronic acid 150 MG Oral Tablet"),
        "atc": (ATC, "M05BA06", "ibandronic acid"),
    },
    "ibandronate-iv": {"atc": (ATC, "M05BA06", "ibandronic acid")},
    "ibandronate-50": {"scd": (RXNORM, "904946", "ibandronic acid 50 MG Oral Tablet")},
    "zoledronic-acid": {
        "scd": (RXNORM, "1114085", "zoledronic acid 4 MG per 100 ML Injection"),
        "rxnorm-in": (RXNORM, "77655", "zoledronic acid"),
        "atc": (ATC, "M05BA08", "zoledronic acid"),
    },
    "zoledronic-acid-5": {"scd": (RXNORM, "705824", "zoledronic acid 5 MG per 100 ML Injection")},
    "pamidronate": {"atc": (ATC, "M05BA03", "pamidronic acid")},
    "clodronate": {"atc": (ATC, "M05BA02", "clodronic acid")},
    "denosumab": {
        "scd": (RXNORM, "993452", "denosumab 60 MG/ML Prefilled Syringe"),
        "brand": (RXNORM, "993456", "denosumab 60 MG/ML [Prolia]"),
        "atc": (ATC, "M05BX04", "denosumab"),
    },
    "denosumab-120": {"scd": (RXNORM, "1046402", "denosumab 120 MG [Xgeva]")},
    "raloxifene": {
        "scd": (RXNORM, "1490065", "raloxifene 60 MG Oral Tablet"),
        "atc": (ATC, "G03XC01", "raloxifene"),
    },
    "bazedoxifene": {"atc": (ATC, "G03XC02", "bazedoxifene")},
    "teriparatide": {
        "scd": (RXNORM, "1435118", "teriparatide 0.25 MG/ML Pen Injector"),
        "atc": (ATC, "H05AA02", "teriparatide"),
    },
    "abaloparatide": {"atc": (ATC, "H05AA04", "abaloparatide")},
    "romosozumab": {"atc": (ATC, "M05BX06", "romosozumab")},
    "strontium-ranelate": {"atc": (ATC, "M05BX03", "strontium ranelate")},
    "calcitonin": {"atc": (ATC, "H05BA01", "calcitonin (salmon synthetic)")},
    "mecasermin": {"atc": (ATC, "H01AC03", "mecasermin")},
    "estradiol": {"scd": (RXNORM, "197658", "estradiol 1 MG Oral Tablet"), "atc": (ATC, "G03CA03", "estradiol")},
    "tibolone": {"atc": (ATC, "G03CX01", "tibolone")},
    "calcium-carbonate": {
        "scd": (RXNORM, "318076", "calcium carbonate 500 MG Oral Tablet"),
        "atc": (ATC, "A12AA04", "calcium carbonate"),
    },
    "calcium": {"atc": (ATC, "A12AA", "calcium")},
    "cholecalciferol": {
        "atc": (ATC, "A11CC05", "colecalciferol"),
        "scd": (RXNORM, "199362", "cholecalciferol 1000 UNT"),
    },
    "formestane": {"atc": (ATC, "L02BG02", "formestane")},
    "prednisone": {"scd": (RXNORM, "198145", "prednisone 10 MG Oral Tablet")},
    "dexamethasone": {"rxnorm-in": (RXNORM, "3264", "dexamethasone")},
    "elcatonin": {"atc": (ATC, "H05BA04", "elcatonin")},
    "menatetrenone": {"atc": (ATC, "M05BX08", "menatetrenone")},
    "warfarin": {"atc": (ATC, "B01AA03", "warfarin")},
    "furosemide": {"atc": (ATC, "C03CA01", "furosemide")},
    "gentamicin": {"atc": (ATC, "J01GB03", "gentamicin")},
    "ibuprofen": {"atc": (ATC, "M01AE01", "ibuprofen")},
    "hydrochlorothiazide": {"atc": (ATC, "C03AA03", "hydrochlorothiazide")},
    "digoxin": {"atc": (ATC, "C01AA05", "digoxin")},
    "levothyroxine": {"atc": (ATC, "H03AA01", "levothyroxine sodium")},
    "omeprazole": {"atc": (ATC, "A02BC01", "omeprazole")},
    "palbociclib": {"atc": (ATC, "L01EF01", "palbociclib")},
    "ribociclib": {"atc": (ATC, "L01EF02", "ribociclib")},
    "abemaciclib": {"atc": (ATC, "L01EF03", "abemaciclib")},
    "goserelin": {"atc": (ATC, "L02AE03", "goserelin")},
    "leuprorelin": {"atc": (ATC, "L02AE02", "leuprorelin")},
    "triptorelin": {"atc": (ATC, "L02AE04", "triptorelin")},
    "docetaxel": {"atc": (ATC, "L01CD02", "docetaxel")},
    "vaginal-estradiol": {"text-en": ("", "", "Vagifem")},
    # Told by their Chinese names only.
    "xianling-gubao": {"text-zh": ("", "", "仙灵骨葆胶囊")},
    "epimedium": {"text-zh": ("", "", "淫羊藿颗粒")},
    "astragalus": {"text-zh": ("", "", "黄芪颗粒")},
    "paracetamol": {"rxnorm-in": (RXNORM, "161", "acetaminophen")},
    "palopegteriparatide": {"scd": (RXNORM, "2693643", "palopegteriparatide [Yorvipath]")},
}
INHIBITORS: Final = ("letrozole", "anastrozole", "exemestane")
NAME_EN: Final = {
    "vaginal-estradiol": "Vagifem 10 micrograms",
    "letrozole": "Letrozole 2.5 mg tablets",
    "anastrozole": "Anastrozole 1 mg tablets",
    "exemestane": "Exemestane 25 mg tablets",
    "alendronate": "Alendronic acid 70 mg tablets",
    "zoledronic-acid": "Zoledronic acid 4 mg infusion",
    "denosumab": "Denosumab 60 mg injection",
}
NAME_ZH: Final = {
    "xianling-gubao": "仙灵骨葆胶囊",
    "epimedium": "淫羊藿颗粒",
    "astragalus": "黄芪颗粒",
    "letrozole": "来曲唑",
    "anastrozole": "阿那曲唑",
    "exemestane": "依西美坦",
    "alendronate": "阿仑膦酸钠",
    "zoledronic-acid": "唑来膦酸",
    "denosumab": "地舒单抗",
}
