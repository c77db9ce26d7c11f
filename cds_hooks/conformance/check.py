"""A check: what it holds, for which requirements, and how it is run against a target."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import requests

from cds_hooks.conformance.target import NotApplicable, Target

__all__ = ["CHECKS", "Check", "Level", "Result", "Verdict", "check", "chosen", "register", "run"]

Level = Literal["MUST", "SHOULD"]
Verdict = Literal["pass", "fail", "not applicable"]

# A service that breaks a rule in each of a thousand answers is told so a few times.
_MOST_NOTES: Final = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the wire.

    `id` names it, `section` groups it; `requirements` are ours ("A.2-7"), `mitre` the numbers of the same rule in
    MITRE's list of CDS Hooks 2.0. MUST is what CDS Hooks 2.0 or an RFC demands, SHOULD what it advises or what good
    engineering adds. `findings` says, a sentence each, where the target breaks the rule.
    """

    id: str
    section: str
    requirements: tuple[str, ...]
    mitre: tuple[int, ...]
    level: Level
    says: str
    findings: Callable[[Target], Iterable[str]]

    @property
    def numbers(self) -> tuple[str, ...]:
        """The requirements' numbers, MITRE's in the form `cds-hooks_2.0@54`."""
        return (*self.requirements, *(f"cds-hooks_2.0@{number}" for number in self.mitre))


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a check; `notes` say where it failed, or why it does not apply."""

    check: Check
    verdict: Verdict
    notes: tuple[str, ...] = ()


# In the order in which they are run: what looks at all answers received comes last.
CHECKS: Final[list[Check]] = []


def register(added: Check) -> None:
    """Add a check to the suite."""
    CHECKS.append(added)


def check(
    section: str,
    *requirements: str,
    says: str,
    mitre: Collection[int] = (),
    level: Level = "MUST",
) -> Callable[[Callable[[Target], Iterable[str]]], Callable[[Target], Iterable[str]]]:
    """Make a check of a function; its name is the check's id."""

    def decorate(findings: Callable[[Target], Iterable[str]]) -> Callable[[Target], Iterable[str]]:
        id = findings.__name__.replace("_", "-")
        register(Check(id, section, requirements, tuple(mitre), level, says, findings))
        return findings

    return decorate


def chosen(names: Collection[str]) -> list[Check]:
    """The checks of these ids, sections or requirement numbers, all of them when none is named.

    Raises KeyError with the first name that nothing bears.
    """
    known = {name for one in CHECKS for name in (one.id, one.section, *one.numbers)}
    for name in names:
        if name not in known:
            raise KeyError(name)
    return [one for one in CHECKS if not names or not {one.id, one.section, *one.numbers}.isdisjoint(names)]


def run(target: Target, checks: Iterable[Check] | None = None) -> Iterator[Result]:
    """Run checks one after the other, all of them by default."""
    for one in CHECKS if checks is None else checks:
        try:
            notes = tuple(dict.fromkeys(islice(one.findings(target), _MOST_NOTES)))
        except NotApplicable as reason:
            yield Result(one, "not applicable", (str(reason),))
        except requests.RequestException as error:
            yield Result(one, "fail", (f"no answer: {type(error).__name__}",))
        else:
            yield Result(one, "fail" if notes else "pass", notes)
