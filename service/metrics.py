"""What the service counts of itself; deploy/README.md explains each name, and a test holds the two together.

No label holds anything that a client sent: hooks, keys, rules, outcomes and causes are our own words. The server's
workers count in the folder that their parent made (`workers.py`), so that one of them can answer for all.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cds_hooks import Received
from fhir_profiles import Resource
from service.workers import METRICS_FOLDER, is_running

__all__ = ["CONTENT_TYPE", "REGISTRY", "Counts", "exposition"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
REGISTRY: Final = CollectorRegistry()

disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types for it


class Counts(dict[tuple[str, ...], Counter]):
    """A counter by the values of its labels. To look one up again takes no lock, which `Counter.labels` does."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        super().__init__()
        self._counter = Counter(name, documentation, labels, registry=REGISTRY)

    def __missing__(self, values: tuple[str, ...]) -> Counter:
        child = self[values] = self._counter.labels(*values)
        return child


# Up to the five seconds after which no client waits; most of them where an answer from prefetch lies.
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

ANSWER_SECONDS: Final = Histogram(
    "osteohooks_answer_seconds",
    "Time from a call of a hook to its answer, in seconds, whatever the status.",
    ["hook"],
    registry=REGISTRY,
    buckets=_SECONDS,
)
ANSWERS: Final = Counts("osteohooks_answers", "Answers to calls of a hook, by HTTP status.", "hook", "status")
CARDS: Final = Counts("osteohooks_cards", "Outcomes on cards that were shown.", "rule", "outcome", "indicator")
HELD_BACK: Final = Counts(
    "osteohooks_held_back", "Outcomes that were found and not shown, by why.", "rule", "outcome", "why"
)
PREFETCH: Final = Counts(
    "osteohooks_prefetch", "Advertised prefetch keys, by what a request brought under them.", "key", "state"
)
FHIR_FETCHES: Final = Counts(
    "osteohooks_fhir_fetches", "Queries to a client's FHIR server, by key and how they ended.", "key", "ended"
)
FHIR_FETCH_SECONDS: Final = Histogram(
    "osteohooks_fhir_fetch_seconds",
    "Time that the queries of one call to a FHIR server took together, in seconds.",
    registry=REGISTRY,
    buckets=_SECONDS,
)
CALLERS_REFUSED: Final = Counts(
    "osteohooks_callers_refused", "Tokens that were refused or let in with a remark, by cause.", "cause"
)
CARDS_DROPPED: Final = Counts("osteohooks_cards_dropped", "Cards that could not be built, by the broken rule.", "rule")
FEEDBACK: Final = Counts("osteohooks_feedback", "Feedback that was stored, by outcome.", "outcome")
STORE_QUEUE: Final = Gauge(
    "osteohooks_store_queue",
    "Records of answers that wait to be stored.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
STORE_LOST: Final = Counts("osteohooks_store_lost", "Records of answers that were never stored, by cause.", "cause")
MEMORY_AGE: Final = Gauge(
    "osteohooks_memory_age_seconds",
    "Age of the oldest worker's picture of what is held back, in seconds.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)


def prefetched(advertised: Iterable[str], received: Mapping[str, Received[Resource]]) -> None:
    """Count what a request brought under each advertised key: told, partial, failed, or absent."""
    for key in advertised:
        found = received.get(key)
        PREFETCH[key, "absent" if found is None else found.state].inc()


def caller_refused(cause: str) -> None:
    """Count a token that was refused, or let in with a remark."""
    CALLERS_REFUSED[cause,].inc()


def card_dropped(rule: str) -> None:
    """Count a card that could not be built; `rule` is the one it breaks, or where it failed."""
    CARDS_DROPPED[rule,].inc()


def fhir_fetched(ended: Mapping[str, str], seconds: float) -> None:
    """Count the queries of one call to a client's FHIR server: by prefetch key one word for how each ended, and how
    long they took together."""
    FHIR_FETCH_SECONDS.observe(seconds)
    for key, how in ended.items():
        FHIR_FETCHES[key, how].inc()


def rows_lost(cause: str, rows: int) -> None:
    """Count rows of the journal that were never stored."""
    STORE_LOST[cause,].inc(rows)


def exposition() -> bytes:
    """Everything counted so far, by all workers where they share a folder, in the text format of Prometheus."""
    folder = os.environ.get(METRICS_FOLDER)
    if folder is None:
        return generate_latest(REGISTRY)
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not is_running(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call] # the library has no types for it
    shared = CollectorRegistry()
    MultiProcessCollector(shared, folder)  # type: ignore[no-untyped-call] # the library has no types for it
    return generate_latest(shared)
