"""The data folders, compiled once at start into tables that a record's codes are looked up in.

`Terminology.load()` reads `systems.yaml`, `drugs/`, `conditions/` and `facts/` beside this module.
Every flaw found (a code claimed twice, an unknown system) is listed in one ValueError.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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


_CATEGORY = 3  # signs of an ICD code before its dot

M = TypeVar("M")
T = TypeVar("T")


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
        # What a code stands for, by every alias of its system.
        self._drug_codes = self._by_alias(_drug_codes(drugs))
        self._condition_codes = self._by_alias(_condition_codes(conditions))
        groups = {group for drug in drugs.values() for group in drug["groups"]}
        self._groups = {
            group: frozenset(key for key, drug in drugs.items() if group in drug["groups"]) for group in groups
        }
        self._holding = {
            group: frozenset(key for key, drug in drugs.items() if held & set(drug.get("contains", (key,))))
            for group, held in self._groups.items()
        }
        self._names = Names(
            {str(name): _named(key, drug, name) for key, drug in drugs.items() for name in drug.get("names", ())}
        )

    @staticmethod
    def load() -> "Terminology":
        systems = load_yaml(files("fhir_profiles").joinpath("systems.yaml"))
        return Terminology(systems, *(dict(_family(folder)) for folder in ("drugs", "conditions", "facts")))

    def _by_alias(self, tables: Mapping[str, T]) -> dict[str | None, T]:
        return {alias: tables[name] for alias, name in self._systems.items() if name in tables}

    def system(self, uri: str | None) -> str | None:
        """Our short name of a code system, whatever alias the record uses."""
        return self._systems.get(uri) if uri else None

    def aliases(self, system: str) -> frozenset[str | None]:
        """The names that a code system goes by in records, by our short name of it."""
        return frozenset(alias for alias, name in self._systems.items() if name == system)

    def conditions_of(self, concept: CodeableConcept | None) -> tuple[str, ...]:
        """The condition keys that a concept's codes stand for, first coding first."""
        found: dict[str, None] = {}
        for coding in (concept.coding or ()) if concept else ():
            keys_of = self._condition_codes.get(coding.system)
            if keys_of is not None and coding.code is not None and (keys := keys_of(coding.code)):
                found.update(dict.fromkeys(keys))
        return tuple(found)

    def drug_of(self, concept: CodeableConcept | None) -> Product | None:
        """The medicine a concept names: by code (a product with its strength first), else by whole name.

        Names are looked for in the concept's own text and displays; a text with a stop word
        ("... allergy", "stop ...") names nothing.
        """
        if concept is None:
            return None
        coded = []
        for coding in concept.coding or ():
            products = self._drug_codes.get(coding.system)
            if products is not None and (product := products.get(coding.code)) is not None:
                coded.append(product)
        if coded:
            # A combination says more than its part, a strength more than none; else the first coding.
            return max(
                coded, key=lambda product: ("contains" in self.drugs[product.drug], product.strength is not None)
            )
        for text in concept.texts():
            if named := self.drug_named(text):
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


def _drug_codes(drugs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str | None, Product]]:
    """What a code says of a medicine, by our short name of its system."""
    found: dict[str, dict[str | None, Product]] = {"atc": {}, "snomed": {}, "rxnorm": {}}
    for key, drug in drugs.items():
        route = drug.get("route")
        for system, products in found.items():
            for code in drug.get(system, ()):
                products[code] = Product(key, route=route)
        for code, product in drug.get("products", {}).items():
            found["rxnorm"][code] = Product(
                key, product.get("strength"), product.get("unit"), product.get("route", route)
            )
    return found


def _named(key: str, drug: Mapping[str, Any], name: str) -> Product:
    # Some brands exist in one strength only.
    strength = drug.get("strength_by_name", {}).get(name, {})
    return Product(key, strength.get("strength"), strength.get("unit"), drug.get("route"))


def _condition_codes(
    conditions: Mapping[str, dict[str, Any]],
) -> dict[str, Callable[[str], tuple[str, ...] | None]]:
    """How the condition keys of a code are found, by our short name of its system."""
    snomed, icd10, icd10cm, icd10pcs = (
        _keys_by_code(conditions, system) for system in ("snomed", "icd10", "icd10cm", "icd10pcs")
    )
    return {
        "snomed": snomed.get,
        "icd10": _Prefixes(icd10).longest,
        # A code that the clinical modification says nothing of its own about means what it means at WHO.
        "icd10cm": _Prefixes(icd10 | icd10cm).longest,
        "icd10pcs": _Prefixes(icd10pcs, dotted=False).longest,
    }


def _keys_by_code(conditions: Mapping[str, dict[str, Any]], system: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key, condition in conditions.items():
        for code in dict.fromkeys(code.rstrip("*") for code in condition.get(system, ())):
            found[code] = (*found.get(code, ()), key)
    return found


class _Prefixes:
    """Condition keys by the beginning of an ICD code."""

    def __init__(self, keys: Mapping[str, tuple[str, ...]], *, dotted: bool = True) -> None:
        self._keys, self._dotted = keys, dotted
        self._categories = frozenset(prefix[:_CATEGORY] for prefix in keys)
        self._length = max(map(len, keys), default=0)

    def longest(self, code: str) -> tuple[str, ...] | None:
        """The keys of the longest prefix of a code that stands for any."""
        code = code.upper()
        if code[:_CATEGORY] not in self._categories:
            return None
        # Chinese registers write C50.900x001 and C509: the dot is put back, the tail falls to the prefix.
        if self._dotted and len(code) > _CATEGORY and code[_CATEGORY] != ".":
            code = f"{code[:_CATEGORY]}.{code[_CATEGORY:]}"
        for length in range(min(len(code), self._length), _CATEGORY - 1, -1):
            if keys := self._keys.get(code[:length]):
                return keys
        return None


# What a name begins with: a word in Latin letters, or one sign of any other kind.
_WORD = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")

_FEW = 4
_BEFORE_HAN = 0x2E7F  # the last sign that is none of Han's


class Names(Generic[M]):
    """What the whole names in a text stand for, the longest first; names in Han characters need no boundary."""

    def __init__(self, meanings: Mapping[str, M]) -> None:
        self._meanings = {name.casefold(): meaning for name, meaning in meanings.items()}
        starting: dict[str, list[str]] = {}
        for name in sorted(self._meanings, key=len, reverse=True):
            starting.setdefault(_WORD.findall(name)[0], []).append(name)
        # The names that begin with a word, looked for only where it stands in a text.
        self._starting = {word: _any_of(names) for word, names in starting.items()}
        # Most texts hold no word that a name begins with, or of a few names no word that is in each: not searched.
        self._first = frozenset(starting)
        telling = {max(_WORD.findall(name), key=lambda word: (len(word), word)) for name in self._meanings}
        self._telling = telling if len(telling) <= _FEW else None

    def find(self, text: str) -> M | None:
        """The meaning of the first name in a text."""
        folded = text.casefold()
        if self._telling is None:
            if self._first.isdisjoint(_WORD.findall(folded)):
                return None
        else:
            for word in self._telling:
                if word in folded:
                    break
            else:
                return None
        return next(self._in(folded), None)

    def find_all(self, text: str) -> set[M]:
        """The meanings of every name in a text."""
        return set(self._in(text.casefold()))

    def _in(self, folded: str) -> Iterator[M]:
        end = 0
        for word in _WORD.finditer(folded):
            names = self._starting.get(word.group())
            if names is not None and word.start() >= end and (match := names.match(folded, word.start())):
                end = match.end()
                yield self._meanings[match.group()]


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Any of the names where a word begins; those in Han characters end anywhere."""
    return re.compile(
        "|".join(re.escape(name) + ("" if ord(name[0]) > _BEFORE_HAN else r"(?![a-z0-9])") for name in names)
    )


@cache
def terminology() -> Terminology:
    """The shipped data, loaded once a process."""
    return Terminology.load()
