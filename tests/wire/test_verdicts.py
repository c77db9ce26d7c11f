"""The decoder and the JSON Schemas give one verdict on every request.

The decoder judges each request, the schemas write what is wrong with a bad one: were they to differ, a request would be
refused without a reason, or the published schema be untrue. The requests are made from full ones of each hook by
putting everything that JSON has in place of each member, and by taking each away.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_hooks import HOOKS, ORDER_SELECT, BadRequest
from cds_hooks.hooks import Hook
from cds_hooks.schema import load
from tests.wire.record import HOOK_INSTANCE, PARSER, Json, body, bundle, observation

Path = tuple[str | int, ...]

ABSENT = object()
# What a client might put anywhere; the word shows whether a value is repeated in an error.
WORD = "Trillian"
VALUES: Sequence[Any] = (
    ABSENT, None, True, False, 0, 5, -1, 3600.0, 3.5, 1e300, "", "  ", "\n", "\x1c", "\x85\ufeff", WORD, f"{WORD}\n",
    f"{WORD}/{WORD}",
    f"Patient/{WORD}", "Patient/", "i" * 255, "i" * 256, "Bearer", "bearer", "Bearer\n",
    f"{HOOK_INSTANCE}\n", HOOK_INSTANCE.upper(),
    "patient-view", "http://", f"https://{WORD}", f"https://{WORD} x", f"https://{WORD}/\n",
    f"https://{WORD}/\x1f", [], [None], [5], [WORD],
    [""], [[]], {}, {WORD: 5}, {"resourceType": "Bundle"}, {"resourceType": WORD}, {"resourceType": None},
    bundle(observation("o1")), bundle(entry=None), bundle(entry=[None]), bundle(entry={}),
)  # fmt: skip


def full(hook: Hook) -> Json:
    """A request with every member that the hook knows."""
    context = {
        "userId": "Practitioner/dr",
        "patientId": "p1",
        "encounterId": "e1",
        "selections": ["MedicationRequest/1", "MedicationRequest/2"],
        **{
            member: {**bundle(observation("o1")), "total": 1, "link": [{"relation": "self"}]}
            for member in ("draftOrders", "medications", "conditions")
        },
    }
    known = {field.name for field in hook.context}
    return {
        "hook": hook.name,
        "hookInstance": HOOK_INSTANCE,
        "fhirServer": "https://ehr.example.org/fhir",
        "fhirAuthorization": {
            "access_token": "a",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "user/*.rs",
            "subject": "us",
            "patient": "p1",
        },
        "context": {name: value for name, value in context.items() if name in known},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p1"}, "dxa": bundle(observation("o2"))},
        "extension": {"org.example": True},
    }


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of each member and item; those inside resources too, where both must be lenient."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield (*path, step)
        yield from paths(member, (*path, step))


def changed(request: Json, path: Path, value: Any) -> Json:
    """The request with a value in place of a member, or without the member; as it was where the place is gone."""
    request = copy.deepcopy(request)
    parent: Any = request
    *steps, last = path
    try:
        for step in steps:
            parent = parent[step]
        parent[last]
        if value is ABSENT:
            del parent[last]
        else:
            parent[last] = value
    except (KeyError, IndexError, TypeError):
        return request  # an earlier change took this place away
    return request


def check(hook: Hook, request: Any) -> bool:
    """Whether the request is refused; both verdicts must agree, and the refusal must tell why without the value."""
    flaws = load(hook.name).flaws(request, "request")
    refusal = refused(hook, request)
    if refusal is None:
        assert not flaws, f"refused by the schema alone: {flaws}"
        return False
    assert flaws, f"refused by the decoder alone: {request}"
    assert [issue.expression for issue in refusal.issues] == [flaw.path for flaw in flaws]
    assert all(issue.code in ("required", "value") for issue in refusal.issues)
    assert WORD not in str(refusal)
    return True


def refused(hook: Hook, request: Any) -> BadRequest | None:
    try:
        PARSER.parse(body(request), hook)
    except BadRequest as refusal:
        return refusal
    return None


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_each_change_of_each_member(hook: Hook) -> None:
    request = full(hook)
    assert not check(hook, request)
    # Outside the context the hooks are alike: it is enough to change one of them everywhere.
    places = [path for path in paths(request) if hook is ORDER_SELECT or path[0] in ("context", "hook")]
    verdicts = [check(hook, changed(request, path, value)) for path in places for value in VALUES]
    # Neither all good nor all bad: the corpus has both sides of every rule.
    assert verdicts.count(True) > 100
    assert verdicts.count(False) > 30


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_a_body_that_is_no_object(hook: Hook) -> None:
    for value in VALUES:
        if value is not ABSENT:
            assert check(hook, value)


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("value", [ABSENT, None, 5, "", " ", ["", 5]])
def test_what_must_be_there_must_be_right(hook: Hook, value: Any) -> None:
    required = [("context", field.name) for field in hook.context if field.required]
    for path in (("hook",), ("hookInstance",), ("context",), *required):
        assert check(hook, changed(full(hook), path, value)), path


@given(st.data())
def test_several_changes_at_once(data: st.DataObject) -> None:
    hook = data.draw(st.sampled_from(list(HOOKS.values())))
    request = full(hook)
    change = st.tuples(st.sampled_from(list(paths(request))), st.sampled_from(VALUES))
    for path, value in data.draw(st.lists(change, min_size=2, max_size=6)):
        request = changed(request, path, value)
    check(hook, request)


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_a_schema_knows_the_context_of_its_hook(hook: Hook) -> None:
    """Whatever the table of hooks requires, the schema does: their verdicts on an empty context name the same."""
    missing = {
        flaw.path
        for flaw in load(hook.name).flaws({"hook": hook.name, "hookInstance": HOOK_INSTANCE, "context": {}}, "request")
    }
    assert missing == {f"context.{field.name}" for field in hook.context if field.required}
