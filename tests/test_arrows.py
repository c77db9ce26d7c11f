"""The arrows of the design: who may import whom, and where a drug or a disease may be named.

Each rule is a function from sources (path -> text) to the lines that break it, so that each is also seen to fail.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cds_hooks", "fhir_profiles", "service")
LEAVES = ("cds_hooks", "fhir_profiles")
GUIDELINES = "service/guidelines/"
VALIDATION = ("fhir", "fhir_core", "pydantic")

Sources = Mapping[str, str]
Rule = Callable[[Sources], list[str]]


class Import(NamedTuple):
    place: str
    module: str
    at_import: bool  # runs when the module is imported, not when a function of it is called

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def python_sources(root: Path, *folders: str) -> Sources:
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    }


def imports(sources: Sources) -> Iterator[Import]:
    for path, text in sources.items():
        yield from _imports_in(ast.parse(text, path), path, at_import=True)


def _imports_in(node: ast.AST, path: str, *, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        place = f"{path}:{getattr(child, 'lineno', 0)}"
        match child:
            case ast.Import(names=names):
                for name in names:
                    yield Import(place, name.name, at_import)
            case ast.ImportFrom(module=module, level=level):
                package = path.split("/")[:-level] if level else []
                yield Import(place, ".".join([*package, *([module] if module else [])]), at_import)
            case ast.Call(func=ast.Name(id="__import__")):
                yield Import(place, "__import__", at_import)
        only_for_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
        yield from _imports_in(child, path, at_import=at_import and not deferred and not only_for_types)


def leaves_that_meet(sources: Sources) -> list[str]:
    """A leaf package imports no other package of ours."""
    return [
        f"{found.place} imports {found.module}"
        for found in imports(sources)
        if (own := found.place.partition("/")[0]) in LEAVES and found.top in PACKAGES and found.top != own
    ]


def guidelines_that_import(sources: Sources) -> list[str]:
    """A rule's logic knows nothing but its own arguments."""
    return [f"{found.place} imports {found.module}" for found in imports(sources) if found.place.startswith(GUIDELINES)]


def flask_out_of_place(sources: Sources) -> list[str]:
    """Flask is the door's business: the blueprint and the service."""
    return [
        f"{found.place} imports {found.module}"
        for found in imports(sources)
        if found.top in ("flask", "werkzeug") and not found.place.startswith(("service/", "cds_hooks/blueprint.py:"))
    ]


def validation_at_import(sources: Sources) -> list[str]:
    """fhir.resources checks what we send once, in the parent: no worker may load it by importing a module."""
    return [
        f"{found.place} imports {found.module}"
        for found in imports(sources)
        if found.top in VALIDATION and found.at_import
    ]


def names_of(definitions: Mapping[str, Any]) -> set[str]:
    """The key of each drug or condition, its name in each language and the local names it is known by."""
    names: set[str] = set()
    for key, definition in definitions.items():
        names |= {key, key.replace("_", " "), definition["en"], definition["zh"], *definition.get("names", ())}
    return names


def clinical_names(root: Path) -> set[str]:
    return {
        name
        for folder in ("drugs", "conditions")
        for path in sorted((root / "fhir_profiles" / folder).glob("*.yaml"))
        for name in names_of(yaml.safe_load(path.read_text(encoding="utf-8")))
    }


def named_out_of_place(sources: Sources, names: Iterable[str]) -> list[str]:
    """No drug or disease in the code outside the guidelines, in a comment or an example either."""
    latin = sorted((name for name in names if name.isascii()), key=len, reverse=True)
    other = sorted((name for name in names if not name.isascii()), key=len, reverse=True)
    # Chinese is written without spaces, so there a name needs no boundary.
    words = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in latin] + [re.escape(name) for name in other]
    pattern = re.compile("|".join(words), re.IGNORECASE)
    return [
        f"{path}:{number} names {found.group()}"
        for path, text in sources.items()
        if not path.startswith(GUIDELINES)
        for number, line in enumerate(text.splitlines(), 1)
        for found in pattern.finditer(line)
    ]


def unexplained_exemptions(sources: Sources) -> list[str]:
    """Whoever silences a check says why on the same line."""
    marker = re.compile(r"type:\s*ignore(\[[^\]]*\])?|noqa(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?|pragma:\s*no (cover|branch)")
    return [
        f"{path}:{token.start[0]} silences a check without a reason: {token.string}"
        for path, text in sources.items()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
        and marker.search(token.string)
        and len(re.findall(r"\w+", marker.sub("", token.string))) < 3
    ]


@pytest.fixture(scope="module")
def packages() -> Sources:
    return python_sources(ROOT, *PACKAGES)


@pytest.mark.parametrize("rule", [leaves_that_meet, guidelines_that_import, flask_out_of_place, validation_at_import])
def test_imports_follow_the_arrows(rule: Rule, packages: Sources) -> None:
    assert rule(packages) == []


def test_every_part_of_the_house_was_looked_at(packages: Sources) -> None:
    for part in ("cds_hooks/", "fhir_profiles/", "service/", GUIDELINES):
        assert [path for path in packages if path.startswith(part)], part


def test_no_drug_or_disease_is_named_out_of_place(packages: Sources) -> None:
    names = clinical_names(ROOT)
    assert len(names) > 50
    assert named_out_of_place(packages, names) == []


def test_every_exemption_says_why(packages: Sources) -> None:
    assert unexplained_exemptions({**packages, **python_sources(ROOT, "tests")}) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (leaves_that_meet, "cds_hooks/card.py", "import fhir_profiles"),
        (leaves_that_meet, "cds_hooks/card.py", "def f():\n    from service.app import wsgi"),
        (leaves_that_meet, "fhir_profiles/chart.py", "from cds_hooks import card"),
        (leaves_that_meet, "fhir_profiles/chart.py", "from ..service import app"),
        (guidelines_that_import, "service/guidelines/x_2020_y/tier.py", "from math import inf"),
        (guidelines_that_import, "service/guidelines/x_2020_y/tier.py", "m = __import__('math')"),
        (flask_out_of_place, "cds_hooks/card.py", "import flask"),
        (flask_out_of_place, "fhir_profiles/chart.py", "from werkzeug.exceptions import NotFound"),
        (validation_at_import, "service/orders.py", "from fhir.resources.R4B.bundle import Bundle"),
        (validation_at_import, "service/app.py", "class A:\n    import pydantic"),
        (validation_at_import, "service/app.py", "try:\n    import fhir.resources\nfinally:\n    pass"),
        (unexplained_exemptions, "service/app.py", "x = 1  # type: ignore[assignment]"),
        (unexplained_exemptions, "service/app.py", "x = 1  # noqa: E501, F401"),
        (unexplained_exemptions, "service/app.py", "x = 1  # pragma: no cover - later"),
    ],
)
def test_a_breach_is_seen(rule: Rule, path: str, text: str) -> None:
    (breach,) = rule({path: text})
    assert breach.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (leaves_that_meet, "service/app.py", "import cds_hooks, fhir_profiles"),
        (
            leaves_that_meet,
            "cds_hooks/card.py",
            "from . import hooks\nfrom cds_hooks import hooks\nimport json",
        ),
        (guidelines_that_import, "service/rules.py", "import importlib"),
        (guidelines_that_import, "service/guidelines/x_2020_y/tier.py", "def decide(t):\n    return 'high'"),
        (flask_out_of_place, "cds_hooks/blueprint.py", "import flask"),
        (flask_out_of_place, "service/app.py", "from flask import Flask"),
        (validation_at_import, "service/orders.py", "def check():\n    from fhir.resources.R4B.bundle import Bundle"),
        (
            validation_at_import,
            "service/orders.py",
            "if TYPE_CHECKING:\n    from fhir.resources import Bundle",
        ),
        (unexplained_exemptions, "service/app.py", "x = 1  # type: ignore[misc]  # the stubs lack this argument"),
        (unexplained_exemptions, "service/app.py", 's = "# noqa"'),
    ],
)
def test_what_is_allowed_is_not_called_a_breach(rule: Rule, path: str, text: str) -> None:
    assert rule({path: text}) == []


DEFINITIONS = {
    "letrozole": {"en": "letrozole", "zh": "来曲唑", "names": ["Femara"]},
    "breast_cancer": {"en": "carcinoma of the breast", "zh": "乳腺癌"},
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('drug = "letrozole"', "letrozole"),
        ("# as for Letrozole", "Letrozole"),
        ('"""for femara, say"""', "femara"),
        ("# 服用来曲唑的患者", "来曲唑"),
        ("breast_cancer = 1", "breast_cancer"),
        ("# breast cancer", "breast cancer"),
        ("# a carcinoma of the breast", "carcinoma of the breast"),
    ],
)
def test_a_name_out_of_place_is_seen(text: str, name: str) -> None:
    names = names_of(DEFINITIONS)
    assert named_out_of_place({"service/speak.py": text}, names) == [f"service/speak.py:1 names {name}"]
    assert named_out_of_place({"service/guidelines/x_2020_y/tier.py": text}, names) == []


def test_a_part_of_a_word_is_not_a_name() -> None:
    assert named_out_of_place({"service/speak.py": "letrozoles = not_breast_cancer"}, names_of(DEFINITIONS)) == []


IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
{first}
for package in {packages}:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & set({validation})))
"""


@pytest.mark.parametrize(
    ("first", "loaded"), [("", ""), ("import fhir.resources.R4B.bundle", "fhir fhir_core pydantic")]
)
def test_importing_the_service_loads_no_validation(first: str, loaded: str) -> None:
    code = IMPORT_EVERYTHING.format(first=first, packages=PACKAGES, validation=VALIDATION)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (loaded, "")
