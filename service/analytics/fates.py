"""What became of each finding that was answered: the journal and the feedback, row by row."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, and_, func, select

from service.store.tables import answered, feedback

__all__ = ["NO_REASON", "OTHER_REASON", "Fate", "fates"]

NO_REASON: Final = "no-reason"
# A code that a client made up is a client's text: it is not repeated.
OTHER_REASON: Final = "other"
_AT_ONCE: Final = 5_000  # rows

Kind = Literal["accepted", "overridden", "ignored", "held"]


class Fate(Struct, frozen=True, kw_only=True):
    """One finding of one answer, and what became of it.

    `why` is the reason of an override as the memory's page names it, or why a finding was held back. `seconds` is the
    time from the answer to the first word on its card. `patient` is a pseudonym.
    """

    kind: Kind
    at: datetime
    card: str
    service: str
    hook: str
    rule: str
    outcome: str
    edition: str
    indicator: str
    language: str
    patient: str
    site: str | None = None
    role: str | None = None
    why: str | None = None
    seconds: float | None = None
    told_at: datetime | None = None


def fates(
    connection: Connection,
    reason_of: Callable[[str | None, str | None], str | None],
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Fate]:
    """The fates of what was answered from `since` to before `until`, in the order answered.

    Of several words on a card the last counts, as users first set a card aside and take it up later. `reason_of` names
    an override's reason by system and code.
    """
    result = connection.execution_options(yield_per=_AT_ONCE).execute(_query(since, until))
    return (_fate(row, reason_of) for row in result)


def _query(since: datetime | None, until: datetime | None) -> Select[Any]:
    told = (feedback.c.card, feedback.c.issuer)
    words = select(
        *told,
        feedback.c.outcome.label("told"),
        feedback.c.reason_system,
        feedback.c.reason_code,
        feedback.c.outcome_at,
        func.row_number()
        .over(partition_by=told, order_by=(feedback.c.outcome_at.desc(), feedback.c.id.desc()))
        .label("place"),
        func.min(feedback.c.outcome_at).over(partition_by=told).label("first_at"),
    ).subquery()
    same_client = words.c.issuer.is_not_distinct_from(answered.c.issuer)
    query = (
        select(answered, words.c.told, words.c.reason_system, words.c.reason_code, words.c.outcome_at, words.c.first_at)
        .outerjoin(words, and_(words.c.card == answered.c.card, same_client, words.c.place == 1))
        .order_by(answered.c.at, answered.c.id)
    )
    if since is not None:
        query = query.where(answered.c.at >= since)
    return query if until is None else query.where(answered.c.at < until)


def _fate(row: Row[Any], reason_of: Callable[[str | None, str | None], str | None]) -> Fate:
    kind: Kind
    why: str | None
    if row.held is not None:
        kind, why = "held", row.held
    elif row.told is None:
        kind, why = "ignored", None
    elif row.told == "accepted":
        kind, why = "accepted", None
    else:
        known = reason_of(row.reason_system, row.reason_code)
        kind, why = "overridden", known or (NO_REASON if row.reason_code is None else OTHER_REASON)
    told = kind in ("accepted", "overridden")
    return Fate(
        kind=kind,
        at=row.at,
        card=row.card,
        service=row.service,
        hook=row.hook,
        rule=row.rule,
        outcome=row.outcome,
        edition=row.edition,
        indicator=row.indicator,
        language=row.language,
        patient=row.patient,
        site=row.issuer if row.tenant is None else f"{row.issuer} {row.tenant}",
        role=row.role,
        why=why,
        # The client's clock may be behind ours.
        seconds=max(0.0, (row.first_at - row.at).total_seconds()) if told else None,
        told_at=row.outcome_at if told else None,
    )
