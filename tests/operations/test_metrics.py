"""What the service counts, asked for as Prometheus does; and the page that explains each name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cds_hooks import Unauthorized
from service import metrics, workers
from service.app import create_app
from service.callers import trust_of
from service.config import IssuerSettings, Settings
from tests.builder import Record
from tests.command_line import ROOT
from tests.fhir_pieces import TODAY
from tests.front_door import application, ask, post, request_body
from tests.wire.fhir_host import hosting, keeping

DOCUMENT: Final = ROOT / "deploy" / "README.md"


def sample(name: str, **labels: str) -> float:
    """The value of a sample as /metrics tells it, 0 where it has not been counted yet."""
    text = application(TODAY).test_client().get("/metrics").get_data(as_text=True)
    return next(
        (
            found.value
            for family in text_string_to_metric_families(text)
            for found in family.samples
            if found.name == name and found.labels == labels
        ),
        0.0,
    )


def test_the_page_names_each_metric_with_its_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(osteohooks_\w+)` \| ([^|]*)\|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    # The library keeps the label names of a metric to itself.
    registered: list[Any] = list(metrics.REGISTRY._collector_to_names)
    assert told == {metric._name: tuple(metric._labelnames) for metric in registered}
    assert len(rows) == len(told)


def test_answers_are_timed_and_counted_by_hook_and_status() -> None:
    before = [
        sample("osteohooks_answers_total", hook="patient-view", status=status) for status in ("200", "400", "412")
    ]
    timed = sample("osteohooks_answer_seconds_count", hook="patient-view")
    assert ask(Record().condition("breast-cancer")).status == 200
    assert post(b"{").status == 400
    assert ask({"patient": {"resourceType": "Patient", "id": "x"}}, omit=["patient"]).status == 412
    after = [sample("osteohooks_answers_total", hook="patient-view", status=status) for status in ("200", "400", "412")]
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 1, 1]
    assert sample("osteohooks_answer_seconds_count", hook="patient-view") == timed + 3


def test_discovery_and_unknown_services_are_not_timed() -> None:
    def whole() -> float:
        return sum(sample("osteohooks_answer_seconds_count", hook=hook) for hook in ("patient-view", "order-sign"))

    before = whole()
    client = application(TODAY).test_client()
    assert client.get("/cds-services").status_code == 200
    assert client.post("/cds-services/none", json={}).status_code == 404
    assert client.get("/cds-services/bone-health-patient-view").status_code == 405
    assert whole() == before


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (None, "told"),
        ({"resourceType": "OperationOutcome"}, "failed"),
        ({"resourceType": "Bundle", "link": [{"relation": "next", "url": "x"}]}, "partial"),
        ("absent", "absent"),
    ],
)
def test_each_advertised_key_is_counted_by_what_it_brought(value: Any, state: str) -> None:
    before = sample("osteohooks_prefetch_total", key="dxa", state=state)
    prefetch = {**Record().prefetch(), "dxa": value, "stray": None}
    assert ask(prefetch, omit=["dxa"] if value == "absent" else []).status == 200
    assert sample("osteohooks_prefetch_total", key="dxa", state=state) == before + 1
    assert sample("osteohooks_prefetch_total", key="stray", state="told") == 0


def test_a_refused_token_is_counted_by_its_cause() -> None:
    settings = Settings(
        public_base_url="http://127.0.0.1:8080", issuers=(IssuerSettings(iss="a", jku="http://127.0.0.1:1/jwks"),)
    )
    before = sample("osteohooks_callers_refused_total", cause="no-token")
    assert create_app(settings).test_client().get("/cds-services").status_code == 401
    assert sample("osteohooks_callers_refused_total", cause="no-token") == before + 1
    trust = trust_of(settings)
    assert trust is not None
    with pytest.raises(Unauthorized):
        trust.authenticate(["/"], "Bearer x")
    assert sample("osteohooks_callers_refused_total", cause="malformed") >= 1


@pytest.mark.parametrize(("allowed", "ended"), [(True, "had"), (False, "server-not-allowed")])
def test_a_fetch_is_counted_by_key_and_end(allowed: bool, ended: str) -> None:
    timed = sample("osteohooks_fhir_fetch_seconds_count")
    before = sample("osteohooks_fhir_fetches_total", key="dxa", ended=ended)
    body = request_body({key: value for key, value in Record().prefetch().items() if key != "dxa"})
    with hosting(keeping([])) as server:
        named = server.url if allowed else "http://127.0.0.1:1/fhir"
        token = {
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "user/*.rs",
            "subject": "osteohooks",
        }
        settings = Settings(today=TODAY, private_fhir_servers=(server.url,), fhir_seconds=5.0)
        sent = {**body, "fhirServer": named, "fhirAuthorization": token}
        client = create_app(settings).test_client()
        assert client.post("/cds-services/bone-health-patient-view", json=sent).status_code == 200
    assert sample("osteohooks_fhir_fetches_total", key="dxa", ended=ended) == before + 1
    assert sample("osteohooks_fhir_fetch_seconds_count") == timed + 1


# -- the workers' folder ---------------------------------------------------------------------------

_WORKER: Final = """
from service import metrics
metrics.ANSWERS["patient-view", "200"].inc(3)
metrics.STORE_QUEUE.set(5)
import sys
if "tell" in sys.argv:
    print(metrics.exposition().decode())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with workers.shared_metrics() as made:
        yield made
    assert not made.exists()
    assert workers.METRICS_FOLDER not in os.environ


def run_worker(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.usefixtures("folder")
def test_one_worker_tells_what_all_have_counted_and_what_only_the_living_wait_for() -> None:
    run_worker()
    lines = run_worker("tell").splitlines()
    assert 'osteohooks_answers_total{hook="patient-view",status="200"} 6.0' in lines
    assert "osteohooks_store_queue 5.0" in lines


def test_what_a_killed_server_left_is_cleared_away_and_what_a_running_one_has_is_not() -> None:
    with workers.shared_metrics() as first:
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        left = first.with_name(f"osteohooks-metrics-{gone.pid}-left")
        left.mkdir()
        with workers.shared_metrics():
            assert first.exists()
            assert not left.exists()
        os.environ[workers.METRICS_FOLDER] = str(first)


def test_without_a_file_system_in_memory_the_folder_is_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_MEMORY", tmp_path / "none")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with workers.shared_metrics() as made:
        assert made.parent == tmp_path


def test_a_process_of_another_user_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_allowed(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", not_allowed)
    assert workers.is_running(1)
