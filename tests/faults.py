"""The faults that can be planted: each one change of one page, facts file or logic file, made without being listed.

Pages: a limit one step lower and one higher, a row of a table gone, what a row does turned, an outcome that is louder
or quieter, a sentence missing in one language, a blank missing. Facts: a window moved or gone, a dose's months moved,
the first of several codes gone, a member gone. Logic: a comparison, `and`, `or`, `not` or a condition turned.
What a fault is `near` to says only which vignettes are looked at first. It imports nothing of the project.
"""

from __future__ import annotations

import ast
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import yaml

__all__ = ["FACTS", "LOGIC", "PAGES", "ROOT", "Fault", "equivalents", "faults", "files", "selected"]

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = "service/guidelines/*/*.yaml"
LOGIC: Final = "service/guidelines/*/*.py"
FACTS: Final = "fhir_profiles/facts/*.yaml"
# Faults that change nothing anybody could see, each with its reason.
EQUIVALENT: Final = Path(__file__).with_name("planted_faults.yaml")
# Members of a fact that hold a limit in time, and what is moved inside them.
WINDOWS: Final = (
    *("fresh", "clears", "presumed_for", "possible_for", "course", "presumed_from_age", "after_from_age", "ages"),
    *("from_age", "due_after", "before", "after"),
)
AMOUNTS: Final = ("months", "days", "years", "from", "to")
# Kinds of fact that read `worse`; the others have the direction in them.
DIRECTED: Final = ("measurement", "clearance", "summed", "excretion", "other_direction", "daily_dose")
LISTS: Final = ("conditions", "drugs", "sites", "loinc", "of")
# What a row does and how loud an outcome is, and what stands in its place.
TURNED_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "then": {"block": "caution", "hold": "caution", "caution": "block"},
    "advice": {"treat": "monitor", "consider": "monitor", "monitor": "treat"},
    "tier": {"high": "moderate", "moderate": "low", "low": "moderate"},
    # A warning often shares its card with another one, which would hide it.
    "indicator": {"critical": "info", "info": "critical"},
}
TURNED: Final[dict[type[ast.cmpop], str]] = {
    **{ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="},
    **{ast.In: "not in"},
}
_WRITTEN: Final[dict[type[ast.cmpop], str]] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.In: "in"},
}


@dataclass(frozen=True)
class Fault:
    """One change of one file: the characters from `start` to `end` become `new`. `kind` is the last of its name."""

    name: str
    kind: str
    path: str
    start: int
    end: int
    new: str
    near: tuple[str, ...] = ()

    def planted_in(self, text: str) -> str:
        changed = text[: self.start] + self.new + text[self.end :]
        assert changed != text, f"{self.name}: changes nothing"
        return changed


def files(root: Path = ROOT) -> list[Path]:
    """Every page, facts file and logic file."""
    return [path for pattern in (PAGES, FACTS, LOGIC) for path in sorted(root.glob(pattern))]


def faults(root: Path = ROOT) -> list[Fault]:
    """Every fault, in an order that does not change; one that is named as its twin already is gets a number."""
    made: list[Fault] = []
    for path in files(root):
        name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            page = path.with_suffix(".yaml")
            made += _in_logic(name, text, page.read_text(encoding="utf-8") if page.is_file() else "")
        else:
            made += _in_facts(name, text) if path.match(FACTS) else _in_page(name, text)
    seen: Counter[str] = Counter()
    for number, fault in enumerate(made):
        seen[fault.name] += 1
        if seen[fault.name] > 1:
            made[number] = replace(fault, name=f"{fault.name} ({seen[fault.name]})")
    return made


def equivalents(planted: Iterable[Fault]) -> Mapping[str, str]:
    """Faults that change nothing anybody could see: name and reason. Raises ValueError where one is not a fault."""
    told: Mapping[str, str] = yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8")) or {}
    if unknown := told.keys() - {fault.name for fault in planted}:
        raise ValueError(f"{EQUIVALENT.name}: no such fault: {'; '.join(sorted(unknown))}")
    return told


def selected(planted: Iterable[Fault]) -> list[Fault]:
    """One fault of each kind in each file: the one whose name has the lowest checksum, so always the same one."""
    chosen: dict[tuple[str, str], Fault] = {}
    for fault in sorted(planted, key=lambda fault: zlib.crc32(fault.name.encode())):
        chosen.setdefault((fault.path, fault.kind), fault)
    return sorted(chosen.values(), key=lambda fault: fault.name)


# -- in YAML -----------------------------------------------------------------------------------------------------------

Place = tuple[str, ...]


def _nodes(node: yaml.Node, place: Place = ()) -> Iterator[tuple[Place, yaml.ScalarNode, yaml.Node]]:
    """Every key of a YAML document with its place, the key's own node and its value's."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            yield here, key, value
            yield from _nodes(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _nodes(value, (*place, str(index)))


def _keys(node: yaml.Node) -> Mapping[str, yaml.Node]:
    return {str(key.value): value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _fault(path: str, place: Place | str, kind: str, node: yaml.Node, new: str, near: Iterable[str] = ()) -> Fault:
    where = place if isinstance(place, str) else ".".join(place)
    start, end = node.start_mark.index, node.end_mark.index
    return Fault(f"{path}: {where} {kind}", kind, path, start, end, new, tuple(near))


def _moved(path: str, place: Place, node: yaml.Node, near: Iterable[str] = ()) -> Iterator[Fault]:
    """A number one step of its last place lower, and one higher."""
    assert isinstance(node, yaml.ScalarNode)
    number = Decimal(node.value)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    for kind, step in (("lowered", -1), ("raised", 1)):
        new = str(number + step * Decimal(1).scaleb(exponent))
        yield _fault(path, place, kind, node, new, (*near, node.value))


def _names_on(path: str, document: yaml.Node) -> tuple[str, ...]:
    """What a page is about: its stem, its outcomes, its guideline's label."""
    keys = _keys(document)
    outcomes = {name.partition(":")[0] for name in _keys(keys["outcomes"])} if "outcomes" in keys else set()
    return (Path(path).stem, *sorted(outcomes), *(_keys(keys["rules"]) if "rules" in keys else ()))


def _in_page(path: str, text: str) -> Iterator[Fault]:
    document = yaml.compose(text)
    assert document is not None, path
    near = _names_on(path, document)
    found: list[Fault] = []
    louder: list[Fault] = []
    said = blanked = False
    for place, _, value in _nodes(document):
        keys, row = _keys(value), _row(document, place)
        about = (*near, *_scalars(value)) if row is None else _scalars(row)
        where = place if row is None else ("rows", _named(row, place[1]), *place[2:])
        limit = (place[0] == "numbers" and "of" in keys) or place[-1] in ("below", "above", "at_most")
        if limit and "value" in keys:
            found += _moved(path, where, keys["value"], about)
        # Only who would be offered a drug is stopped by a row: on the list it is the row's loudness that counts.
        decides = row is None or "candidates" in _keys(row)
        if isinstance(value, yaml.ScalarNode) and value.value in TURNED_WORDS.get(place[-1], {}) and decides:
            kind = "turned" if place[-1] != "indicator" else "louder" if value.value == "info" else "quieter"
            turned = _fault(path, where, kind, value, TURNED_WORDS[place[-1]][value.value], (*about, *place))
            (louder if kind == "louder" else found).append(turned)
        if place == ("advice",):
            for name, word in keys.items():
                found.append(_fault(path, (*place, name), "turned", word, TURNED_WORDS["advice"][word.value], near))
        if place in (("rows",), ("agents",)) and isinstance(value, yaml.SequenceNode):
            found += _shortened(path, place, value, text)
        if {"en", "zh"} <= keys.keys() and place[0] != "title":
            if not said:
                said = True
                (zh,) = (key for key, _ in value.value if key.value == "zh")
                found.append(_fault(path, place, "not said in Chinese", zh, "xx"))
            if not blanked and (blank := _blank(keys["zh"], text)):
                blanked = True
                lost = _fault(path, place, "lost a blank in Chinese", keys["zh"], "")
                found.append(replace(lost, start=blank[0], end=blank[1]))
    # An outcome that is louder than it should be is seen on the few pages with nothing else to spoil.
    yield from found or louder


def _blank(sentence: yaml.Node, text: str) -> tuple[int, int] | None:
    """The place of the first blank that stands once in a sentence; a language may well repeat one."""
    if not isinstance(sentence, yaml.ScalarNode):
        return None
    for blank in re.findall(r"{[^}]+}", sentence.value):
        if sentence.value.count(blank) == 1:
            start = text.index(blank, sentence.start_mark.index)
            return start, start + len(blank)
    return None


def _named(row: yaml.Node, otherwise: str) -> str:
    """A row by its id, which stays when rows move."""
    name = _keys(row).get("id")
    return str(name.value) if isinstance(name, yaml.ScalarNode) else otherwise


def _row(document: yaml.Node, place: Place) -> yaml.Node | None:
    """The row of a page's table that a place lies in."""
    if place[0] != "rows" or len(place) == 1:
        return None
    rows: list[yaml.Node] = _keys(document)["rows"].value
    return rows[int(place[1])]


def _scalars(node: yaml.Node) -> tuple[str, ...]:
    """The short words of a row: drugs, fact, outcome; not its sentences."""
    if isinstance(node, yaml.ScalarNode):
        return (node.value.partition(":")[0],) if " " not in node.value else ()
    return tuple(word for value in _keys(node).values() or node.value for word in _scalars(value))


def _shortened(path: str, place: Place, rows: yaml.SequenceNode, text: str) -> Iterator[Fault]:
    """A table without one of its rows."""
    for number, row in enumerate(rows.value):
        start = text.rindex("\n", 0, row.start_mark.index) + 1
        last = len(text[: row.end_mark.index].rstrip())
        name = _keys(row).get("id")
        assert isinstance(name, yaml.ScalarNode), f"{path}: row {number} has no id"
        fault = _fault(path, (*place, name.value), "gone", row, "", _scalars(row))
        yield replace(fault, start=start, end=text.find("\n", last) + 1 or len(text))


def _in_facts(path: str, text: str) -> Iterator[Fault]:
    document = yaml.compose(text)
    assert document is not None, path
    for place, key, value in _nodes(document):
        fact = _keys(_keys(document)[place[0]])
        near = (place[0], *_scalars(_keys(document)[place[0]]))
        if place[-1] in WINDOWS:
            for name, amount in _keys(value).items():
                if name in AMOUNTS:
                    yield from _moved(path, (*place, name), amount, (*near, " on 20"))
            if place[-1] == "fresh":
                yield _fault(path, place, "gone", key, "gone", near)
        elif place[-1] == "otherwise" and "value" in _keys(value):
            yield from _moved(path, place, _keys(value)["value"], near)
        elif place[-1] in LISTS and len(place) == 2 and isinstance(value, yaml.SequenceNode) and len(value.value) > 1:
            first, second = value.value[:2]
            fault = _fault(path, place, "shortened", first, "", near)
            yield replace(fault, end=second.start_mark.index)
        elif place[-1] == "lasts" and isinstance(value, yaml.SequenceNode):
            for number, dose in enumerate(value.value):
                yield from _moved(path, (*place, str(number), "months"), _keys(dose)["months"], (*near, " given "))
        elif place[1:] == ("worse",) and str(value.value) in ("lower", "higher") and fact["kind"].value in DIRECTED:
            yield _fault(path, place, "turned", value, "higher" if value.value == "lower" else "lower", near)


# -- in logic ----------------------------------------------------------------------------------------------------------


def _in_logic(path: str, text: str, page: str) -> Iterator[Fault]:
    """A comparison turned from "at or" to "strictly" and back, `and` for `or`, a condition and its opposite."""
    document = yaml.compose(page)
    near = _names_on(path, document) if document is not None else (Path(path).stem,)
    numbers = _keys(_keys(document)["numbers"]) if document is not None and "numbers" in _keys(document) else {}
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def at(row: int | None, column: int | None) -> int:
        return lines[(row or 1) - 1] + (column or 0)

    def fault(node: ast.expr, kind: str, start: int, end: int, new: str) -> Fault:
        about = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
        values = {word for name in about & numbers.keys() for word in _scalars(numbers[name])}
        name = f"{path}: {ast.unparse(node)} {kind}"
        return Fault(name, kind, path, start, end, new, (*near, *sorted(about | values)))

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            left: ast.expr = node.left
            for operator, right in zip(node.ops, node.comparators, strict=True):
                if type(operator) in TURNED:
                    written = _WRITTEN[type(operator)]
                    start = text.index(written, at(left.end_lineno, left.end_col_offset))
                    yield fault(node, "turned", start, start + len(written), TURNED[type(operator)])
                left = right
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for one in node.values[:-1]:
                start = text.index(f" {old} ", at(one.end_lineno, one.end_col_offset)) + 1
                yield fault(node, f"`{new}`", start, start + len(old), new)
        if isinstance(node, ast.If | ast.IfExp):
            test = node.test
            start, end = at(test.lineno, test.col_offset), at(test.end_lineno, test.end_col_offset)
            yield fault(test, "negated", start, end, f"(not ({text[start:end]}))")
