"""Who may call: the client's JWT, checked claim by claim in the order of the CDS Hooks best practices.

Whatever is wrong, the client is told 401 and nothing else; the site finds the cause, in one word, in its log and in
`Trust.refusals`. A token is never stored or logged; of an unverified one no claim is but an issuer that is registered.
"""

import logging
import math
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeGuard

from jwt import PyJWS
from jwt.exceptions import PyJWTError

from cds_hooks.caller import Caller
from cds_hooks.errors import Unauthorized, Unavailable
from cds_hooks.keys import ALGORITHMS, Keys, KeysAway
from cds_hooks.replay import ReplayStore, ReplayStoreAway
from cds_hooks.tally import Tally
from cds_hooks.tokens import LONGEST, Malformed, Token

__all__ = ["Issuer", "ReplayMode", "Trust"]

ReplayMode = Literal["strict", "log", "off"]

_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_LONGEST_NAME: Final = 256  # in characters, of a tenant or a nonce; Inferno's nonces have 64, a UUID has 36
_RETRY_AFTER: Final = 5  # seconds; whatever is away, an EHR's user waits no longer than that

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A client that may call, as the site has registered it.

    With a `jku`, a token that names one must name this one. Without `tenants` any tenant or none will do; with them a
    token must name one of them. `audiences` are taken besides the address of the endpoint.
    """

    iss: str
    keys: Keys
    jku: str | None = None
    tenants: Collection[str] = ()
    audiences: Collection[str] = ()


class _Refused(Exception):
    """A token that is not good enough; the text is one word for the cause."""


class _Away(Exception):
    """What is needed to judge a token is not there; the text is one word for what."""


class Trust:
    """Checks the tokens of clients; all processes of a service share `replay`, where it is shared at all.

    `base_url` is the public one: a token is for an address below it, whatever the Host header says. `algorithms` are
    the only ones taken; `leeway` and `longest` (a token's whole lifetime) are in seconds, and `clock` gives Unix time.
    `on_refusal` is told what `refusals` counts, as it happens.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        base_url: str,
        *,
        replay: ReplayStore,
        replay_mode: ReplayMode,
        algorithms: Collection[str],
        leeway: float,
        longest: float,
        clock: Callable[[], float] = time.time,
        on_refusal: Callable[[str], None] = lambda cause: None,
    ) -> None:
        registered = tuple(issuers)
        self._issuers = {issuer.iss: issuer for issuer in registered}
        if len(self._issuers) < len(registered):
            raise ValueError("an issuer stands there twice")
        if not algorithms or not set(algorithms) <= ALGORITHMS.keys():
            raise ValueError(f"the algorithms must be some of {', '.join(ALGORITHMS)}")
        self._base_url, self._algorithms = base_url, frozenset(algorithms)
        self._replay, self._replay_mode = replay, replay_mode
        self._leeway, self._longest, self._clock = leeway, longest, clock
        self._tally = Tally(on_refusal)
        self._signatures = PyJWS(algorithms=sorted(algorithms))

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often each cause has come up so far, those that were only logged as well."""
        return self._tally.counts

    def authenticate(self, paths: Sequence[str], authorization: str | None) -> Caller:
        """Who sent this Authorization header to one of these paths. Raises Unauthorized or Unavailable."""
        known: list[str | None] = []
        try:
            return self._verified({self._base_url + path for path in paths}, authorization, known)
        except _Refused as refused:
            self._note(str(refused), known)
            raise Unauthorized from None
        except _Away as away:
            self._note(str(away), known)
            raise Unavailable(_RETRY_AFTER) from None

    def _verified(self, endpoints: Collection[str], authorization: str | None, known: list[str | None]) -> Caller:
        """The caller. The order is that of the best practices: issuer, audience, time, tenant, signature, nonce; what
        only concerns the form comes first and costs least. `known` is told what may be logged, as it becomes known."""
        token = _token(authorization)
        alg, kid = self._form(token.header)
        issuer = self._issuer(token.claims.get("iss"))
        known.append(issuer.iss)
        claims = token.claims
        if issuer.jku is not None and token.header.get("jku", issuer.jku) != issuer.jku:
            raise _Refused("jku")
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(name, str) and (name in endpoints or name in issuer.audiences) for name in named):
            raise _Refused("audience")
        until = self._until(claims)
        tenant, jti = claims.get("tenant"), claims.get("jti")
        if not (tenant is None or _is_name(tenant)) or (issuer.tenants and tenant not in issuer.tenants):
            raise _Refused("tenant")
        if not _is_name(jti):
            raise _Refused("jti")
        self._check_signature(token, issuer, alg, kid)
        known += [tenant, jti]
        self._use_once(issuer.iss, jti, until, known)
        return Caller(iss=issuer.iss, tenant=tenant, jti=jti)

    def _form(self, header: Mapping[str, Any]) -> tuple[str, str]:
        """The algorithm and the name of the key."""
        alg, kid = header.get("alg"), header.get("kid")
        if header.get("typ") != "JWT":
            raise _Refused("typ")
        if not isinstance(alg, str) or alg not in self._algorithms:
            raise _Refused("algorithm")
        if "crit" in header or "b64" in header:  # extensions that we would have to understand (RFC 7515, 4.1.11)
            raise _Refused("critical")
        if not isinstance(kid, str) or not kid:
            raise _Refused("kid")
        return alg, kid

    def _issuer(self, iss: object) -> Issuer:
        issuer = self._issuers.get(iss) if isinstance(iss, str) else None
        if issuer is None:
            raise _Refused("issuer")
        return issuer

    def _until(self, claims: Mapping[str, Any]) -> float:
        """When the token ends, leeway included, in Unix time."""
        now = self._clock()
        issued, expires, starts = (_instant(claims.get(name)) for name in ("iat", "exp", "nbf"))
        if issued is None or expires is None or (starts is None and "nbf" in claims):
            raise _Refused("time")
        if expires + self._leeway <= now:
            raise _Refused("expired")
        if max(issued, starts or 0) - self._leeway > now:
            raise _Refused("not-yet")
        if not 0 < expires - issued <= self._longest:
            raise _Refused("lifetime")
        return expires + self._leeway

    def _check_signature(self, token: Token, issuer: Issuer, alg: str, kid: str) -> None:
        try:
            key = issuer.keys.find(kid)
        except KeysAway:
            raise _Away("keys-away") from None
        if key is None or alg not in key.algorithms:
            raise _Refused("key")
        try:
            self._signatures.decode(token.text, key.public, algorithms=[alg])
        except PyJWTError:
            raise _Refused("signature") from None

    def _use_once(self, iss: str, jti: str, until: float, known: Sequence[str | None]) -> None:
        if self._replay_mode == "off":
            return
        try:
            if self._replay.first_use(iss, jti, until):
                return
        except ReplayStoreAway:
            flaw: Exception = _Away("replay-store-away")
        else:
            flaw = _Refused("replay")
        if self._replay_mode == "strict":
            raise flaw from None
        self._note(str(flaw), known)

    def _note(self, cause: str, known: Sequence[str | None]) -> None:
        self._tally.add(cause)
        # In ASCII, so that no line break or terminal sequence of a client's reaches the log.
        told = ", ".join(f"{name} {text!a}" for name, text in zip(("iss", "tenant", "jti"), known, strict=False))
        _log.warning("client authentication: %s (%s)", cause, told or "iss unknown")


def _token(authorization: str | None) -> Token:
    if authorization is None:
        raise _Refused("no-token")
    if len(authorization) > LONGEST:
        raise _Refused("too-long")
    bearer = _BEARER.fullmatch(authorization.strip(" "))
    if bearer is None:
        raise _Refused("no-token")
    try:
        return Token(bearer[1])
    except Malformed:
        raise _Refused("malformed") from None


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= _LONGEST_NAME


def _instant(value: object) -> float | None:
    """A NumericDate (RFC 7519, 2): any finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        instant = float(value)
    except OverflowError:
        return None
    return instant if math.isfinite(instant) else None
