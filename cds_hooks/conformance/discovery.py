"""A.2: what the service says of itself, and A.4: the templates it asks a client to fill in."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from cds_hooks.conformance.check import check
from cds_hooks.conformance.library import HOOKS, Context
from cds_hooks.conformance.target import NotApplicable, Target
from cds_hooks.conformance.templates import flaws_of_form, flaws_of_query, flaws_of_tokens, names_used, plain_tokens
from cds_hooks.rules.parts import has, is_text

SECTION: Final = "discovery"
TEMPLATES: Final = "templates"

_URL_SAFE: Final = re.compile(r"[A-Za-z0-9._~-]+")
_SEMVER: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
# Longer queries broke clients: https://github.com/cds-hooks/sandbox/issues/47 and /99. The figure is a house limit.
_LONGEST: Final = 1_500

Entry = dict[str, Any]


@check(
    SECTION, "A.2-7", mitre=(4, 5, 13), says="GET at exactly {base}/cds-services is answered with 200, not redirected."
)
def discovery_path(target: Target) -> Iterator[str]:
    reply = target.discovery()
    if reply.status != 200:
        yield reply.unlike(200)


@check(SECTION, "A.2-8", mitre=(6,), says="Discovery answers an object with a list of services.")
def discovery_services(target: Target) -> Iterator[str]:
    reply = target.discovery()
    if reply.status != 200:
        raise NotApplicable("discovery did not answer with 200")
    document = reply.document
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, list) or not all(isinstance(entry, dict) for entry in services):
        yield "discovery: expected an object with a list of objects under services"


def _entries(target: Target) -> Iterator[tuple[str, Entry]]:
    """Each entry with what to call it by."""
    entries = target.entries
    if not entries:
        raise NotApplicable("discovery lists no service")
    for index, entry in enumerate(entries):
        yield entry["id"] if is_text(entry.get("id")) else f"services[{index}]", entry


def _with(target: Target, *members: str) -> Iterator[tuple[str, Entry]]:
    """The entries that have one of some optional members."""
    found = [(name, entry) for name, entry in _entries(target) if not entry.keys().isdisjoint(members)]
    if not found:
        raise NotApplicable(f"no service has {' or '.join(members)}")
    yield from found


@check(SECTION, "A.2-9", mitre=(7,), says="Each service has a hook.")
def service_hook(target: Target) -> Iterator[str]:
    return (f"{name}: hook is no text" for name, entry in _entries(target) if not is_text(entry.get("hook")))


@check(SECTION, "A.2-9", mitre=(10, 16), says="Each service has an id.")
def service_id(target: Target) -> Iterator[str]:
    return (f"{name}: id is no text" for name, entry in _entries(target) if not is_text(entry.get("id")))


@check(
    SECTION,
    "A.2-9",
    level="SHOULD",
    says="An id stands in a URL as it is: letters, digits and - . _ ~ (RFC 3986, 2.3).",
)
def service_id_is_url_safe(target: Target) -> Iterator[str]:
    for name, entry in _entries(target):
        if is_text(entry.get("id")) and not _URL_SAFE.fullmatch(entry["id"]):
            yield f"{name}: the id has other characters"


@check(SECTION, "A.2-9", mitre=(9,), says="Each service has a description.")
def service_description(target: Target) -> Iterator[str]:
    for name, entry in _entries(target):
        if not is_text(entry.get("description")):
            yield f"{name}: description is no text"


@check(SECTION, "A.2-9", mitre=(8,), level="SHOULD", says="Each service has a title.")
def service_title(target: Target) -> Iterator[str]:
    return (f"{name}: title is no text" for name, entry in _entries(target) if not is_text(entry.get("title")))


@check(SECTION, "A.2-9", mitre=(11, 29, 36), says="prefetch is an object of templates by key.")
def service_prefetch(target: Target) -> Iterator[str]:
    for name, entry in _with(target, "prefetch"):
        if has(entry, "prefetch"):
            prefetch = entry["prefetch"]
            if not isinstance(prefetch, dict):
                yield f"{name}: prefetch is no object"
            else:
                yield from (
                    f"{name}: the template of {key!r} is no text" for key in prefetch if not is_text(prefetch[key])
                )


@check(SECTION, "A.2-9", mitre=(12,), says="usageRequirements is text.")
def service_usage_requirements(target: Target) -> Iterator[str]:
    for name, entry in _with(target, "usageRequirements"):
        if has(entry, "usageRequirements") and not is_text(entry["usageRequirements"]):
            yield f"{name}: usageRequirements is no text"


@check(SECTION, "A.2-9", level="SHOULD", says="version and hookVersion (3.0) are semantic versions.")
def service_versions(target: Target) -> Iterator[str]:
    for name, entry in _with(target, "version", "hookVersion"):
        for member in ("version", "hookVersion"):
            value = entry.get(member)
            if has(entry, member) and not (isinstance(value, str) and _SEMVER.fullmatch(value)):
                yield f"{name}: {member} is no semantic version"


@check(
    SECTION,
    "A.2-10",
    mitre=(211,),
    says="Services that share an id are on different hooks: they replace each other's cards.",
)
def service_ids(target: Target) -> Iterator[str]:
    listed = Counter(
        (entry["id"], entry["hook"])
        for _, entry in _entries(target)
        if is_text(entry.get("id")) and is_text(entry.get("hook"))
    )
    return (f"{id}: listed {count} times for {hook}" for (id, hook), count in listed.items() if count > 1)


# -- templates -------------------------------------------------------------------------------------


def _templates(target: Target) -> Iterator[tuple[str, str, str]]:
    """Each template with the hook of its service, and what to call it by."""
    found = False
    for name, entry in _entries(target):
        prefetch = entry.get("prefetch")
        for key, template in prefetch.items() if isinstance(prefetch, dict) else ():
            if is_text(template):
                found = True
                yield f"{name}, prefetch {key!r}", str(entry.get("hook")), template
    if not found:
        raise NotApplicable("no service asks for prefetch")


def _names(target: Target) -> Iterator[tuple[str, Context, str, bool]]:
    """Each member of the context that a template for a published hook names, and whether as a whole."""
    for name, hook, template in _templates(target):
        context = HOOKS.get(hook)
        if context is not None:
            yield from ((name, context, member, is_whole) for member, is_whole in names_used(template))


@check(TEMPLATES, "A.4-19", says="A template is a relative FHIR read (Type/id) or search (Type?name=value).")
def template_is_relative(target: Target) -> Iterator[str]:
    return (f"{name}: {flaw}" for name, _, template in _templates(target) for flaw in flaws_of_form(template))


@check(
    TEMPLATES,
    "A.4-20",
    "A.4-21",
    "A.4-22",
    mitre=(55, 56, 59),
    says="Tokens stand between {{ and }} and are of the grammar of 2.0 or of the 3.0 ballot.",
)
def template_tokens(target: Target) -> Iterator[str]:
    return (f"{name}: {flaw}" for name, _, template in _templates(target) for flaw in flaws_of_tokens(template))


@check(
    TEMPLATES,
    "A.4-21",
    "A.4-27",
    mitre=(57,),
    says="A token names a member of the hook's context that is a prefetch token.",
)
def template_tokens_of_hook(target: Target) -> Iterator[str]:
    for name, context, member, is_whole in _names(target):
        if member not in context.members or (is_whole and member not in context.tokens):
            yield f"{name}: context.{member} is no prefetch token of the hook"


@check(
    TEMPLATES,
    "A.4-26",
    level="SHOULD",
    says="Templates use what clients resolve today: the tokens of 2.0, and today().",
)
def template_tokens_of_today(target: Target) -> Iterator[str]:
    return (
        f"{name}: a token goes beyond 2.0 and today()"
        for name, _, template in _templates(target)
        if not plain_tokens(template)
    )


@check(
    TEMPLATES,
    "A.4-27",
    level="SHOULD",
    says="A token does not name an optional member of the context: without it nobody can fill in the template.",
)
def template_tokens_are_there(target: Target) -> Iterator[str]:
    for name, context, member, _ in _names(target):
        if member in context.optional:
            yield f"{name}: context.{member} is optional"


@check(
    TEMPLATES,
    "A.4-24",
    mitre=(58,),
    level="SHOULD",
    says="A search keeps to what every client has: no modifier but :in, no chains, no _include, plain date prefixes.",
)
def template_query(target: Target) -> Iterator[str]:
    return (f"{name}: {flaw}" for name, _, template in _templates(target) for flaw in flaws_of_query(template))


@check(TEMPLATES, "A.4-23", says="A template that uses %key comes after the template of that key (3.0).")
def template_order(target: Target) -> Iterator[str]:
    found = False
    for name, entry in _entries(target):
        prefetch = entry.get("prefetch")
        before: set[str] = set()
        for key, template in prefetch.items() if isinstance(prefetch, dict) else ():
            for used in re.findall(r"%([\w-]+)", " ".join(re.findall(r"\{\{(.*?)\}\}", str(template)))):
                found = True
                if used not in before | {"context"}:
                    yield f"{name}, prefetch {key!r}: %{used} is not asked for before it"
            before.add(key)
    if not found:
        raise NotApplicable("no template uses the result of another")


@check(TEMPLATES, "A.4-26", level="SHOULD", says=f"A template has at most {_LONGEST} characters.")
def template_length(target: Target) -> Iterator[str]:
    for name, _, template in _templates(target):
        if len(template) > _LONGEST:
            yield f"{name}: {len(template)} characters"
