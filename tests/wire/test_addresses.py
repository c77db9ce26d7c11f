"""Where the service may connect: every disguise of an address that is not public, and the pinning of one that is."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_hooks.addresses import NotPublic, PinningAdapter, Resolve, addresses, is_public, public_addresses
from tests.wire.clients import answer, certificate, serving

PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",  # shared by a provider's customers, RFC 6598
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",  # the metadata service of the clouds
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # compatible, long deprecated
    "::8.8.8.8",
    "::ffff:127.0.0.1",  # mapped
    "::ffff:7f00:1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b:1::1",
    "100::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4
    "2002:808:808::1",
    "fc00::1",
    "fd00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
# Forms in which a resolver, but no decent person, writes 127.0.0.1, 10.0.0.1 or 169.254.169.254.
ODD = [
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0127.0.0.1",
    "127.0.0.1.",
    "0xa000001",
    "2852039166",
    "0",
    "0x",
    "１２７.０.０.１",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    assert is_public(address)
    assert public_addresses(address, 443) == (address,)


@pytest.mark.parametrize("address", [*NOT_PUBLIC, "", "localhost", "8.8.8"])
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("host", [*(one for one in NOT_PUBLIC if "%" not in one), *ODD, "[::1]", "localhost"])
def test_a_host_that_is_not_public(host: str) -> None:
    with pytest.raises(NotPublic):
        public_addresses(host, 443)


@pytest.mark.parametrize("host", ["8.8.2056", "134744072", "0x08080808", "010.8.8.8", "8.8.8.8."])
def test_a_public_address_in_an_odd_form(host: str) -> None:
    with pytest.raises(NotPublic):
        public_addresses(host, 443)


@pytest.mark.parametrize("host", ["", "a..b", ".", "x" * 64 + ".example.org", "a\x00b"])
def test_a_host_that_has_no_address(host: str) -> None:
    with pytest.raises((OSError, NotPublic)):
        public_addresses(host, 443)


class Names:
    """A resolver of our own: the next of its answers for each question."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers: Iterator[Sequence[str]] = iter(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append((host, port))
        return [
            (
                socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET,
                1,
                6,
                "",
                (address, port),
            )
            for address in next(self.answers)
        ]


def test_a_name_with_any_address_that_is_not_public(monkeypatch: pytest.MonkeyPatch) -> None:
    public, mixed = ("8.8.8.8", "2606:4700:4700::1111"), ("8.8.8.8", "10.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", Names(public, mixed, ("::ffff:10.0.0.1",)))
    assert public_addresses("keys.example.org", 443) == public
    for _ in range(2):
        with pytest.raises(NotPublic):
            public_addresses("keys.example.org", 443)


def test_each_address_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(("127.0.0.1", "::1", "127.0.0.1")))
    assert addresses("ehr.example.org", 80) == ("127.0.0.1", "::1")


def get(url: str, resolve: Resolve, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, PinningAdapter(resolve))
        return session.get(url, timeout=5, **options)


def test_the_connection_goes_to_the_address_and_the_request_to_the_name() -> None:
    with serving(answer(b"here")) as server:
        response = get(f"http://ehr.example.org:{server.port}/x", lambda host, port: ("127.0.0.1",))
        assert response.content == b"here"
        assert f"Host: ehr.example.org:{server.port}".encode() in server.heads[0]


def test_the_next_address_when_the_first_does_not_answer() -> None:
    with serving(answer(b"here")) as server:
        asked: list[tuple[str, int]] = []

        def resolve(host: str, port: int) -> tuple[str, ...]:
            asked.append((host, port))
            return "127.0.0.2", "127.0.0.1"  # the server listens on the second only

        assert get(f"http://ehr.example.org:{server.port}/", resolve).content == b"here"
        assert asked == [("ehr.example.org", server.port)]


@pytest.mark.parametrize("found", [(), ("127.0.0.2",)])
def test_no_address_that_answers(found: tuple[str, ...]) -> None:
    with serving(answer(b"here")) as server, pytest.raises(requests.ConnectionError):
        get(f"http://ehr.example.org:{server.port}/", lambda host, port: found)


def test_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    trusted, context = certificate(tmp_path, "ehr.example.org")

    def resolve(host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    with serving(answer(b"here"), context) as server:
        assert get(f"https://ehr.example.org:{server.port}/", resolve, verify=str(trusted)).content == b"here"
        for url in (f"https://evil.example.org:{server.port}/", f"https://127.0.0.1:{server.port}/"):
            with pytest.raises(requests.exceptions.SSLError):
                get(url, resolve, verify=str(trusted))
        with pytest.raises(requests.exceptions.SSLError):
            get(f"https://ehr.example.org:{server.port}/", resolve)


def test_a_name_that_changes_between_the_look_and_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: whatever the name says later, the connection goes to what was judged."""
    connected: list[str] = []

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    names = Names(("8.8.8.8",), ("127.0.0.1",))
    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    with pytest.raises(requests.ConnectionError):
        get("https://keys.example.org/", public_addresses)
    assert connected == ["8.8.8.8"]
    assert len(names.asked) == 1
    with pytest.raises(NotPublic):
        get("https://keys.example.org/", public_addresses)
    assert connected == ["8.8.8.8"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]"])
def test_no_connection_to_an_address_that_is_not_public(host: str) -> None:
    with serving(answer(b"here")) as server:
        with pytest.raises((NotPublic, requests.exceptions.InvalidURL)):
            get(f"http://{host}:{server.port}/", public_addresses)
        assert server.heads == []


def test_a_redirection_is_judged_again() -> None:
    with serving(answer(b"secret")) as inner:
        away = f"Location: http://127.0.0.1:{inner.port}/"

        def resolve(host: str, port: int) -> tuple[str, ...]:
            return ("127.0.0.1",) if host == "ehr.example.org" else public_addresses(host, port)

        with serving(answer(b"", "302 Found", away)) as outer, pytest.raises(NotPublic):
            get(f"http://ehr.example.org:{outer.port}/", resolve)
        assert inner.heads == []


def test_no_proxy() -> None:
    with serving(answer(b"here")) as server:
        proxy = {"http": f"http://127.0.0.1:{server.port}"}
        with pytest.raises(NotPublic, match="proxy"):
            get("http://ehr.example.org/", lambda host, port: ("8.8.8.8",), proxies=proxy)
        assert server.heads == []
