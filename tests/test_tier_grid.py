"""The tier's inputs on, just below and just above each limit, known, unknown and unclear, against the second reading.

Every point is one request through the front door. Held: tier, provisional, atLeast, atMost and tierRule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from tests.announcements import announce
from tests.builder import Record
from tests.fhir_pieces import Json
from tests.front_door import FastDoor, request_body
from tests.second_reading import Fracture, Inhibitor, Known, Probability, Reading, read
from tests.tier_cases import AT_56, FRACTURES, INHIBITORS, PROBABILITIES, T_SCORES, State, known_of, record_of

pytestmark = pytest.mark.usefixtures("untraced")

SHOWN = 5


def expected_members(reading: Reading) -> Json:
    """The second reading in the answer's words; a tier that cannot be told is left out."""
    members = {
        "provisional": reading.provisional,
        "atLeast": reading.at_least,
        "atMost": reading.at_most,
        "tierRule": reading.rule,
    }
    return members | ({"tier": reading.tier} if reading.tier else {})


def _answered(assessment: Json) -> Json:
    return {
        name: assessment[name]
        for name in ("tier", "provisional", "atLeast", "atMost", "tierRule")
        if name in assessment
    }


class _BodyPieces:
    """Request bodies put together from JSON made once per state: fifty thousand bodies in seconds."""

    def __init__(self) -> None:
        template = request_body(record_of().prefetch())
        prefetch = template.pop("prefetch")
        self._head = json.dumps(template)[:-1] + ', "prefetch": {'
        self._constant = [self._member(key, prefetch[key]) for key in ("patient", "procedures", "labs", "vitals")]
        self._constant += [
            self._member(key, prefetch[key]) for key in ("medicationStatements", "medicationAdministrations")
        ]
        self._conditions = [
            self._member("conditions", record_of(state).prefetch()["conditions"]) for state in FRACTURES
        ]
        self._requests = [self._requests_of(state) for state in INHIBITORS]
        self._dxa = {
            (t, frax): self._member("dxa", record_of(T_SCORES[t], PROBABILITIES[frax]).prefetch()["dxa"])
            for t, frax in product(range(len(T_SCORES)), range(len(PROBABILITIES)))
        }

    @staticmethod
    def _member(key: str, value: Json) -> str:
        return f"{json.dumps(key)}: {json.dumps(value)}"

    def _requests_of(self, state: State) -> str | None:
        prefetch = record_of(state).prefetch(state.omit)
        return self._member("medicationRequests", prefetch["medicationRequests"]) if not state.omit else None

    def body(self, t: int, inhibitor: int, fracture: int, frax: int) -> bytes:
        requests = self._requests[inhibitor]
        members = [*self._constant, self._conditions[fracture], self._dxa[t, frax], *([requests] if requests else [])]
        return f"{self._head}{', '.join(members)}}}}}".encode()


@pytest.fixture(scope="module")
def pieces() -> _BodyPieces:
    return _BodyPieces()


@pytest.fixture(scope="module")
def door() -> FastDoor:
    return FastDoor()


class _Tally:
    points = 0
    agreed = 0


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[_Tally]:
    counted = _Tally()
    yield counted
    share = 100 * counted.agreed / max(counted.points, 1)
    announce(request.config, f"grid: {counted.points} points, {share:.6g}% agreement")


def _disagreement(name: str, known: Known, answer: Json) -> str:
    return f"{name}\n  second reading {expected_members(read(known))}\n  front door     {answer}"


@pytest.mark.parametrize("t", range(len(T_SCORES)), ids=[state.name for state in T_SCORES])
def test_the_whole_grid(t: int, pieces: _BodyPieces, door: FastDoor, tally: _Tally) -> None:
    wrong = []
    for inhibitor, fracture, frax in product(range(len(INHIBITORS)), range(len(FRACTURES)), range(len(PROBABILITIES))):
        states = (T_SCORES[t], INHIBITORS[inhibitor], FRACTURES[fracture], PROBABILITIES[frax])
        known = known_of(*states)
        answer = _answered(door.assessment(pieces.body(t, inhibitor, fracture, frax)))
        tally.points += 1
        if answer == expected_members(read(known)):
            tally.agreed += 1
        else:
            wrong.append(_disagreement("; ".join(state.name for state in states), known, answer))
    assert not wrong, "\n".join([f"{len(wrong)} points disagree", *wrong[:SHOWN]])


# -- the edges of the windows ------------------------------------------------------------------------------------------

Point = tuple[str, Known, Record]

BORN_1958 = "1958-05-20"
DATED_T: list[tuple[str, bool]] = [
    ("2024-11-20", True),  # 24 months to the day: not older
    ("2024-11-19", False),
    ("2024-12", True),
    ("2025", True),
    ("2024-10", False),
    ("2023", False),
]
DATED_FRAX = [("2024-11-20", True), ("2024-11-19", False)]
COURSES: list[tuple[str, str, Inhibitor]] = [
    ("2024-01-10", "2026-05-20", "ended within 6 months"),
    ("2024-01-10", "2026-05-19", "ended within 12 months"),
    ("2024-01-10", "2025-11-20", "ended within 12 months"),
    ("2024-01-10", "2025-11-19", "past"),
    ("2021-08-22", "2026-08-20", "ended within 6 months"),
    ("2021-08-20", "2026-08-20", "whole course ended within 12 months"),
    ("2021-02-20", "2026-02-20", "whole course ended within 12 months"),
    ("2020-11-19", "2025-11-19", "past"),
]
AGED_FRACTURES: list[tuple[str | None, Fracture]] = [
    ("2008-05-20", "unknown cause at 50 or older"),  # the fiftieth birthday
    ("2008-05-19", "unknown cause before 50"),
    ("2008-06", "unknown cause at 50 or older"),
    ("2008", "unknown cause, age unknown"),  # a year that holds the birthday
    ("2007", "unknown cause before 50"),
    (None, "unknown cause, age unknown"),
]
EDGE_T = (-0.99, -1.0, -1.01, -2.49, -2.5, -2.51)
EDGE_T_OR_NONE: tuple[float | None, ...] = (*EDGE_T, None)


def _woman(t: float | None, **person: Any) -> Record:
    record = Record(**person).condition("breast-cancer")
    return record if t is None else record.t_score("femoral-neck", t)


def _edges_of_t_and_frax() -> Iterator[Point]:
    uses: tuple[Inhibitor, ...] = ("none", "current")
    for t, (taken, fresh), use, hip in product(EDGE_T, DATED_T, uses, (None, 2.99, 3.0)):
        record = _woman(None).t_score("lumbar-spine", t, taken).frax(hip, hip)
        if use == "current":
            record.drug("letrozole")
        told = Probability(hip) if hip else None
        known = Known(
            t_fresh=t if fresh else None, t_old=None if fresh else t, inhibitor=use, frax_hip=told, frax_major=told
        )
        yield f"T {t} of {taken}, inhibitor {use}, FRAX {hip}", known, record
    for t, hip, major, (day, fresh), age in product(
        (-0.99, -1.8), (2.99, 3.0), (19.99, 20.0), DATED_FRAX, (39, 40, 68, 90, 91)
    ):
        known = Known(t_fresh=t, frax_hip=Probability(hip, fresh), frax_major=Probability(major, fresh), age=age)
        yield f"T {t}, FRAX {hip}/{major} of {day} at {age}", known, _woman(t, age=age).frax(hip, major, day)


def _edges_of_the_inhibitor() -> Iterator[Point]:
    for t, (start, end, use) in product(EDGE_T_OR_NONE, COURSES):
        record = _woman(t).drug("exemestane", status="completed", start=start, end=end)
        yield f"T {t}, inhibitor {start} to {end}", Known(t_fresh=t, inhibitor=use), record
    for t in EDGE_T_OR_NONE:
        record = _woman(t).drug("letrozole", status="completed", start="2024-01-10", end="2026-08-20")
        record.drug("tamoxifen", start="2026-09-01")
        yield f"T {t}, inhibitor followed by tamoxifen", Known(t_fresh=t, inhibitor="past"), record


def _edges_of_fractures() -> Iterator[Point]:
    for t, (onset, cause), site in product(EDGE_T_OR_NONE, AGED_FRACTURES, ("hip", "vertebra")):
        record = _woman(t, born=BORN_1958).fracture(site, onset)
        yield f"T {t}, {site} fracture of {onset}", Known(t_fresh=t, hip_or_spine=cause), record
    for t, site in product(EDGE_T_OR_NONE, ("subtrochanteric", "femoral-shaft", "ankle")):
        yield f"T {t}, {site} fracture", Known(t_fresh=t), _woman(t).fracture(site, AT_56, cause="low")
    for t in EDGE_T_OR_NONE:
        record = _woman(t).fracture("unspecified", AT_56, nature="neoplastic")
        yield f"T {t}, fracture in neoplastic disease", Known(t_fresh=t), record


@pytest.mark.parametrize("edges", [_edges_of_t_and_frax, _edges_of_the_inhibitor, _edges_of_fractures])
def test_the_edges_of_the_windows(edges: Callable[[], Iterator[Point]], door: FastDoor, tally: _Tally) -> None:
    wrong = []
    for name, known, record in edges():
        body = json.dumps(request_body(record.prefetch())).encode()
        answer = _answered(door.assessment(body))
        tally.points += 1
        if answer == expected_members(read(known)):
            tally.agreed += 1
        else:
            wrong.append(_disagreement(name, known, answer))
    assert not wrong, "\n".join([f"{len(wrong)} points disagree", *wrong[:SHOWN]])


def test_with_and_without_the_draft_order(tally: _Tally) -> None:
    """An order hook gives the tier twice: as if the drafts were given, and as the record stands."""
    door, wrong = FastDoor("order-sign"), []
    bare, drafted = State("no draft"), State("draft letrozole", {"inhibitor": "planned"})
    for t, frax, fracture in product(T_SCORES, PROBABILITIES[:3], (FRACTURES[0], FRACTURES[4], FRACTURES[8])):
        record = record_of(t, fracture, frax).draft("letrozole")
        body = json.dumps(request_body(record.prefetch(), "order-sign", drafts=record.drafts)).encode()
        assessment = door.assessment(body)
        for draft, members in ((drafted, assessment), (bare, assessment["withoutDraftOrders"])):
            known, answer = known_of(t, fracture, frax, draft), _answered(members)
            tally.points += 1
            if answer == expected_members(read(known)):
                tally.agreed += 1
            else:
                wrong.append(_disagreement(f"{t.name}; {fracture.name}; {frax.name}; {draft.name}", known, answer))
    assert not wrong, "\n".join([f"{len(wrong)} points disagree", *wrong[:SHOWN]])
