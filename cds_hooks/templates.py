"""The prefetch templates that a service advertises: refused at start when a client could not satisfy them.

CDS Hooks 2.0, "Prefetch tokens" and "Prefetch query restrictions", with `today()` and its days from the 3.0 ballot,
which the official sandbox resolves. Any other token reaches the FHIR server as it stands in some clients.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from cds_hooks.hooks import Hook

__all__ = ["LONGEST", "template_flaws"]

# Long code lists broke clients: https://github.com/cds-hooks/sandbox/issues/47 and /99. The figure is a house limit.
LONGEST: Final = 1_500

USER_TOKENS: Final = frozenset({"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"})

_TOKEN: Final = re.compile(r"\{\{(.*?)\}\}")
_TODAY: Final = re.compile(r"today\(\)( *[+-] *[0-9]+ *days?)?")
_READ: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+")
_SEARCH: Final = re.compile(r"[A-Z][A-Za-z]+\?(.+)")
_PARAMETER: Final = re.compile(r"(_id|_count|_sort|_lastUpdated|[a-z][a-z-]*(:in)?)=(.+)")
_DATE_PREFIX: Final = re.compile(r"(ne|sa|eb|ap)[0-9]{4}")


def template_flaws(hook: Hook, prefetch: Mapping[str, str]) -> tuple[str, ...]:
    """Every flaw of the templates of a service on this hook, each naming its key."""
    return tuple(f'prefetch "{key}": {flaw}' for key, template in prefetch.items() for flaw in _flaws(hook, template))


def _flaws(hook: Hook, template: str) -> Iterator[str]:
    if len(template) > LONGEST:
        yield f"the template has {len(template)} characters, more than {LONGEST}"
    for token in _TOKEN.findall(template):
        if not _is_token(hook, token.strip()):
            allowed = ", ".join(f"context.{name}" for name in sorted(hook.tokens))
            yield f"{{{{{token}}}}} is no prefetch token of {hook.name}; there are {allowed}, today() and the user ids"
    resolved = _TOKEN.sub("0", template)  # what a client might send: any id will do
    if "{" in resolved or "}" in resolved:
        yield "a token must stand between {{ and }}"
    elif search := _SEARCH.fullmatch(resolved):
        for parameter in search[1].split("&"):
            match = _PARAMETER.fullmatch(parameter)
            if match is None or _DATE_PREFIX.match(match[3]):
                name = parameter.partition("=")[0]
                yield f'the search parameter "{name}" is more than a client must support (no chains, _include or _has)'
    elif not _READ.fullmatch(resolved):
        yield "the template must be a relative FHIR read (Type/id) or search (Type?name=value)"


def _is_token(hook: Hook, token: str) -> bool:
    root, _, name = token.partition("context.")
    return (root == "" and name in hook.tokens) or token in USER_TOKENS or _TODAY.fullmatch(token) is not None
