"""From a request to the JSON of its answer: read, decide, speak. What prefetch left out is fetched first."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING

from werkzeug.datastructures import LanguageAccept

from cds_hooks import (
    PROBLEM_LIST_ITEM_CREATE,
    Entry,
    Guard,
    HookRequest,
    PreconditionFailed,
    Refusal,
    Service,
    build_all,
)
from cds_hooks.errors import Issue
from fhir_profiles import DRAFT_MEDICATIONS, RecordReader, Resource
from service import metrics
from service.config import Settings
from service.decide import decide
from service.drafts import AsReceived
from service.presenting import Presenting
from service.rules import Rules
from service.speak import speak
from service.voice import Voice
from service.words import LANGUAGES

if TYPE_CHECKING:
    from cds_hooks.fhir_access import FhirAccess

__all__ = ["REQUIRED", "answerer", "current_day"]

# The prefetch key without which nothing can be said.
REQUIRED = "patient"

# The occasions that a guideline's pages tell apart are three; the other hooks are like one of them.
_LIKE = {
    "encounter-start": "patient-view",
    "medication-refill": "order-sign",
    "problem-list-item-create": "patient-view",
}


def answerer(
    settings: Settings,
    rules: Rules,
    reader: RecordReader,
    present: Presenting,
    access: "FhirAccess[Resource] | None" = None,
) -> Callable[[Service, HookRequest[Resource], LanguageAccept, bytes], bytes]:
    """The function from a request to the JSON of its answer. With `access`, what prefetch left out is fetched, unless
    no draft order is one we know."""
    # In production a card that cannot be built costs no other card; elsewhere it costs the answer, and is seen.
    build = Guard(metrics.card_dropped).cards if settings.mode == "production" else build_all

    def answer(service: Service, request: HookRequest[Resource], languages: LanguageAccept, body: bytes) -> bytes:
        metrics.prefetched(service.prefetch, request.received)
        voice = _voice(service, request, _language(languages, settings.language), body)
        until = 0.0 if access is None else access.until()
        drafts = request.drafts
        judged = _judged(request, drafts)
        if request.hook.drafts is not None:
            considered = [entry for entry in drafts if judged is None or entry.resource.reference in judged]
            known = reader.drafts_known(considered, [*drafts, *_entries(request)])
            if not known and access is not None:  # a draft may refer to its medicine
                request = access.complete(service, request, body, until, {DRAFT_MEDICATIONS})
                if DRAFT_MEDICATIONS in request.not_had:
                    raise _unknown_order(request)
                known = reader.drafts_known(considered, [*drafts, *_entries(request)])
            if not known:
                return speak(None, voice)
        if access is not None:
            request = access.complete(service, request, body, until)
        read = partial(
            reader.read,
            request.patient_id,
            _entries(request),
            [key for key, received in request.received.items() if received.state == "told"],
            current_day(settings),
            unreadable=len(request.unreadable),
        )
        chart = read(drafts=drafts)
        if chart is None:
            raise PreconditionFailed(REQUIRED, service.prefetch[REQUIRED], request.not_had.get(REQUIRED))
        without = read() if request.hook is PROBLEM_LIST_ITEM_CREATE else None
        occasion = _LIKE.get(request.hook.name, request.hook.name)
        decision = decide(rules, chart, occasion, judged=judged, without_problems=without)
        return present(service.id, request, decision, voice, build)

    return answer


def current_day(settings: Settings) -> date:
    """Today in UTC, or the day that the service's clock was set to."""
    return settings.today or datetime.now(UTC).date()


def _voice(service: Service, request: HookRequest[Resource], language: str, body: bytes) -> Voice:
    issuer = request.caller.iss if request.caller else ""
    # A checksum will do: nobody gains by forging the names of their own cards.
    seed = "|".join((issuer, service.id, request.hook_instance, language, f"{request.checksum:08x}"))
    return Voice(language, request.patient_id, seed, AsReceived(body, request.hook.drafts))


def _unknown_order(request: HookRequest[Resource]) -> Refusal:
    """412: an order whose medicine is kept elsewhere and could not be had is not one that concerns nobody."""
    return Refusal(
        Issue(
            code="required",
            text="The medicine of a draft order is needed. Send it as a concept, or contained in the order.",
            expression=f"context.{request.hook.drafts}",
            diagnostics=f"From the FHIR server it was not had: {request.not_had[DRAFT_MEDICATIONS]}.",
        ),
        status=412,
    )


def _entries(request: HookRequest[Resource]) -> list[Entry[Resource]]:
    return [entry for received in request.received.values() for entry in received.entries]


def _language(accepted: LanguageAccept, otherwise: str) -> str:
    """The first of the reader's languages that we speak, by its primary subtag ("zh-CN" is zh), else the site's own."""
    for tag, quality in accepted:
        primary = tag.partition("-")[0].lower()
        if quality > 0 and primary in LANGUAGES:
            return primary
    return otherwise


def _judged(request: HookRequest[Resource], drafts: Sequence[Entry[Resource]]) -> frozenset[str] | None:
    """The drafts a hook is about: the selections where there are any we can find, else all of them."""
    if request.hook.selections is None:
        return None
    names = {entry.resource.reference for entry in drafts}
    found = frozenset(selection for selection in request.selections if selection in names)
    return found or None
