"""The tier's inputs, each state told twice: abstractly for the second reading, and as FHIR for the front door.

Values stand on each limit, just below and just above it; dates stand inside their windows (the windows' edges have a
grid of their own in test_tier_grid.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.builder import Record
from tests.second_reading import Known, Probability

Telling = Callable[[Record], Record]

OLD: Final = "2023-03-01"
AT_31, AT_56, AT_60 = "1990-03-01", "2015-03-01", "2019-02-01"  # no two fractures of one accident


def _nothing(record: Record) -> Record:
    return record


@dataclass(frozen=True)
class State:
    """One state of one input: its name, the members of Known that it sets, and how a record tells it."""

    name: str
    known: dict[str, Any] = field(default_factory=dict)
    tell: Telling = _nothing
    omit: frozenset[str] = frozenset()


def _t(name: str, tell: Telling, **known: Any) -> State:
    return State(f"T {name}", known, tell)


def _fresh(site: str, value: float, how: str = "code") -> State:
    return _t(f"{site} {value}", lambda record: record.t_score(site, value, how=how), t_fresh=value)


def _old(site: str, value: float) -> State:
    return _t(f"old {value}", lambda record: record.t_score(site, value, OLD), t_old=value)


def _unclear(value: float) -> State:
    return _t(f"unclear site {value}", lambda record: record.t_score("unknown", value), t_unclear=value)


def _fresh_and(fresh: float, *, old: float | None = None, unclear: float | None = None) -> State:
    def tell(record: Record) -> Record:
        record.t_score("lumbar-spine", fresh)
        if old is not None:
            record.t_score("total-hip", old, OLD)
        if unclear is not None:
            record.t_score("forearm", unclear)
        return record

    return _t(f"{fresh}, old {old}, unclear {unclear}", tell, t_fresh=fresh, t_old=old, t_unclear=unclear)


T_SCORES: Final = (
    State("T none"),
    _t("undated", lambda record: record.t_score("lumbar-spine", -3.0, None)),
    _t("heel only", lambda record: record.t_score("calcaneus", -3.0)),
    _fresh("total-hip", 1.5),
    _fresh("lumbar-spine", -0.99),
    _fresh("femoral-neck", -1.0),
    _fresh("distal-third-radius", -1.01),
    _fresh("spine", -1.8),
    _fresh("femur", -2.49),
    _fresh("total-hip", -2.5),
    _fresh("lumbar-spine", -2.51, "component"),
    _old("lumbar-spine", -0.99),
    _old("femoral-neck", -1.01),
    _old("total-hip", -2.49),
    _old("lumbar-spine", -2.5),
    _unclear(-0.5),
    _unclear(-2.6),
    _fresh_and(-0.9, old=-1.01),
    _fresh_and(-1.8, old=-0.5),
    _fresh_and(-0.9, unclear=-1.01),
    _fresh_and(-1.8, unclear=-2.5),
)


def _order(use: str, name: str, **how: Any) -> State:
    return State(f"inhibitor {name}", {"inhibitor": use}, lambda record: record.drug("letrozole", **how))


INHIBITORS: Final = (
    State("inhibitor none"),
    _order("current", "current"),
    _order("planned", "on hold", status="on-hold"),
    _order("ended within 6 months", "ended 3 months ago", status="completed", start="2024-01-10", end="2026-08-20"),
    _order("ended within 12 months", "ended 9 months ago", status="completed", start="2024-01-10", end="2026-02-20"),
    _order(
        "whole course ended within 12 months",
        "whole course ended",
        status="completed",
        start="2020-01-10",
        end="2026-08-20",
    ),
    _order("past", "ended 2 years ago", status="completed", start="2020-01-10", end="2024-11-10"),
    State("inhibitor not told", {"inhibitor": "not told"}, omit=frozenset({"medicationRequests"})),
)


def _told(*tellings: Telling) -> Telling:
    def tell(record: Record) -> Record:
        for telling in tellings:
            telling(record)
        return record

    return tell


_HIP_OR_SPINE: Final[dict[str, Telling]] = {
    "none": _nothing,
    "fragility": lambda record: record.fracture("vertebra", AT_31, nature="osteoporotic"),
    "unknown cause at 50 or older": lambda record: record.fracture("hip", AT_56),
    "unknown cause before 50": lambda record: record.fracture("vertebra", AT_31),
    "unknown cause, age unknown": lambda record: record.fracture("hip", None),
    "high energy": lambda record: record.fracture("hip", AT_56, cause="high"),
}
_OTHER_SITE: Final[dict[str, Telling]] = {
    "none": _nothing,
    "fragility": lambda record: record.fracture("distal-forearm", AT_60, cause="low"),
    "unknown cause at 50 or older": lambda record: record.fracture("proximal-humerus", AT_60),
    "high energy": lambda record: record.fracture("pelvis", AT_60, cause="high"),
}


def _incomplete(record: Record) -> Record:
    record.incomplete.add("conditions")
    return record


def _pair(hip_or_spine: str, other: str, tell: Telling, note: str = "") -> State:
    known = {"hip_or_spine": hip_or_spine, "other_site": other}
    return State(f"hip or spine {hip_or_spine}, elsewhere {other}{note}", known, tell)


# On an unfinished page what is there counts, and nothing is known to be absent.
FRACTURES: Final = (
    *(
        _pair(hip, other, _told(tell_hip, tell_other))
        for hip, tell_hip in _HIP_OR_SPINE.items()
        for other, tell_other in _OTHER_SITE.items()
    ),
    _pair("none", "site unknown", lambda record: record.fracture("forearm", AT_60, cause="low")),
    _pair("site unknown", "site unknown", lambda record: record.fracture("unspecified", nature="osteoporotic")),
    _pair("not told", "not told", _incomplete),
    _pair("fragility", "not told", _told(_HIP_OR_SPINE["fragility"], _incomplete)),
    _pair(
        "unknown cause at 50 or older", "not told", _told(_HIP_OR_SPINE["unknown cause at 50 or older"], _incomplete)
    ),
    _pair("not told", "fragility", _told(_OTHER_SITE["fragility"], _incomplete)),
)


def _frax(hip: float | None, major: float | None, old_hip: float | None = None) -> State:
    def tell(record: Record) -> Record:
        return record.frax(hip, major).frax(old_hip, None, OLD)

    told_hip = (
        Probability(hip) if hip is not None else Probability(old_hip, fresh=False) if old_hip is not None else None
    )
    known = {"frax_hip": told_hip, "frax_major": Probability(major) if major is not None else None}
    return State(
        f"FRAX hip {hip if hip is not None else old_hip} (old: {old_hip is not None}), major {major}", known, tell
    )


PROBABILITIES: Final = (
    _frax(None, None),
    _frax(2.99, 19.99),
    _frax(3.0, 19.99),
    _frax(3.01, None),
    _frax(2.99, 20.0),
    _frax(None, 20.01),
    _frax(None, 19.99, old_hip=2.99),
    _frax(None, None, old_hip=3.0),
)


def known_of(*states: State) -> Known:
    """What the second reading is told."""
    merged: dict[str, Any] = {}
    for state in states:
        merged |= state.known
    return Known(**merged)


def record_of(*states: State, **person: Any) -> Record:
    """The same as a FHIR record of a woman with breast cancer."""
    record = Record(**person).condition("breast-cancer")
    for state in states:
        state.tell(record)
    return record
