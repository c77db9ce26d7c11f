"""SMART scopes: what an access token lets its holder do, in the forms of SMART App Launch 1 and 2."""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

__all__ = ["Leave", "Scopes"]

# Version 1: patient/Observation.read. Version 2: user/Observation.rs, patient/Condition.rs?category=problem-list-item
_SCOPE: Final = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)"
    r"\.(?:(?P<v1>read|write|\*)|(?P<v2>(?=[a-z])c?r?u?d?s?)(?P<part>\?\S+)?)"
)

# Whole: everything of the type; part: what a query in the scope lets through; none.
Leave = Literal["whole", "part", "none"]


class _Scope(NamedTuple):
    resource_type: str
    read: bool
    search: bool
    whole: bool


class Scopes:
    """The scopes of a token, as `fhirAuthorization.scope` lists them; those that name no resource are passed over."""

    def __init__(self, text: str, levels: Iterable[str] = ("patient", "user", "system")) -> None:
        taken = frozenset(levels)
        matches = filter(None, map(_SCOPE.fullmatch, text.split()))
        self._scopes = [_scope(match) for match in matches if match["level"] in taken]

    def leave(self, resource_type: str, *, search: bool) -> Leave:
        """What of this type may be read by its id, or searched for."""
        found = [
            scope.whole
            for scope in self._scopes
            if scope.resource_type in ("*", resource_type) and (scope.search if search else scope.read)
        ]
        if not found:
            return "none"
        return "whole" if any(found) else "part"


def _scope(match: re.Match[str]) -> _Scope:
    if match["v1"] is not None:
        reads = match["v1"] != "write"
        return _Scope(match["type"], reads, reads, True)
    return _Scope(match["type"], "r" in match["v2"], "s" in match["v2"], match["part"] is None)
