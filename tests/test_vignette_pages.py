"""The reader of vignette pages refuses what it cannot read, so that no row tests less than it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vignette_pages import COLUMNS, FOLDER, Vignette, read_page

HEAD = "| patient | T-score | tier |\n| --- | --- | --- |\n"


def _page(tmp_path: Path, text: str) -> Path:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_rows_and_their_cells(tmp_path: Path) -> None:
    rows = read_page(_page(tmp_path, f"# Title\n\nWords.\n\n{HEAD}| one | femur -1.5 | low |\n| two | – | – |\n"))
    assert [(row.name, row.line) for row in rows] == [("page: one", 7), ("page: two", 8)]
    assert [row.told("tier") for row in rows] == ["low", None]
    assert [len(row.record().entries) for row in rows] == [2, 1]


def test_outcome_speaks_of_what_its_own_table_names(tmp_path: Path) -> None:
    head = "| patient | outcome |\n| --- | --- |\n"
    rows = read_page(_page(tmp_path, f"{head}| a | x; y |\n| b | – |\n\n{head}| c | z |\n"))
    assert [row.spoken_of for row in rows] == [{"x", "y"}, {"x", "y"}, {"z"}]


def test_an_unknown_column(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"page.md:1: no such column: T score"):
        read_page(_page(tmp_path, "| patient | T score |\n| --- | --- |\n| a | b |\n"))


def test_a_cell_too_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"page.md:3: 4 cells under 3 columns"):
        read_page(_page(tmp_path, f"{HEAD}| a | femur -1.5 | low | x |\n"))


@pytest.mark.parametrize(
    ("column", "cell", "error"),
    [
        ("T-score", "femur low", ValueError),
        ("T-score", "elbow -1.5", KeyError),
        ("labs", "creatinine 88", ValueError),
        ("labs", "sodium 140 mmol/L", KeyError),
        ("drugs", "alendronate 70 mg weekly", ValueError),
        ("drugs", "aspirin", KeyError),
        ("draft", "ibandronate 150 mg, every 1 wk", ValueError),
        ("fracture", "hip broken", KeyError),
        ("FRAX", "neck 3", TypeError),
        ("conditions", "gout", KeyError),
        ("menopause", "soon", KeyError),
    ],
)
def test_a_cell_that_cannot_be_read(column: str, cell: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Vignette("page", 1, {"patient": "one", column: cell}, frozenset()).record()


def test_the_guide_names_every_column() -> None:
    guide = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [column for column in sorted(COLUMNS) if f"`{column}`" not in guide] == []
