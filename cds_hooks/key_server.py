"""Keys that a client publishes under its registered `jku`: fetched, kept for a while, fetched again when they change.

A caller waits for a fetch only when it needs one, and never longer than the timeout: each fetch has a thread of its
own, one at a time, and a new one is not begun within the cool-down, whatever callers send.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import requests
from urllib3.exceptions import HTTPError

from cds_hooks.addresses import NotPublic, PinningAdapter, Resolve, public_addresses
from cds_hooks.deadline import Deadline
from cds_hooks.keys import Key, KeysAway, read_key_set

__all__ = ["FetchedKeys", "Unfetched", "download"]

# In bytes; a set of a hundred RSA keys of 4096 bits fits (house).
_LARGEST: Final = 100_000

_log: Final = logging.getLogger(__name__)


class Unfetched(Exception):
    """A document that was not had; the text is one word for the cause."""


class FetchedKeys:
    """The keys under a URL, which the site has registered; nothing a caller sends changes where they come from.

    All times are in seconds. A set older than `fresh` is fetched again before it is used; where that fails, it serves
    on until it is older than `usable`. After a fetch, good or bad, none follows within `cooldown`, and nobody waits for
    one longer than `timeout`.
    """

    def __init__(
        self,
        url: str,
        *,
        fresh: float,
        usable: float,
        cooldown: float,
        timeout: float,
        fetch: Callable[[str, float], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._fetch, self._clock = url, fetch or download, clock
        self._fresh, self._usable, self._cooldown, self._timeout = fresh, usable, cooldown, timeout
        self._lock = threading.Lock()
        self._keys: Mapping[str, Key] | None = None
        self._read_at = self._tried_at = float("-inf")
        self._under_way: threading.Event | None = None

    def find(self, kid: str) -> Key | None:
        """The key of that name; KeysAway when there is no set, or none recent enough to tell that it is not there."""
        keys, age = self._kept()
        if age <= (self._fresh if kid in keys else self._cooldown):
            if age > self._fresh / 2:
                self._begin()  # ahead of time, so that a busy service never waits
            return keys.get(kid)
        fetch = self._begin()
        if fetch is not None:
            fetch.wait(self._timeout)
        keys, age = self._kept()
        if kid not in keys and age > self._cooldown:
            raise KeysAway
        return keys.get(kid)

    def _kept(self) -> tuple[Mapping[str, Key], float]:
        with self._lock:
            age = self._clock() - self._read_at
            return (self._keys, age) if self._keys is not None and age <= self._usable else ({}, float("inf"))

    def _begin(self) -> threading.Event | None:
        """The fetch under way, or a new one; None within the cool-down."""
        with self._lock:
            if self._under_way is None and self._clock() - self._tried_at >= self._cooldown:
                self._tried_at = self._clock()
                self._under_way = threading.Event()
                threading.Thread(target=self._read, args=(self._under_way,), daemon=True).start()
            return self._under_way

    def _read(self, done: threading.Event) -> None:
        try:
            keys = read_key_set(self._fetch(self._url, self._timeout))
        except Unfetched as error:
            _log.warning("no key set from %s: %s", self._url, error)
        except ValueError:
            _log.warning("no key set from %s: not a JWK set", self._url)
        else:
            with self._lock:
                self._keys, self._read_at = keys, self._clock()
        finally:
            with self._lock:
                self._under_way = None
            done.set()


def download(
    url: str, seconds: float, *, resolve: Resolve = public_addresses, trusted: str | None = None, most: int = _LARGEST
) -> bytes:
    """The document under a URL, in that time all told, or Unfetched. No redirect is followed, and no proxy used.

    `trusted` is a file of certificates to trust instead of the public authorities.
    """
    with Deadline(seconds) as deadline, requests.Session() as session:
        session.trust_env = False
        for scheme in ("https://", "http://"):
            session.mount(scheme, PinningAdapter(resolve, deadline.hold))
        try:
            with session.get(
                url,
                headers={"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"},
                allow_redirects=False,
                stream=True,
                timeout=seconds,
                verify=trusted or True,
            ) as response:
                if response.status_code != requests.codes.ok:
                    raise Unfetched(f"status-{response.status_code}")
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise Unfetched("encoded")  # a small body may hold a large document
                # To the end: only the read that finds nothing more tells whether less came than was announced.
                document = bytearray()
                while len(document) <= most and (piece := response.raw.read(most, decode_content=False)):
                    document += piece
        except NotPublic:
            raise Unfetched("address-not-public") from None
        except (OSError, HTTPError):
            raise Unfetched("deadline" if deadline.over else "connection") from None
    if deadline.over:
        raise Unfetched("deadline")
    if len(document) > most:
        raise Unfetched("too-large")
    return bytes(document)
