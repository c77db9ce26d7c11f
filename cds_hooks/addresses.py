"""Where the service may connect: a name is resolved, judged and pinned in one step.

Judging a URL before it is fetched is not enough: the name may resolve to something else a moment later. So the
judgement lies in the connection itself, which goes to the very address that was judged; certificate and Host stay the
name's.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

__all__ = ["NotPublic", "PinningAdapter", "Resolve", "addresses", "is_public", "private_addresses", "public_addresses"]

# A host and a port become the addresses to try, in order; raises NotPublic or OSError.
Resolve = Callable[[str, int], tuple[str, ...]]

# What the internet routes to hosts: all else of IPv6 is local, multicast, reserved or a disguise (RFC 4291, 2.4).
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# Forms that carry an IPv4 address: 6to4 (RFC 3056), Teredo (RFC 4380). NAT64 (RFC 6052) and mapped or compatible
# addresses lie outside 2000::/3.
_DISGUISES: Final = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("2001::/32"))
# What a site's own network is made of (RFC 1918, RFC 4193). Link-local addresses are not: behind 169.254.169.254 lie
# the credentials of a machine in a cloud.
_PRIVATE: Final = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_LOOPBACK: Final = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))
# The resolver takes 127.1, 0x7f000001, 2130706433 and 0177.0.0.1 for addresses; the WHATWG URL Standard calls every
# host so that ends in a number. One of ours is written as four decimal numbers or not at all.
_ENDS_IN_NUMBER: Final = re.compile(r"(.*\.)?(\d+|0[xX][0-9A-Fa-f]*)\.?")


class NotPublic(ValueError):
    """A host that is not, or not only, on the public internet; the text names no address."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of a host on the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    return ip in _GLOBAL_UNICAST and ip.is_global and not any(ip in disguise for disguise in _DISGUISES)


def addresses(host: str, port: int) -> tuple[str, ...]:
    """Every address a host name has now; OSError when it has none."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except ValueError as error:  # no name at all: a label of more than 63 characters, an empty one, a NUL
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
    return tuple(dict.fromkeys(str(place[0]) for *_, place in found))


def public_addresses(host: str, port: int) -> tuple[str, ...]:
    """Every address of a host, all of them public; NotPublic when any is not, OSError when there is none."""
    if _ENDS_IN_NUMBER.fullmatch(host) and not is_public(host):
        raise NotPublic("an address in a form that is not four decimal numbers, or not a public one")
    found = addresses(host, port)
    if not all(map(is_public, found)):
        raise NotPublic("a host with an address that is not public")
    return found


def private_addresses(host: str, port: int) -> tuple[str, ...]:
    """Every address of a host, all of them public or of a private network; NotPublic when any is not, OSError when
    there is none. Loopback is taken only of a host that says so itself, `localhost` or an address."""
    is_address = _is_address(host.strip("[]"))
    if _ENDS_IN_NUMBER.fullmatch(host) and not is_address:
        raise NotPublic("an address in a form that is not four decimal numbers")
    networks = (*_PRIVATE, *_LOOPBACK) if is_address or host == "localhost" else _PRIVATE
    found = addresses(host, port)
    if not all(is_public(one) or any(ipaddress.ip_address(one) in network for network in networks) for one in found):
        raise NotPublic("a host with an address that is neither public nor of a private network")
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class PinningAdapter(HTTPAdapter):
    """For a `requests` session: connects to what `resolve` gives for a host, and nowhere else.

    `connected` is told the socket of each request, a new one as soon as it is there. Proxies are refused, since a proxy
    would resolve the name itself; a session with `trust_env = False` finds none. Redirects are the session's business,
    and each goes through here again.
    """

    def __init__(
        self,
        resolve: Resolve = public_addresses,
        connected: Callable[[socket.socket], None] = lambda _: None,
        **options: Any,
    ) -> None:
        self._pinning = {"resolve": staticmethod(resolve), "connected": staticmethod(connected)}
        super().__init__(**options)

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        super().init_poolmanager(*sizes, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": self._pool(HTTPConnectionPool, _Pinned),
            "https": self._pool(HTTPSConnectionPool, _PinnedTLS),
        }

    def proxy_manager_for(self, *_: Any, **__: Any) -> Any:
        raise NotPublic("a proxy would resolve the name itself")

    def _pool(self, pool: type, connection: type) -> Any:
        pinned = type(connection.__name__, (connection,), self._pinning)
        return type(pool.__name__, (pool,), {"ConnectionCls": pinned})


class _Pinned(HTTPConnection):
    resolve: Resolve
    connected: Callable[[socket.socket], None]

    def _new_conn(self) -> socket.socket:
        name, failure = self._dns_host, None
        try:
            for address in self.resolve(name, self.port):
                self._dns_host = address
                try:
                    sock = super()._new_conn()
                except (NewConnectionError, ConnectTimeoutError) as error:
                    failure = error
                else:
                    self.connected(sock)
                    return sock
        finally:
            self._dns_host = name
        raise failure or OSError("a name without an address")

    def request(self, *what: Any, **options: Any) -> None:
        if self.sock is not None:  # kept from an earlier request
            self.connected(self.sock)
        super().request(*what, **options)


class _PinnedTLS(_Pinned, HTTPSConnection):
    pass
