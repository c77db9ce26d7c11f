"""Sentences with blanks, in every language, and how a value is printed into one.

A sentence is split into literals and blanks once at start. A blank is `{name}` or `{name.aspect}`; it
names a number of the page, a fact of the section, or what the engine adds (the drug in question, ...).
Sentences hold no digit of their own: every number comes from a blank, and so from one source.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from math import isfinite
from typing import Any

from cds_hooks.markdown import escape
from fhir_profiles import load_yaml

__all__ = ["FIXED", "LANGUAGES", "WORDS", "Blank", "Sentence", "Words", "amount", "each", "number_text", "of_fact"]

LANGUAGES = ("en", "zh")

_BLANK = re.compile(r"\{([a-z0-9_]+)(?:\.([a-z_]+))?\}")
_UNITS: dict[str, dict[str, Any]] = load_yaml(files("service").joinpath("units.yaml"))
# (unit, language) -> what stands behind a number of it, behind one, and how many decimals it has at the least.
_PRINTED: dict[tuple[str, str], tuple[str, str, int]] = {
    (unit, language): (str(words["other"]), str(words.get("one", words["other"])), entry.get("decimals", 0))
    for unit, entry in _UNITS.items()
    for language, words in entry.items()
    if language in LANGUAGES
}
# The words that stand on cards whatever they are about: headings, marks, topics, reasons to set a card aside.
WORDS: dict[str, Any] = load_yaml(files("service").joinpath("terms.yaml"))
# language -> group -> name -> the word in that language, of those that are worded in each.
FIXED: dict[str, dict[str, dict[str, str]]] = {
    language: {
        group: {name: str(texts[language]) for name, texts in entries.items()}
        for group, entries in WORDS.items()
        if isinstance(entries, dict)
    }
    for language in LANGUAGES
}

# A blank of a sentence: its name and its aspect ("" for none).
Blank = tuple[str, str]


class Sentence:
    """One sentence in one language, split into literals and blanks."""

    __slots__ = ("parts", "tail")

    def __init__(self, text: str) -> None:
        self.parts: list[tuple[str, Blank]] = []
        position = 0
        for match in _BLANK.finditer(text):
            self.parts.append((text[position : match.start()], (match.group(1), match.group(2) or "")))
            position = match.end()
        self.tail = text[position:]

    @property
    def blanks(self) -> frozenset[Blank]:
        """The blanks as (name, aspect)."""
        return frozenset(blank for _, blank in self.parts)

    @property
    def literal(self) -> str:
        """What stands outside the blanks."""
        return "".join(literal for literal, _ in self.parts) + self.tail

    def fill(self, texts: Mapping[Blank, str]) -> str:
        """The sentence with each blank filled with its text."""
        return "".join([literal + texts[blank] for literal, blank in self.parts]) + self.tail

    def settled(self, known: Callable[[str, str], str | None]) -> "Sentence":
        """The sentence with each blank that `known(name, aspect)` has a text for filled for good."""
        settled, literal = Sentence(""), ""
        for before, blank in self.parts:
            text = known(*blank)
            literal += before + (text or "")
            if text is None:
                settled.parts.append((literal, blank))
                literal = ""
        settled.tail = literal + self.tail
        return settled


class Words(dict[str, Sentence]):
    """The same sentence in every language.

    `flaws` lists what is wrong with it: a language missing, blanks that differ, a digit in the text, a
    blank that is none.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__((language, Sentence(str(text))) for language, text in texts.items())

    def settled(self, known: Callable[[str, str, str], str | None]) -> "Words":
        """The same with each blank that `known(language, name, aspect)` has a text for filled for good."""
        settled = Words({})
        for language, sentence in self.items():
            settled[language] = sentence.settled(partial(known, language))
        return settled

    @property
    def blanks(self) -> frozenset[Blank]:
        """Every blank of any language."""
        return frozenset().union(*(sentence.blanks for sentence in self.values()))

    @property
    def flaws(self) -> list[str]:
        found = [f"no sentence in {language}" for language in LANGUAGES if language not in self]
        found += [f"unknown language {language}" for language in self if language not in LANGUAGES]
        for language, sentence in self.items():
            if missing := sorted(self.blanks - sentence.blanks):
                found.append(f"{language} lacks the blank {'.'.join(filter(None, missing[0]))}")
            if re.search(r"[0-9０-９]", sentence.literal):
                found.append(f"{language} holds a digit outside a blank")
            if re.search(r"[{}]", sentence.literal):
                found.append(f"{language} holds a brace that opens no blank")
        return found


# Beyond these a number is a slip, and printed short, so that it fits wherever it stands.
_LARGE, _SMALL = 1e7, 1e-4


def number_text(value: float) -> str:
    """A number for a reader: at most two decimals, more where rounding would hide on which side of a limit it lies."""
    if not isfinite(value):
        return ""
    if abs(value) >= _LARGE or 0 < abs(value) < _SMALL:
        return f"{value:.3g}"
    if value == int(value):
        return str(int(value))
    text = repr(value)
    if "." in text[-3:]:  # it has two decimals at most
        return text
    for digits in (2, 3, 4):
        rounded = round(value, digits)
        if rounded == value or round(rounded, digits - 1) != rounded:
            return f"{rounded:.{digits}f}"
    return f"{value:.4f}"


def amount(value: float, unit: str, language: str) -> str:
    """A number with its unit as the language writes it ("4 mg", "6 months", "6个月"); UCUM where we have no word."""
    text = number_text(value)
    words = _PRINTED.get((unit, language))
    if words is None:
        return f"{text} {escape(unit)}" if unit else text
    others, one, decimals = words
    if decimals and "." not in text:
        text = f"{value:.{decimals}f}"
    return text + (one if value == 1 else others)


def each(value: float, unit: str, language: str) -> str:
    """An interval after "every" ("week", "6 months"; "周", "6个月")."""
    alone = _UNITS.get(unit, {}).get("each", {})
    return str(alone[language]) if value == 1 and language in alone else amount(value, unit, language)


def of_fact(definition: Mapping[str, Any], aspect: str, language: str) -> str | None:
    """What a blank prints of a fact whatever the patient: what it is called, how long it counts; else None."""
    if aspect == "label":
        return definition.get(language)
    if aspect == "fresh" and "fresh" in definition:
        return amount(definition["fresh"]["months"], "mo", language)
    return None
