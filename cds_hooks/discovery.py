"""What a service offers, and the discovery document, derived from the services themselves."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgspec

from cds_hooks.hooks import Hook
from cds_hooks.templates import template_flaws

__all__ = ["PATH", "Service", "discovery"]

PATH: Final = "/cds-services"  # of discovery; what can be called lies below it

_ID: Final = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986, 2.3: what a URL path carries as it stands


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service; ValueError with every flaw when no client could use it.

    `prefetch` maps each prefetch key to its template, with the tokens of CDS Hooks 2.0 and `today()`; with `ballot`
    those of the 3.0 ballot as well, which not every client resolves. `lookups` are further templates, not advertised,
    for what the data refer to: queries of our own, where there is a way to the FHIR server. A key that is `required`
    is one without which there is no answer: when it can be had nowhere, nothing else is waited for.
    """

    id: str
    hook: Hook
    title: str
    description: str
    prefetch: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    usage_requirements: str | None = None
    required: frozenset[str] = frozenset()
    lookups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ballot: bool = False

    def __post_init__(self) -> None:
        flaws = [] if _ID.fullmatch(self.id) else ["the id must be of letters, digits and - . _ ~"]
        texts = {"title": self.title, "description": self.description, "usageRequirements": self.usage_requirements}
        flaws += [f"{name} must not be blank" for name, text in texts.items() if text is not None and not text.strip()]
        flaws += template_flaws(self.hook, self.prefetch, self.lookups, ballot=self.ballot)
        flaws += [f'"{key}" is required and no prefetch key' for key in sorted(self.required - self.prefetch.keys())]
        if flaws:
            raise ValueError(f'service "{self.id}": ' + "; ".join(flaws))


def discovery(services: Sequence[Service]) -> bytes:
    """The JSON answer to GET /cds-services.

    Each id stands once: clients keep services by id alone, so of two with one id they would lose the first.
    """
    twice = [id for id, count in Counter(service.id for service in services).items() if count > 1]
    if twice:
        raise ValueError(f"more than one service has the id {', '.join(twice)}")
    return msgspec.json.encode({"services": [_described(service) for service in services]})


def _described(service: Service) -> dict[str, Any]:
    members: dict[str, Any] = {
        "hook": service.hook.name,
        "id": service.id,
        "title": service.title,
        "description": service.description,
        "prefetch": dict(service.prefetch),
        "usageRequirements": service.usage_requirements,
    }
    return {name: value for name, value in members.items() if value}
