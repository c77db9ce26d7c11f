"""What came of a run: for people, for programs, and for a build server."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree

from cds_hooks.conformance.check import Result

__all__ = ["FORMATS", "closing", "failed"]

_MARKS: Final = {"pass": "pass", "fail": "FAIL", "not applicable": "n/a"}


def failed(results: Sequence[Result]) -> bool:
    """Whether a MUST was not kept."""
    return any(result.verdict == "fail" and result.check.level == "MUST" for result in results)


def closing(results: Sequence[Result]) -> str:
    """The run in one line."""
    verdicts = Counter(result.verdict for result in results)
    levels = Counter(result.check.level for result in results if result.verdict == "fail")
    return (
        f"{len(results)} checks: {verdicts['pass']} passed, {verdicts['fail']} failed ({levels['MUST']} MUST, "
        f"{levels['SHOULD']} SHOULD), {verdicts['not applicable']} not applicable"
    )


def _table(url: str, results: Sequence[Result]) -> str:
    """A line for each check: verdict, level, id, requirements; below it why, where it did not pass."""
    lines = [f"CDS Hooks conformance of {url}"]
    section = None
    width = max((len(result.check.id) for result in results), default=0)
    for result in results:
        check = result.check
        if check.section != section:
            section = check.section
            lines += ["", section]
        numbers = ", ".join(check.requirements)
        line = f"  {_MARKS[result.verdict]:4}  {check.level:6}  {check.id:{width}}  {numbers}"
        if result.verdict == "fail":
            lines += [line, f"          rule: {check.says}"]
            if check.mitre:
                lines.append(f"          MITRE: {', '.join(check.numbers[len(check.requirements) :])}")
            lines += [f"          {note}" for note in result.notes]
        else:
            lines.append(" - ".join((line, *result.notes)))
    return "\n".join([*lines, "", closing(results), ""])


def _json(url: str, results: Sequence[Result]) -> str:
    listed = []
    for result in results:
        check = result.check
        said = {
            "id": check.id,
            "section": check.section,
            "level": check.level,
            "verdict": result.verdict,
            "says": check.says,
            "requirements": check.requirements,
            "mitre": check.numbers[len(check.requirements) :],
            "notes": result.notes,
        }
        listed.append({name: value for name, value in said.items() if value})
    document = {"target": url, "conformant": not failed(results), "summary": closing(results), "checks": listed}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _junit(url: str, results: Sequence[Result]) -> str:
    """A MUST that is not kept is a failure; a SHOULD that is not kept is reported as skipped, with the reason."""
    failures = sum(result.verdict == "fail" and result.check.level == "MUST" for result in results)
    skipped = sum(result.verdict != "pass" for result in results) - failures
    counts = {"tests": str(len(results)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": f"CDS Hooks conformance of {url}", **counts})
    for result in results:
        check = result.check
        case = ElementTree.SubElement(suite, "testcase", {"classname": check.section, "name": check.id})
        if result.verdict == "pass":
            continue
        is_failure = result.verdict == "fail" and check.level == "MUST"
        said = check.says if result.verdict == "fail" else "not applicable"
        if result.verdict == "fail" and not is_failure:
            said = f"advised, and not kept: {said}"
        element = ElementTree.SubElement(case, "failure" if is_failure else "skipped", {"message": said})
        element.text = "\n".join((*check.numbers, *result.notes))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


FORMATS: Final[Mapping[str, Callable[[str, Sequence[Result]], str]]] = MappingProxyType(
    {"table": _table, "json": _json, "junit": _junit}
)
