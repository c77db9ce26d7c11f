"""The prefetch templates of a service: refused at start when a client, or we ourselves, could not satisfy them.

What is advertised keeps to CDS Hooks 2.0, "Prefetch tokens" and "Prefetch query restrictions", with `today()` and its
days from the 3.0 ballot, which the official sandbox resolves. Any other token reaches the FHIR server as it stands in
some clients: the rest of the ballot's grammar is for lookups, which are our own queries, and for who asks for it.
"""

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Final

from cds_hooks.fhirpath import Expression, Path, depends_on, parse
from cds_hooks.hooks import Hook

__all__ = ["LONGEST", "TOKEN", "template_flaws"]

# Long code lists broke clients: https://github.com/cds-hooks/sandbox/issues/47 and /99. The figure is a house limit.
LONGEST: Final = 1_500

TOKEN: Final = re.compile(r"\{\{(.*?)\}\}")

_READ: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+")
_SEARCH: Final = re.compile(r"[A-Z][A-Za-z]+\?(.+)")
_PARAMETER: Final = re.compile(r"(_id|_count|_sort|_lastUpdated|[a-z][a-z-]*(:in)?)=(.+)")
_DATE_PREFIX: Final = re.compile(r"(ne|sa|eb|ap)[0-9]{4}")


def template_flaws(
    hook: Hook, prefetch: Mapping[str, str], lookups: Mapping[str, str] | None = None, *, ballot: bool = False
) -> tuple[str, ...]:
    """Every flaw of the templates of a service on this hook, each naming its key.

    `lookups` are not advertised and may use the whole grammar; with `ballot` those of `prefetch` may as well.
    """
    own = lookups or {}
    flaws = [f'prefetch "{key}": {flaw}' for key, one in prefetch.items() for flaw in _flaws(hook, one, ballot)]
    flaws += [f'lookup "{key}": {flaw}' for key, one in own.items() for flaw in _flaws(hook, one, True)]
    flaws += [f'lookup "{key}": is a prefetch key as well' for key in own.keys() & prefetch.keys()]
    advertised = prefetch if ballot else dict.fromkeys(prefetch, "")  # where %key itself is a flaw, its order is none
    return (*flaws, *_order_flaws(advertised, own))


def _flaws(hook: Hook, template: str, ballot: bool) -> Iterator[str]:
    if len(template) > LONGEST:
        yield f"the template has {len(template)} characters, more than {LONGEST}"
    for token in TOKEN.findall(template):
        reason = _reason_against(hook, token, ballot)
        if reason is not None:
            allowed = ", ".join(f"context.{name}" for name in sorted(hook.tokens))
            yield (
                f"{{{{{token}}}}} is no prefetch token of {hook.name} ({reason}); "
                f"there are {allowed}, today() and the user ids"
            )
    resolved = TOKEN.sub("0", template)  # what a client might send: any id will do
    if "{" in resolved or "}" in resolved:
        yield "a token must stand between {{ and }}"
    elif search := _SEARCH.fullmatch(resolved):
        for parameter in search[1].split("&"):
            match = _PARAMETER.fullmatch(parameter)
            name = parameter.partition("=")[0]
            if ballot and name == "_maxresults":
                continue
            if match is None or _DATE_PREFIX.match(match[3]):
                yield f'the search parameter "{name}" is more than a client must support (no chains, _include or _has)'
    elif not _READ.fullmatch(resolved):
        yield "the template must be a relative FHIR read (Type/id) or search (Type?name=value)"


def _reason_against(hook: Hook, token: str, ballot: bool) -> str | None:
    try:
        expression = parse(token)
    except ValueError as error:
        return str(error)
    if len(expression) > 1 and not ballot:
        return "alternatives belong to the 3.0 ballot"
    return next((reason for part in expression if (reason := _reason(hook, part, ballot)) is not None), None)


def _reason(hook: Hook, part: object, ballot: bool) -> str | None:
    if not isinstance(part, Path):
        return None
    if part.key is None and len(part.steps) == 1:
        return None if part.steps[0] in hook.tokens else "the hook has no such token"
    if not ballot:
        return "paths belong to the 3.0 ballot"
    if part.key is None and part.steps[0] not in {field.name for field in hook.context}:
        return "the context has no such member"
    return None


def _order_flaws(prefetch: Mapping[str, str], lookups: Mapping[str, str]) -> Iterator[str]:
    """Keys that refer to none, to a later one, or to each other; the ballot wants each after those it depends on."""
    needs = {key: _needs(template) for key, template in {**prefetch, **lookups}.items()}
    earlier: set[str] = set()
    for key, needed in needs.items():
        for name in sorted(needed - earlier):
            where = "stands after it" if name in needs else "is no prefetch key"
            yield f'{"lookup" if key in lookups else "prefetch"} "{key}": %{name} {where}'
        earlier.add(key)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        yield f"prefetch: {' needs '.join(f'%{key}' for key in reversed(error.args[1]))}, a circle"


def _needs(template: str) -> frozenset[str]:
    expressions: list[Expression] = []
    for token in TOKEN.findall(template):
        try:
            expressions.append(parse(token))
        except ValueError:
            continue  # that has been said
    return depends_on(chain.from_iterable(expressions))
