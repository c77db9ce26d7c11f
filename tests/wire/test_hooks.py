"""The hooks are those of the CDS Hooks library."""

from cds_hooks import HOOKS
from cds_hooks.conformance.library import HOOKS as PUBLISHED
from cds_hooks.hooks import REPLACED


def test_the_context_of_each_hook() -> None:
    required = {name: {field.name for field in hook.context if field.required} for name, hook in HOOKS.items()}
    assert required == {
        "patient-view": {"userId", "patientId"},
        "order-select": {"userId", "patientId", "selections", "draftOrders"},
        "order-sign": {"userId", "patientId", "draftOrders"},
        "encounter-start": {"userId", "patientId", "encounterId"},
        "medication-refill": {"patientId", "medications"},
        "problem-list-item-create": {"userId", "patientId", "conditions"},
    }
    for hook in HOOKS.values():
        assert {field.name for field in hook.context} - required[hook.name] == set(PUBLISHED[hook.name].optional)


def test_what_a_template_may_name() -> None:
    assert all(hook.tokens == {"userId", "patientId", "encounterId"} for hook in HOOKS.values())


def test_where_the_drafts_lie() -> None:
    assert {name: (hook.drafts, hook.selections) for name, hook in HOOKS.items()} == {
        "patient-view": (None, None),
        "order-select": ("draftOrders", "selections"),
        "order-sign": ("draftOrders", None),
        "encounter-start": (None, None),
        "medication-refill": ("medications", None),
        "problem-list-item-create": ("conditions", None),
    }


def test_what_took_the_place_of_an_old_hook_is_a_hook() -> None:
    assert REPLACED.keys() & HOOKS.keys() == set()
    assert set(REPLACED.values()) <= HOOKS.keys()
