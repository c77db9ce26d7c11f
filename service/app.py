"""The application factory: settings in, Flask out. Everything a request needs is compiled here, once."""

import gc
import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zlib import crc32

import msgspec
from flask import Flask
from flask import Response as FlaskResponse
from msgspec import Raw, Struct
from werkzeug.datastructures import LanguageAccept
from werkzeug.exceptions import NotFound

from cds_hooks import HOOKS, Entry, Guard, HookRequest, Parser, PreconditionFailed, Service, blueprint, build_all
from fhir_profiles import RecordReader, Resource, templates
from service.callers import trust_of
from service.config import Settings
from service.decide import decide
from service.demo import demo_request
from service.rules import Rules, load_rules
from service.speak import Voice, speak
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
}
_DESCRIPTION = "{what}, for women on an aromatase inhibitor or about to start one. Not reviewed by a clinician."


def create_app(settings: Settings | None = None, *, in_process: bool = False) -> Flask:
    """The WSGI application, which checks its clients as the settings say, or nobody when it is asked `in_process` only.

    Raises `service.rules.Flawed` when the rules cannot be run, SettingsError when the settings are refused.
    """
    settings = settings or Settings.load(os.environ)
    trust = None if in_process else trust_of(settings)
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
        )
        for hook, (title, what) in _TITLES.items()
    ]
    app = Flask(__name__)
    answer = answerer(settings, rules, reader)
    app.register_blueprint(
        blueprint(
            services,
            parser,
            answer,
            origins=settings.origins,
            max_body=settings.max_body_bytes,
            authenticate=None if trust is None else trust.authenticate,
            open_discovery=settings.open_discovery,
        )
    )
    if settings.mode == "demo":
        app.add_url_rule("/demo/<hook>.json", "demo", lambda hook: _demo(hook, settings))
    # The rules live as long as the process: the collector need not walk them on every sweep.
    gc.collect()
    gc.freeze()
    return app


def answerer(
    settings: Settings, rules: Rules, reader: RecordReader
) -> Callable[[Service, HookRequest[Resource], LanguageAccept, bytes], bytes]:
    """The function from a request to the JSON of its answer: read, decide, speak."""
    # In production a card that cannot be built costs no other card; elsewhere it costs the answer, and is seen.
    build = Guard().cards if settings.mode == "production" else build_all

    def answer(service: Service, request: HookRequest[Resource], languages: LanguageAccept, body: bytes) -> bytes:
        language = _language(languages, settings.language)
        drafts = request.drafts
        entries = [entry for received in request.received.values() for entry in received.entries]
        judged = _judged(request, drafts)
        considered = [entry for entry in drafts if judged is None or _name(entry.resource) in judged]
        voice = Voice(
            language=language,
            patient_id=request.patient_id,
            # The checksum tells a repeat from another body; nobody gains by forging the names of their own cards.
            seed=f"{service.id}|{request.hook_instance}|{language}|{crc32(body):08x}",
            draft=lambda name: _draft(body, name),
        )
        if request.hook.orders is not None and not reader.drafts_known(considered, [*drafts, *entries]):
            return speak(None, voice)
        chart = reader.read(
            request.patient_id,
            entries,
            [key for key, received in request.received.items() if received.state == "told"],
            _today(settings),
            drafts=drafts,
            unreadable=len(request.unreadable),
        )
        if chart is None:
            raise PreconditionFailed("patient", service.prefetch["patient"])
        return speak(decide(rules, chart, request.hook.name, judged=judged), voice, build)

    return answer


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


class _Orders(Struct):
    entry: list[Raw]


class _Context(Struct):
    draftOrders: _Orders


class _Body(Struct):
    """Where the drafts of a request lie, each as it was received."""

    context: _Context


class _Entry(Struct):
    resource: dict[str, Any]


_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


def _draft(body: bytes, name: str) -> dict[str, Any] | None:
    """A draft order as it was received, every member of it that may be sent; None where nobody could refer to it."""
    if _FHIR_ID.fullmatch(name.partition("/")[2]) is None:
        return None
    for entry in msgspec.json.decode(body, type=_Body).context.draftOrders.entry:
        try:
            draft: dict[str, Any] = _sendable(msgspec.json.decode(entry, type=_Entry).resource)
        except (msgspec.DecodeError, RecursionError):
            continue  # a neighbour may be anything, and what cannot be read whole is not sent back in part
        if f"{draft.get('resourceType')}/{draft.get('id')}" == name:
            return draft
    return None


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
    return create_app()
