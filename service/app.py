"""The application factory: settings in, Flask out. Everything a request needs is compiled here, once."""

import gc
import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property, partial
from multiprocessing.util import Finalize
from typing import Any
from zlib import crc32

import msgspec
from flask import Flask
from flask import Response as FlaskResponse
from msgspec import Raw, Struct
from werkzeug.datastructures import LanguageAccept
from werkzeug.exceptions import NotFound

from cds_hooks import (
    HOOKS,
    PATH,
    PROBLEM_LIST_ITEM_CREATE,
    Entry,
    FhirAccess,
    Guard,
    HookRequest,
    Parser,
    PreconditionFailed,
    Refusal,
    Service,
    blueprint,
    build_all,
)
from cds_hooks.errors import Issue
from fhir_profiles import DRAFT_MEDICATIONS, RecordReader, Resource, lookups, templates
from service import metrics
from service.access import access_of
from service.callers import trust_of
from service.config import Settings
from service.decide import decide
from service.demo import demo_request
from service.logs import watch_threads
from service.loop import counted, presenting
from service.operations import operate
from service.presenting import Presenting
from service.rules import Rules, load_rules
from service.speak import Voice, speak
from service.store import Store
from service.words import LANGUAGES

__all__ = ["answerer", "create_app", "wsgi"]

_TITLES = {
    "patient-view": (
        "Bone health, chart opened",
        "Fracture risk tier, supplements, bone-modifying agents and monitoring",
    ),
    "order-select": ("Bone health, order chosen", "What a chosen aromatase inhibitor or bone drug does to the bone"),
    "order-sign": (
        "Bone health, order signed",
        "Last check of an aromatase inhibitor or bone drug before it is signed",
    ),
    "encounter-start": (
        "Bone health, encounter started",
        "Fracture risk tier, supplements, bone-modifying agents and monitoring",
    ),
    "medication-refill": (
        "Bone health, medication renewed",
        "Check of an aromatase inhibitor or bone drug that is about to be renewed",
    ),
    "problem-list-item-create": (
        "Bone health, problem added",
        "What a new fracture or diagnosis does to the fracture risk tier, and what to do then",
    ),
}
# The occasions that a guideline's pages tell apart are three; the other hooks are like one of them.
_LIKE = {
    "encounter-start": "patient-view",
    "medication-refill": "order-sign",
    "problem-list-item-create": "patient-view",
}
_DESCRIPTION = "{what}, for women on an aromatase inhibitor or about to start one. Not reviewed by a clinician."

_REQUIRED = "patient"


def create_app(settings: Settings | None = None, *, in_process: bool = False) -> Flask:
    """The WSGI application, which checks its clients as the settings say, or nobody when it is asked `in_process` only.

    Raises `service.rules.Flawed` when the rules cannot be run, SettingsError when the settings are refused.
    """
    settings = settings or Settings.load(os.environ)
    store = None if in_process else Store(settings, on_lost=metrics.rows_lost)
    trust = None if store is None else trust_of(settings, store.replay)
    rules = load_rules(settings.market, leading=settings.leading_guideline)
    reader = RecordReader(rules.terms)
    parser = Parser(Resource)
    prefetch = templates(rules.terms)
    services = [
        Service(
            id=f"bone-health-{hook}",
            hook=HOOKS[hook],
            title=title,
            description=_DESCRIPTION.format(what=what),
            prefetch=prefetch,
            required=frozenset({_REQUIRED}),
            lookups=lookups(HOOKS[hook].drafts),
        )
        for hook, (title, what) in _TITLES.items()
    ]
    app = Flask(__name__)
    access = None if in_process else access_of(settings, parser, len(prefetch), lambda: _today(settings))
    present = presenting(settings, rules, store)
    answer = answerer(settings, rules, reader, present, access)
    app.register_blueprint(
        blueprint(
            services,
            parser,
            answer,
            origins=settings.origins,
            max_body=settings.max_body_bytes,
            time_limit=settings.time_limit_seconds,
            authenticate=None if trust is None else trust.authenticate,
            open_discovery=settings.open_discovery,
            feedback=None if store is None else counted(store.feedback.take),
        )
    )
    app.extensions |= {"store": store, "presenting": present}
    calls = {f"{PATH}/{service.id}": service.hook.name for service in services}
    if store is not None:
        calls |= {f"{path}/feedback": "feedback" for path in calls}
    # Where a token may count once only, nobody can be let in while used ones are not known.
    needed = ["tokens"] if trust is not None and settings.replay == "strict" else []
    operate(app, calls, {} if store is None else store.checks, needed=needed)
    if settings.mode == "demo":
        app.add_url_rule("/demo/<hook>.json", "demo", lambda hook: _demo(hook, settings))
    return app


def answerer(
    settings: Settings,
    rules: Rules,
    reader: RecordReader,
    present: Presenting,
    access: FhirAccess[Resource] | None = None,
) -> Callable[[Service, HookRequest[Resource], LanguageAccept, bytes], bytes]:
    """The function from a request to the JSON of its answer: read, decide, speak. With `access`, what prefetch left out
    is fetched first, unless no draft order is one we know."""
    # In production a card that cannot be built costs no other card; elsewhere it costs the answer, and is seen.
    build = Guard(metrics.card_dropped).cards if settings.mode == "production" else build_all

    def answer(service: Service, request: HookRequest[Resource], languages: LanguageAccept, body: bytes) -> bytes:
        metrics.prefetched(service.prefetch, request.received)
        language = _language(languages, settings.language)
        drafts = request.drafts
        entries = _entries(request)
        until = 0.0 if access is None else access.until()
        judged = _judged(request, drafts)
        considered = [entry for entry in drafts if judged is None or _name(entry.resource) in judged]
        voice = Voice(
            language=language,
            patient_id=request.patient_id,
            # The checksum tells a repeat from another body; nobody gains by forging the names of their own cards.
            seed="|".join(
                (
                    request.caller.iss if request.caller else "",
                    service.id,
                    request.hook_instance,
                    language,
                    f"{crc32(body):08x}",
                )
            ),
            draft=_AsReceived(body, request.hook.drafts),
        )
        if request.hook.drafts is not None and not reader.drafts_known(considered, [*drafts, *entries]):
            if access is not None:  # a draft may refer to its medicine
                request = access.complete(service, request, body, until, {DRAFT_MEDICATIONS})
                entries = _entries(request)
                if DRAFT_MEDICATIONS in request.not_had:
                    raise _unknown_order(request)
            if not reader.drafts_known(considered, [*drafts, *entries]):
                return speak(None, voice)
        if access is not None:
            request = access.complete(service, request, body, until)
            entries = _entries(request)
        read = partial(
            reader.read,
            request.patient_id,
            entries,
            [key for key, received in request.received.items() if received.state == "told"],
            _today(settings),
            unreadable=len(request.unreadable),
        )
        chart = read(drafts=drafts)
        if chart is None:
            raise PreconditionFailed(_REQUIRED, service.prefetch[_REQUIRED], request.not_had.get(_REQUIRED))
        without = read() if request.hook is PROBLEM_LIST_ITEM_CREATE else None
        occasion = _LIKE.get(request.hook.name, request.hook.name)
        decision = decide(rules, chart, occasion, judged=judged, without_problems=without)
        return present(service.id, request, decision, voice, build)

    return answer


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


def _today(settings: Settings) -> date:
    return settings.today or datetime.now(UTC).date()


def _demo(hook: str, settings: Settings) -> FlaskResponse:
    try:
        return FlaskResponse(demo_request(hook, _today(settings)), mimetype="application/json")
    except FileNotFoundError:
        raise NotFound from None


def _name(resource: Resource) -> str | None:
    return f"{resource.resourceType}/{resource.id}" if resource.id else None


def _judged(request: HookRequest[Resource], drafts: Sequence[Entry[Resource]]) -> frozenset[str] | None:
    """The drafts a hook is about: the selections where there are any we can find, else all of them."""
    if request.hook.selections is None:
        return None
    names = {_name(entry.resource) for entry in drafts}
    found = frozenset(selection for selection in request.selections if selection in names)
    return found or None


class _Drafts(Struct):
    entry: list[Raw] | None = None


class _Body(Struct):
    """Where the drafts of a request lie, each as it was received."""

    context: dict[str, Raw]


class _Entry(Struct):
    resource: dict[str, Any]


class _Named(Struct):
    resourceType: Any = None
    id: Any = None


class _NamedEntry(Struct):
    resource: _Named


_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


class _AsReceived:
    """The drafts of a request as they were received, every member of them that may be sent back."""

    def __init__(self, body: bytes, member: str | None) -> None:
        """`member` is the one of the context that holds the drafts."""
        self._body, self._member = body, member

    def __call__(self, name: str) -> dict[str, Any] | None:
        """The draft of a name; None where nobody could refer to it, and where not all of it can be read."""
        if _FHIR_ID.fullmatch(name.partition("/")[2]) is None or name not in self._entries:
            return None
        try:
            draft: dict[str, Any] = _sendable(msgspec.json.decode(self._entries[name], type=_Entry).resource)
        except msgspec.DecodeError:
            return None  # what cannot be read whole is not sent back in part
        return draft

    @cached_property
    def _entries(self) -> dict[str, Raw]:
        if self._member is None:
            return {}
        drafts = msgspec.json.decode(msgspec.json.decode(self._body, type=_Body).context[self._member], type=_Drafts)
        found: dict[str, Raw] = {}
        for entry in drafts.entry or ():
            try:
                named = msgspec.json.decode(entry, type=_NamedEntry).resource
            except msgspec.DecodeError:
                continue  # a neighbour may be anything
            found.setdefault(f"{named.resourceType}/{named.id}", entry)
        return found


def _sendable(node: Any) -> Any:
    """A part of a resource as received, without the nulls and empty members that an answer must not hold."""
    if isinstance(node, dict):
        members = {name: _sendable(member) for name, member in node.items()}
        return {name: member for name, member in members.items() if member not in _EMPTY}
    return [item for item in map(_sendable, node) if item not in _EMPTY] if isinstance(node, list) else node


# CDS Hooks 2.0, "Use of JSON": a JSON element is never null or empty.
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def wsgi(*_: Any) -> Flask:
    """What the production server asks a worker for."""
    watch_threads()
    app = create_app()
    # A worker ends without the interpreter's own clearing up (os._exit); what multiprocessing calls is called.
    Finalize(None, app.extensions["store"].close, exitpriority=0)
    # The rules live as long as the process: the collector need not walk them on every sweep.
    gc.collect()
    gc.freeze()
    return app
