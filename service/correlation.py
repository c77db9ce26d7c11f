"""One name for everything that one call makes the service do and write: the correlation id.

It comes from the caller (`X-Request-ID`, else the trace of `traceparent`) where it has a form in which nobody writes
a patient's number or name; otherwise it is made here. The answer carries it in `X-Request-ID`, each log line in
`correlation_id`.
"""

import random
import re
from contextvars import ContextVar
from typing import Final

__all__ = ["CORRELATION", "correlation_id"]

CORRELATION: Final[ContextVar[str | None]] = ContextVar("correlation_id", default=None)

# A UUID, 32 hexadecimal digits (a trace id, a UUID without dashes), or a ULID. An id of any other form may be anything.
_RANDOM: Final = re.compile(
    r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32}|[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII
)
# https://www.w3.org/TR/trace-context/, 3.2: version, trace id, parent id, flags; a trace id of zeros is none.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.ASCII)


def correlation_id(request_id: str | None, traceparent: str | None) -> str:
    """The id of a call, from its headers `X-Request-ID` and `traceparent`, else a new one."""
    if request_id is not None and _RANDOM.fullmatch(request_id):
        return request_id
    trace = _TRACEPARENT.fullmatch(traceparent) if traceparent is not None else None
    # Unlike, and no secret: the system's own randomness would cost a call of the kernel.
    return f"{random.getrandbits(128):032x}" if trace is None else trace[1]
