"""A copy of the shipped guideline pages, to be spoiled or changed one place at a time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from service.rules import Flawed, Rules, load_rules

SHIPPED: Final = Path(__file__).resolve().parent.parent / "service" / "guidelines"
NAME: Final = "tian_2025_ai_bone_loss"
GONE: Final = object()


class Pages:
    """A copy of the shipped guidelines, importable under a name of its own, to be spoiled."""

    def __init__(self, folder: Path, package: str) -> None:
        self.package, self._folder = package, folder / package
        shutil.copytree(SHIPPED, self._folder, ignore=shutil.ignore_patterns("__pycache__"))

    def path(self, name: str) -> Path:
        return self._folder / NAME / name

    def set(self, page: str, *steps: str | int, to: Any) -> None:
        """Put a value at a place of a page; GONE takes away what is there."""
        path = self.path(f"{page}.yaml")
        document = node = yaml.safe_load(path.read_text("utf-8"))
        for step in steps[:-1]:
            node = node.setdefault(step, {}) if isinstance(node, dict) else node[step]
        if to is GONE:
            del node[steps[-1]]
        else:
            node[steps[-1]] = to
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")

    def rewrite(self, file: str, old: str, new: str) -> None:
        text = self.path(file).read_text("utf-8")
        assert old in text
        self.path(file).write_text(text.replace(old, new), "utf-8")

    def load(self, market: str = "cn", leading: str | None = None) -> Rules:
        return load_rules(market, self.package, leading)

    def flaws(self, market: str = "cn") -> list[str]:
        with pytest.raises(Flawed) as caught:
            self.load(market)
        found = caught.value.flaws
        assert str(caught.value) == "the rules have flaws:\n  " + "\n  ".join(found)
        return found

    def row_of(self, id: str, page: str = "gates", member: str = "rows") -> int:
        """Where a row of a table stands."""
        rows = yaml.safe_load(self.path(f"{page}.yaml").read_text("utf-8"))[member]
        return next(index for index, row in enumerate(rows) if row["id"] == id)
