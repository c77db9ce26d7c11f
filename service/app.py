"""The application factory: settings in, Flask out. Everything a request needs is compiled here, once."""

import gc
import os
from contextlib import ExitStack
from multiprocessing.util import Finalize
from typing import Any

from flask import Flask
from flask import Response as FlaskResponse
from werkzeug.exceptions import NotFound

from cds_hooks import HOOKS, PATH, Parser, Service, blueprint
from fhir_profiles import RecordReader, Resource, lookups, templates
from service import metrics
from service.answering import REQUIRED, answerer, current_day
from service.config import Settings
from service.demo import demo_request
from service.logs import watch_threads
from service.loop import counted, presenting
from service.operations import operate
from service.rules import Rules, load_rules
from service.store import Store

__all__ = ["create_app", "wsgi"]

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
# How many more things than before make the collector look for circles.
_NEW_THINGS = 10_000
_DESCRIPTION = "{what}, for women on an aromatase inhibitor or about to start one. Not reviewed by a clinician."


def create_app(settings: Settings | None = None, *, in_process: bool = False) -> Flask:
    """The WSGI application, which checks its clients as the settings say, or nobody when it is asked `in_process` only.

    Unless `in_process`, whoever makes it closes `app.extensions["store"]` in the end: it has threads, and rows that
    wait to be written.
    Raises `service.rules.Flawed` when the rules cannot be run, SettingsError when the settings are refused.
    """
    settings = settings or Settings.load(os.environ)
    rules = load_rules(settings.market, leading=settings.leading_guideline)
    if in_process:
        return _assembled(settings, rules, None)
    settings.judge()
    with ExitStack() as opened:
        store = Store(settings, on_lost=metrics.rows_lost)
        opened.callback(store.close)
        app = _assembled(settings, rules, store)
        opened.pop_all()
    return app


def _assembled(settings: Settings, rules: Rules, store: Store | None) -> Flask:
    """The application; without a store nobody is checked, nothing fetched and nothing kept."""
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
            required=frozenset({REQUIRED}),
            lookups=lookups(HOOKS[hook].drafts),
        )
        for hook, (title, what) in _TITLES.items()
    ]
    app = Flask(__name__)
    trust = access = None
    if store is not None and settings.names_clients:
        # With them come cryptography and requests: 7 MiB more in each worker.
        from service.access import access_of
        from service.callers import trust_of

        trust = trust_of(settings, store.replay)
        access = access_of(settings, parser, len(prefetch), lambda: current_day(settings))
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


def _demo(hook: str, settings: Settings) -> FlaskResponse:
    try:
        return FlaskResponse(demo_request(hook, current_day(settings)), mimetype="application/json")
    except FileNotFoundError:
        raise NotFound from None


def wsgi(*_: Any) -> Flask:
    """What the production server asks a worker for."""
    watch_threads()
    app = create_app()
    # A worker ends without the interpreter's own clearing up (os._exit); what multiprocessing calls is called.
    Finalize(None, app.extensions["store"].close, exitpriority=0)
    # The rules live as long as the process: the collector need not walk them on every sweep. An answer makes thousands
    # of things that go with it, hardly any of them in a circle: to look for those so often would cost up to a tenth.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_THINGS)
    return app
