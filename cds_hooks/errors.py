"""Every refusal on the wire: an HTTP status and a FHIR OperationOutcome.

No text here repeats a value that a client sent: values may be data of a patient.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

__all__ = [
    "BadRequest",
    "Issue",
    "IssueCode",
    "MethodNotAllowed",
    "NotFound",
    "PayloadTooLarge",
    "PreconditionFailed",
    "Refusal",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMediaType",
    "operation_outcome",
]

# The codes we use of http://hl7.org/fhir/issue-type
IssueCode = Literal[
    "structure",
    "required",
    "value",
    "login",
    "not-found",
    "not-supported",
    "too-long",
    "exception",
    "timeout",
    "transient",
    "processing",
]


class Issue(Struct, frozen=True, kw_only=True):
    """One issue of an OperationOutcome; `expression` is the path of the member it is about."""

    code: IssueCode
    text: str | None
    expression: str | None = None
    diagnostics: str | None = None
    severity: Literal["error", "fatal"] = "error"


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """The FHIR OperationOutcome of some issues, of which there must be at least one."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}


def _issue(issue: Issue) -> dict[str, Any]:
    member: dict[str, Any] = {"severity": issue.severity, "code": issue.code}
    if issue.text is not None:
        member["details"] = {"text": issue.text}
    if issue.diagnostics is not None:
        member["diagnostics"] = issue.diagnostics
    if issue.expression is not None:
        member["expression"] = [issue.expression]
    return member


class Refusal(Exception):
    """A request that is not answered with cards: `status`, `issues`, and further response `headers`."""

    status: int = 400

    def __init__(self, *issues: Issue, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__("; ".join(issue.text or issue.code for issue in issues))
        self.issues = issues
        self.headers: Mapping[str, str] = headers or {}
        if status is not None:
            self.status = status


class BadRequest(Refusal):
    """400: the body is not the request of this hook."""

    status = 400


class Unauthorized(Refusal):
    """401: the client has not proved who it is. Nothing tells why: who forges a token must not learn from it."""

    status = 401

    def __init__(self) -> None:
        super().__init__(Issue(code="login", text=None), headers={"WWW-Authenticate": "Bearer"})


class NotFound(Refusal):
    """404: there is nothing at this address."""

    status = 404

    def __init__(self) -> None:
        super().__init__(Issue(code="not-found", text="There is no such CDS service; see GET /cds-services."))


class MethodNotAllowed(Refusal):
    """405, with the methods that are allowed."""

    status = 405

    def __init__(self, allowed: Iterable[str]) -> None:
        methods = ", ".join(sorted(allowed))
        super().__init__(
            Issue(code="not-supported", text=f"This method is not allowed here; allowed: {methods}."),
            headers={"Allow": methods},
        )


class PreconditionFailed(Refusal):
    """412: data without which the service cannot answer were not received.

    `key` is the prefetch key, `template` what the service asked for under it, `cause` why the FHIR server did not
    give it, in one word, where it was asked.
    """

    status = 412

    def __init__(self, key: str, template: str, cause: str | None = None) -> None:
        super().__init__(
            Issue(
                code="required",
                text=f'The prefetch key "{key}" is needed and was not received with data. Send: {template}',
                expression=f"prefetch.{key}",
                diagnostics=None if cause is None else f"From the FHIR server it was not had: {cause}.",
            )
        )


class PayloadTooLarge(Refusal):
    """413: the body is longer than `limit` bytes."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(Issue(code="too-long", text=f"The body is longer than {limit} bytes."))


class UnsupportedMediaType(Refusal):
    """415: the body is not plain `application/json`."""

    status = 415

    def __init__(self) -> None:
        super().__init__(
            Issue(code="not-supported", text="Send the body as application/json, without a content encoding.")
        )


class Unavailable(Refusal):
    """503: something that is needed is away; the same call may do after so many seconds."""

    status = 503

    def __init__(
        self, retry_after: int, text: str = "The client's token cannot be checked at the moment; try again."
    ) -> None:
        super().__init__(
            Issue(code="transient", text=text),
            headers={"Retry-After": str(retry_after)},
        )
