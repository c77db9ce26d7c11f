"""One typed settings object: the defaults, then a TOML file, then the environment, then the command line."""

from __future__ import annotations

import datetime
import difflib
import ipaddress
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_origin

import msgspec
from msgspec import Meta

PREFIX: Final = "OSTEOHOOKS_"
SETTINGS_FILE: Final = f"{PREFIX}CONFIG"
# Variables that share the prefix and are not settings: the file's own path, and a folder that only the tests read.
NOT_SETTINGS: Final = frozenset({SETTINGS_FILE, f"{PREFIX}REAL_PATIENTS"})

CLIENT_AUTHENTICATION: Final = (
    "mode: production refuses to start until client authentication is configured, "
    "and client authentication is not available in this version"
)

TYPE_NAMES: Final = {str: "text", list: "a list", dict: "a table", datetime.datetime: "a date with a time"}

WebAddress = Annotated[str, Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?$")]
Origin = Annotated[str, Meta(pattern=r"^(\*|https?://[^\s/?#@*]+)$")]
Issuer = Annotated[str, Meta(pattern=r"^\S+$")]


class SettingsError(ValueError):
    """Settings that the service refuses; `problems` has one sentence for each flaw."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def workers_by_default() -> int:
    """One process per core up to two, the size on which the published figures are measured."""
    return min(os.cpu_count() or 1, 2)


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
    language: Annotated[Literal["en", "zh"], Meta(description="en or zh")] = "en"
    market: Annotated[Literal["cn", "us", "eu"], Meta(description="cn, us or eu")] = "cn"
    today: Annotated[datetime.date | None, Meta(description="a date, YYYY-MM-DD")] = None
    public_base_url: Annotated[
        WebAddress | None, Meta(description="an http or https address without a query or a closing slash")
    ] = None
    origins: Annotated[
        tuple[Origin, ...], Meta(description='a list of origins (https://ehr.example.org), or of "*" alone')
    ] = ("*",)
    issuers: Annotated[tuple[Issuer, ...], Meta(description="a list of issuers as tokens name them in `iss`")] = ()

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        path: str | Path | None = None,
        command_line: Mapping[str, object] | None = None,
    ) -> Settings:
        """Read every layer, the later over the earlier; in: environment, settings file, flags (None = not given).

        Without `path` the file is the one that OSTEOHOOKS_CONFIG names, if any. A list in the environment is
        separated by commas, and an empty variable counts as absent. Raises SettingsError naming every flaw at once.
        """
        kinds = {field.name: field.type for field in msgspec.structs.fields(cls)}
        values: dict[str, Any] = {}
        problems: list[str] = []
        file = path or environ.get(SETTINGS_FILE) or None
        layers = (
            *(_from_file(Path(file)) if file else ()),
            *_from_environment(environ, kinds),
            *((f"--{name.replace('_', '-')}", name, value, False) for name, value in (command_line or {}).items()),
        )
        for where, name, value, strict in layers:
            if value is None:
                continue
            if name not in kinds:
                problems.append(f"{where}: there is no such setting{_nearest(name, kinds)}")
                continue
            try:
                values[name] = msgspec.convert(value, kinds[name], strict=strict)
            except msgspec.ValidationError:
                problems.append(f"{where}: expected {_expected(kinds[name])}, got {_kind_of(value)}")
        if not problems:
            settings = cls(**values)
            problems = list(settings.refusals())
        if problems:
            raise SettingsError(problems)
        return settings

    def refusals(self) -> Iterator[str]:
        """Why the service may not start with these settings, a sentence each; nothing when it may."""
        if self.mode == "demo":
            if not (self.allow_non_loopback or _is_loopback(self.host)):
                yield (
                    "host: demo mode has no client authentication and serves this machine only (127.0.0.1); "
                    "set allow_non_loopback to true to open it to others"
                )
            return
        if self.today is not None:
            yield "today: the clock can be set in demo mode only"
        if not self.issuers:
            yield "issuers: production needs the issuers of the clients that may call"
        if not self.origins or "*" in self.origins:
            yield 'origins: production needs a list of the origins that may call, without "*"'
        if self.public_base_url is None or not self.public_base_url.startswith("https://"):
            yield "public_base_url: production needs the https address under which clients reach the service"
        yield CLIENT_AUTHENTICATION


def _from_file(path: Path) -> Iterator[tuple[str, str, object, bool]]:
    """The file's entries as (place, name, value, value already typed)."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"settings file {path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"settings file {path}: expected UTF-8 text"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"settings file {path}: expected TOML: {error}"]) from error
    for name, value in entries.items():
        yield f"{name} in {path}", name, value, True


def _from_environment(environ: Mapping[str, str], kinds: Mapping[str, Any]) -> Iterator[tuple[str, str, object, bool]]:
    """The variables with our prefix as (place, name, value, value already typed)."""
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS and text:
            name = variable.removeprefix(PREFIX).lower()
            listed = name in kinds and get_origin(kinds[name].__origin__) is tuple
            yield variable, name, [part.strip() for part in text.split(",")] if listed else text, False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name that resolves to who knows where


def _expected(kind: Any) -> str:
    """What a setting's own type says of it: `kind` is Annotated, its first note carries the description."""
    description: str = kind.__metadata__[0].description
    return description


def _kind_of(value: object) -> str:
    """A refused value for a message: text by its kind only, for it may be a secret in the wrong place."""
    return TYPE_NAMES.get(type(value)) or str(value).lower()


def _nearest(name: str, kinds: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, kinds, n=1)
    return f"; did you mean {close[0]}?" if close else ""
