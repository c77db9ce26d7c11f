"""The hooks are those of the CDS Hooks library."""

from cds_hooks import HOOKS, ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW


def test_the_context_of_each_hook() -> None:
    required = {name: {field.name for field in hook.context if field.required} for name, hook in HOOKS.items()}
    assert required == {
        "patient-view": {"userId", "patientId"},
        "order-select": {"userId", "patientId", "selections", "draftOrders"},
        "order-sign": {"userId", "patientId", "draftOrders"},
    }
    for hook in HOOKS.values():
        assert {field.name for field in hook.context if not field.required} == {"encounterId"}


def test_what_a_template_may_name() -> None:
    assert all(hook.tokens == {"userId", "patientId", "encounterId"} for hook in HOOKS.values())


def test_where_the_orders_lie() -> None:
    assert (PATIENT_VIEW.orders, PATIENT_VIEW.selections) == (None, None)
    assert (ORDER_SELECT.orders, ORDER_SELECT.selections) == ("draftOrders", "selections")
    assert (ORDER_SIGN.orders, ORDER_SIGN.selections) == ("draftOrders", None)
