"""A.8-60: browsers may call, as OWASP's and the Fetch standard's rules have it; the official sandbox is one."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from cds_hooks.conformance.check import check
from cds_hooks.conformance.target import PATH, NotApplicable, Reply, Target

__all__ = ["ALLOW_ORIGIN", "ask_first", "is_allowed"]

SECTION: Final = "cors"
ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"


def _preflights(target: Target) -> Iterator[tuple[str, Reply]]:
    """The answer to the preflight of each endpoint, with the method that was asked for."""
    for method, path in (("GET", PATH), *(("POST", service.path) for service in target.services())):
        yield method, target.once(("preflight", path), partial(ask_first, target, method, path))


def ask_first(target: Target, method: str, path: str) -> Reply:
    """The answer to the preflight of a call; a browser sends no token with it."""
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return target.send("OPTIONS", path, f"preflight of {path}", "preflight", headers=asked, token=None)


def _listed(reply: Reply, header: str) -> set[str]:
    return {part.strip().lower() for part in reply.headers.get(header, "").split(",")}


def is_allowed(target: Target, reply: Reply) -> bool:
    """Whether a page from the target's origin may read the answer."""
    return reply.headers.get(ALLOW_ORIGIN) in ("*", target.origin)


@check(SECTION, "A.8-60", mitre=(208,), level="SHOULD", says="A preflight needs no token and is answered with 2xx.")
def preflight(target: Target) -> Iterator[str]:
    for _, reply in _preflights(target):
        if not 200 <= reply.status < 300:
            yield reply.unlike(204)


@check(
    SECTION,
    "A.8-60",
    mitre=(208,),
    level="SHOULD",
    says="A preflight allows the origin, the method, and the headers Authorization and Content-Type.",
)
def preflight_allows(target: Target) -> Iterator[str]:
    for method, reply in _preflights(target):
        if not 200 <= reply.status < 300:
            continue
        if not is_allowed(target, reply):
            yield f"{reply.about}: {ALLOW_ORIGIN} does not name the origin"
        # GET and POST need no leave (Fetch, CORS-safelisted methods), but OWASP asks to name them.
        if method.lower() not in _listed(reply, "Access-Control-Allow-Methods"):
            yield f"{reply.about}: Access-Control-Allow-Methods does not name {method}"
        # The asterisk does not cover Authorization (Fetch, CORS non-wildcard request-header name).
        if not {"authorization", "content-type"} <= _listed(reply, "Access-Control-Allow-Headers"):
            yield f"{reply.about}: Access-Control-Allow-Headers does not name Authorization and Content-Type"


@check(SECTION, "A.8-60", mitre=(208,), level="SHOULD", says="A browser may read discovery and the cards.")
def cors_on_answers(target: Target) -> Iterator[str]:
    for reply in (target.discovery(), *(target.answer(s) for s in target.services() if s.sample)):
        if reply.status == 200 and not is_allowed(target, reply):
            yield f"{reply.about}: {ALLOW_ORIGIN} does not name the origin"


@check(SECTION, "A.8-60", mitre=(208,), level="SHOULD", says="A browser may read errors, too.")
def cors_on_errors(target: Target) -> Iterator[str]:
    replies = [target.send("DELETE", PATH, f"DELETE {PATH}", "elsewhere")]
    for service in target.services():
        replies.append(target.invoke(service, b"{", "a body cut short"))
        replies.append(target.send("GET", service.path, f"GET {service.path}", "elsewhere"))
    for reply in replies:
        if reply.status >= 400 and not is_allowed(target, reply):
            yield f"{reply.about}: {ALLOW_ORIGIN} does not name the origin"


@check(
    SECTION,
    "A.8-60",
    says="Credentials are never allowed to every origin (Fetch, 3.2.4: browsers refuse it).",
)
def cors_credentials(target: Target) -> Iterator[str]:
    seen = [target.discovery(), *(reply for _, reply in _preflights(target))]
    if not any(ALLOW_ORIGIN in reply.headers for reply in seen):
        raise NotApplicable("the service is not made for browsers")
    for reply in (*seen, *target.replies):
        if reply.headers.get(ALLOW_ORIGIN) == "*" and (
            reply.headers.get("Access-Control-Allow-Credentials", "").lower() == "true"
        ):
            yield f"{reply.about}: credentials are allowed to every origin"
