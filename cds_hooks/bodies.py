"""What is said of a body that cannot be read: where, what kind of value was received, what was expected."""

import codecs
import json
from typing import Any, Final

from cds_hooks.errors import BadRequest, Issue
from cds_hooks.hooks import REPLACED
from cds_hooks.nesting import DEEPEST, too_deep
from cds_hooks.schema import Flaw, Schema

__all__ = ["NOT_JSON", "TOO_DEEP", "bad_request", "check_text", "document", "issue", "malformed"]

NOT_JSON: Final = "The body is not valid JSON."
TOO_DEEP: Final = f"The body is nested too deeply: more than {DEEPEST} levels."


def check_text(body: bytes) -> None:
    """JSON is UTF-8 (RFC 8259, 8.1); the decoder would let other bytes pass in members that it skips."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise malformed("The body is not UTF-8 text.", f"byte {error.start}") from None
        if body.startswith(codecs.BOM_UTF8):
            raise malformed("The body begins with a byte order mark, which JSON does not have.")
    if too_deep(body):
        raise malformed(TOO_DEEP)


def malformed(text: str, diagnostics: str | None = None) -> BadRequest:
    """The refusal of a body that is no JSON, or that nobody can read."""
    return BadRequest(Issue(code="structure", text=text, diagnostics=diagnostics))


def bad_request(body: bytes, schema: Schema) -> BadRequest:
    """What is wrong with the envelope of a request that the decoder refused."""
    try:
        found = document(body)
    except ValueError as error:
        return malformed(NOT_JSON, str(error))
    asked = found.get("hook") if isinstance(found, dict) else None
    if isinstance(asked, str) and asked in REPLACED:
        text = f"hook: {asked} is a hook of CDS Hooks 1.0 and is not answered; {REPLACED[asked]} has taken its place."
        return BadRequest(Issue(code="not-supported", text=text, expression="hook"))
    flaws = schema.flaws(found, "request")
    if not flaws:  # the last of two members of one name is right, the first is not; or a number has no double
        return malformed("The request cannot be read: a member is there twice, or a number is out of range.")
    return BadRequest(*map(issue, flaws))


def issue(flaw: Flaw) -> Issue:
    """A flaw as an issue of an OperationOutcome."""
    return Issue(code="required" if flaw.received is None else "value", text=f"{flaw}.", expression=flaw.path)


def document(body: bytes) -> Any:
    """The JSON document of a body, integers of any length as floats. Raises ValueError."""
    return json.loads(body.decode(), parse_int=float, parse_constant=_no_constant)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
