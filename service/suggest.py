"""The suggestions of a card: agents that nothing speaks against, orders of tests, drafts put right."""

from collections.abc import Iterator

from cds_hooks import Action, Suggestion
from cds_hooks.card import pruned
from service.decision import Decision, Finding
from service.orders import Order
from service.voice import Voice

__all__ = ["suggestions"]


def suggestions(
    decision: Decision, voice: Voice, topic: str, findings: list[Finding], offered: set[str]
) -> Iterator[Suggestion]:
    """Those of a topic's card; `offered` has the orders that stand on a card already, and gets those of this one."""
    orders = decision.rules.orders
    if topic == "tier":
        for verdict in decision.verdicts:
            if verdict.agent.order is not None and not verdict.stopped:
                order = orders[verdict.agent.order]
                yield _create(order, voice, recommended=verdict.agent is decision.recommended)
    for finding in findings:
        if finding.order is not None:
            if finding.correctable:
                yield from _corrections(decision, voice, finding)
            continue
        asked = {ruling.gate.fact for ruling in finding.rulings}
        names = (*finding.outcome.orders, *(name for fact, name in finding.outcome.orders_for.items() if fact in asked))
        for name in dict.fromkeys(names):
            if name not in offered and topic != "tier":
                offered.add(name)
                yield _create(orders[name], voice, recommended=finding.outcome.code == "order-safety-labs")


def _create(order: Order, voice: Voice, *, recommended: bool) -> Suggestion:
    label = order.label[voice.language]
    return Suggestion(
        label=label,
        uuid=voice.uuid("order", order.id),
        is_recommended=recommended,
        actions=order.creation(voice.language, voice.patient_id),
    )


def _corrections(decision: Decision, voice: Voice, finding: Finding) -> Iterator[Suggestion]:
    """The draft as received with the dosage replaced; none for an order without id or not in hand."""
    use = finding.order
    assert use is not None
    draft = voice.draft(use.resource) if use.in_hand and use.resource else None
    if draft is None:
        return
    for name in finding.outcome.orders:
        order = decision.rules.orders[name]
        # What an EHR leaves empty in its draft must not be sent back.
        corrected = {**pruned(draft), "dosageInstruction": order.resource[voice.language]["dosageInstruction"]}
        label = order.label[voice.language]
        yield Suggestion(
            label=label,
            uuid=voice.uuid("correct", use.resource or "", order.id),
            is_recommended=True,
            actions=(Action(type="update", description=label, resource=corrected, resource_id=use.resource),),
        )
