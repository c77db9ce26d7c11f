"""What the generated patients are measured at and given: on, just below and just above each limit of any page."""

from __future__ import annotations

from typing import Final

# Ten days ago; 90 and 91 days ago, the last that clears a gate and the first that does not; over a year ago.
NOW, RECENT, LATE, OLD = "2026-11-10", "2026-08-22", "2026-08-21", "2025-10-01"
# What the treatable have: recent, and on the right side of every limit.
FIT: Final[dict[str, tuple[float, str]]] = {
    "creatinine_clearance": (80, "mL/min"),
    "serum_calcium": (2.35, "mmol/L"),
    "vitamin_d_25oh": (80, "nmol/L"),
}
# Every measurement, at, just below and just above what any page compares it with.
VALUES: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "creatinine": ((0.8, "mg/dL"), (1.3, "mg/dL"), (70, "umol/L"), (201, "umol/L"), (4.1, "mg/dL")),
    "creatinine_clearance": tuple((value, "mL/min") for value in (9.9, 29.9, 30, 34.9, 35, 59.9, 80)),
    "egfr": tuple((value, "mL/min/{1.73_m2}") for value in (14, 29.9, 30, 59.9, 60, 90)),
    "serum_calcium": (*((value, "mmol/L") for value in (1.85, 2.1, 2.11, 2.35, 2.52, 2.53, 3.0)), (9.4, "mg/dL")),
    "ionised_calcium": tuple((value, "mmol/L") for value in (1.0, 1.2, 1.4)),
    "corrected_calcium": tuple((value, "mmol/L") for value in (2.0, 2.3, 2.6)),
    "albumin": ((25, "g/L"), (40, "g/L"), (4.2, "g/dL")),
    "phosphate": tuple((value, "mmol/L") for value in (0.84, 0.85, 1.51, 1.52)),
    "vitamin_d_25oh": (
        *((value, "nmol/L") for value in (20, 49.9, 50, 75, 75.1, 375, 376, 501)),
        (32, "ng/mL"),
        (15, "ng/mL"),
    ),
    "vitamin_d2_25oh": ((12, "ng/mL"),),
    "pth": ((20, "pg/mL"), (90, "pg/mL"), (4, "pmol/L")),
    "alp": ((80, "U/L"), (190, "U/L")),
    "p1np": ((12, "ug/L"), (50, "ug/L"), (120, "ug/L")),
    "bone_alkaline_phosphatase": ((6, "ug/L"), (40, "ug/L")),
    "bone_alkaline_phosphatase_activity": ((30, "U/L"),),
    "ctx": ((60, "pg/mL"), (400, "pg/mL"), (1100, "pg/mL")),
    "ntx": ((20, "nmol/mmol{creat}"), (150, "nmol/mmol{creat}")),
    "urine_calcium": ((40, "mg/(24.h)"), (250, "mg/(24.h)"), (251, "mg/(24.h)"), (7.49, "mmol/(24.h)")),
    "urine_calcium_concentration": ((15, "mg/dL"), (30, "mg/dL")),
    "urine_volume": ((1500, "mL"),),
    "urine_calcium_spot": ((30, "mg/dL"),),
    "urine_calcium_ratio": ((350, "mg/g{creat}"),),
    "serum_potassium": ((3.2, "mmol/L"), (4.2, "mmol/L")),
    "serum_magnesium": ((0.6, "mmol/L"), (0.85, "mmol/L")),
    "igf1": ((40, "ng/mL"), (160, "ng/mL")),
    "child_pugh": tuple((value, "{score}") for value in (5, 7, 10)),
    "bilirubin": ((0.8, "mg/dL"), (60, "umol/L")),
    "inr": ((1.0, "{INR}"), (2.0, "{INR}")),
    "weight": ((45, "kg"), (68, "kg"), (154, "[lb_av]")),
    "bmi": tuple((value, "kg/m2") for value in (17.5, 20, 24, 24.1)),
    "waist": ((79.9, "cm"), (80, "cm")),
}
# The laboratory's own ranges, where it sends them; the value of the second row of a name lies outside.
RANGES: Final[dict[str, tuple[float, float]]] = {
    "serum_calcium": (2.2, 2.6),
    "ionised_calcium": (1.15, 1.32),
    "phosphate": (0.8, 1.45),
    "pth": (15, 65),
    "alp": (40, 130),
    "p1np": (20, 80),
    "bone_alkaline_phosphatase": (8, 30),
    "ctx": (100, 800),
    "ntx": (25, 100),
    "igf1": (60, 220),
    "urine_calcium": (50, 300),
    "serum_potassium": (3.5, 5.1),
    "serum_magnesium": (0.7, 1.05),
}
# As it is usually ordered, how it is given, and an order that is not as any label has it.
DOSES: Final[dict[str, tuple[str, str | None, str | None]]] = {
    "alendronate": ("70 mg every 1 wk", "oral", "70 mg every 1 d"),
    "alendronate-d3": ("70 mg every 1 wk", "oral", None),
    "risedronate": ("35 mg every 1 wk", "oral", "35 mg every 1 d"),
    "ibandronate": ("150 mg every 1 mo", "oral", "150 mg every 1 wk"),
    "ibandronate-50": ("50 mg every 1 d", "oral", None),
    "zoledronic-acid": ("4 mg every 6 mo", "iv", "4 mg every 1 wk"),
    "zoledronic-acid-5": ("5 mg every 12 mo", "iv", "5 mg every 6 mo"),
    "pamidronate": ("90 mg every 3 mo", "iv", None),
    "denosumab": ("60 mg every 6 mo", "sc", "60 mg every 1 mo"),
    "denosumab-120": ("120 mg every 4 wk", "sc", "120 mg every 1 wk"),
    "teriparatide": ("20 ug every 1 d", "sc", None),
    "calcium": ("600 mg every 1 d", "oral", "2500 mg every 1 d"),
    "calcium-carbonate": ("500 mg every 1 d", "oral", None),
    "cholecalciferol": ("800 [iU] every 1 d", "oral", None),
}
