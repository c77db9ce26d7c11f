"""The suggestions of a card: agents that nothing speaks against, orders of tests, drafts put right."""

from collections.abc import Iterator

from msgspec import Raw

from cds_hooks import Action, Suggestion
from cds_hooks.card import pruned
from service.decision import Decision, Finding
from service.voice import Voice

__all__ = ["suggestions"]


def suggestions(
    decision: Decision, voice: Voice, topic: str, findings: list[Finding], offered: set[str]
) -> Iterator[Suggestion | Raw]:
    """Those of a topic's card; `offered` has the orders that stand on a card already, and gets those of this one."""
    orders = decision.rules.orders
    language, patient_id, uuid = voice.language, voice.patient_id, voice.uuid
    if topic == "tier":
        for verdict in decision.verdicts:
            name = verdict.agent.order
            if name is not None and not verdict.stopped:
                # The one that is recommended is one of them at the most, as at-most-one asks for.
                recommended = verdict.agent is decision.recommended
                yield orders[name].suggestion(language, patient_id, uuid("order", name), recommended=recommended)
    for finding in findings:
        if finding.order is not None:
            if finding.correctable:
                yield from _corrections(decision, voice, finding)
        elif topic != "tier":
            recommended = finding.outcome.code == "order-safety-labs"
            for name in _asked_for(finding):
                if name not in offered:
                    offered.add(name)
                    yield orders[name].suggestion(language, patient_id, uuid("order", name), recommended=recommended)


def _asked_for(finding: Finding) -> tuple[str, ...]:
    """The orders of a finding's outcome: those that always go with it, and those for what must be known first."""
    outcome = finding.outcome
    if not outcome.orders_for:
        return outcome.orders
    asked = {ruling.gate.fact for ruling in finding.rulings}
    return (*outcome.orders, *(name for fact, name in outcome.orders_for.items() if fact in asked))


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
