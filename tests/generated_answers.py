"""The answers to the generated patients, asked for once in a run; each market in turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from tests.front_door import Answer, Market, ask
from tests.generated_patients import Patient, patients

COUNT: Final = 1000
MARKETS: Final[tuple[Market, ...]] = ("cn", "us", "eu")


@cache
def everyone() -> tuple[Patient, ...]:
    """All of them."""
    return tuple(patients(COUNT))


def answer_of(patient: Patient, lang: str = "en", *, disturb: Callable[[Any], None] | None = None) -> Answer:
    """The answer to one; `disturb` changes the record in place before it is sent."""
    record = patient.record()
    if disturb is not None:
        disturb(record)
    market = MARKETS[patient.number % len(MARKETS)]
    answer = ask(record, patient.hook, lang=lang, omit=patient.keys_left_out, market=market)
    assert answer.status == 200, answer.raw
    return answer


@cache
def answers() -> tuple[Answer, ...]:
    """In English, in the order of `everyone`."""
    return tuple(answer_of(patient) for patient in everyone())


def in_scope() -> list[tuple[Patient, Answer]]:
    """Those whom the service speaks about, each with the answer in English."""
    return [(one, answer) for one, answer in zip(everyone(), answers(), strict=True) if answer.in_scope]
