"""The grammar of prefetch templates: CDS Hooks 2.0, "Prefetch Tokens", and the 3.0 ballot's limited FHIRPath."""

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["flaws_of_form", "flaws_of_query", "flaws_of_tokens", "names_used", "plain_tokens"]

_USER: Final = "userPractitionerId|userPractitionerRoleId|userPatientId|userRelatedPersonId"
_TODAY: Final = r"today\(\)(\s*[+-]\s*[0-9]+\s*days?)?"
# ofType takes a concrete resource type; the two abstract ones have no instances.
_STEP: Final = r"[A-Za-z]\w*|ofType\(\s*(?!Resource\b|DomainResource\b)[A-Z][A-Za-z]+\s*\)|resolve\(\)"
_PATH: Final = rf"(context|%[\w-]+)(\.({_STEP}))+"
_PART: Final = rf"\s*({_TODAY}|{_PATH})\s*"
_EXPRESSION: Final = re.compile(rf"\s*({_USER})\s*|{_PART}(\|{_PART})*")
_PLAIN: Final = re.compile(rf"\s*({_USER}|{_TODAY}|context\.\w+)\s*")

_TOKEN: Final = re.compile(r"\{\{(.*?)\}\}")
_MEMBER: Final = re.compile(r"%?\bcontext\.(\w+)(\.)?")
_READ: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+")
_SEARCH: Final = re.compile(r"[A-Z][A-Za-z]+\?(.+)")
_PARAMETER: Final = re.compile(
    r"(_id|_count|_maxresults|_sort|_lastUpdated|[a-z][a-z-]*(:in)?)=(?!(ne|sa|eb|ap)[0-9]{4}).+"
)


def _resolved(template: str) -> str:
    """The template as a client might send it: any id will do."""
    return _TOKEN.sub("0", template)


def flaws_of_form(template: str) -> Iterator[str]:
    """Why it is no relative FHIR read or search."""
    resolved = _resolved(template)
    if not _READ.fullmatch(resolved) and not _SEARCH.fullmatch(resolved):
        yield "neither Type/id nor Type?name=value"


def flaws_of_tokens(template: str) -> Iterator[str]:
    """What is wrong with its tokens by the grammar of 2.0 and the 3.0 ballot together."""
    if "{" in _resolved(template) or "}" in _resolved(template):
        yield "a brace without its like"
    for token in _TOKEN.findall(template):
        if not _EXPRESSION.fullmatch(token):
            yield f"{{{{{token}}}}} is no token"


def flaws_of_query(template: str) -> Iterator[str]:
    """The parameters of a search that not every client has."""
    if search := _SEARCH.fullmatch(_resolved(template)):
        for parameter in search[1].split("&"):
            if not _PARAMETER.fullmatch(parameter):
                yield f"the parameter {parameter.partition('=')[0]!r} is more than a client must support"


def plain_tokens(template: str) -> bool:
    """Whether every token is one of 2.0, or a date."""
    return all(_PLAIN.fullmatch(token) for token in _TOKEN.findall(template))


def names_used(template: str) -> Iterator[tuple[str, bool]]:
    """The members of the context that its tokens name, and whether as a whole (not as the beginning of a path)."""
    for token in _TOKEN.findall(template):
        for member in _MEMBER.finditer(token):
            yield member[1], member[2] is None
