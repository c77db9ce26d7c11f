"""A prefetch template as a query of our own: what it asks for, and whether a resource is what it asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from cds_hooks.fhirpath import Expression, Path, Scope, Today, User, evaluate, parse

__all__ = ["Query", "Unresolved", "depends_on", "queries", "tokens"]

_TOKEN: Final = re.compile(r"\{\{(.*?)\}\}")


class Unresolved(Exception):
    """A token without a value; `known_empty` when nothing is there to ask for, not only nothing we were told."""

    def __init__(self, known_empty: bool) -> None:
        super().__init__("token")
        self.known_empty = known_empty


@dataclass(frozen=True, slots=True)
class Query:
    """One template, its tokens parsed. `parts` are texts and tokens in turn, a text first and last.

    `search` tells a search from a read; `codes` are those its `code` parameter names, `patient` whether it names one.
    """

    key: str
    template: str
    resource_type: str
    search: bool
    parts: tuple[str | Expression, ...]
    codes: frozenset[str]
    patient: bool
    needs: frozenset[str]

    def url(self, scope: Scope) -> str:
        """The relative URL of a request. Raises Unresolved."""
        return "".join(part if isinstance(part, str) else self._value(part, scope) for part in self.parts)

    def _value(self, expression: Expression, scope: Scope) -> str:
        values = evaluate(expression, scope)
        if not values:
            raise Unresolved(known_empty=not _is_plain(expression))
        if not self.search and not _is_segment(values):
            raise Unresolved(known_empty=False)
        return ",".join(quote(value, safe="") for value in values)


def tokens(template: str) -> list[Expression]:
    """The tokens of a template; ValueError for one that is none."""
    return [parse(token) for token in _TOKEN.findall(template)]


def depends_on(expressions: list[Expression]) -> frozenset[str]:
    """The prefetch keys that tokens name."""
    return frozenset(
        part.key for expression in expressions for part in expression if isinstance(part, Path) and part.key is not None
    )


def queries(templates: Mapping[str, str]) -> dict[str, Query]:
    """The queries of templates without a flaw (`template_flaws`), by their keys."""
    return {key: _query(key, template) for key, template in templates.items()}


def _query(key: str, template: str) -> Query:
    pieces = _TOKEN.split(template)
    expressions = tokens(template)
    parts: list[Any] = list(pieces)
    parts[1::2] = expressions
    resource_type, _, parameters = template.partition("?")
    named = [parameter.partition("=") for parameter in parameters.split("&")]
    codes = next((value for name, _, value in named if name == "code" and not _TOKEN.search(value)), "")
    return Query(
        key=key,
        template=template,
        resource_type=resource_type.partition("/")[0],
        search="?" in template,
        parts=tuple(parts),
        codes=frozenset(codes.split(",")) if codes else frozenset(),
        patient=any(name in ("patient", "subject") and "context.patientId" in value for name, _, value in named),
        needs=depends_on(expressions),
    )


def _is_segment(values: tuple[str, ...]) -> bool:
    """Whether a read has one id, which leads to no other place."""
    return len(values) == 1 and "/" not in values[0] and values[0] not in (".", "..")


def _is_plain(expression: Expression) -> bool:
    """Whether a token is a value of the context itself, which the client has left out, rather than a way through it."""
    return all(isinstance(part, User | Today) or (part.key is None and len(part.steps) == 1) for part in expression)
