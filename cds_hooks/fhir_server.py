"""FHIR servers that may be asked: which they are, what lies on them, and one GET of each page.

`fhirServer` is a client's word. It only ever chooses among the servers that the site has registered: the address that
is asked is the registered one, and a link to a further page must lie below it.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from cds_hooks.addresses import NotPublic, PinningAdapter, private_addresses, public_addresses
from cds_hooks.deadline import Deadline

__all__ = ["FhirServer", "Servers", "Unanswered"]


class Unanswered(Exception):
    """What was asked for was not had; the text is one word for the cause."""


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A registered server: its base address, and whether it may lie in a private network."""

    url: str
    private: bool = False

    def __post_init__(self) -> None:
        if canonical(self.url) is None:
            raise ValueError("expected the http or https base address of a FHIR server, without a query")

    @property
    def base(self) -> str:
        """The address in one spelling, without a closing slash."""
        return canonical(self.url) or ""

    def page(self, link: str) -> str | None:
        """The address of a link to a further page, as it may be asked for; None when it leads elsewhere."""
        if _PRINTABLE.fullmatch(link) is None or "#" in link:
            return None
        try:
            address, _, query = urljoin(f"{self.base}/", link).partition("?")
        except ValueError:  # brackets that hold no address
            return None
        found = canonical(address)
        if found is None or (found != self.base and not found.startswith(f"{self.base}/")):
            return None
        return f"{found}?{query}" if query else found


_PORTS: Final = {"http": 80, "https": 443}
# What a path of FHIR addresses is made of: nothing that one reader takes for a way up, and another does not.
_PATH: Final = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~$@:+-]+)*/?")
_HOST: Final = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_PRINTABLE: Final = re.compile(r"[!-~]+")


def canonical(url: str) -> str | None:
    """An http or https address in one spelling: lower case, the port always there, no closing slash; None for an
    address with a user, a query or a fragment, and for one that two readers could read in two ways."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc.lower()
    if port is not None:
        host = host.removesuffix(f":{port}")
    if (
        parts.scheme not in _PORTS
        or _HOST.fullmatch(host) is None
        or _PATH.fullmatch(parts.path) is None
        or _PRINTABLE.fullmatch(url) is None  # splitting has dropped line breaks
        or "?" in url
        or "#" in url
    ):
        return None
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}"


# The socket of a request in this thread goes to whom it concerns: the adapter is shared by all requests.
_HOLD: Final[ContextVar[Callable[[socket], None]]] = ContextVar("_HOLD")


def _hold(connection: socket) -> None:
    _HOLD.get()(connection)


def _unlogged(record: logging.LogRecord) -> bool:
    return False


class Servers:
    """The registered servers, and pooled connections to them, shared by all threads.

    Nothing of one request is left for another: no cookie is taken, and a token goes with its own request only.
    `trusted` is a file of certificates to trust instead of the public authorities.
    """

    def __init__(self, servers: Iterable[FhirServer], connections: int, trusted: str | None = None) -> None:
        self._servers = {server.base: server for server in servers}
        private = {
            (parts.hostname, parts.port)
            for server in self._servers.values()
            if server.private
            for parts in (urlsplit(server.base),)
        }

        def resolve(host: str, port: int) -> tuple[str, ...]:
            return (private_addresses if (host.strip("[]"), port) in private else public_addresses)(host, port)

        # These name whole addresses, and the address of a query names the patient.
        for name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(name).addFilter(_unlogged)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._session.verify = trusted or True
        for scheme in _PORTS:
            adapter = PinningAdapter(resolve, _hold, pool_connections=len(self._servers) or 1, pool_maxsize=connections)
            self._session.mount(f"{scheme}://", adapter)

    def find(self, url: str) -> FhirServer | None:
        """The registered server that an address names."""
        return self._servers.get(canonical(url) or "")

    def get(self, url: str, token: str, deadline: Deadline, most: int) -> bytes:
        """The FHIR JSON under an address, of `most` bytes at most. Raises Unanswered. No redirect is followed."""
        headers = {
            "Accept": "application/fhir+json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {token}",
        }
        try:
            with _held_by(deadline), self._answer(url, headers, deadline) as response:
                _check(response)
                document = bytearray()
                # To the end: only the read that finds nothing more tells whether less came than was announced.
                while len(document) <= most and (piece := response.raw.read(65_536, decode_content=False)):
                    document += piece
        except NotPublic:
            raise Unanswered("address-not-public") from None
        except (requests.Timeout, ReadTimeoutError):  # which is no other time than what was left
            raise Unanswered("deadline") from None
        except (OSError, HTTPError, Unanswered) as error:
            # A connection that the deadline has ended looks like an answer that ends there.
            cause = str(error) if isinstance(error, Unanswered) else "connection"
            raise Unanswered("deadline" if deadline.over else cause) from None
        if deadline.over:
            raise Unanswered("deadline")
        if len(document) > most:
            raise Unanswered("too-large")
        return bytes(document)

    def _answer(self, url: str, headers: Mapping[str, str], deadline: Deadline) -> requests.Response:
        """The head of the answer. Asked a second time when the connection fails: the server may have ended one that it
        had kept, in the moment in which we used it again."""

        def ask() -> requests.Response:
            seconds = deadline.left or 0.001  # 0 would be no timeout
            return self._session.get(url, headers=headers, allow_redirects=False, stream=True, timeout=seconds)

        try:
            return ask()
        except requests.ConnectionError:
            if deadline.over:
                raise
            return ask()


@contextmanager
def _held_by(deadline: Deadline) -> Iterator[None]:
    with deadline.holding() as hold:
        before = _HOLD.set(hold)
        try:
            yield
        finally:
            _HOLD.reset(before)


# HL7 FHIR R4, 3.1.0.1.4, and what servers of DSTU2 and the proxies before them still say.
_JSON: Final = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})


def _check(response: requests.Response) -> None:
    if response.status_code != requests.codes.ok:
        raise Unanswered(f"status-{response.status_code}")
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() not in _JSON:
        raise Unanswered("content-type")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unanswered("encoded")  # a small body may hold a large document
