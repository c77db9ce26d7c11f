"""Five thousand requests with every optional part missing, reordered or broken: a correct answer or a clear refusal.

Seeded: the same requests in every run. No answer may be a 5xx, a refusal is a 4xx with an OperationOutcome, and a 200
is well-formed.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.announcements import announce
from tests.fhir_pieces import Json
from tests.front_door import post, request_body
from tests.patients import PATTERNS
from tests.tier_cases import FRACTURES, INHIBITORS, PROBABILITIES, T_SCORES, record_of
from tests.wire_rules import check_response

REQUESTS: Final = 5000
BATCHES: Final = 10
HOOKS: Final = ("patient-view", "order-select", "order-sign")
DRAFTS: Final = ("letrozole", "ibandronate", "zoledronic-acid", "denosumab", "raloxifene", "calcium", "paracetamol")
Path = tuple[str | int, ...]

ODD_VALUES: Final[list[Any]] = [
    None,
    True,
    False,
    0,
    -1,
    1e308,
    -2.5,
    2**63,
    "",
    " ",
    "2026-02-30",
    "2026-13",
    "not a date",
    "Patient/",
    "urn:uuid:",
    "#",
    "\u0000",
    "\ud83e\uddb4",
    "来曲唑",
    "<script>alert(1)</script>",
    "x" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"resourceType": "OperationOutcome", "issue": []},
    {"resourceType": "Bundle"},
    {"resourceType": "Patient", "id": "pat"},
]


def _patient_view_or_order(chance: random.Random) -> Json:
    """A whole request to begin with: one of the demo patients or a combination of the tier's inputs."""
    hook = chance.choice(HOOKS)
    if chance.random() < 0.5:
        record = chance.choice(list(PATTERNS.values()))()
    else:
        dimensions = (T_SCORES, INHIBITORS, FRACTURES, PROBABILITIES)
        record = record_of(*(chance.choice(dimension) for dimension in dimensions))
    if hook != "patient-view":
        for name in chance.sample(DRAFTS, chance.randint(0, 3)):
            record.draft(name, selected=chance.random() < 0.7, dose=chance.choice([None, "150 mg every 1 wk"]))
    return request_body(record.prefetch(), hook, drafts=record.drafts, selections=record.selections)


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, the whole of it left out."""
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*at, name)
        yield from paths(member, (*at, name))


def at(request: Any, path: Path) -> Any:
    for step in path:
        request = request[step]
    return request


def _remove(request: Json, chance: random.Random) -> None:
    path = chance.choice(list(paths(request)))
    del at(request, path[:-1])[path[-1]]


def _replace(request: Json, chance: random.Random) -> None:
    path = chance.choice(list(paths(request)))
    at(request, path[:-1])[path[-1]] = copy.deepcopy(chance.choice(ODD_VALUES))


def _swap(request: Json, chance: random.Random) -> None:
    """One part of the request in the place of another."""
    here, there = chance.choices(list(paths(request)), k=2)
    at(request, here[:-1])[here[-1]] = copy.deepcopy(at(request, there))


def _repeat(request: Json, chance: random.Random) -> None:
    lists = [path for path in paths(request) if isinstance(at(request, path), list) and at(request, path)]
    if lists:
        listed = at(request, chance.choice(lists))
        listed.append(copy.deepcopy(chance.choice(listed)))


def _shuffle(value: Any, chance: random.Random) -> None:
    """Every list and every object in an order of its own."""
    for member in list(value.values() if isinstance(value, dict) else value):
        if isinstance(member, dict | list):
            _shuffle(member, chance)
    if isinstance(value, list):
        chance.shuffle(value)
        return
    members = list(value.items())
    chance.shuffle(members)
    value.clear()
    value.update(members)


def _forget_a_key(request: Json, chance: random.Random) -> None:
    prefetch = request.get("prefetch")
    if isinstance(prefetch, dict) and prefetch:
        key = chance.choice(list(prefetch))
        empty = {"resourceType": "Bundle", "type": "searchset", "total": 0}
        failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
        told = chance.choice([None, empty, failed, "<html>", chance])
        if told is chance:
            del prefetch[key]
        else:
            prefetch[key] = told


CHANGES: Final[list[Callable[[Json, random.Random], None]]] = [
    _remove,
    _replace,
    _replace,
    _swap,
    _repeat,
    _shuffle,
    _forget_a_key,
]


def _bytes_of(request: Json, chance: random.Random) -> bytes:
    """The request as JSON; now and then cut off, not UTF-8, or with a byte turned."""
    body = json.dumps(request, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    if chance.random() < 0.05:
        spot = chance.randrange(len(body))
        body = chance.choice([body[:spot], body[:spot] + b"\xff" + body[spot:], b"\xef\xbb\xbf" + body])
    return body


@pytest.fixture(scope="module")
def statuses(request: pytest.FixtureRequest) -> Iterator[Counter[int]]:
    counted: Counter[int] = Counter()
    yield counted
    by_status = ", ".join(f"{count} x {status}" for status, count in sorted(counted.items()))
    announce(request.config, f"generated requests: {counted.total()} ({by_status})")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_generated_request_gets_an_answer_or_a_clear_refusal(batch: int, statuses: Counter[int]) -> None:
    chance = random.Random(f"osteohooks {batch}")
    for _ in range(REQUESTS // BATCHES):
        request = _patient_view_or_order(chance)
        hook = request["hook"]
        for _ in range(chance.choice([0, 1, 1, 2, 3, 5])):
            chance.choice(CHANGES)(request, chance)
        body = _bytes_of(request, chance)
        answer = post(body, hook, lang=chance.choice(["en", "zh", "fr;q=0.9", "*", "zh-CN,en;q=0.5"]))
        statuses[answer.status] += 1
        if answer.status == 200:
            check_response(answer.body)
        else:
            assert 400 <= answer.status < 500, (answer.status, body[:2000])
            assert answer.body["resourceType"] == "OperationOutcome"
            assert answer.body["issue"][0]["severity"] in ("error", "fatal")
