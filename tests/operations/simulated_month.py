"""A month in which the same charts are opened every day, by users who set cards aside, take them up, or pass over them.

Each answer is asked for twice on the same body: from a service that remembers, and from one that does not. What differs
is what the memory keeps away; critical cards and assessments must not differ at all.

    python -m tests.operations.simulated_month --patients 500
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from service.app import create_app
from service.config import Settings
from tests.builder import Record
from tests.drafts import ibandronate_weekly
from tests.fhir_pieces import TODAY, Json
from tests.front_door import Answer, request_body
from tests.operations.looped import Loop

DAYS: Final = 30
# What users do with a card that they see: house guesses, since what is compared is the same whatever they are.
_REASONS: Final = (
    ("patient-refuses", 0.30),
    ("not-convenient-feasible", 0.20),
    ("action-completed", 0.10),
    ("patient-contraindication", 0.10),
)
_TAKEN_UP: Final = 0.15
_NEWS: Final = 0.01  # new evidence in a chart, a day
_SIGNED: Final = 0.02  # an order being signed, a day


@dataclass
class Month:
    """What was counted; `lost` are the critical cards that the memory kept away, and `changed` the assessments."""

    openings: int = 0
    without: Counter[int] = field(default_factory=Counter)
    remembered: Counter[int] = field(default_factory=Counter)
    critical: int = 0
    lost: int = 0
    changed: int = 0
    told: Counter[str] = field(default_factory=Counter)


def patient(number: int, chance: random.Random) -> Record:
    """One of the charts: of every tier, with or without values, some with what is critical on their list."""
    record = Record(age=chance.randint(52, 84), patient_id=f"patient-{number}").condition("breast-cancer")
    if chance.random() < 0.8:
        record.drug("letrozole")
    if chance.random() < 0.75:
        record.t_score("lumbar-spine", round(chance.uniform(-3.5, 0.5), 1))
    for name, low, high in (
        ("creatinine_clearance", 20, 110),
        ("serum_calcium", 2.0, 2.7),
        ("vitamin_d_25oh", 20, 120),
    ):
        if chance.random() < 0.5:
            record.lab(name, round(chance.uniform(low, high), 2), None, "2026-11-10")
    if chance.random() < 0.2:
        record.fracture("hip", "2023-05-01")
    if chance.random() < 0.1:
        record.drug("ibandronate", dose="150 mg every 1 wk", route="oral")
    if chance.random() < 0.1:
        record.drug("raloxifene")
    return record


def news(record: Record, day: str, chance: random.Random) -> None:
    """Something new in a chart."""
    kind = chance.randrange(3)
    if kind == 0:
        record.t_score("total-hip", round(chance.uniform(-3.5, 0.5), 1), day)
    elif kind == 1:
        record.lab("vitamin_d_25oh", round(chance.uniform(20, 120), 1), None, day)
    else:
        record.fracture("vertebra", day)


def simulate(loop: Loop, patients: int, days: int = DAYS, seed: int = 1) -> Month:
    """Go through the month; the clock is the loop's."""
    chance = random.Random(seed)
    plain = create_app(Settings(state_directory=loop.settings.state_directory), in_process=True).test_client()
    charts = [patient(number, chance) for number in range(patients)]
    month = Month()
    for number in range(days):
        loop.today = TODAY + timedelta(days=number)
        for record in charts:
            if chance.random() < _NEWS:
                news(record, loop.today.isoformat(), chance)
            signing = chance.random() < _SIGNED
            hook, drafts = ("order-sign", [ibandronate_weekly()]) if signing else ("patient-view", [])
            answer = loop.ask(record, hook, drafts=drafts)
            body = request_body(record.prefetch(), hook, patient_id=record.patient_id, drafts=drafts)
            response = plain.post(f"/cds-services/bone-health-{hook}", json=body)
            other = Answer(response.status_code, dict(response.headers), response.get_data())
            _compare(month, number, answer, other)
            for card in answer.cards:
                _react(month, loop, record, card, hook, chance)
        loop.settle()
    return month


def _compare(month: Month, day: int, answer: Answer, other: Answer) -> None:
    month.openings += 1
    month.remembered[day] += len(answer.cards)
    month.without[day] += len(other.cards)
    shown, expected = (sorted(_critical(each)) for each in (answer, other))
    month.critical += len(expected)
    month.lost += shown != expected
    month.changed += answer.body.get("extension") != other.body.get("extension")


def _critical(answer: Answer) -> Iterator[tuple[str, str]]:
    return ((card["summary"], card["detail"]) for card in answer.cards if card["indicator"] == "critical")


def _react(month: Month, loop: Loop, record: Record, card: Json, hook: str, chance: random.Random) -> None:
    draw = chance.random()
    for code, share in _REASONS:
        if draw < share:
            month.told[code] += 1
            loop.override(card, code, hook=hook)
            return
        draw -= share
    suggestions: list[Any] = card.get("suggestions", [])
    if draw < _TAKEN_UP and suggestions:
        month.told["accepted"] += 1
        taken = suggestions[0]
        loop.accept(card, taken, hook)
        for action in taken["actions"]:
            if action["type"] == "create":
                record.add({**action["resource"], "id": f"taken-{len(record.entries)}", "status": "active"})


def report(month: Month) -> Iterator[str]:
    """What came of it, a line each."""
    with_it, without = month.remembered.total(), month.without.total()
    yield f"{month.openings} openings; {sum(month.told.values())} words of users: {dict(sorted(month.told.items()))}"
    yield f"cards without the memory: {without} ({without / month.openings:.2f} an opening)"
    fewer = 1 - with_it / without
    yield f"cards with it:            {with_it} ({with_it / month.openings:.2f} an opening), {fewer:.0%} fewer"
    last = max(month.without)
    yield f"on the last day:          {month.without[last]} without, {month.remembered[last]} with it"
    yield f"critical cards: {month.critical}; answers that lost one: {month.lost}; assessments changed: {month.changed}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        loop = Loop(Settings(state_directory=str(Path(folder))), patch)
        month = simulate(loop, options.patients, options.days)
        loop.store.close()
    print(*report(month), sep="\n")
    return 1 if month.lost or month.changed else 0


if __name__ == "__main__":
    sys.exit(main())
