"""One typed settings object: the defaults, then a TOML file, then the environment, then the command line.

What is a table (`issuers`) stands in the TOML file only: an environment variable holds one value or a plain list.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from service.layers import SETTINGS_FILE, SettingsError, values_given

__all__ = [
    "IssuerSettings",
    "QuietSettings",
    "Settings",
    "SettingsError",
    "state_directory_by_default",
    "workers_by_default",
]

# The private key of the official sandbox is public in its repository (cds-hooks/sandbox), so anybody can sign with it.
SANDBOX: Final = "sandbox.cds-hooks.org"

WebAddress = Annotated[str, Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?$")]
Origin = Annotated[str, Meta(pattern=r"^(\*|https?://[^\s/?#@*]+)$")]
Name = Annotated[str, Meta(pattern=r"^\S+$")]
Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


_FHIR_SERVERS: Final = "a list of http or https base addresses of FHIR servers, each without a closing slash"


def workers_by_default() -> int:
    """One process per core up to two, the size on which the published figures are measured."""
    return min(os.cpu_count() or 1, 2)


def state_directory_by_default() -> str:
    """Where systemd says that this service keeps its state, else the place of the XDG Base Directory Specification."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return given
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return str(Path(home) / "osteohooks")


class IssuerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One client that may call. Its keys stand under `jku`, in `jwks_file` or in `jwks`: one of the three."""

    iss: Annotated[str, Meta(pattern=r"^\S+$", description="the `iss` claim of the client's tokens")]
    jku: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$")] | None,
        Meta(description="the http or https address of the client's JWK set"),
    ] = None
    jwks_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="a file with the client's JWK set")
    ] = None
    jwks: Annotated[dict[str, Any] | None, Meta(description="the client's JWK set as a table")] = None
    tenants: Annotated[tuple[Name, ...], Meta(description="a list of tenants as tokens name them in `tenant`")] = ()
    audiences: Annotated[tuple[Name, ...], Meta(description="a list of further values to take in `aud`")] = ()
    client_id: Annotated[
        Name | None, Meta(description="the name under which the client's OAuth server knows this service")
    ] = None
    fhir_servers: Annotated[tuple[WebAddress, ...], Meta(description=_FHIR_SERVERS)] = ()
    private_fhir_servers: Annotated[tuple[WebAddress, ...], Meta(description=_FHIR_SERVERS)] = ()


class QuietSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to show of some advice: that of `rule` or `outcome`, on `hook`, to `role`, for `site`; absent means any."""

    rule: Annotated[Name | None, Meta(description="the name of a rule, <guideline>/<section>")] = None
    outcome: Annotated[Name | None, Meta(description="the code of an outcome")] = None
    hook: Annotated[
        Literal[
            "patient-view",
            "order-select",
            "order-sign",
            "encounter-start",
            "medication-refill",
            "problem-list-item-create",
        ]
        | None,
        Meta(description="the name of a hook that is answered"),
    ] = None
    role: Annotated[
        Literal["practitioner", "practitioner-role", "patient", "related-person"] | None,
        Meta(description="practitioner, practitioner-role, patient or related-person"),
    ] = None
    site: Annotated[Name | None, Meta(description="the `iss` or the `tenant` of a client")] = None
    show: Annotated[Literal["on", "silent", "off"] | None, Meta(description="on, silent or off")] = None
    ceiling: Annotated[Literal["info", "warning", "critical"] | None, Meta(description="info, warning or critical")] = (
        None
    )
    critical_too: Annotated[bool, Meta(description="true or false")] = False


TABLES: Final[Mapping[str, type[msgspec.Struct]]] = {"issuers": IssuerSettings, "quiet": QuietSettings}
# Settings whose path, where the settings file gives it, starts from that file.
PATHS: Final = frozenset({"fhir_ca_file", "memory_page"})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a site can set. Each `description` completes the sentence "expected ..."."""

    mode: Annotated[Literal["demo", "production"], Meta(description="demo or production")] = "demo"
    host: Annotated[str, Meta(pattern=r"^\S+$", description="a host name or an address")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="a whole number from 1 to 65535")] = 8080
    allow_non_loopback: Annotated[bool, Meta(description="true or false")] = False
    workers: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = msgspec.field(
        default_factory=workers_by_default
    )
    blocking_threads: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 4
    max_body_bytes: Annotated[int, Meta(ge=1, description="a whole number of bytes, 1 or more")] = 8 * 1024 * 1024
    # House: ten times what CDS Hooks asks for; EHRs give up on a service after some seconds.
    time_limit_seconds: Annotated[float, Meta(gt=0, description="a number above 0")] = 5.0
    # A little less than the 30 s after which systemd and Kubernetes kill.
    drain_seconds: Annotated[int, Meta(ge=1, description="a whole number of seconds, 1 or more")] = 20
    language: Annotated[Literal["en", "zh"], Meta(description="en or zh")] = "en"
    market: Annotated[Literal["cn", "us", "eu"], Meta(description="cn, us or eu")] = "cn"
    leading_guideline: Annotated[
        Name | None, Meta(description="the name of a folder of guidelines, as hadji_2017_ai_bone_loss")
    ] = None
    today: Annotated[datetime.date | None, Meta(description="a date, YYYY-MM-DD")] = None
    public_base_url: Annotated[
        WebAddress | None, Meta(description="an http or https address without a query or a closing slash")
    ] = None
    origins: Annotated[
        tuple[Origin, ...], Meta(description='a list of origins (https://ehr.example.org), or of "*" alone')
    ] = ("*",)
    max_cards: Annotated[int, Meta(ge=1, le=5, description="a whole number from 1 to 5")] = 5
    memory: Annotated[bool, Meta(description="true or false")] = True
    memory_page: Annotated[Annotated[str, Meta(min_length=1)] | None, Meta(description="the path of a page")] = None
    quiet: Annotated[tuple[QuietSettings, ...], Meta(description="a list of tables, each headed [[quiet]]")] = ()
    issuers: Annotated[tuple[IssuerSettings, ...], Meta(description="a list of tables, each headed [[issuers]]")] = ()
    # Those that CDS Hooks recommends.
    algorithms: Annotated[
        tuple[Algorithm, ...], Meta(min_length=1, description=f"a list of some of {', '.join(get_args(Algorithm))}")
    ] = ("ES384", "RS384")
    open_discovery: Annotated[bool, Meta(description="true or false")] = False
    replay: Annotated[Literal["strict", "log", "off"], Meta(description="strict, log or off")] = "strict"
    # RFC 7519, 4.1.4: usually no more than a few minutes.
    leeway_seconds: Annotated[int, Meta(ge=0, le=300, description="a whole number from 0 to 300")] = 60
    # CDS Hooks best practices: the id of a token is kept for an hour at most.
    max_token_lifetime_seconds: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 3600
    # As the `jose` package's createRemoteJWKSet: ten minutes and thirty seconds.
    jwks_fresh_seconds: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 600
    jwks_cooldown_seconds: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 30
    # House: a client's key server may be away for a day, and a user does not wait for it.
    jwks_usable_seconds: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 86_400
    jwks_timeout_seconds: Annotated[float, Meta(gt=0, le=10, description="a number above 0, up to 10")] = 2.0

    # For demo mode, where callers may have no issuer; production has them with each issuer.
    fhir_servers: Annotated[tuple[WebAddress, ...], Meta(description=_FHIR_SERVERS)] = ()
    private_fhir_servers: Annotated[tuple[WebAddress, ...], Meta(description=_FHIR_SERVERS)] = ()
    fhir_seconds: Annotated[float, Meta(gt=0, le=30, description="a number above 0, up to 30")] = 2.5
    fhir_max_pages: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 20
    fhir_max_resources: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 2000
    fhir_max_bytes: Annotated[int, Meta(ge=1, description="a whole number of bytes, 1 or more")] = 8 * 1024 * 1024
    fhir_ca_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="a file of certificates to trust")
    ] = None

    database: Annotated[
        Annotated[str, Meta(pattern=r"^postgresql(\+psycopg)?://\S*$")] | None,
        Meta(description="the address of a PostgreSQL database, postgresql://USER@HOST/NAME"),
    ] = None
    state_directory: Annotated[str, Meta(min_length=1, description="a folder that the service may write")] = (
        msgspec.field(default_factory=state_directory_by_default)
    )
    comments: Annotated[Literal["drop", "encrypt"], Meta(description="drop or encrypt")] = "drop"
    comment_keys: Annotated[tuple[Name, ...], Meta(description="a list of Fernet keys, the newest first")] = ()
    pseudonym_keys: Annotated[
        tuple[Annotated[str, Meta(min_length=32)], ...],
        Meta(description="a list of keys of 32 characters or more, the newest first"),
    ] = ()

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        path: str | Path | None = None,
        command_line: Mapping[str, object] | None = None,
    ) -> Settings:
        """Read every layer, the later over the earlier; in: environment, settings file, flags (None = not given).

        Without `path` the file is the one that OSTEOHOOKS_CONFIG names, if any. A list in the environment is
        separated by commas, and an empty variable counts as absent. The path of a key or certificate file that
        the settings file names starts from it. Raises SettingsError naming every flaw at once.
        """
        file = path or environ.get(SETTINGS_FILE) or None
        values = values_given(cls, TABLES, PATHS, Path(file) if file else None, environ, command_line or {})
        settings = cls(**_found_from(Path(file or "").parent, values))
        settings.judge()
        return settings

    def judge(self) -> None:
        """Raises SettingsError with every reason why the service may not start with these settings."""
        problems = list(self.refusals())
        if problems:
            raise SettingsError(problems)

    @property
    def names_clients(self) -> bool:
        """Whether clients are checked, FHIR servers of theirs asked, or the settings of either given: always in
        production."""
        named = self.issuers or self.fhir_servers or self.private_fhir_servers or self.fhir_ca_file
        return self.mode == "production" or bool(named)

    def refusals(self) -> Iterator[str]:
        """Why the service may not start with these settings, a sentence each; nothing when it may."""
        yield from self._issuers_refusals()
        if self.comments == "encrypt" and not self.comment_keys:
            yield "comment_keys: comments = encrypt needs one or more keys"
        if self.database is not None and not self.pseudonym_keys:
            yield "pseudonym_keys: machines that share a database need the same keys; set one or more"
        if self.mode == "demo":
            if self.issuers and self.public_base_url is None:
                yield "public_base_url: tokens are for an address; with issuers, set the one under which clients call"
            if not (self.allow_non_loopback or _is_loopback(self.host)):
                yield (
                    "host: demo mode has no client authentication and serves this machine only (127.0.0.1); "
                    "set allow_non_loopback to true to open it to others"
                )
            return
        if self.fhir_servers or self.private_fhir_servers:
            yield "fhir_servers, private_fhir_servers: in production they stand with each of the issuers"
        if self.today is not None:
            yield "today: the clock can be set in demo mode only"
        if not self.issuers:
            yield "issuers: production needs the issuers of the clients that may call"
        if not self.origins or "*" in self.origins:
            yield 'origins: production needs a list of the origins that may call, without "*"'
        if self.public_base_url is None or not self.public_base_url.startswith("https://"):
            yield "public_base_url: production needs the https address under which clients reach the service"

    def _issuers_refusals(self) -> Iterator[str]:
        named: set[str] = set()
        for place, issuer in enumerate(self.issuers):
            if issuer.iss in named:
                yield f"issuers[{place}].iss: this issuer stands there already"
            named.add(issuer.iss)
            if [issuer.jku, issuer.jwks_file, issuer.jwks].count(None) != 2:
                yield f"issuers[{place}]: needs one of jku, jwks_file and jwks"
            yield from self._fhir_refusals(f"issuers[{place}]", issuer)
            if self.mode == "production":
                if any(_host(url) == SANDBOX for url in (issuer.iss, issuer.jku) if url is not None):
                    yield f"issuers[{place}]: the keys of {SANDBOX} are public; it can call in demo mode only"
                if issuer.jku is not None and not issuer.jku.startswith("https://"):
                    yield f"issuers[{place}].jku: production fetches keys over https only"

    def _fhir_refusals(self, place: str, issuer: IssuerSettings) -> Iterator[str]:
        servers = (*issuer.fhir_servers, *issuer.private_fhir_servers)
        if self.mode == "production" and servers:
            if issuer.client_id is None:
                yield f"{place}.client_id: tokens for FHIR servers are for somebody; set who we are to this client"
            if not all(url.startswith("https://") for url in servers):
                yield f"{place}: production asks FHIR servers over https only"


def _found_from(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The settings, their paths found from the folder of the settings file."""
    found = dict(values)
    if "issuers" in values:
        found["issuers"] = tuple(
            issuer if issuer.jwks_file is None else replace(issuer, jwks_file=str(folder / issuer.jwks_file))
            for issuer in values["issuers"]
        )
    return found


def _host(url: str) -> str | None:
    """The host of a URL as a browser would take it, None for what has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".") or None
    except ValueError:  # brackets that hold no address
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name that resolves to who knows where
