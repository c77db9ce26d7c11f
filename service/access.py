"""Which FHIR servers a caller may name, from the settings."""

import ssl
from collections.abc import Callable, Mapping
from datetime import date

from cds_hooks import Parser
from cds_hooks.fhir_access import FhirAccess, Grant
from cds_hooks.fhir_server import FhirServer
from cds_hooks.pages import Limits
from fhir_profiles import Resource
from service import metrics
from service.config import IssuerSettings, Settings, SettingsError

__all__ = ["access_of", "grants_of"]


def grants_of(settings: Settings) -> Mapping[str | None, Grant]:
    """The FHIR servers of each issuer, and under None those of callers without one, in demo mode only.

    Raises SettingsError with every address that is none, and for a file of certificates that cannot be used.
    """
    problems: list[str] = []
    everybody = _servers(settings, "", problems)  # in production there are none: see Settings.refusals
    grants: dict[str | None, Grant] = {None: Grant(servers=everybody)}
    for place, issuer in enumerate(settings.issuers):
        servers = (*everybody, *_servers(issuer, f"issuers[{place}].", problems))
        grants[issuer.iss] = Grant(servers=servers, client_id=issuer.client_id)
    if settings.fhir_ca_file is not None:
        try:
            ssl.create_default_context(cafile=settings.fhir_ca_file)
        except OSError as error:
            problems.append(f"fhir_ca_file: cannot be used: {error.strerror or 'no certificates'}")
    if problems:
        raise SettingsError(problems)
    return grants


def access_of(
    settings: Settings, parser: Parser[Resource], queries: int, today: Callable[[], date]
) -> FhirAccess[Resource] | None:
    """What fetches from FHIR servers, up to so many queries a request; None where no setting names a server.

    Raises SettingsError.
    """
    grants = grants_of(settings)
    if not any(grant.servers for grant in grants.values()):
        return None
    return FhirAccess(
        parser,
        grants,
        seconds=settings.fhir_seconds,
        limits=Limits(
            pages=settings.fhir_max_pages, bytes=settings.fhir_max_bytes, resources=settings.fhir_max_resources
        ),
        threads=settings.blocking_threads * queries,
        today=today,
        trusted=settings.fhir_ca_file,
        on_fetched=metrics.fhir_fetched,
    )


def _servers(settings: Settings | IssuerSettings, place: str, problems: list[str]) -> tuple[FhirServer, ...]:
    servers: list[FhirServer] = []
    for name in ("fhir_servers", "private_fhir_servers"):
        for url in getattr(settings, name):
            try:
                servers.append(FhirServer(url, private=name == "private_fhir_servers"))
            except ValueError as error:
                problems.append(f"{place}{name}: {error}")
    return tuple(servers)
