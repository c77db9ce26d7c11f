"""A prefetch template as a query of our own: what it asks for, and what of it a resource must be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import quote

from cds_hooks.fhirpath import Expression, Path, Resolve, Scope, depends_on, evaluate, parse
from cds_hooks.templates import TOKEN

__all__ = ["Query", "Unresolved", "queries"]


# For each path of a lookup, each member on it in both its spellings.
Hints = tuple[tuple[tuple[bytes, bytes], ...], ...]


class Unresolved(Exception):
    """A token without a value; `nothing` when there is nothing to ask for, not only nothing that we were told."""

    def __init__(self, *, nothing: bool) -> None:
        super().__init__()
        self.nothing = nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One template, its tokens parsed. `parts` are texts and tokens in turn, a text first and last.

    `search` tells a search from a read; `codes` are those that its `code` parameter names, `patient` whether it names
    the patient. `needs` are the keys that its tokens name. A `lookup` asks for resources that others refer to, so for
    none that is there; its `hints` are the members that the body must have for that (None: nobody can tell).
    """

    key: str
    resource_type: str
    search: bool
    parts: tuple[str | Expression, ...]
    codes: frozenset[str]
    patient: bool
    needs: frozenset[str]
    lookup: bool
    hints: Hints | None

    def url(self, scope: Scope) -> str:
        """The relative URL of a request. Raises Unresolved."""
        return "".join(part if isinstance(part, str) else self._value(part, scope) for part in self.parts)

    def may_ask(self, has: Callable[[bytes], bool]) -> bool:
        """Whether a lookup may have something to ask for, as far as a glance can tell; `has` looks for bytes in the
        body."""
        if self.hints is None:
            return True
        return any(all(has(name) or has(choice) for name, choice in path) for path in self.hints)

    def _value(self, expression: Expression, scope: Scope) -> str:
        values = evaluate(expression, scope)
        if self.lookup:
            values = tuple(value for value in values if f"{self.resource_type}/{value}" not in scope.resources)
        if not values:
            raise Unresolved(nothing=_leads_on(expression))
        if not (self.search or _is_segment(values)):
            raise Unresolved(nothing=False)
        return ",".join(quote(value, safe="") for value in values)


def queries(prefetch: Mapping[str, str], lookups: Mapping[str, str]) -> dict[str, Query]:
    """The queries of templates without a flaw (see `template_flaws`), by their keys and in their order."""
    asked = {key: _query(key, template, lookup=False) for key, template in prefetch.items()}
    return asked | {key: _query(key, template, lookup=True) for key, template in lookups.items()}


def _query(key: str, template: str, *, lookup: bool) -> Query:
    parts: list[Any] = TOKEN.split(template)
    parts[1::2] = expressions = [parse(token) for token in parts[1::2]]
    target, _, parameters = template.partition("?")
    named = [parameter.partition("=") for parameter in parameters.split("&")]
    codes = [value.split(",") for name, _, value in named if name == "code" and TOKEN.search(value) is None]
    return Query(
        key=key,
        resource_type=target.partition("/")[0],
        search=bool(parameters),
        parts=tuple(parts),
        codes=frozenset(chain.from_iterable(codes)),
        patient=any(name in ("patient", "subject") and "context.patientId" in value for name, _, value in named),
        needs=depends_on(chain.from_iterable(expressions)),
        lookup=lookup,
        hints=_hints(expressions) if lookup else None,
    )


def _hints(expressions: list[Expression]) -> Hints | None:
    """The members on the way to the references that tokens follow; None where a token follows none."""
    hints: list[tuple[tuple[bytes, bytes], ...]] = []
    for part in chain.from_iterable(expressions):
        if not isinstance(part, Path) or Resolve() not in part.steps:
            return None
        names = (step for step in part.steps[: part.steps.index(Resolve())] if isinstance(step, str))
        hints.append(tuple((f'"{name}"'.encode(), f'"{name}Reference"'.encode()) for name in names))
    return tuple(hints)


def _is_segment(values: tuple[str, ...]) -> bool:
    """Whether a read has one id, which leads to no other place."""
    return len(values) == 1 and "/" not in values[0] and values[0] not in (".", "..")


def _leads_on(expression: Expression) -> bool:
    """Whether a token looks through resources, rather than at a value that the client sends or leaves out."""
    return all(isinstance(part, Path) and (part.key is not None or len(part.steps) > 1) for part in expression)
