"""Requests as EHRs send them, with every optional part missing, reordered or broken: a right answer or a clear refusal.

Seeded: the same requests in every run. `make test` sends some, `make fuzz` many more.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from cds_hooks import HOOKS
from tests.builder import Record
from tests.fhir_pieces import Json
from tests.front_door import DRAFTS_IN, request_body
from tests.patients import PATTERNS
from tests.tier_cases import FRACTURES, INHIBITORS, PROBABILITIES, T_SCORES, record_of
from tests.wire_rules import check_response

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


class Sent(NamedTuple):
    """A request on its way: to the service of which hook, with which body and headers."""

    hook: str
    body: bytes
    headers: dict[str, str]


def generate(seed: str, count: int) -> Iterator[Sent]:
    """So many requests, the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        request = _request(chance)
        hook = request["hook"]
        for _ in range(chance.choice([0, 1, 1, 2, 3, 5])):
            chance.choice(CHANGES)(request, chance)
        headers = {"Accept-Language": chance.choice(["en", "zh", "fr;q=0.9", "*", "zh-CN,en;q=0.5"])}
        if chance.random() < 0.02:
            headers |= chance.choice(ODD_HEADERS)
        yield Sent(hook, _bytes_of(request, chance), headers)


def check_answer(sent: Sent, status: int, document: Any) -> None:
    """No answer may be a 5xx; a refusal is a 4xx with an OperationOutcome, and a 200 is well-formed."""
    if status == 200:
        check_response(document)
        return
    assert 400 <= status < 500, (status, sent.hook, sent.body[:2000])
    assert document["resourceType"] == "OperationOutcome"
    assert document["issue"][0]["severity"] in ("error", "fatal")


def _request(chance: random.Random) -> Json:
    """A whole request to begin with: one of the demo patients or a combination of the tier's inputs."""
    hook = chance.choice(list(HOOKS))
    if chance.random() < 0.5:
        record = chance.choice(list(PATTERNS.values()))()
    else:
        dimensions = (T_SCORES, INHIBITORS, FRACTURES, PROBABILITIES)
        record = record_of(*(chance.choice(dimension) for dimension in dimensions))
    if hook == "problem-list-item-create":
        name, of = chance.choice([("hip", "fracture"), ("distal-forearm", "fracture"), ("osteoporosis", "condition")])
        made = Record()
        getattr(made, of)(name, onset="2026-11-18")
        record.drafts.append({**made.entries[0][1]["resource"], "id": "new"})
    elif hook in DRAFTS_IN:
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


ODD_HEADERS: Final = (
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "application/fhir+json"},
    {"Content-Encoding": "gzip"},
    {"Accept-Language": "x" * 3000},
    {"Origin": "null"},
)


def _bytes_of(request: Json, chance: random.Random) -> bytes:
    """The request as JSON; now and then broken as bytes: cut off, not UTF-8, a number that is none, too deep."""
    body = json.dumps(request, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    if chance.random() < 0.08:
        body = chance.choice(_SPOILERS)(body, chance)
    return body


def _cut(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(len(body))]


def _foreign_byte(body: bytes, chance: random.Random) -> bytes:
    spot = chance.randrange(len(body))
    return body[:spot] + b"\xff" + body[spot:]


def _encoded(body: bytes, chance: random.Random) -> bytes:
    return body.decode("utf-8", "replace").encode(
        chance.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32"]), "replace"
    )


def _after_a_colon(body: bytes, chance: random.Random) -> bytes:
    """Something odd in the place of a value, or before it."""
    odd = chance.choice(
        [
            b"NaN",
            b"-Infinity",
            b"1e999",
            b"9" * 5000,
            b"-0",
            b"1E-400",
            b"[" * 2000,
            b'{"a":' * 120,
            b'"\\ud800"',
            b"01",
        ]
    )
    pieces = body.split(b": ")
    spot = chance.randrange(1, len(pieces)) if len(pieces) > 1 else 0
    value = pieces[spot].partition(b",")
    pieces[spot] = odd + b"".join(value[1:]) if chance.random() < 0.5 else odd + pieces[spot]
    return b": ".join(pieces)


def _twice(body: bytes, chance: random.Random) -> bytes:
    """A member that is there already, once more."""
    members = body.split(b', "')
    spot = chance.randrange(len(members))
    return b', "'.join([*members[: spot + 1], *members[spot:]])


_SPOILERS: Final[list[Callable[[bytes, random.Random], bytes]]] = [
    _cut,
    _foreign_byte,
    _encoded,
    _after_a_colon,
    _twice,
]
