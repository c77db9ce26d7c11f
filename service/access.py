"""Which FHIR servers a caller may name, from the settings."""

from collections.abc import Callable
from datetime import date

from cds_hooks import FhirAccess, FhirServer, Grant, Limits, Parser
from fhir_profiles import Resource
from service.config import IssuerSettings, Settings, SettingsError

__all__ = ["access_of"]


def access_of(
    settings: Settings, parser: Parser[Resource], queries: int, today: Callable[[], date]
) -> FhirAccess[Resource] | None:
    """What fetches from FHIR servers, up to so many queries a request; None where no setting names a server.

    Raises SettingsError for an address that is none.
    """
    problems: list[str] = []
    demo = _servers(settings, "", problems) if settings.mode == "demo" else ()
    grants: dict[str | None, Grant] = {None: Grant(servers=demo)}
    for place, issuer in enumerate(settings.issuers):
        servers = (*demo, *_servers(issuer, f"issuers[{place}].", problems))
        grants[issuer.iss] = Grant(servers=servers, client_id=issuer.client_id)
    if problems:
        raise SettingsError(problems)
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
