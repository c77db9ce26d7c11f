"""What users did with cards: a batch is read whole, or refused with every fault of it and where it stands."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from cds_hooks.bodies import NOT_JSON, bad_request, check_text, document, issue, malformed
from cds_hooks.caller import Caller
from cds_hooks.discovery import Service
from cds_hooks.errors import BadRequest, Issue
from cds_hooks.schema import load

__all__ = ["Feedback", "Reason", "TakeFeedback", "read_feedback"]

T = TypeVar("T")

# The schema says the same. What is kept as it was received is short and one line; a uuid has 36 characters.
_Name = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*(?!\n)$")]
_System = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*(?!\n)$")]

# A batch of a million faults must not cost a million sentences.
_MOST_ISSUES: Final = 1000


class Reason(Struct, frozen=True, kw_only=True):
    """Why a card was overridden: a Coding. Clients send reasons of their own, and leave out all but the code."""

    code: _Name
    system: _System | None = None
    display: str | None = None


class Feedback(Struct, frozen=True, kw_only=True):
    """One outcome of one card, `at` in UTC. `suggestions` are the accepted ones, in the order received.

    `comment` is free text of a user and may name a patient, as may a reason's words: neither shows in a text of this
    object.
    """

    card: str
    outcome: Literal["accepted", "overridden"]
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason: Reason | None = None
    comment: str | None = None

    def __repr__(self) -> str:
        return f"Feedback({self.outcome})"


# The service asked, the batch, who sent it. Returns when all of it is kept, raises a Refusal when nothing of it is.
TakeFeedback = Callable[[Service, Sequence[Feedback], Caller | None], None]


class _Suggestion(Struct):
    id: _Name


class _OverrideReason(Struct):
    reason: Reason | None = None
    userComment: str | None = None


class _Event(Struct, kw_only=True):
    card: _Name
    outcome: Literal["accepted", "overridden"]
    outcomeTimestamp: str
    acceptedSuggestions: list[_Suggestion] | None = None
    overrideReason: _OverrideReason | None = None


class _Batch(Struct):
    feedback: list[_Event]


class _Pieces(Struct):
    feedback: list[Raw]


_BATCH: Final = msgspec.json.Decoder(_Batch)
_PIECES: Final = msgspec.json.Decoder(_Pieces)
_EVENT: Final = msgspec.json.Decoder(_Event)
_INSTANT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:)(\d{2})((?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))", re.ASCII | re.IGNORECASE
)


class _Unlike(ValueError):
    """An event of the right types that is none by the standard's words."""


def read_feedback(body: bytes) -> tuple[Feedback, ...]:
    """The batch in a body; BadRequest with the place of each fault, and then nothing of the batch counts."""
    check_text(body)
    try:
        return tuple(map(_feedback, _decoded(_BATCH, body).feedback))
    except (msgspec.ValidationError, _Unlike):
        raise _refusal(body) from None


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    """What a text holds. Raises msgspec.ValidationError where the types are others, BadRequest where it is no JSON."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise malformed(NOT_JSON, str(error)) from None


def _feedback(event: _Event) -> Feedback:
    accepted = event.outcome == "accepted"
    if accepted and not event.acceptedSuggestions:
        raise _Unlike
    why = event.overrideReason
    if why is not None and why.reason is None and why.userComment is None:
        raise _Unlike
    comment = None if why is None else why.userComment
    return Feedback(
        card=event.card,
        outcome=event.outcome,
        at=_instant(event.outcomeTimestamp),
        suggestions=tuple(suggestion.id for suggestion in event.acceptedSuggestions or ()) if accepted else (),
        reason=None if why is None else why.reason,
        comment=comment if comment and comment.strip() else None,  # a dialog that was left empty
    )


def _instant(text: str) -> datetime:
    """An RFC 3339 time in UTC; a leap second counts as the one before it."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise _Unlike
    seconds = "59" if found[2] == "60" else found[2]
    try:
        return datetime.fromisoformat(f"{found[1]}{seconds}{found[3]}".upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # a day that no month has; an offset that leads out of the calendar
        raise _Unlike from None


def _refusal(body: bytes) -> BadRequest:
    """Every fault of a batch, event by event: a sound one costs next to nothing."""
    try:
        pieces = _decoded(_PIECES, body).feedback
    except msgspec.ValidationError:
        return bad_request(body, load("feedback"))
    issues: list[Issue] = []
    for number, piece in enumerate(pieces):
        if len(issues) >= _MOST_ISSUES:
            issues.append(Issue(code="value", text="There are more faults in this batch.", expression="feedback"))
            break
        issues += _issues(bytes(piece), f"feedback[{number}]")
    return BadRequest(*issues)


def _issues(piece: bytes, path: str) -> Iterable[Issue]:
    try:
        _feedback(_decoded(_EVENT, piece))
    except (msgspec.ValidationError, _Unlike):
        flaws = load("feedback").flaws({"feedback": [document(piece)]}, "request")
        found = [issue(flaw._replace(path=path + flaw.path.removeprefix("feedback[0]"))) for flaw in flaws]
        # The schema does not know the calendar, and sees only the last of two members of one name.
        text = f"{path} cannot be read: outcomeTimestamp is no time of the calendar, or a member is there twice."
        return found or [Issue(code="value", text=text, expression=path)]
    return ()
