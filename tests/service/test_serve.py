"""The server for real: it greets, answers, stops, says which port is taken; and the demo that asks it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.command_line import OSTEOHOOKS, ROOT, Run, environment
from tests.wire_rules import check_response


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_taken_port_gives_one_sentence_and_the_way_out(run: Run, taken_port: int) -> None:
    assert run("serve", "--port", taken_port) == (
        2,
        "",
        f"osteohooks: cannot listen on 127.0.0.1:{taken_port} (Address already in use); "
        f"name another port: osteohooks serve --port {taken_port + 1}\n",
    )


def test_no_port_above_the_last_is_named(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 65535))
        listener.listen()
        assert run("serve", "--port", 65535)[2].endswith("osteohooks serve --port 8080\n")


def greeting_of(server: subprocess.Popen[str]) -> list[str]:
    """What the demo prints, up to the line to paste."""
    lines = []
    assert server.stdout is not None
    for line in server.stdout:
        lines.append(line.rstrip("\n"))
        if "curl" in line:
            return lines
    raise AssertionError(f"the server ended without its greeting: {lines}")


def test_the_server_greets_answers_and_stops(tmp_path: Path) -> None:
    port = free_port()
    settings = tmp_path / "settings.toml"
    settings.write_text(f'language = "en"\nport = {port}\nworkers = 2\n')
    server = subprocess.Popen(
        [*OSTEOHOOKS, "serve", "--config", str(settings), "--host", "127.0.0.1"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    with server:
        try:
            lines = greeting_of(server)
            assert "The answer to one order-sign hook for a made-up patient:" in lines
            assert any(line.startswith("[WARNING] ") for line in lines)
            assert f"Discovery: {url}/cds-services" in lines
            discovered = requests.get(f"{url}/cds-services", timeout=10)
            assert len(discovered.json()["services"]) == 6
            # curl is assumed by the line itself; without it this fails here and says so.
            pasted = subprocess.run(["bash", "-c", lines[-1]], capture_output=True, text=True, check=False)
            assert (pasted.returncode, pasted.stderr) == (0, ""), "the printed line does not run: is curl installed?"
            answer = json.loads(pasted.stdout)
            check_response(answer)
            # fhir.resources has checked the orders, in a process that is gone: no worker has inherited it.
            family = psutil.Process(server.pid).children(recursive=True)
            loaded = [Path(f"/proc/{process.pid}/maps").read_text() for process in family]
            assert [sum(library in maps for maps in loaded) for library in ("_granian", "_pydantic")] == [2, 0]
            assert any(f"[WARNING] {card['summary']}" in lines for card in answer["cards"])
            again = subprocess.run(
                [*OSTEOHOOKS, "serve", "--port", str(port)],
                cwd=ROOT,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert again.returncode == 2
            assert again.stderr.startswith(f"osteohooks: cannot listen on 127.0.0.1:{port} ")
        finally:
            server.send_signal(signal.SIGTERM)
            _, err = server.communicate(timeout=30)
    assert "Traceback" not in err
    assert server.returncode == 0
    # Its workers were of its own process group, and none of them is left.
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


# -- what a start needs and no worker does -----------------------------------------------------------------------------


def test_a_store_that_cannot_be_opened_is_told_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*OSTEOHOOKS, "serve", "--port", str(free_port())],
        cwd=ROOT,
        env={**environment(), "OSTEOHOOKS_STATE_DIRECTORY": str(tmp_path / "file" / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "osteohooks: state_directory: cannot be made: Not a directory\n")


def prepared(code: str) -> subprocess.CompletedProcess[str]:
    """What comes of code that has something done by `_apart`, within a minute."""
    command = [sys.executable, "-c", f"from service.commands.serve import _apart\n{code}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_a_fault_in_what_prepares_a_start_is_told_with_its_place() -> None:
    done = prepared("_apart(lambda _: 1 / 0, None)")
    assert done.returncode == 1
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "in <lambda>" in done.stderr


def test_a_fault_that_cannot_go_over_is_told_by_its_kind() -> None:
    done = prepared("def fail(_):\n    class Own(Exception): pass\n    raise Own('of this place')\n_apart(fail, None)")
    assert "RuntimeError: the start cannot be prepared: Own" in done.stderr
    assert "of this place" in done.stderr


def test_a_call_that_hangs_does_not_keep_the_start() -> None:
    done = prepared(
        "import time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "_apart(lambda _: ThreadPoolExecutor(1).submit(time.sleep, 600), None)"
    )
    assert done.returncode == 0, done.stderr


def test_what_prepares_a_start_may_be_killed() -> None:
    done = prepared("import os; _apart(lambda _: os._exit(0), None)")
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: the process that prepares the start was ended\n")


# What a worker needs for some sites only, or never: up to 13 MiB each.
LARGE = ("alembic", "cryptography", "fhir", "jwt", "psycopg", "pydantic", "requests", "sqlalchemy.dialects.postgresql")
AS_A_WORKER = f"""
import sys
from service.app import wsgi

app = wsgi()
client = app.test_client()
answer = client.post("/cds-services/bone-health-order-sign", json=client.get("/demo/order-sign.json").json)
assert answer.get_json()["cards"]
app.extensions["store"].close()
print(*sorted(sys.modules.keys() & set({LARGE})))
"""


@pytest.mark.parametrize(
    ("given", "loaded"),
    [
        ({}, ""),
        ({"FHIR_SERVERS": "https://fhir.example.org/r4"}, "cryptography jwt requests"),
        ({"COMMENTS": "encrypt", "COMMENT_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}, "cryptography"),
    ],
)
def test_a_worker_loads_what_its_site_needs(given: Mapping[str, str], loaded: str, tmp_path: Path) -> None:
    given = {"STATE_DIRECTORY": str(tmp_path), **given}
    env = environment() | {f"OSTEOHOOKS_{name}": value for name, value in given.items()}
    subprocess.run([*OSTEOHOOKS, "db", "upgrade"], cwd=ROOT, env=env, capture_output=True, check=True)
    done = subprocess.run(
        [sys.executable, "-c", AS_A_WORKER], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (loaded, "")


# -- demo --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.commands.demo._START_WITHIN", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_demo_against_nothing(run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert run("demo", "--url", url) == (2, "", f"osteohooks: no service answers at {url}\n")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1"])
def test_a_demo_against_no_address(url: str, run: Run) -> None:
    status, out, err = run("demo", "--url", url)
    assert (status, out) == (2, "")
    assert err.startswith(f"osteohooks: {url} cannot be asked (")


@pytest.fixture
def stranger() -> Iterator[Callable[[int, bytes], str]]:
    """Starts another service that answers everything alike; gives its address."""
    started: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: the test run is not its log."""

        server = HTTPServer(("127.0.0.1", 0), Answers)
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [(404, b"<html>", "HTTPError"), (500, b"", "HTTPError"), (200, b"<html>", "JSONDecodeError")],
)
def test_a_demo_against_another_service(
    status: int, body: bytes, why: str, stranger: Callable[[int, bytes], str], run: Run
) -> None:
    url = stranger(status, body)
    assert run("demo", "--url", url) == (2, "", f"osteohooks: {url} did not answer the demo ({why})\n")


@pytest.mark.parametrize("body", [b"[]", b"{}", b'"cards"'])
def test_a_demo_against_a_service_of_another_kind(body: bytes, stranger: Callable[[int, bytes], str], run: Run) -> None:
    url = stranger(200, body)
    assert run("demo", "--url", url) == (2, "", f"osteohooks: {url} is another service\n")


def test_the_demo_s_words(stranger: Callable[[int, bytes], str], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # does not lead to this machine, and is not asked
    url = stranger(200, b'{"cards": []}')
    status, out, err = run("demo", "--url", url)
    assert (status, err) == (0, "")
    assert out.startswith("The answer to one order-sign hook for a made-up patient:\n\nNo cards:")
    assert f"Discovery: {url}/cds-services\n" in out
