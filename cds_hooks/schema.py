"""What is wrong with a JSON document, by the JSON Schemas in `schemas/`; said without repeating a value of it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

__all__ = ["Flaw", "Schema", "load"]

_SHARED: Final = "definitions.json"

# A body of a million broken members must not cost a million sentences; the first few tell a developer enough.
_MOST_ERRORS: Final = 20


class Flaw(NamedTuple):
    """One flaw: where, what kind of value was received (None: nothing), and what was expected there."""

    path: str
    received: str | None
    expected: str

    def __str__(self) -> str:
        if self.received is None:
            return f"{self.path} is missing; expected {self.expected}"
        return f"{self.path}: received {self.received}; expected {self.expected}"


class Schema:
    """One of our JSON Schemas, ready to check documents."""

    def __init__(self, schema: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
        registry: Registry[Any] = Registry().with_resource(_SHARED, Resource.from_contents(shared))
        self._validator = Draft202012Validator(schema, registry=registry)
        self._definitions: Mapping[str, Any] = {**shared["$defs"], **schema.get("$defs", {})}

    def flaws(self, document: Any, root: str) -> tuple[Flaw, ...]:
        """The first flaws of a decoded JSON document, one for each path; `root` names the document as a whole."""
        found: dict[str, Flaw] = {}
        for error in islice(self._validator.iter_errors(document), _MOST_ERRORS):
            for flaw in self._flaws(error, root):
                found.setdefault(flaw.path, flaw)
        return tuple(found.values())

    def _flaws(self, error: ValidationError, root: str) -> Iterator[Flaw]:
        path = _path(error.absolute_path)
        schema: Any = error.schema
        names = _required(error)
        if names is None:
            yield Flaw(path or root, _kind(error.instance), self._description(schema))
        else:
            instance: Any = error.instance
            for name in names:
                if name not in instance:
                    yield Flaw(f"{path}.{name}".lstrip("."), None, self._description(schema["properties"][name]))

    def _description(self, schema: Mapping[str, str]) -> str:
        if "description" in schema:
            return schema["description"]
        return self._description(self._definitions[schema["$ref"].rpartition("/")[2]])


@cache
def load(name: str) -> Schema:
    """The schema of the file `schemas/<name>.json`; FileNotFoundError when there is none."""
    return Schema(_read(f"{name}.json"), _read(_SHARED))


def _read(file: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(files(__package__).joinpath("schemas", file).read_bytes())
    return document


def _required(error: ValidationError) -> Iterable[str] | None:
    """The members that had to be there, when that is what the error is about."""
    value: Any = error.validator_value
    if error.validator == "required":
        return list(value)
    if error.validator == "dependentRequired":
        instance: Any = error.instance
        return [name for trigger, names in value.items() if trigger in instance for name in names]
    return None


def _path(steps: Iterable[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "another string" if value.strip() else "a blank string"
    return "an array" if isinstance(value, list) else "an object"
