"""What a site gives as settings, in layers: a TOML file, then the environment, then the command line.

Each value is held against its setting's type, whose description says what is expected; no flaw hides another.
"""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_origin

import msgspec

__all__ = ["PREFIX", "SETTINGS_FILE", "SettingsError", "values_given"]

PREFIX: Final = "OSTEOHOOKS_"
SETTINGS_FILE: Final = f"{PREFIX}CONFIG"
# Variables that share the prefix and are not settings: the file's own path, and a folder that only the tests read.
NOT_SETTINGS: Final = frozenset({SETTINGS_FILE, f"{PREFIX}REAL_PATIENTS"})

TYPE_NAMES: Final = {str: "text", list: "a list", dict: "a table", datetime.datetime: "a date with a time"}


class SettingsError(ValueError):
    """Settings that the service refuses; `problems` has one sentence for each flaw."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)  # so that it can be told from one process to another
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


def values_given(
    settings: type[msgspec.Struct],
    tables: Mapping[str, type[msgspec.Struct]],
    paths: Collection[str],
    file: Path | None,
    environ: Mapping[str, str],
    command_line: Mapping[str, object],
) -> dict[str, Any]:
    """The values of the settings that are given, the later layer over the earlier.

    `settings` has each setting as a field, `tables` the type of those that are tables of the file; those of `paths`
    start from the file where it gives them. Raises SettingsError naming every flaw at once.
    """
    kinds = _kinds(settings)
    values: dict[str, Any] = {}
    problems: list[str] = []
    layers = (
        *(() if file is None else _from_file(file)),
        *_from_environment(environ, kinds),
        *((f"--{name.replace('_', '-')}", name, value, False) for name, value in command_line.items()),
    )
    for where, name, value, strict in layers:
        if value is None:
            continue
        try:
            if name in tables:
                values[name] = _tables(value, where, name, kinds[name], tables[name])
            else:
                values[name] = _typed(value, name, kinds, where, strict)
                if name in paths and strict and file is not None:
                    values[name] = str(file.parent / values[name])
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return values


def _kinds(settings: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(settings)}


def _typed(value: object, name: str, kinds: Mapping[str, Any], where: str, strict: bool = True) -> Any:
    """A value as its setting's type has it; a SettingsError that begins with `where` when it is not of that type."""
    if name not in kinds:
        raise SettingsError([f"{where}: there is no such setting{_nearest(name, kinds)}"])
    try:
        return msgspec.convert(value, kinds[name], strict=strict)
    except msgspec.ValidationError:
        raise SettingsError([f"{where}: expected {_expected(kinds[name])}, got {_kind_of(value)}"]) from None


def _tables(value: object, where: str, name: str, kind: Any, table: type[msgspec.Struct]) -> tuple[msgspec.Struct, ...]:
    """The tables of a setting; a SettingsError with every flaw of every table."""
    if not where.startswith(name):
        raise SettingsError([f"{where}: {name} are tables, which stand in the settings file only"])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise SettingsError([f"{where}: expected {_expected(kind)}, got {_kind_of(value)}"])
    kinds = _kinds(table)
    needed = [field.name for field in msgspec.structs.fields(table) if field.required]
    made: list[msgspec.Struct] = []
    problems: list[str] = []
    for number, entry in enumerate(value):
        place = where.replace(name, f"{name}[{number}]", 1)
        values: dict[str, Any] = {}
        for member, given in entry.items():
            try:
                values[member] = _typed(given, member, kinds, where.replace(name, f"{name}[{number}].{member}", 1))
            except SettingsError as error:
                problems += error.problems
        problems += [
            f"{place}: {member} is missing; expected {_expected(kinds[member])}"
            for member in needed
            if member not in entry
        ]
        if not problems:
            made.append(table(**values))
    if problems:
        raise SettingsError(problems)
    return tuple(made)


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
