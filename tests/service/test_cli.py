"""The command line: a file assessed without a server, and a clear sentence for what cannot be used."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import service.answering
from cds_hooks import HOOKS
from service.cli import main
from service.demo import demo_request
from service.words import LANGUAGES
from tests.builder import Record
from tests.command_line import OSTEOHOOKS, ROOT, Run, environment
from tests.fhir_pieces import TODAY, Json
from tests.front_door import ask, request_body
from tests.wire_rules import check_response


def osteopenia() -> Record:
    return Record().condition("breast-cancer").t_score("lumbar-spine", -1.5)


# -- assess ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["collection", "transaction", "document"])
def test_a_bundle_is_a_whole_record(kind: str, run: Run, written: Callable[[Any], Path]) -> None:
    record = osteopenia().drug("letrozole")
    status, out, err = run("assess", written(record.bundle(kind)), "--json")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    check_response(answer)
    assert answer["extension"] == ask(record).body["extension"]


def test_the_bundle_s_own_addresses_lead_to_its_patient(run: Run, written: Callable[[Any], Path]) -> None:
    address = "urn:uuid:0b5e4a3c-1111-4222-8333-444455556666"
    bundle = Record(subject=address).condition("breast-cancer").t_score("lumbar-spine", -1.5).bundle()
    bundle["entry"][0]["fullUrl"] = address
    _, out, _ = run("assess", written(bundle), "--json")
    assert json.loads(out)["extension"]["org.osteohooks.assessment"]["tierRule"] == "M2"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_cards_for_a_reader(lang: str, run: Run, written: Callable[[Any], Path]) -> None:
    record = osteopenia().drug("letrozole")
    status, out, _ = run("assess", written(record.bundle()), "--lang", lang)
    assert status == 0
    for card in ask(record, lang=lang).cards:
        assert f"[{card['indicator'].upper()}] {card['summary']}\n" in out
        for suggestion in card.get("suggestions", ()):
            recommended = " (recommended)" if suggestion.get("isRecommended") else ""
            assert f"    -> {suggestion['label']}{recommended}\n" in out
    assert not any(line.endswith(" ") for line in out.splitlines())


def test_the_language_of_the_settings(
    run: Run, written: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSTEOHOOKS_LANGUAGE", "zh")
    path = written(osteopenia().bundle())
    assert "骨折风险" in run("assess", path)[1]
    assert "骨折风险" not in run("assess", path, "--lang", "en")[1]


def test_a_recommended_order_is_marked(run: Run, written: Callable[[Any], Path]) -> None:
    record = Record().condition("breast-cancer").t_score("lumbar-spine", -2.9)
    for name, value in (("creatinine_clearance", 80), ("serum_calcium", 2.3), ("vitamin_d_25oh", 80)):
        record.lab(name, value, None, "2026-11-10")
    _, out, _ = run("assess", written(record.bundle()))
    assert out.count("(recommended)") == 1


def test_no_cards_are_said_in_words(run: Run, written: Callable[[Any], Path]) -> None:
    status, out, _ = run("assess", written(Record().bundle()))
    assert status == 0
    assert out.startswith("No cards:")


@pytest.mark.parametrize("hook", ["order-sign", "order-select", "medication-refill"])
def test_the_bundle_s_drafts_are_in_hand_on_an_order_hook(hook: str, run: Run, written: Callable[[Any], Path]) -> None:
    record = osteopenia().draft("letrozole")
    bundle = record.bundle()
    bundle["entry"] += [{"resource": draft} for draft in record.drafts]
    bundle["entry"][-1]["resource"].pop("id")
    answers = [
        json.loads(run("assess", written(bundle), "--json", "--hook", name)[1]) for name in (hook, "patient-view")
    ]
    signed, viewed = (answer["extension"]["org.osteohooks.assessment"] for answer in answers)
    assert (signed["tierRule"], signed["withoutDraftOrders"]["tierRule"]) == ("H3a", "M2")
    # Merely on record a draft is a plan, and a plan counts.
    assert viewed["tierRule"] == "H3a"
    assert "withoutDraftOrders" not in viewed


def test_what_cannot_be_read_in_a_bundle_is_said(run: Run, written: Callable[[Any], Path]) -> None:
    bundle = osteopenia().bundle()
    bundle["entry"] += [{"resource": "a string"}, 7, {"resource": {"resourceType": "Condition", "code": 1}}]
    status, out, _ = run("assess", written(bundle))
    assert status == 0
    assert "resources that could not be read: 3" in out


def test_a_bundle_as_an_encounter_starts(run: Run, written: Callable[[Any], Path]) -> None:
    path = written(osteopenia().bundle())
    started, viewed = (run("assess", path, "--json", "--hook", hook)[1] for hook in ("encounter-start", "patient-view"))
    assert json.loads(started)["extension"] == json.loads(viewed)["extension"]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_request_in_a_file_is_treated_as_over_http(hook: str, run: Run, written: Callable[[Any], Path]) -> None:
    record = osteopenia().draft("letrozole")
    if hook == "problem-list-item-create":
        record.drafts[:] = [Record().condition("osteoporosis").entries[0][1]["resource"]]
    body = request_body(record.prefetch(omit=["conditions"]), hook, drafts=record.drafts, selections=record.selections)
    status, out, _ = run("assess", written(body), "--json")
    assert status == 0
    assert json.loads(out) == ask(record, hook, omit=["conditions"]).body | {"cards": json.loads(out)["cards"]}


def test_the_demo_s_request_in_a_written(run: Run, written: Callable[[Any], Path]) -> None:
    status, out, _ = run("assess", written(demo_request("order-sign", TODAY)))
    assert status == 0
    assert out.startswith("[WARNING] ")


def test_a_subprocess_does_the_same(written: Callable[[Any], Path]) -> None:
    path = written(osteopenia().bundle())
    done = subprocess.run(
        [*OSTEOHOOKS, "assess", str(path), "--json"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["extension"] == ask(osteopenia()).body["extension"]


PATIENT: Json = {"resourceType": "Patient", "id": "p1"}


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (b"", "expected JSON"),
        (b"{", "expected JSON"),
        (b"\xff\xfe", "expected JSON"),
        ([], "expected a FHIR Bundle or a CDS Hooks request of patient-view, order-select, order-sign"),
        ("text", "expected a FHIR Bundle or a CDS Hooks request"),
        ({"resourceType": "Patient", "id": "p1"}, "expected a FHIR Bundle or a CDS Hooks request"),
        ({"hook": "encounter-discharge", "context": {}}, "expected a FHIR Bundle or a CDS Hooks request"),
        ({"hook": ["patient-view"]}, "expected a FHIR Bundle or a CDS Hooks request"),
        ({"resourceType": "Bundle"}, "expected one Patient with an id, found none"),
        ({"resourceType": "Bundle", "entry": None}, "expected the entries of the Bundle to be a list"),
        ({"resourceType": "Bundle", "entry": {"resource": PATIENT}}, "expected the entries of the Bundle to be a list"),
        ({"resourceType": "Bundle", "entry": [{}, 7, {"resource": [PATIENT]}]}, "found none"),
        ({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}, "found one without an id"),
        (
            {"resourceType": "Bundle", "entry": [{"resource": PATIENT}, {"resource": {**PATIENT, "id": "p2"}}]},
            "expected one Patient with an id, found p1, p2",
        ),
        ({"hook": "patient-view"}, "hookInstance"),
        (request_body({"patient": {"resourceType": "Patient", "id": "other"}}), "patient"),
        (b'{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient", "id": NaN}}]}', "found nan"),
        ({"resourceType": "Bundle", "entry": [{"resource": {**PATIENT, "id": "a/b"}}]}, "patientId"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_clear_sentence(
    document: Any, complaint: str, run: Run, written: Callable[[Any], Path]
) -> None:
    path = written(document)
    status, out, err = run("assess", path)
    assert (status, out) == (2, "")
    assert err.startswith(f"osteohooks: {path}: ")
    assert complaint in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_file_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    for path, why in ((tmp_path / "gone.json", "No such file or directory"), (tmp_path, "Is a directory")):
        assert run("assess", path) == (2, "", f"osteohooks: {path}: cannot be read ({why})\n")


def test_a_fault_of_ours_is_exit_status_1(
    run: Run, written: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a patient's datum")

    monkeypatch.setattr(service.answering, "decide", fail)
    assert run("assess", written(osteopenia().bundle())) == (1, "", "osteohooks: The service failed.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["asses"],
        ["assess"],
        ["assess", "x", "--lang", "fr"],
        ["assess", "x", "--hook", "x"],
        ["serve", "--port", "x"],
    ],
)
def test_flags_that_are_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: osteohooks" in capsys.readouterr().err


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "assess"])
def test_every_wrong_setting_is_named(
    command: str, run: Run, written: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSTEOHOOKS_PRT", "8080")
    monkeypatch.setenv("OSTEOHOOKS_WORKERS", "many")
    given = ["assess", written(osteopenia().bundle())] if command == "assess" else ["serve"]
    assert run(*given) == (
        2,
        "",
        "osteohooks: OSTEOHOOKS_PRT: there is no such setting; did you mean port?\n"
        "osteohooks: OSTEOHOOKS_WORKERS: expected a whole number, 1 or more, got text\n",
    )


def test_flags_and_file_of_the_server_are_checked(run: Run, tmp_path: Path) -> None:
    assert run("serve", "--port", 0)[::2] == (
        2,
        "osteohooks: --port: expected a whole number from 1 to 65535, got 0\n",
    )
    status, _, err = run("serve", "--config", tmp_path / "gone.toml")
    assert (status, "cannot be read" in err) == (2, True)
    status, _, err = run("serve", "--host", "0.0.0.0")
    assert (status, "allow_non_loopback" in err) == (2, True)
    status, _, err = run("serve", "--config", ROOT / "deploy" / "production.toml", "--workers", 0)
    assert (status, "--workers: expected a whole number" in err) == (2, True)
