"""A.8: who may call. Only for a target that demands a client's token, and with a minter of tokens it accepts."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any, Final

from cds_hooks.conformance.check import check
from cds_hooks.conformance.target import JSON, PATH, Minter, NotApplicable, Reply, Service, Target

SECTION: Final = "authentication"


def _minter(target: Target) -> tuple[Minter, Service]:
    if target.minter is None:
        raise NotApplicable("no key was given to make tokens with")
    return target.minter, target.sampled()[0]


def _encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _resigned(token: str, algorithm: str, secret: bytes | None) -> str:
    """The token under another algorithm: signed with a shared secret, or not at all."""
    header, payload, _ = token.split(".")
    signed = f"{_encoded({**_decoded(header), 'alg': algorithm})}.{payload}"
    if secret is None:
        return f"{signed}."
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _forged(token: str) -> str:
    """The token with one byte of its signature changed."""
    signed, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[len(raw) // 2] ^= 1
    return f"{signed}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def _try(target: Target, service: Service, token: str | None, about: str) -> Reply:
    return target.invoke(service, service.request(), about, token=token)


def _refused(target: Target, token: str | None, about: str) -> Iterator[str]:
    """A finding unless a call with this token is refused with 401."""
    _, service = _minter(target)
    reply = target.once(("token", about), lambda: _try(target, service, token, about))
    if reply.status != 401:
        yield reply.unlike(401)


@check(
    SECTION,
    "A.8-51",
    "A.8-53",
    mitre=(176, 178, 187, 189, 190, 191, 192, 199),
    says="A good token is accepted by every service.",
)
def token_accepted(target: Target) -> Iterator[str]:
    _minter(target)
    for service in target.sampled():
        reply = target.answer(service)
        if reply.status in (401, 403):
            yield reply.unlike(200)


@check(SECTION, "A.8-50", "A.8-51", mitre=(177,), says="A call without a token gives 401.")
def token_missing(target: Target) -> Iterator[str]:
    _minter(target)
    for service in target.sampled():
        reply = _try(target, service, None, "without a token")
        if reply.status != 401:
            yield reply.unlike(401)


@check(SECTION, "A.8-51", says="What is no token gives 401.")
def token_garbage(target: Target) -> Iterator[str]:
    for token in ("x", "a.b.c", "e30.e30.", "..."):
        yield from _refused(target, token, f"a token that is none ({token})")


@check(SECTION, "A.8-54", says="A token whose signature was tampered with gives 401 (RFC 7515, 5.2).")
def token_forged(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    return _refused(target, _forged(minter(target.base + service.path)), "a forged signature")


@check(SECTION, "A.8-53", says="A token whose time is up gives 401 (RFC 7519, 4.1.4).")
def token_expired(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    hour = 3600
    past = int(time.time()) - hour
    token = minter(target.base + service.path, iat=past - 300, exp=past)
    return _refused(target, token, "a token that ran out an hour ago")


@check(SECTION, "A.8-53", says="A token whose time has not come gives 401 (RFC 7519, 4.1.5).")
def token_not_yet_valid(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    hour = 3600
    token = minter(target.base + service.path, nbf=int(time.time()) + hour)
    return _refused(target, token, "a token for an hour from now")


@check(SECTION, "A.8-53", "A.8-55", mitre=(189, 196), says="A token for another URL gives 401 (RFC 7519, 4.1.3).")
def token_audience(target: Target) -> Iterator[str]:
    minter, _ = _minter(target)
    for audience in ("https://other.example.org/cds-services/other", f"{target.base}{PATH}/no-such-service"):
        yield from _refused(target, minter(audience), f"a token for {audience}")


@check(SECTION, "A.8-54", mitre=(201,), says="A token with the algorithm none gives 401.")
def token_none(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    for algorithm in ("none", "None"):
        token = _resigned(minter(target.base + service.path), algorithm, None)
        yield from _refused(target, token, f"the algorithm {algorithm}")


@check(
    SECTION,
    "A.8-54",
    mitre=(203,),
    says="A token signed with a shared secret (HS256), be it the public key itself, gives 401.",
)
def token_hs256(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    secrets = {"an empty secret": b"", "the public key as the secret": getattr(minter, "public_key", b"secret")}
    for about, secret in secrets.items():
        token = _resigned(minter(target.base + service.path), "HS256", secret)
        yield from _refused(target, token, f"HS256 with {about}")


@check(SECTION, "A.8-56", mitre=(195,), level="SHOULD", says="A token of an issuer that is not known gives 401.")
def token_issuer(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    token = minter(target.base + service.path, iss="https://stranger.example.org")
    return _refused(target, token, "a token of an unknown issuer")


@check(SECTION, "A.8-58", mitre=(192,), level="SHOULD", says="A token that was used before gives 401.")
def token_replayed(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    token = minter(target.base + service.path)
    if _try(target, service, token, "a token used for the first time").status != 401:
        yield from _refused(target, token, "a token used before")


@check(SECTION, "A.8-57", level="SHOULD", says="A refused token is not told why: each 401 has the same body.")
def token_refusals_are_alike(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    url = target.base + service.path
    tokens = {"garbage": "a.b.c", "expired": minter(url, exp=1), "for another URL": minter("https://other.example.org")}
    replies = [_try(target, service, token, f"a token refused ({about})") for about, token in tokens.items()]
    if len({reply.body for reply in replies if reply.status == 401}) > 1:
        yield f"{service.id}: the bodies of refusals differ by the reason"


@check(
    SECTION,
    "A.2-12",
    "A.8-55",
    mitre=(178, 189),
    says="Discovery, where it is protected, takes a token for its own URL, and no other.",
)
def token_for_discovery(target: Target) -> Iterator[str]:
    minter, service = _minter(target)
    headers = {"Content-Type": JSON}

    def discovery(token: str | None, about: str) -> Reply:
        return target.send("GET", PATH, f"discovery {about}", "discovery", headers=headers, token=token)

    if discovery(None, "without a token").status == 200:
        raise NotApplicable("discovery is open")
    reply = discovery(minter(target.base + PATH), "with a token for it")
    if reply.status != 200:
        yield reply.unlike(200)
    reply = discovery(minter(target.base + service.path), "with a token for a service")
    if reply.status != 401:
        yield reply.unlike(401)
