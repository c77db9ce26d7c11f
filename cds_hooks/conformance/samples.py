"""Sample requests: what to call a service with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cds_hooks.schema import load

__all__ = ["MARK", "Sample", "Unusable", "read_sample", "sample_of"]

# A sample may carry, as an extension of the request, what the suite cannot find out by itself:
# {"service": an id, "required": [prefetch keys without which the service cannot answer]}. It is not sent.
MARK: Final = "org.osteohooks.conformance"


class Unusable(Exception):
    """The suite cannot be run as it was asked to; the text says why."""


@dataclass(frozen=True)
class Sample:
    """A hook request with its complete prefetch.

    It is for every service on its hook, or for `service` alone. `required` are the prefetch keys without which the
    service cannot answer; `members` is what the request holds beyond hook, hookInstance, context and prefetch.
    """

    hook: str
    context: Mapping[str, Any]
    prefetch: Mapping[str, Any]
    members: Mapping[str, Any]
    service: str | None = None
    required: tuple[str, ...] = ()

    @property
    def drafts(self) -> frozenset[str]:
        """The resources in the Bundles of the context, each as Type/id."""
        bundles = [member for member in self.context.values() if isinstance(member, dict)]
        entries = [entry for bundle in bundles for entry in bundle.get("entry") or () if isinstance(entry, dict)]
        resources = [entry["resource"] for entry in entries if isinstance(entry.get("resource"), dict)]
        return frozenset(f"{resource.get('resourceType')}/{resource.get('id')}" for resource in resources)


def read_sample(path: Path) -> Sample:
    """The sample in a file. Raises Unusable when it is no CDS Hooks request."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Unusable(f"{path}: cannot be read ({error.strerror})") from error
    try:
        request = json.loads(text)
    except ValueError as error:
        raise Unusable(f"{path}: expected JSON") from error
    try:
        return sample_of(request)
    except Unusable as error:
        raise Unusable(f"{path}: {error}") from error


def sample_of(request: Any, service: str | None = None, required: tuple[str, ...] = ()) -> Sample:
    """The sample that a decoded request is. Raises Unusable when it is no CDS Hooks request."""
    flaws = load("sample").flaws(request, "request")
    if flaws:
        raise Unusable("; ".join(map(str, flaws)))
    members = dict(request)
    hook, context, prefetch = members.pop("hook"), members.pop("context"), members.pop("prefetch", None) or {}
    members.pop("hookInstance")
    extension = dict(members.pop("extension", {}))
    said = extension.pop(MARK, {})
    if extension:
        members["extension"] = extension
    return Sample(
        hook=hook,
        context=context,
        prefetch=prefetch,
        members=members,
        service=said.get("service", service),
        required=tuple(said.get("required", required)),
    )
