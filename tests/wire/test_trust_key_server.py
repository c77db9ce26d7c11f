"""Published keys: fetched when they are needed, within the time, from the registered address only."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.addresses import addresses
from cds_hooks.deadline import Deadline
from cds_hooks.key_server import FetchedKeys, Unfetched, download
from cds_hooks.keys import KeysAway
from cds_hooks.minting import SigningKey
from tests.wire.clients import JKU, KEY, answer, certificate, key_set, serving

NEW = SigningKey.generate()
SET = key_set(KEY)
WITHIN = 10.0  # seconds, on the busiest machine: what is tried here would take for ever


# -- what is kept, and for how long ----------------------------------------------------------------


class KeyHost:
    """A stand-in for the network: gives `document`, or fails, and counts."""

    def __init__(self, document: bytes | Exception = SET) -> None:
        self.document = document
        self.fetches = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, url: str, seconds: float) -> bytes:
        assert (url, seconds) == (JKU, 5)
        self.fetches += 1
        assert self.gate.wait(10)
        if isinstance(self.document, Exception):
            raise self.document
        return self.document


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Kept:
    """Keys of a host under a clock, which waits for no fetch that it need not wait for."""

    def __init__(self, document: bytes | Exception = SET) -> None:
        self.host, self.clock = KeyHost(document), Clock()
        self.keys = FetchedKeys(
            JKU, fresh=600, usable=86_400, cooldown=30, timeout=5, fetch=self.host, clock=self.clock
        )

    def has(self, key: SigningKey = KEY) -> bool | None:
        """Whether the key is there; None when nobody can tell."""
        try:
            return self.keys.find(key.kid) is not None
        except KeysAway:
            return None

    def settle(self) -> None:
        """Wait for a fetch that was begun in the background."""
        under_way = self.keys._under_way
        assert under_way is None or under_way.wait(10)


def test_the_set_is_fetched_once_and_kept() -> None:
    kept = Kept()
    assert kept.host.fetches == 0
    for kept.clock.now in (1000, 1001, 1300):
        assert kept.has()
    assert kept.host.fetches == 1


def test_a_set_past_half_of_its_time_is_fetched_behind_the_callers_back() -> None:
    kept = Kept()
    assert kept.has()
    kept.clock.now += 301
    kept.host.gate.clear()
    assert kept.has()  # though the host does not answer
    assert kept.has()
    kept.host.gate.set()
    kept.settle()
    assert kept.host.fetches == 2
    kept.clock.now += 299
    assert kept.has()
    assert kept.host.fetches == 2


def test_a_key_that_was_withdrawn_is_not_used_past_its_time() -> None:
    kept = Kept()
    assert kept.has()
    kept.host.document = key_set(NEW)
    kept.clock.now += 601
    assert kept.has() is False
    assert kept.has(NEW)


def test_a_set_that_was_emptied_counts() -> None:
    kept = Kept()
    assert kept.has()
    kept.host.document = b'{"keys":[]}'
    kept.clock.now += 601
    assert kept.has() is False


def test_a_set_whose_host_is_away_serves_for_a_day() -> None:
    kept = Kept()
    assert kept.has()
    kept.host.document = Unfetched("connection")
    kept.clock.now += 86_400
    assert kept.has()
    kept.clock.now += 1
    assert kept.has() is None
    kept.host.document = SET
    kept.clock.now += 30
    assert kept.has()


def test_a_new_key_is_found_at_once() -> None:
    kept = Kept()
    assert kept.has()
    kept.host.document = key_set(KEY, NEW)
    kept.clock.now += 31
    assert kept.has(NEW)
    assert kept.host.fetches == 2


def test_unknown_keys_cause_one_fetch_in_each_cool_down() -> None:
    kept = Kept()
    assert [kept.has(NEW) for _ in range(50)] == [False] * 50
    assert kept.host.fetches == 1
    kept.clock.now += 30
    assert kept.has(NEW) is False
    kept.clock.now += 0.5
    assert [kept.has(SigningKey.generate()) for _ in range(50)] == [False] * 50
    assert kept.host.fetches == 2
    assert kept.has()


def test_a_host_that_is_away_is_asked_once_in_each_cool_down(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept(Unfetched("connection"))
    assert [kept.has() for _ in range(50)] == [None] * 50
    assert kept.host.fetches == 1
    assert caplog.messages == [f"no key set from {JKU}: connection"]
    kept.clock.now += 30
    kept.host.document = SET
    assert kept.has()
    assert kept.host.fetches == 2


def test_nobody_can_tell_that_a_key_is_unknown_while_its_host_is_away() -> None:
    kept = Kept()
    assert kept.has()
    kept.host.document = Unfetched("deadline")
    kept.clock.now += 31
    assert kept.has(NEW) is None
    assert kept.has()


def test_what_is_no_jwk_set_does_not_replace_one(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    assert kept.has()
    kept.host.document = b"<html>"
    kept.clock.now += 601
    assert kept.has()
    assert caplog.messages == [f"no key set from {JKU}: not a JWK set"]


def test_callers_at_once_share_a_fetch() -> None:
    kept = Kept()
    kept.host.gate.clear()
    found: list[bool | None] = []
    threads = [threading.Thread(target=lambda: found.append(kept.has())) for _ in range(8)]
    for thread in threads:
        thread.start()
    kept.host.gate.set()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
    assert kept.host.fetches == 1


def test_nobody_waits_longer_than_the_timeout_and_no_second_fetch_is_begun() -> None:
    host, clock = KeyHost(), Clock()
    host.gate.clear()
    keys = FetchedKeys(
        JKU, fresh=600, usable=900, cooldown=30, timeout=0.05, fetch=lambda url, _: host(url, 5), clock=clock
    )
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(KeysAway):
            keys.find(KEY.kid)
        clock.now += 31
    assert time.monotonic() - started < WITHIN
    assert host.fetches == 1
    under_way = keys._under_way
    host.gate.set()
    assert under_way is not None
    assert under_way.wait(10)
    assert keys.find(KEY.kid) is not None
    assert host.fetches == 1


# -- the fetch -------------------------------------------------------------------------------------


def fetched(url: str, seconds: float = 5, **options: Any) -> bytes | str:
    """The document, or the cause for which there is none."""
    try:
        return download(url, seconds, **{"resolve": addresses, **options})
    except Unfetched as error:
        return str(error)


def test_a_document() -> None:
    with serving(answer(SET)) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/jwks.json?a=b") == SET
        head = server.heads[0].lower()
        assert head.startswith(b"get /jwks.json?a=b http/1.1\r\n")
        assert b"accept-encoding: identity\r\n" in head
        assert b"authorization" not in head


def test_a_document_over_tls(tmp_path: Path) -> None:
    trusted, context = certificate(tmp_path, "localhost")
    with serving(answer(SET), context) as server:
        assert fetched(f"https://localhost:{server.port}/", trusted=str(trusted)) == SET
        assert fetched(f"https://localhost:{server.port}/") == "connection"
        assert fetched(f"https://127.0.0.1:{server.port}/", trusted=str(trusted)) == "connection"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirection_is_not_followed(status: str) -> None:
    with (
        serving(answer(SET)) as elsewhere,
        serving(answer(SET, status, f"Location: http://127.0.0.1:{elsewhere.port}/")) as server,
    ):
        assert fetched(f"http://127.0.0.1:{server.port}/") == f"status-{status[:3]}"
        assert elsewhere.heads == []


@pytest.mark.parametrize("status", ["204 No Content", "401 Unauthorized", "404 Not Found", "500 Internal Server Error"])
def test_another_status(status: str) -> None:
    with serving(answer(b"" if status.startswith("204") else SET, status)) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/") == f"status-{status[:3]}"


def test_the_largest_document_and_one_larger() -> None:
    for length, cause in ((100_000, None), (100_001, "too-large"), (10_000_000, "too-large")):
        with serving(answer(b"x" * length)) as server:
            assert fetched(f"http://127.0.0.1:{server.port}/") == (cause or b"x" * length)


def test_an_endless_document() -> None:
    def pour(connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    with serving(pour) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/") == "too-large"


def test_an_encoded_document() -> None:
    with serving(answer(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip")) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/") == "encoded"
    with serving(answer(SET, "200 OK", "Content-Encoding: identity")) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/") == SET


@pytest.mark.parametrize(
    "head", [b"", b"220 smtp.example.org\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"\x00\xff\r\n\r\n"]
)
def test_a_server_that_speaks_no_http_or_breaks_off(head: bytes) -> None:
    with serving(lambda connection: connection.sendall(head)) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/") == "connection"


def test_nobody_listens() -> None:
    with serving(answer(SET)) as server:
        port = server.port
    assert fetched(f"http://127.0.0.1:{port}/") == "connection"


def drip(*, before: bytes = b"", piece: bytes = b"x") -> Callable[[Any], None]:
    """Sends a little now and then, so that no read ever waits for long."""

    def respond(connection: Any) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return respond


@pytest.mark.parametrize(
    "respond",
    [
        drip(),
        drip(before=b"HTTP/1.1 200 OK\r\n", piece=b"X"),
        drip(before=b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", piece=b" "),
        drip(before=b"HTTP/1.1 200 OK\r\n\r\n", piece=b" "),
        drip(before=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", piece=b"1\r\nx\r\n"),
        lambda connection: connection.recv(1),
    ],
    ids=["status line", "headers", "body", "body without an end", "chunks", "nothing"],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_drips(respond: Callable[[Any], None], tls: bool, tmp_path: Path) -> None:
    trusted, context = certificate(tmp_path, "localhost") if tls else (None, None)
    with serving(respond, context) as server:
        started = time.monotonic()
        url = f"http{'s' * tls}://localhost:{server.port}/"
        cause = fetched(url, 0.3, trusted=None if trusted is None else str(trusted))
        assert time.monotonic() - started < WITHIN
        assert cause in ("deadline", "connection")


def test_a_handshake_that_drips() -> None:
    with serving(drip(piece=b"\x16")) as server:
        started = time.monotonic()
        assert fetched(f"https://localhost:{server.port}/", 0.3) in ("deadline", "connection")
        assert time.monotonic() - started < WITHIN


def test_a_slow_server_that_is_in_time() -> None:
    def respond(connection: Any) -> None:
        time.sleep(0.2)
        answer(SET)(connection)

    with serving(respond) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/", 5) == SET


def test_a_connection_made_after_the_deadline_is_ended_at_once() -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs, Deadline(60) as deadline:
        deadline.end()
        deadline.hold(ours)
        assert theirs.recv(1) == b""
    assert deadline.over


def test_a_connection_that_has_ended_before_the_deadline_troubles_nobody() -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with socket.socket() as unconnected, ours, theirs, Deadline(60) as deadline:
        deadline.hold(unconnected)
        deadline.hold(ours)
        deadline.end()
        assert theirs.recv(1) == b""


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://[::ffff:127.0.0.1]/",
        "http://0x7f.1/",
    ],
)
def test_in_production_no_address_that_is_not_public(url: str) -> None:
    with pytest.raises(Unfetched, match=r"^(address-not-public|connection)$"):
        download(url, 5)


def test_in_production_a_server_on_this_machine_is_not_even_called() -> None:
    with serving(answer(SET)) as server:
        with pytest.raises(Unfetched, match=r"^address-not-public$"):
            download(f"http://localhost:{server.port}/", 5)
        assert server.heads == []


def test_neither_proxy_nor_password_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login user password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answer(b"proxy")) as proxy, serving(answer(SET)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert fetched(f"http://localhost:{server.port}/") == SET
        assert b"uthorization" not in server.heads[0]
        assert proxy.heads == []


def test_keys_from_a_server() -> None:
    with serving(answer(SET)) as server:
        keys = FetchedKeys(
            f"http://127.0.0.1:{server.port}/",
            fresh=600,
            usable=900,
            cooldown=30,
            timeout=5,
            fetch=lambda url, seconds: download(url, seconds, resolve=addresses),
        )
        assert keys.find(KEY.kid) is not None
        assert keys.find("unknown") is None
        assert len(server.heads) == 1


def test_keys_are_fetched_from_public_addresses_unless_told_otherwise() -> None:
    with serving(answer(SET)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with pytest.raises(KeysAway):
            FetchedKeys(url, fresh=600, usable=900, cooldown=30, timeout=5).find(KEY.kid)
        assert server.heads == []
