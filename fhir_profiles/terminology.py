"""The data folders, compiled once at start into tables that a record's codes are looked up in.

`Terminology.load()` reads `systems.yaml`, `drugs/`, `conditions/` and `facts/` beside this module.
Every flaw found (a code claimed twice, an unknown system) is listed in one ValueError.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Generic, NamedTuple, TypeVar

import yaml

from fhir_profiles.resources import CodeableConcept

__all__ = ["Names", "Product", "Terminology", "load_yaml", "terminology"]

_STOP = re.compile(
    r"\b(allerg\w*|stop\w*|discontinue\w*|avoid\w*|intoleran\w*|no longer|never)\b"
    r"|过敏|停用|停药|停服|禁用|忌用|不耐受",
    re.I,
)


class Product(NamedTuple):
    """What a code or a name says of a medicine."""

    drug: str
    strength: float | None = None
    unit: str | None = None
    route: str | None = None


class _EachKeyOnce(yaml.CSafeLoader):
    """Refuses a key that stands twice in one mapping; YAML's own loaders let the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return mapping


def load_yaml(source: Traversable) -> Any:
    """One YAML file, with libyaml: the pages are read at every start. Raises ValueError naming file and place."""
    try:
        return yaml.load(source.read_text("utf-8"), Loader=_EachKeyOnce)  # noqa: S506  # the safe loader, made stricter
    except yaml.YAMLError as error:
        raise ValueError(f"{source.name}: {error}") from error


def _family(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    pages = (path for path in files("fhir_profiles").joinpath(folder).iterdir() if path.name.endswith(".yaml"))
    for page in sorted(pages, key=lambda path: path.name):
        yield from load_yaml(page).items()


class Terminology:
    """Codes and names of everything we read.

    drugs, conditions, facts: the definitions by key. The look-ups take a CodeableConcept.
    """

    def __init__(
        self,
        systems: Mapping[str, Any],
        drugs: Mapping[str, dict[str, Any]],
        conditions: Mapping[str, dict[str, Any]],
        facts: Mapping[str, dict[str, Any]],
    ) -> None:
        self.drugs, self.conditions, self.facts = drugs, conditions, facts
        self._systems = {alias: name for name, aliases in systems.items() for alias in aliases}
        self._drug_codes: dict[tuple[str, str], Product] = {}
        self._condition_codes: dict[tuple[str, str], tuple[str, ...]] = {}
        self._prefixes: dict[str, dict[str, tuple[str, ...]]] = {"icd10": {}, "icd10cm": {}, "icd10pcs": {}}
        groups = {group for drug in drugs.values() for group in drug["groups"]}
        self._groups = {
            group: frozenset(key for key, drug in drugs.items() if group in drug["groups"]) for group in groups
        }
        self._holding = {
            group: frozenset(key for key, drug in drugs.items() if held & set(drug.get("contains", (key,))))
            for group, held in self._groups.items()
        }
        self._index_drugs()
        self._index_conditions()
        self._names = Names(
            {str(name): _named(key, drug, name) for key, drug in drugs.items() for name in drug.get("names", ())}
        )

    @staticmethod
    def load() -> "Terminology":
        systems = load_yaml(files("fhir_profiles").joinpath("systems.yaml"))
        return Terminology(systems, *(dict(_family(folder)) for folder in ("drugs", "conditions", "facts")))

    def _index_drugs(self) -> None:
        for key, drug in self.drugs.items():
            route = drug.get("route")
            for system in ("atc", "snomed", "rxnorm"):
                for code in drug.get(system, ()):
                    self._drug_codes[system, code] = Product(key, route=route)
            for code, product in drug.get("products", {}).items():
                self._drug_codes["rxnorm", code] = Product(
                    key, product.get("strength"), product.get("unit"), product.get("route", route)
                )

    def _index_conditions(self) -> None:
        for key, condition in self.conditions.items():
            for code in condition.get("snomed", ()):
                self._add(self._condition_codes, ("snomed", code), key)
            for system in self._prefixes:
                for code in condition.get(system, ()):
                    self._add(self._prefixes[system], code.rstrip("*"), key)

    @staticmethod
    def _add(table: dict[Any, tuple[str, ...]], code: Any, key: str) -> None:
        table[code] = (*table.get(code, ()), key)

    def system(self, uri: str | None) -> str | None:
        """Our short name of a code system, whatever alias the record uses."""
        return self._systems.get(uri) if uri else None

    def conditions_of(self, concept: CodeableConcept | None) -> tuple[str, ...]:
        """The condition keys that a concept's codes stand for, first coding first."""
        found: dict[str, None] = {}
        for coding in (concept.coding or ()) if concept else ():
            system = self._systems.get(coding.system or "")
            if system is None or coding.code is None:
                continue
            if system == "snomed":
                found.update(dict.fromkeys(self._condition_codes.get((system, coding.code), ())))
            elif system in self._prefixes:
                found.update(dict.fromkeys(self._icd(system, coding.code)))
        return tuple(found)

    def _icd(self, system: str, code: str) -> tuple[str, ...]:
        # Chinese registers write C50.900x001 and C509: the dot is put back, the tail falls to the prefix.
        code = code.upper()
        if len(code) > 3 and code[3] != "." and system != "icd10pcs":
            code = f"{code[:3]}.{code[3:]}"
        tables = (
            (self._prefixes["icd10cm"], self._prefixes["icd10"]) if system == "icd10cm" else (self._prefixes[system],)
        )
        for length in range(len(code), 2, -1):
            for table in tables:
                if keys := table.get(code[:length]):
                    return keys
        return ()

    def drug_of(self, concept: CodeableConcept | None) -> Product | None:
        """The medicine a concept names: by code (a product with its strength first), else by whole name.

        Names are looked for in the concept's own text and displays; a text with a stop word
        ("... allergy", "stop ...") names nothing.
        """
        if concept is None:
            return None
        coded = [
            product
            for coding in concept.coding or ()
            if (product := self._drug_codes.get((self._systems.get(coding.system or "") or "", coding.code or "")))
        ]
        if coded:
            # A combination says more than its part, a strength more than none; else the first coding.
            return max(
                coded, key=lambda product: ("contains" in self.drugs[product.drug], product.strength is not None)
            )
        for text in (concept.text, *(coding.display for coding in concept.coding or ())):
            if text and (named := self.drug_named(text)):
                return named
        return None

    def drug_named(self, text: str) -> Product | None:
        """The medicine whose whole name stands in a text; None where a stop word does too."""
        named = self._names.find(text)
        return None if named is None or _STOP.search(text) else named

    def drugs_in(self, group: str) -> frozenset[str]:
        """The keys of every drug of a group."""
        return self._groups.get(group, frozenset())

    def holding(self, group: str) -> frozenset[str]:
        """The keys of every drug of a group that is no combination, and of every combination with one of them."""
        return self._holding.get(group, frozenset())

    def codes(self, fact: str) -> list[str]:
        """The LOINC codes that a fact is read from, for its prefetch query."""
        definition = self.facts[fact]
        return [
            *definition.get("loinc", ()),
            *definition.get("scores", ()),
            *definition.get("densities", ()),
        ]


def _named(key: str, drug: Mapping[str, Any], name: str) -> Product:
    # Some brands exist in one strength only.
    strength = drug.get("strength_by_name", {}).get(name, {})
    return Product(key, strength.get("strength"), strength.get("unit"), drug.get("route"))


# What a name begins with: a word in Latin letters, or one sign of any other kind.
_WORD = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")

_FEW = 4

M = TypeVar("M")


class Names(Generic[M]):
    """What the whole names in a text stand for, the longest first; names in Han characters need no boundary."""

    def __init__(self, meanings: Mapping[str, M]) -> None:
        self._meanings = {name.casefold(): meaning for name, meaning in meanings.items()}
        # Most texts hold no word that a name begins with, or of a few names no word that is in each: not searched.
        self._first = frozenset(_WORD.findall(name)[0] for name in self._meanings)
        telling = {max(_WORD.findall(name), key=lambda word: (len(word), word)) for name in self._meanings}
        self._telling = telling if len(telling) <= _FEW else None
        self._pattern = re.compile("|".join(map(_whole, sorted(self._meanings, key=len, reverse=True))) or r"(?!)")

    def find(self, text: str) -> M | None:
        """The meaning of the first name in a text."""
        folded = text.casefold()
        if self._telling is None:
            if self._first.isdisjoint(_WORD.findall(folded)):
                return None
        elif not any(word in folded for word in self._telling):
            return None
        match = self._pattern.search(folded)
        return self._meanings[match.group()] if match else None

    def find_all(self, text: str) -> set[M]:
        """The meanings of every name in a text."""
        return {self._meanings[name] for name in self._pattern.findall(text.casefold())}


def _whole(name: str) -> str:
    quoted = re.escape(name)
    return quoted if ord(name[0]) > 0x2E7F else rf"(?<![a-z0-9]){quoted}(?![a-z0-9])"


@cache
def terminology() -> Terminology:
    """The shipped data, loaded once a process."""
    return Terminology.load()
