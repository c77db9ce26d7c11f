"""What the benchmark rests on: the same bodies everywhere, a baseline that does its part, figures read right."""

from __future__ import annotations

import hashlib
import json
import random
import re
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from tests import codes
from tests.bench import against_peers, baseline
from tests.bench.against_baseline import OUTPUT
from tests.bench.agreement import disagreements, tier_of_card
from tests.bench.bodies import bodies, view
from tests.bench.curves import Curves, draw
from tests.bench.failing_fhir import WAYS, FailingServer
from tests.bench.growth import exponent, page, with_rules
from tests.bench.load import Load, Outcome, outcome_in
from tests.bench.peer import FOLDER, PEERS, Peer
from tests.bench.rounds import Case, Spread, measure, ratios, seconds_for, spread
from tests.bench.servers import Server
from tests.bench.soak import Sample, judged
from tests.bench.value_sets import value_sets
from tests.fhir_pieces import TODAY
from tests.front_door import application, post

DIGESTS = {"15 resources": "852a8073d38958f0", "200 resources": "70fccc09fd1e979d", "draft order": "47104d39b6209c7c"}


def test_the_bodies_are_the_same_everywhere() -> None:
    made = {name: hashlib.sha256(body.content).hexdigest()[:16] for name, body in bodies().items()}
    random.seed(7)
    assert made == {name: hashlib.sha256(body.content).hexdigest()[:16] for name, body in bodies().items()}
    assert made == DIGESTS


@pytest.mark.parametrize(("name", "kilobytes"), [("15 resources", 30), ("200 resources", 400)])
def test_the_bodies_have_the_size_they_are_quoted_with(name: str, kilobytes: int) -> None:
    body = bodies()[name]
    assert body.resources == int(name.split(maxsplit=1)[0])
    assert len(body.content) == pytest.approx(kilobytes * 1000, rel=0.05)


@pytest.mark.parametrize("resources", [5, 10, 15, 16, 100, 1000])
def test_a_body_has_as_many_resources_as_asked_for(resources: int) -> None:
    prefetch = json.loads(view(resources).content)["prefetch"]
    assert 1 + sum(bundle["total"] for key, bundle in prefetch.items() if key != "patient") == resources


@pytest.mark.parametrize("name", ["15 resources", "200 resources", "draft order"])
@pytest.mark.parametrize("narrative", [0.0, 0.5])
def test_every_body_puts_the_rules_to_work(name: str, narrative: float) -> None:
    body = bodies(narrative)[name]
    answer = post(body.content, body.hook, today=TODAY)
    assert answer.status == 200
    assert answer.assessment["tier"] == "high"
    assert "bma-recommend" in answer.outcomes
    assert b'"text":{"status":"generated"' in body.content or not narrative


def test_the_draft_decides_the_tier() -> None:
    body = bodies()["draft order"]
    assert post(body.content, body.hook).assessment["withoutDraftOrders"]["tier"] == "moderate"


def test_the_baseline_parses_the_body_and_answers_as_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bodies()["15 resources"]
    asked = {"data": body.content, "content_type": "application/json"}
    ours = application(TODAY).test_client().post(f"/cds-services/{body.service}", **asked).data
    (tmp_path / "0.json").write_bytes(ours)
    monkeypatch.setenv(baseline.ANSWERS, str(tmp_path))
    client = baseline.wsgi().test_client()
    assert client.post("/echo/0", **asked).data == ours
    assert client.post("/echo/0", data=b"[]").status_code == 400
    assert client.get("/cds-services").status_code == 200


def test_an_outcome_is_read_from_what_wrk_prints() -> None:
    found = '{"requests": 500, "seconds": 2.0, "bytes": 1, "p50_ms": 1, "p99_ms": 2, "errors": 3}'
    outcome = outcome_in(f"Running 1s test\nOUTCOME {found}\n")
    assert (outcome.rate, outcome.errors) == (250.0, 3)
    with pytest.raises(ValueError, match="0 outcomes"):
        outcome_in("unable to connect\n")


def test_the_load_names_its_script_and_what_the_script_takes() -> None:
    command = Load("http://127.0.0.1:1/x", Path("body.json"), "zh", 8, 2.0, 5.0).command()
    assert command[command.index("--") + 1 :] == ["body.json", "zh", "5.0"]
    assert "-c8" in command
    assert "-d2s" in command


def test_the_readme_quotes_what_was_measured() -> None:
    readme, results = (Path(path).read_text(encoding="utf-8") for path in ("README.md", OUTPUT))
    quoted = re.findall(r"^\| (\w+ \w+, \w\w) \| (\S+ \[\S+\]) \| (\S+ \[\S+\]) \| (\S+ \[\S+\]) \|$", readme, re.M)
    assert len(quoted) == 6
    for name, throughput, tail, processor in quoted:
        (row,) = (line.split(" | ") for line in results.splitlines() if re.match(rf"\| {name} \| \d", line))
        assert [row[2], row[3], row[5].removesuffix(" |")] == [throughput, tail, processor]
    quoted = re.findall(r"^(\| \w[^|]+ \| \S+ \[\S+\] \| \S+ \[\S+\] \|)$", readme, re.M)
    peers = against_peers.OUTPUT.read_text(encoding="utf-8").splitlines()
    assert len(quoted) == len(PEERS)
    assert all(any(line.startswith(row) for line in peers) for row in quoted)


def test_time_that_doubles_with_the_resources_grows_linearly() -> None:
    assert exponent({100: 9.0, 200: 1.0, 400: 2.0, 800: 4.0}, 200) == pytest.approx(1)
    assert exponent({200: 1.0, 400: 4.0, 800: 16.0}, 200) == pytest.approx(2)


def test_what_keeps_growing_is_not_flat() -> None:
    def verdicts(*later: Sample) -> list[bool]:
        early = [Sample(number, 70.0, 40, 14) for number in range(8)]
        return [held for _, held in judged([*early, *later])]

    assert verdicts(*[Sample(9, 72.0, 42, 14)] * 2) == [True, True, True]
    assert verdicts(*[Sample(9, 74.0, 40, 14)] * 2) == [False, True, True]
    assert verdicts(*[Sample(9, 70.0, 45, 14)] * 2) == [True, False, True]
    assert verdicts(*[Sample(9, 70.0, 40, 17)] * 2) == [True, True, False]


def test_the_failing_server_fails_in_every_way() -> None:
    seen = []
    with FailingServer() as server:
        for way in WAYS:
            try:
                answered = requests.get(server.url, timeout=0.5 if way == "never" else 60, proxies={"http": ""})
                seen.append((answered.status_code, answered.headers["Content-Type"]))
            except requests.ConnectionError:
                seen.append((0, "closed"))
            except requests.Timeout:
                seen.append((0, "waiting"))
    fhir, html = "application/fhir+json", "text/html"
    assert seen == [(500, fhir), (200, html), (200, fhir), (0, "closed"), (0, "waiting")]


def test_ratios_are_taken_inside_a_round() -> None:
    assert ratios([10, 40, 30], [10, 20, 10]) == Spread(2.0, 1.0, 3.0)
    assert str(spread([0.5])) == "0.50 [0.50..0.50]"
    assert str(spread([1200, 900])) == "1050 [900..1200]"


# -- peers ---------------------------------------------------------------------------------------------------------


def test_the_cql_asks_for_value_sets_that_there_are_and_none_is_empty() -> None:
    asked_for = re.findall(
        r"^valueset \".+\": '(.+)'$", (FOLDER / "cql" / "tier.cql").read_text(encoding="utf-8"), re.M
    )
    made = value_sets()
    assert sorted(asked_for) == sorted(made)
    assert all(made.values())


@pytest.mark.parametrize(
    ("name", "system", "listed"),
    [
        ("t-scores-of-eligible-sites", codes.LOINC, {codes.T_SCORE["lumbar-spine"], codes.T_SCORE["femur"]}),
        ("eligible-body-sites", codes.SNOMED, {"122496007", "29627003"}),
        ("frax-hip", codes.LOINC, {codes.FRAX_HIP}),
        ("bone-density-and-frax", codes.LOINC, {codes.DXA_PANEL, codes.FRAX_PANEL, codes.FRAX_MAJOR}),
        ("fractures-of-hip-or-spine", codes.SNOMED, {"359817006", "431031001", "42942008"}),
        ("fractures-of-humerus-pelvis-or-forearm", codes.ICD10, {"S42.2*", "S32.1*", "M80.0B*"}),
        ("fragility-fractures", codes.ICD10, {"M80*", "M84.4*"}),
        ("low-energy-causes", codes.ICD10, {"W00*", "W01*", "W18*"}),
        ("aromatase-inhibitors", codes.RXNORM, {"72965", "199224", "310261"}),
        ("aromatase-inhibitors", codes.ATC, {"L02BG02"}),
    ],
)
def test_a_value_set_has_the_codes_of_its_name(name: str, system: str, listed: set[str]) -> None:
    assert listed <= {each["code"] for each in value_sets()[name] if each["system"] == system}


def test_a_value_set_has_no_code_that_its_name_leaves_out() -> None:
    made = {name: {each["code"] for each in found} for name, found in value_sets().items()}
    assert not made["t-scores-of-eligible-sites"] & {codes.T_SCORE["forearm"], codes.T_SCORE["calcaneus"]}
    assert not made["t-scores"] & set(codes.Z_SCORE.values())
    assert not made["fragility-fractures"] & (made["osteoporosis"] | {"S72.0*", "203449003", "M84.5*"})
    assert not made["low-energy-causes"] & made["high-energy-causes"]
    assert made["fractures"] < made["conditions"]


def test_codes_of_the_clinical_modification_are_not_read_in_another_edition() -> None:
    site_digits = [each for each in value_sets()["fractures-of-hip-or-spine"] if each["code"] == "M80.05*"]
    assert {each["system"] for each in site_digits} >= {codes.ICD10}
    assert "http://hl7.org/fhir/sid/icd-10" not in {each["system"] for each in site_digits}


def test_what_is_installed_for_the_cql_is_pinned_by_its_hash_and_to_no_address() -> None:
    packages = json.loads((FOLDER / "cql" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert not any("resolved" in package for package in packages.values())
    assert all("integrity" in package for name, package in packages.items() if name)


def test_a_slow_server_is_given_longer_but_not_for_ever() -> None:
    assert [seconds_for(rate, 3.0) for rate in (2000.0, 25.0, 10.0, 2.0, 0.0)] == [3.0, 3.0, 5.0, 10.0, 10.0]
    assert seconds_for(0.0, 30.0) == 30.0


class _Still:
    """Stands for a server that takes no processor time."""

    name = "peer"

    def processor_seconds(self) -> float:
        return 0.0


def test_a_server_that_finishes_nothing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[float] = []

    def run(load: Load) -> Outcome:
        asked.append(load.seconds)
        return Outcome(requests=0, seconds=load.seconds, bytes=0, p50_ms=0.0, p99_ms=0.0, errors=0)

    monkeypatch.setattr(Load, "run", run)
    case = Case("15 resources", tmp_path, "en", {"peer": "http://127.0.0.1:1/"})
    with pytest.raises(RuntimeError, match="peer finished no answer to 15 resources"):
        measure([case], [cast(Server, _Still())], 1, 3.0)
    assert asked == [1.0, 1.0, 10.0, 10.0]


def _answering(monkeypatch: pytest.MonkeyPatch, tier: str) -> tuple[Server, dict[Peer, Server]]:
    """The service itself and, in the place of each peer, a server that always names this tier."""
    client = application(TODAY).test_client()

    def answer(url: str, content: bytes) -> bytes:
        if url.startswith("ours"):
            return bytes(client.post(url.removeprefix("ours"), data=content, content_type="application/json").data)
        return json.dumps({"cards": [{"summary": f"Tier: {tier}"}]}).encode()

    monkeypatch.setattr("tests.bench.agreement._answer", answer)
    made = [Server(name, name, cast(Any, None), 0.0) for name in ("ours", *(peer.name for peer in PEERS))]
    return made[0], dict(zip(PEERS, made[1:], strict=True))


def test_a_peer_that_names_another_tier_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = _answering(monkeypatch, "low")
    said = list(disagreements(ours, others, ["15 resources"]))
    assert said[: len(PEERS)] == [f"{peer.name} says low where Osteohooks says high: 15 resources" for peer in PEERS]


def test_only_a_peer_with_all_rules_is_asked_about_every_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = _answering(monkeypatch, "high")
    said = list(disagreements(ours, others, ["15 resources", "200 resources"]))
    assert {line.partition(" says ")[0] for line in said} == {"CQL on cql-execution"}
    assert {line.split(" says ")[2].partition(":")[0] for line in said} == {"low", "moderate", "unclassified"}


@pytest.mark.parametrize("answer", [b'{"cards": []}', b'{"cards": [{"summary": "high"}]}'])
def test_a_peer_without_a_tier_is_no_peer(answer: bytes) -> None:
    with pytest.raises(ValueError, match="no card with a tier"):
        tier_of_card(answer)


def test_what_must_be_installed_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert against_peers.main(["--python", "python"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("make bench-peers needs wrk, ")
    assert "node, " in said


def curves(dearest: float = 80.0) -> Curves:
    resources = {10: 1.0, 200: 4.0, 1000: 16.0, 5000: dearest}
    emptied = {count: 1.2 * taken for count, taken in resources.items()}
    return Curves(resources, emptied, {0.5: 0.6, 1.0: 0.8}, {"en": 1.0, "zh": 1.1}, {1: 500.0, 2: 900.0})


def test_growth_is_drawn_alike_from_like_figures(tmp_path: Path) -> None:
    for name, dearest in (("one", 80.0), ("again", 80.0), ("other", 90.0)):
        draw(curves(dearest), tmp_path / name)
    one, again, other = ((tmp_path / name).read_bytes() for name in ("one", "again", "other"))
    assert one == again
    assert one != other
    assert one.startswith(b"<?xml")
    assert b"<dc:date>" not in one


def test_the_page_of_growth_shows_its_picture_and_what_a_resource_costs() -> None:
    lines = list(page(curves(), [], "growth.svg"))
    assert any(line.endswith("](growth.svg)") for line in lines)
    assert "| a resource, emptied | 120.0 µs | 24.0 µs | 19.2 µs | 19.2 µs |" in lines


def test_the_rules_can_be_measured_in_part() -> None:
    body = view(15)
    part, whole = (json.loads(with_rules(share, body)()) for share in (0.75, 1.0))
    through_the_front_door = post(body.content, body.hook, today=TODAY).body["cards"]
    assert [card["detail"] for card in whole["cards"]] == [card["detail"] for card in through_the_front_door]
    assert len(json.dumps(part)) < len(json.dumps(whole))
