"""What a guideline says of itself stands on its own page, in every language."""

from __future__ import annotations

import pytest

from tests.guideline_copy import GONE, NAME, Pages


@pytest.mark.parametrize("member", ["title", "label", "population", "reviewed"])
def test_what_is_not_said_in_a_language_is_a_flaw(pages: Pages, member: str) -> None:
    pages.set("guideline", member, "zh", to=GONE)
    assert pages.flaws() == [f"{NAME}: no {member} in zh"]


def test_what_is_not_said_at_all_is_one_for_each_language(pages: Pages) -> None:
    pages.set("guideline", "population", to=GONE)
    assert pages.flaws() == [f"{NAME}: no population in en", f"{NAME}: no population in zh"]
