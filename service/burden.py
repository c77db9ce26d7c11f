"""What a site has chosen to show: advice on, silent (found and counted, not shown) or off, how loud, how many cards.

Nothing here touches critical advice unless the setting says so for it (`critical_too`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from service.config import QuietSettings
from service.decision import Finding
from service.rules import Rules

__all__ = ["Asker", "Burden", "Choice", "role_of", "unknown_names"]

_ROLES: Final[Mapping[str, str]] = {
    "Practitioner": "practitioner",
    "PractitionerRole": "practitioner-role",
    "Patient": "patient",
    "RelatedPerson": "related-person",
}


class Asker(NamedTuple):
    """Who asks: on which hook, in which role (by the kind of the FHIR user, None where unknown), from which sites."""

    hook: str
    role: str | None
    sites: frozenset[str]


def role_of(user_id: str | None) -> str | None:
    """The role of a FHIR user, by the kind of resource that a reference to it names; None where that is no user's."""
    return _ROLES.get((user_id or "").partition("/")[0])


class Choice(NamedTuple):
    """What is to become of a finding: `on`, `silent` or `off`; and no louder than `ceiling`."""

    show: str
    ceiling: str | None


class Burden:
    """The choices of a site; of several tables that fit, the last that says something counts."""

    def __init__(self, tables: Sequence[QuietSettings]) -> None:
        self._tables = tuple(tables)
        self._sites = frozenset(table.site for table in tables if table.site is not None)
        self._made: dict[tuple[str, str, bool, Asker], Choice] = {}

    @property
    def idle(self) -> bool:
        """Whether the site has chosen nothing: then every choice is to show."""
        return not self._tables

    def asker(self, hook: str, user_id: str | None, *sites: str | None) -> Asker:
        """Who asks; `sites` are the issuer and the tenant, where known. Those that no table names are left out."""
        return Asker(hook, role_of(user_id), self._sites.intersection(filter(None, sites)))

    def choice(self, finding: Finding, asker: Asker) -> Choice:
        """What is to become of a finding for who asks."""
        if self.idle:
            return _SHOWN
        key = (finding.section.name, finding.outcome.code, finding.indicator == "critical", asker)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._choose(*key)
        return made

    def _choose(self, rule: str, outcome: str, critical: bool, asker: Asker) -> Choice:
        show, ceiling = _SHOWN
        for table in self._tables:
            if (
                table.rule in (None, rule)
                and table.outcome in (None, outcome)
                and table.hook in (None, asker.hook)
                and table.role in (None, asker.role)
                and (table.site is None or table.site in asker.sites)
                and (table.critical_too or not critical)
            ):
                show, ceiling = table.show or show, table.ceiling or ceiling
        return Choice(show, ceiling)


_SHOWN: Final = Choice("on", None)


def unknown_names(tables: Sequence[QuietSettings], rules: Rules) -> Iterator[str]:
    """A sentence for each name in the tables that nothing has."""
    names = {section.name for guideline in rules.guidelines.values() for section in guideline.sections}
    for number, table in enumerate(tables):
        if table.rule is not None and table.rule not in names:
            yield f"quiet[{number}].rule: there is no such rule"
        if table.outcome is not None and table.outcome not in rules.outcomes:
            yield f"quiet[{number}].outcome: there is no such outcome"
