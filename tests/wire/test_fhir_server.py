"""Which FHIR servers may be asked: registered ones, at addresses they may have, whatever a client or a name says."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.addresses import NotPublic, private_addresses
from cds_hooks.deadline import Deadline
from cds_hooks.fhir_server import FhirServer, Servers, Unanswered, canonical
from tests.wire.clients import answer, certificate, serving
from tests.wire.fhir_host import Asked, FhirHost, Handler, Respond, hosting

NAME = "fhir.example.org"
Resolver = Callable[..., None]


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Sets what a name resolves to, each time it is asked for; addresses stay themselves."""
    real = socket.getaddrinfo

    def resolve(*answers: tuple[str, ...]) -> None:
        following = iter(answers)

        def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
            if host != NAME:
                return real(host, port, *rest, **options)
            return [(socket.AF_INET, 1, 6, "", (address, port)) for address in next(following)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return resolve


def fetched(servers: Servers, url: str, seconds: float = 30, most: int = 1000) -> bytes | str:
    """What is under an address, or the cause for which it was not had."""
    with Deadline(seconds) as deadline:
        try:
            return servers.get(url, "token", deadline, most)
        except Unanswered as error:
            return str(error)


def found(asked: Asked, handler: Handler) -> None:
    handler.send(b"{}")


# -- the list of those that may be asked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://fhir.example.org/r4",
        "https://fhir.example.org/r4/",
        "https://fhir.example.org:443/r4",
        "HTTPS://FHIR.example.ORG/r4",
    ],
)
def test_a_registered_server_in_each_of_its_spellings(url: str) -> None:
    server = FhirServer("https://fhir.example.org/r4")
    assert Servers([server], 1).find(url) == server
    assert Servers([FhirServer(url)], 1).find("https://fhir.example.org/r4") == FhirServer(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://fhir.example.org/r4",
        "http://fhir.example.org:443/r4",
        "https://fhir.example.org:8443/r4",
        "https://fhir.example.org",
        "https://fhir.example.org/r4/Patient",
        "https://fhir.example.org/R4",
        "https://fhir.example.org/r4?",
        "https://fhir.example.org/r4#x",
        "https://fhir.example.org/r4/../r4",
        "https://fhir.example.org/./r4",
        "https://fhir.example.org/%72%34",
        "https://fhir.example.org//r4",
        "https://fhir.example.org.evil.example/r4",
        "https://evil.example/fhir.example.org/r4",
        "https://fhir.example.org@evil.example/r4",
        "https://user:password@fhir.example.org/r4",
        "https://evil.example\\@fhir.example.org/r4",
        "https://fhir.example.org\t/r4",
        "https://fhir.example.org:0443/r4",
        "https://fhir.example.org:/r4",
        "https://fhir.example.org:99999/r4",
        "https://[::1/r4",
        "https:/fhir.example.org/r4",
        "ftp://fhir.example.org/r4",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "fhir.example.org/r4",
        "",
    ],
)
def test_another_address(url: str) -> None:
    assert Servers([FhirServer("https://fhir.example.org/r4")], 1).find(url) is None


@pytest.mark.parametrize("url", ["", "fhir", "ftp://a/b", "https://a/b?c", "https://a/b/../c", "https://u@a/b"])
def test_an_address_that_cannot_be_registered(url: str) -> None:
    with pytest.raises(ValueError, match="base address of a FHIR server"):
        FhirServer(url)


def test_one_spelling() -> None:
    assert canonical("HTTPS://A.Example/r4/") == "https://a.example:443/r4"
    assert canonical("http://[::1]:8080") == "http://[::1]:8080"
    assert canonical("http://[::1]") == "http://[::1]:80"


# -- where a name leads ------------------------------------------------------------------------------------------------

NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "fe80::1",
    "ff02::1",
]
PRIVATE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1"]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1"]


@pytest.mark.parametrize("address", [*NEVER, *PRIVATE, *LOOPBACK])
def test_a_name_that_leads_inside(address: str, resolving: Resolver) -> None:
    servers = Servers([FhirServer(f"http://{NAME}/r4")], 1)
    resolving((address,), ("8.8.8.8", address))
    assert fetched(servers, f"http://{NAME}:80/r4/Patient/1") == "address-not-public"
    assert fetched(servers, f"http://{NAME}:80/r4/Patient/1") == "address-not-public"


@pytest.mark.parametrize("address", [*NEVER, *LOOPBACK])
def test_a_private_server_s_name_that_leads_elsewhere_inside(address: str, resolving: Resolver) -> None:
    servers = Servers([FhirServer(f"http://{NAME}/r4", private=True)], 1)
    resolving((address,), ("10.0.0.1", address))
    assert fetched(servers, f"http://{NAME}:80/r4/Patient/1") == "address-not-public"
    assert fetched(servers, f"http://{NAME}:80/r4/Patient/1") == "address-not-public"


@pytest.mark.parametrize("address", [*PRIVATE, "8.8.8.8"])
def test_a_private_server_s_name(address: str, resolving: Resolver) -> None:
    resolving((address,))
    assert private_addresses(NAME, 443) == (address,)


@pytest.mark.parametrize("address", NEVER)
def test_an_address_that_no_private_server_has(address: str) -> None:
    with pytest.raises(NotPublic):
        private_addresses(address, 443)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "10.1", "127.0.0.1."])
def test_an_odd_form_of_an_address_that_a_private_server_might_have(host: str) -> None:
    with pytest.raises(NotPublic):
        private_addresses(host, 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "[fd00::1]", "8.8.8.8"])
def test_an_address_that_a_private_server_may_have(host: str) -> None:
    assert private_addresses(host, 443) == (host.strip("[]"),)


def test_localhost_is_what_it_says() -> None:
    assert set(private_addresses("localhost", 443)) <= {"127.0.0.1", "::1"}


def test_a_name_without_an_address() -> None:
    with pytest.raises(OSError, match=r"."):
        private_addresses("a..b", 443)


def test_a_server_in_a_private_network_must_be_registered_as_such() -> None:
    with hosting(found) as host:
        assert fetched(Servers([FhirServer(host.url)], 1), f"{host.url}/x") == "address-not-public"
        assert host.connections == 0
        assert fetched(Servers([FhirServer(host.url, private=True)], 1), f"{host.url}/x") == b"{}"


def test_a_private_server_opens_no_other_port_or_host() -> None:
    with hosting(found) as host:
        servers = Servers([FhirServer(f"http://127.0.0.1:{host.server_address[1] ^ 1}/fhir", private=True)], 1)
        assert fetched(servers, f"{host.url}/x") == "address-not-public"
        assert host.connections == 0


def test_a_name_that_changes_between_the_look_and_the_call(
    resolving: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the connection goes to the address that was judged; the next one is judged again."""
    connected: list[str] = []

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    servers = Servers([FhirServer(f"http://{NAME}/r4")], 1)
    resolving(("8.8.8.8",), ("127.0.0.1",), ("127.0.0.1",))
    assert fetched(servers, f"http://{NAME}:80/r4/Patient/1") == "address-not-public"  # at the second attempt
    assert connected == ["8.8.8.8"]
    assert fetched(servers, f"http://{NAME}:80/r4/Patient/1") == "address-not-public"
    assert connected == ["8.8.8.8"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with hosting(found) as elsewhere:

        def respond(asked: Asked, handler: Handler) -> None:
            handler.send(b"", status, Location=f"{elsewhere.url}/x")

        with hosting(respond) as host:
            servers = Servers([FhirServer(one.url, private=True) for one in (host, elsewhere)], 1)
            assert fetched(servers, f"{host.url}/x") == f"status-{status}"
        assert elsewhere.asked == []


def test_no_proxy_and_no_password_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with hosting(found) as proxy, hosting(found) as host:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_address[1]}")
        assert fetched(Servers([FhirServer(host.url, private=True)], 1), f"{host.url}/x") == b"{}"
        assert host.asked[0].headers["authorization"] == "Bearer token"
        assert proxy.connections == 0


# -- one answer --------------------------------------------------------------------------------------------------------


@contextmanager
def registered(respond: Respond) -> Iterator[tuple[FhirHost, Servers]]:
    with hosting(respond) as host:
        yield host, Servers([FhirServer(host.url, private=True)], 4)


@pytest.mark.parametrize(("length", "cause"), [(1000, None), (1001, "too-large"), (5_000_000, "too-large")])
def test_the_largest_answer_and_one_larger(length: int, cause: str | None) -> None:
    with registered(lambda asked, handler: handler.send(b"x" * length)) as (host, servers):
        assert fetched(servers, f"{host.url}/x") == (cause or b"x" * length)


def test_an_endless_answer() -> None:
    def pour(asked: Asked, handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            handler.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    with registered(pour) as (host, servers):
        assert fetched(servers, f"{host.url}/x") == "too-large"


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        ("application/fhir+json", True),
        ("Application/FHIR+JSON; charset=UTF-8", True),
        ("application/json", True),
        ("application/json+fhir;charset=utf-8", True),
        ("text/json", True),
        ("application/fhir+xml", False),
        ("text/html", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
def test_the_content_type(content_type: str, taken: bool) -> None:
    with registered(lambda asked, handler: handler.send(b"{}", content_type=content_type)) as (host, servers):
        assert fetched(servers, f"{host.url}/x") == (b"{}" if taken else "content-type")
        assert host.asked[0].headers["accept"] == "application/fhir+json"
        assert host.asked[0].headers["accept-encoding"] == "identity"


def test_over_tls_with_certificates_of_the_site_s_own(tmp_path: Path) -> None:
    trusted, context = certificate(tmp_path, "localhost")
    with serving(answer(b"{}", "200 OK", "Content-Type: application/json"), context) as server:
        url = f"https://localhost:{server.port}/r4"
        registered = [FhirServer(url, private=True)]
        assert fetched(Servers(registered, 1, str(trusted)), f"{url}/x") == b"{}"
        assert fetched(Servers(registered, 1), f"{url}/x") == "connection"


def test_a_connection_that_the_server_has_ended_is_made_anew() -> None:
    """The moment is the worst there is: the request is on its way when the server gives up the connection."""

    def respond(asked: Asked, handler: Handler) -> None:
        if len(handler.server.asked) == 2:
            handler.close_connection = True
        else:
            handler.send(b"{}")

    with registered(respond) as (host, servers):
        assert fetched(servers, f"{host.url}/1") == b"{}"
        assert fetched(servers, f"{host.url}/2") == b"{}"
        assert [asked.path for asked in host.asked] == ["1", "2", "2"]
        assert host.connections == 2


def test_a_kept_connection_is_ended_with_the_deadline() -> None:
    def respond(asked: Asked, handler: Handler) -> None:
        if asked.path == "slow":
            handler.server.closing.wait()
        handler.send(b"{}")

    with registered(respond) as (host, servers):
        assert fetched(servers, f"{host.url}/fast") == b"{}"
        assert fetched(servers, f"{host.url}/slow", seconds=0.2) == "deadline"
        assert fetched(servers, f"{host.url}/fast") == b"{}"
        assert host.connections == 2


def test_a_deadline_ends_no_connection_that_was_given_back() -> None:
    with registered(found) as (host, servers):
        with Deadline(60) as deadline:
            assert servers.get(f"{host.url}/1", "token", deadline, 100) == b"{}"
            deadline.end()
        assert fetched(servers, f"{host.url}/2") == b"{}"
        assert host.connections == 1


@pytest.mark.parametrize("kept", [False, True])
def test_an_answer_that_the_deadline_cuts_is_none(kept: bool) -> None:
    """Without a length its end looks like any other, on a new connection and on one that was kept."""

    with Deadline(60) as deadline:

        def respond(asked: Asked, handler: Handler) -> None:
            if asked.path == "whole":
                handler.send(b"{}")
                return
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}")
            deadline.end()
            handler.server.closing.wait()

        with registered(respond) as (host, servers):
            if kept:
                assert fetched(servers, f"{host.url}/whole") == b"{}"
            started = time.monotonic()
            with pytest.raises(Unanswered, match=r"^deadline$"):
                servers.get(f"{host.url}/cut", "token", deadline, 100)
            assert time.monotonic() - started < 20
            assert host.connections == 1


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"])
def test_a_timeout_is_the_deadline(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two comes first."""

    def respond(asked: Asked, handler: Handler) -> None:
        handler.wfile.write(head)
        handler.server.closing.wait()

    monkeypatch.setattr(Deadline, "left", 0.1)
    with registered(respond) as (host, servers):
        assert fetched(servers, f"{host.url}/x") == "deadline"


def test_after_the_deadline_nothing_is_asked() -> None:
    with registered(found) as (host, servers), Deadline(60) as deadline:
        deadline.end()
        with pytest.raises(Unanswered, match=r"^deadline$"):
            servers.get(f"{host.url}/1", "token", deadline, 100)
        assert host.asked == []
