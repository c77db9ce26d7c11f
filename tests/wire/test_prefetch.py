"""What each received value means: the table of CDS Hooks, row by row, in one pass and piece by piece alike."""

import json
from typing import Any

import pytest
from msgspec import structs

from cds_hooks import ORDER_SIGN, PATIENT_VIEW, Entry, HookRequest, Received, Unreadable
from tests.wire.record import PARSER, PREFETCH, Resource, body, bundle, observation, sign, view

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}


def meaning(value: object, *, piecewise: bool = False) -> HookRequest[Resource]:
    """The request that has this value under "dxa"; a stray key that is broken makes the parser go piece by piece."""
    prefetch = {"dxa": value, "stray": 5} if piecewise else {"dxa": value}
    return PARSER.parse(body(view(prefetch=prefetch)), PATIENT_VIEW, PREFETCH)


def summary(request: HookRequest[Resource]) -> tuple[str, list[str | None]]:
    received = request.received["dxa"]
    return received.state, [entry.resource.id for entry in received.entries]


ONE, TWO = observation("o1"), observation("o2")


@pytest.mark.parametrize("piecewise", [False, True], ids=["in one pass", "piece by piece"])
@pytest.mark.parametrize(
    ("value", "state", "ids"),
    [
        pytest.param(None, "told", [], id="null"),
        pytest.param({"resourceType": "Bundle", "type": "searchset", "total": 0}, "told", [], id="nothing found"),
        pytest.param(bundle(), "told", [], id="an empty list of entries"),
        pytest.param(bundle(entry=None), "told", [], id="entries null"),
        pytest.param(ONE, "told", ["o1"], id="a resource"),
        pytest.param(bundle(ONE, TWO), "told", ["o1", "o2"], id="a Bundle"),
        pytest.param(bundle(ONE, total=1), "told", ["o1"], id="all there are"),
        pytest.param(bundle(ONE, link=[{"relation": "self"}]), "told", ["o1"], id="the only page"),
        pytest.param(bundle(ONE, type="collection"), "told", ["o1"], id="a Bundle of another type"),
        pytest.param(OUTCOME, "failed", [], id="the client failed"),
        pytest.param(bundle(ONE, OUTCOME), "partial", ["o1"], id="a message among the entries"),
        pytest.param(
            bundle(entry=[{"resource": ONE}, {"resource": TWO, "search": {"mode": "outcome"}}]),
            "partial",
            ["o1"],
            id="an entry that is a message by its mode",
        ),
        pytest.param(
            bundle(entry=[{"resource": ONE, "search": {"mode": "match"}}, {"resource": TWO, "search": {}}]),
            "told",
            ["o1", "o2"],
            id="entries with other modes",
        ),
        pytest.param(bundle(ONE, link=[{"relation": "next"}]), "partial", ["o1"], id="a first page"),
        pytest.param(bundle(link=[{"relation": "next"}]), "partial", [], id="an empty first page"),
        pytest.param(bundle(ONE, total=2), "partial", ["o1"], id="more were found than sent"),
        pytest.param({"resourceType": "Bundle", "total": 2}, "partial", [], id="found and not sent"),
    ],
)
def test_what_was_told(piecewise: bool, value: object, state: str, ids: list[str]) -> None:
    request = meaning(value, piecewise=piecewise)
    assert summary(request) == (state, ids)
    assert request.unreadable == ()


BROKEN = observation("o9", valueInteger="five")


@pytest.mark.parametrize(
    ("value", "state", "ids", "unreadable"),
    [
        pytest.param("<html>502</html>", "failed", [], [(None, None, None)], id="a page"),
        pytest.param(5, "failed", [], [(None, None, None)], id="a number"),
        pytest.param([ONE], "failed", [], [(None, None, None)], id="a list"),
        pytest.param({}, "failed", [], [(None, None, None)], id="an object of no type"),
        pytest.param({"resourceType": 5}, "failed", [], [(None, None, None)], id="a type that is none"),
        pytest.param({"resourceType": "<script>", "id": 1}, "failed", [], [(None, None, None)], id="no type, no id"),
        pytest.param({**BROKEN, "resourceType": "<b>"}, "failed", [], [(None, "o9", None)], id="an id, no type"),
        pytest.param({**BROKEN, "id": "o9 <b>"}, "failed", [], [("Observation", None, None)], id="a type, no id"),
        pytest.param(BROKEN, "failed", [], [("Observation", "o9", None)], id="a broken resource"),
        pytest.param(bundle(ONE, BROKEN, TWO), "partial", ["o1", "o2"], [("Observation", "o9", 1)], id="one of three"),
        pytest.param(bundle(BROKEN), "partial", [], [("Observation", "o9", 0)], id="the only one"),
        pytest.param(bundle("text", ONE), "partial", ["o1"], [(None, None, 0)], id="an entry of text"),
        pytest.param(bundle(entry=[None, {"resource": ONE}]), "partial", ["o1"], [(None, None, 0)], id="a null entry"),
        pytest.param(bundle(None, ONE), "partial", ["o1"], [(None, None, 0)], id="an entry without a resource"),
        pytest.param(
            bundle(bundle(ONE, id="b1"), TWO), "partial", ["o2"], [("Bundle", "b1", 0)], id="a Bundle in a Bundle"
        ),
        pytest.param(
            bundle(entry=[{"fullUrl": 5, "resource": ONE}]), "partial", [], [("Observation", "o1", 0)], id="fullUrl"
        ),
        pytest.param(bundle(entry="none"), "failed", [], [("Bundle", None, None)], id="entries that are no list"),
        pytest.param(bundle(ONE, total="all"), "partial", ["o1"], [("Bundle", None, None)], id="a total of text"),
        pytest.param(bundle(ONE, link={}), "partial", ["o1"], [("Bundle", None, None)], id="links that are no list"),
    ],
)
def test_what_could_not_be_read(
    value: object, state: str, ids: list[str], unreadable: list[tuple[str | None, str | None, int | None]]
) -> None:
    request = meaning(value)
    assert summary(request) == (state, ids)
    assert [(one.resource_type, one.id, one.position) for one in request.unreadable] == unreadable
    assert all(one.key == "dxa" for one in request.unreadable)


def test_several_broken_values_are_each_reported() -> None:
    asked = sign(observation("d1", valueInteger=[]), prefetch={"dxa": bundle(BROKEN, BROKEN), "patient": "none"})
    assert PARSER.parse(body(asked), ORDER_SIGN, PREFETCH).unreadable == (
        Unreadable("draftOrders", "Observation", "d1", 0),
        Unreadable("dxa", "Observation", "o9", 0),
        Unreadable("dxa", "Observation", "o9", 1),
        Unreadable("patient", None, None, None),
    )


@pytest.mark.parametrize("request_", [view(), view(prefetch={}), view(prefetch=None), view(prefetch={"stray": ONE})])
def test_a_key_that_is_absent_was_not_told(request_: dict[str, Any]) -> None:
    assert PARSER.parse(body(request_), PATIENT_VIEW, PREFETCH).received == {}


def test_the_address_beside_a_resource_is_kept() -> None:
    (entry,) = meaning(bundle(ONE)).received["dxa"].entries
    assert entry == Entry("urn:uuid:0", Resource("Observation", id="o1", status="final"))
    (alone,) = meaning(ONE).received["dxa"].entries
    assert alone.fullUrl is None


def test_in_one_pass_or_piece_by_piece_the_request_is_the_same() -> None:
    asked = sign(ONE, TWO, prefetch={"patient": {"resourceType": "Patient", "id": "p1"}, "dxa": bundle(ONE, OUTCOME)})
    whole = PARSER.parse(body(asked), ORDER_SIGN, PREFETCH)
    asked["prefetch"]["stray"] = "<html>"
    piecewise = PARSER.parse(body(asked), ORDER_SIGN, PREFETCH)
    assert structs.replace(piecewise, checksum=whole.checksum) == whole
    assert whole.received["patient"] == Received("told", (Entry(None, Resource("Patient", id="p1")),))


def test_bundles_within_bundles_cost_no_other() -> None:
    deep = json.dumps({"resourceType": "Bundle"})
    for _ in range(30):
        deep = f'{{"resourceType":"Bundle","entry":[{{"resource":{deep}}}]}}'
    raw = body(view(prefetch={"dxa": ONE})).replace(b'"prefetch": {', f'"prefetch": {{"patient":{deep},'.encode())
    request = PARSER.parse(raw, PATIENT_VIEW, PREFETCH)
    assert summary(request) == ("told", ["o1"])
    assert request.received["patient"] == Received("partial")
    assert request.unreadable == (Unreadable("patient", "Bundle", None, 0),)
