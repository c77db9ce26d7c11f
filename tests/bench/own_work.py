"""Where a request's time goes inside the process: parse, read, decide, speak, and the way through Flask.

python -m tests.bench.own_work [--profile FILE]   # processor time; the profile as text
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import io
import pstats
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from time import process_time_ns
from typing import Final

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from cds_hooks import HOOKS, Parser
from fhir_profiles import RecordReader, Resource
from service.app import create_app
from service.config import Settings
from service.decide import decide
from service.rules import load_rules
from service.speak import speak
from service.voice import Voice
from tests.bench.bodies import Body, bodies
from tests.bench.machine import conditions
from tests.fhir_pieces import TODAY

__all__ = ["in_process", "main", "steps", "through"]

_CALLS: Final = 10
_ROUNDS: Final = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of the steps; with `--profile` write where the calls of one request go."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.own_work")
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args(arguments)
    with in_process() as app:
        print("| request | language | step | ms of processor time |\n|---|---|---|---|")
        for body in bodies().values():
            for language in ("en", "zh"):
                named: dict[str, Callable[[], object]] = dict(steps(body, language))
                figures = [*interleaved(list(named.values())), *interleaved([through(app, body, language)])]
                for step, taken in zip((*named, "whole request"), figures, strict=True):
                    print(f"| {body.name} | {language} | {step} | {taken:.3f} |", flush=True)
        if options.profile is not None:
            text = "\n".join([*conditions(tools=()), "", *profiles(app)])
            options.profile.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")
    return 0


@contextmanager
def in_process(state: Path | None = None, max_body_bytes: int = 8 << 20) -> Iterator[Flask]:
    """The service inside this process, its store in that folder or in one that is gone in the end."""
    with tempfile.TemporaryDirectory() as place:
        folder = str(state or place)
        app = create_app(Settings(today=TODAY, state_directory=folder, max_body_bytes=max_body_bytes))
        try:
            yield app
        finally:
            app.extensions["store"].close()


def steps(body: Body, language: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each step of the flow alone, on what the step before it gave."""
    rules = load_rules()
    reader = RecordReader(rules.terms)
    parser, hook = Parser(Resource), HOOKS[body.hook]
    request = parser.parse(body.content, hook)
    entries = [entry for received in request.received.values() for entry in received.entries]
    drafts, told = request.drafts, list(request.received)
    chart = reader.read(request.patient_id, entries, told, TODAY, drafts=drafts)
    assert chart is not None
    decision = decide(rules, chart, body.hook)
    voice = Voice(language, request.patient_id, "seed", lambda name: None)
    yield "parse", lambda: parser.parse(body.content, hook)
    yield "read", lambda: reader.read(request.patient_id, entries, told, TODAY, drafts=drafts)
    yield "decide", lambda: decide(rules, chart, body.hook)
    yield "speak", lambda: speak(decision, voice)


def through(app: Flask, body: Body, language: str) -> Callable[[], object]:
    """The whole request as the server hands it over."""
    builder = EnvironBuilder(
        f"/cds-services/{body.service}",
        method="POST",
        content_type="application/json",
        headers=[("Accept-Language", language)],
    )
    environ = builder.get_environ()

    def call() -> object:
        own = {**environ, "wsgi.input": BytesIO(body.content), "CONTENT_LENGTH": str(len(body.content))}
        chunks, status, _ = run_wsgi_app(app, own, buffered=True)
        assert status.startswith("200"), status
        return chunks

    return call


def interleaved(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Milliseconds of processor time of each call, the least of rounds that go over all of them:
    other processes can only add to it."""
    gc.collect()
    gc.freeze()
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(_ROUNDS):
        for place, call in enumerate(calls):
            began = process_time_ns()
            for _ in range(_CALLS):
                call()
            taken[place].append((process_time_ns() - began) / _CALLS / 1e6)
    return [min(each) for each in taken]


def profiles(app: Flask) -> Iterator[str]:
    """What cProfile sees of 200 requests of each body; its own cost weighs most on small functions."""
    for body in bodies().values():
        call = through(app, body, "en")
        call()
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(200):
            call()
        profile.disable()
        text = io.StringIO()
        pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(35)
        yield f"## {body.name}, 200 requests\n\n{text.getvalue()}"


if __name__ == "__main__":
    sys.exit(main())
