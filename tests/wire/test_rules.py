"""The rules of answers: hand-written here, as a JSON Schema in `well_formed`; the two must agree on every answer."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_hooks import well_formed
from cds_hooks.card import empties, pruned
from cds_hooks.rules import ANSWER_RULES, CARD_RULES, extensions, malformed
from tests.broken_parts import CARD, CARD_FAULTS, CREATE, DELETE, UPDATE, Json, uuid

WHOLE: Json = {
    "cards": [{**CARD, "uuid": uuid("card")}, {"summary": "x", "indicator": "info", "source": {"label": "A"}}],
    "systemActions": [CREATE, DELETE, UPDATE],
    "extension": {"org.example": {"a": [1, {"b": "c"}]}},
}
WORDS = ["", " ", "x", "info", "any", "at-most-one", "delete", "create", "smart", "absolute", "🦴" * 69, "🦴" * 70]
ADDRESSES = ["https://a.example", "ftp://a", "http:// b", "ServiceRequest/a", "ServiceRequest/a b"]
PIECES = [{"label": "x"}, {"code": "a", "system": "b"}, {"resourceType": "Task"}, CREATE, DELETE]
ODD: list[Any] = [None, True, 0, 1.5, [], {}, [None], [{}], ["x"], *WORDS, *ADDRESSES, *PIECES]

Path = tuple[str | int, ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*at, name)
        yield from paths(member, (*at, name))


def changed(answer: Json, path: Path, value: Any) -> Json:
    """The answer with another value at a path, or without what is there (...)."""
    answer = copy.deepcopy(answer)
    node: Any = answer
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return answer


def broken_rules(answer: Any) -> list[str]:
    """The MUST rules that an answer breaks, as far as a schema can say the same."""
    if not isinstance(answer, dict):
        return ["cards"]
    found = [
        rule.id
        for rule in ANSWER_RULES
        # That no uuid stands twice no schema can say; and to ours a system action without a description is wrong.
        if rule.id not in ("uuids-are-unique",) and list(rule.flaws(answer))
    ]
    cards = answer.get("cards")
    found += [rule for card in (cards if isinstance(cards, list) else ()) for rule in malformed(card)]
    found += ["no-empty-members" for path, _ in empties(answer) if path != "cards"]
    found += ["extension-objects" for _, value in extensions(answer) if not isinstance(value, dict)]
    return found


def test_a_whole_answer_breaks_no_rule() -> None:
    assert broken_rules(WHOLE) == []
    assert well_formed(json.dumps(WHOLE).encode()) == ()
    assert [rule.id for rule in CARD_RULES if list(rule.flaws(WHOLE["cards"][0]))] == []


@given(st.data())
def test_rules_and_schema_agree(data: st.DataObject) -> None:
    answer = WHOLE
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(paths(answer))))
        answer = changed(answer, path, data.draw(st.sampled_from([..., *ODD])))
    by_schema = well_formed(json.dumps(answer).encode())
    assert bool(broken_rules(answer)) == bool(by_schema), (broken_rules(answer), by_schema)


JUNK = st.recursive(
    st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(CARD)), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from([*CARD, "label", "type", "actions", "resource"]), JUNK))
def test_no_junk_is_too_much_for_a_rule(card: Json) -> None:
    for rule in CARD_RULES:
        assert list(rule.flaws(card)) == [] or rule.level in ("MUST", "SHOULD")
        assert rule.concerns(card) in (True, False)
    for rule in ANSWER_RULES:
        assert list(rule.flaws({"cards": [card], "systemActions": [card]})) is not None
    assert list(extensions(card)) is not None
    assert list(empties(pruned(card), "card")) in ([], [("card", "{}")])


def test_what_a_client_may_refuse_and_what_not() -> None:
    advised = {rule.id for rule in CARD_RULES if rule.level == "SHOULD"}
    for name, (members, checks) in CARD_FAULTS.items():
        expected = {check for check in checks if check not in advised and not check.startswith("changes-are")}
        assert set(malformed({**CARD, "uuid": uuid("card"), **members})) == expected - {"uuids-are-unique"}, name
    assert malformed("a card") == ("cards",)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://example.org", True),
        ("http://example.org:8080/a?b#c", True),
        ("//example.org", False),
        ("https://", False),
        ("https://[::1", False),
        ("https://example.org/a b", False),
        ("javascript:alert(1)", False),
        (17, False),
    ],
)
def test_urls(url: Any, is_one: bool) -> None:
    (rule,) = (rule for rule in CARD_RULES if rule.id == "source-urls")
    assert (list(rule.flaws({"source": {"label": "A", "url": url}})) == []) is is_one


def test_where_fhir_has_null() -> None:
    """FHIR JSON keeps a list of primitives and that of their extensions in step, with null for what has none."""
    aligned = {"given": ["a", None], "_given": [None, {"id": "x", "extension": [{}]}]}
    assert list(empties(aligned)) == [("_given[1].extension[0]", "{}")]
    assert pruned(aligned) == {"given": ["a", None], "_given": [None, {"id": "x"}]}
    assert list(empties({"given": ["a", None]})) == [("given[1]", "null")]
    assert pruned({"a": {"b": [{"c": ""}]}, "d": 0, "e": False}) == {"d": 0, "e": False}
