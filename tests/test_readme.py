"""The READMEs say what is there: commands that exist, the card as it is printed, files that lie where they say."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import service.cli
from service.demo import demo_request
from tests.fhir_pieces import TODAY
from tests.front_door import application

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
# Not what make or a tool has put beside it: those folders are hidden.
FOLDERS: Final = tuple(path for path in sorted(ROOT.iterdir()) if path.is_dir() and not path.name.startswith("."))
PAGES: Final = (
    README,
    ROOT / "CHANGELOG.md",
    *(page for folder in FOLDERS for page in sorted(folder.rglob("README.md")) if "node_modules" not in page.parts),
)
CARD: Final = re.compile(
    r"<!-- card: service/demo/order-sign\.json on (?P<day>\d{4}-\d\d-\d\d) -->\n```text\n(?P<card>.*?)```\n", re.DOTALL
)
_FENCE: Final = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
NUMBERS: Final = {"eight": 8, "nine": 9, "ten": 10}

every_page = pytest.mark.parametrize("page", PAGES, ids=[path.relative_to(ROOT).as_posix() for path in PAGES])


def commands(page: Path) -> Iterator[str]:
    """The command lines of a page's shell blocks, continued lines joined, and those in running text."""
    text = page.read_text(encoding="utf-8")
    for block in _FENCE.finditer(text):
        if block["language"] in ("", "sh", "bash", "console"):
            yield from block["text"].replace("\\\n", " ").splitlines()
    yield from _CODE.findall(_FENCE.sub("", text))


# -- commands ----------------------------------------------------------------------------------------------------------


@every_page
def test_every_make_target_is_one(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {
        word
        for line in commands(page)
        for words in re.findall(r"(?:^|&& )make ([a-z |]+)", line.partition("#")[0])
        for word in re.split(r"[ |]+", words.strip())
    }
    assert named <= targets


def test_the_readme_names_the_targets_a_newcomer_needs() -> None:
    text = README.read_text(encoding="utf-8")
    assert {"make run", "make test"} <= set(re.findall(r"make \w+", text))


@every_page
def test_every_osteohooks_command_is_one(page: Path) -> None:
    for line in commands(page):
        match = re.match(
            r"(?:\$ )?(?:\S*/)?osteohooks "
            r"(?P<arguments>(?:(?:serve|assess|demo|conformance)\b|(?:db|feedback) \w)[^#]*)",
            line,
        )
        if match:
            # The parser ends the test with its usage where a flag is none.
            assert service.cli._parser().parse_args(shlex.split(match["arguments"])).run


def test_the_command_is_installed_under_its_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"osteohooks": "service.cli:main"}
    assert project["name"] == service.cli._parser().prog


def test_the_flags_of_make_run_go_to_serve() -> None:
    (given,) = re.findall(r'make run ARGS="([^"]+)"', README.read_text(encoding="utf-8"))
    assert service.cli._parser().parse_args(["serve", *shlex.split(given)]).port


# -- the card ----------------------------------------------------------------------------------------------------------


def test_the_card_is_the_first_one_that_assess_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = CARD.search(README.read_text(encoding="utf-8"))
    assert shown is not None
    assert shown["day"] == TODAY.isoformat()
    request = tmp_path / "request.json"
    request.write_bytes(demo_request("order-sign", TODAY))
    monkeypatch.setenv("OSTEOHOOKS_TODAY", shown["day"])
    assert service.cli.main(["assess", str(request)]) == 0
    first, *others = re.split(r"^(?=\[[A-Z]+\] )", capsys.readouterr().out, flags=re.MULTILINE)[1:]
    assert others
    printed = first.rstrip("\n") + "\n"
    assert shown["card"] == printed, f"put this between the fences of README.md:\n\n{printed}"


# -- what lies where ---------------------------------------------------------------------------------------------------

# Names that stand for something else than a file of this repository.
ELSEWHERE: Final = re.compile(r"^(/|https?://|\.venv/|my-|[A-Z][A-Za-z]+/)|\s")


def paths(page: Path) -> Iterator[str]:
    """What a page names as a path: with a slash or with the ending of a file; `<name>` stands for any name."""
    for code in _CODE.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        is_path = "/" in code or re.search(r"\.(py|ya?ml|toml|json|md|lock|service)$", code)
        if is_path and not ELSEWHERE.search(code) and re.fullmatch(r"[\w./<>*-]+", code):
            yield re.sub(r"<[^>]+>", "*", code)


@every_page
def test_every_file_and_folder_named_is_there(page: Path) -> None:
    for name in paths(page):
        # A name may be told from the top, from where the page lies, or from the folder that the sentence is about.
        found = [
            *ROOT.glob(name),
            *page.parent.glob(name),
            *(path for folder in FOLDERS for path in folder.rglob(name)),
        ]
        assert found, f"{page.name} names {name}"


def test_the_files_that_the_deployment_s_commands_take_are_there() -> None:
    lines = " ".join(commands(ROOT / "deploy" / "README.md"))
    named = set(re.findall(r"(?<=\s)(?:deploy/[\w.-]+|requirements[\w-]*\.lock)(?=\s|$)", lines))
    assert len(named) > 3
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_readme_names_files_at_all() -> None:
    assert {"deploy/production.toml", "service/demo/order-sign.json"} <= set(paths(README))


# -- what an EHR is told -----------------------------------------------------------------------------------------------


def test_the_services_and_keys_are_those_of_discovery() -> None:
    services = application(TODAY).test_client().get("/cds-services").get_json()["services"]
    rows = dict(re.findall(r"^\| ([a-z]+) \| (.+) \|$", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(_CODE.findall(rows["services"])) == {each["id"] for each in services}
    (count,) = re.findall(r"^(\w+) keys", rows["prefetch"])
    for each in services:
        assert len(each["prefetch"]) == NUMBERS[count]
        assert "patient" in each["prefetch"]
    assert rows["discovery"] == "`GET /cds-services`"
