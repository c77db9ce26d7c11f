"""What the service is measured against in `make bench-peers`: how each is prepared, started and asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.servers import Server, free_port, running
from tests.bench.value_sets import value_sets
from tests.fhir_pieces import TODAY

__all__ = ["FOLDER", "PEERS", "Peer", "start", "translate", "versions"]

FOLDER: Final = Path(__file__).parent / "peers"
_CQL: Final = FOLDER / "cql"


@dataclass(frozen=True, eq=False)
class Peer:
    """Another CDS Hooks service with a rule for the tier, which its card names as `Tier: high`.

    `command` starts it in the folder of the peers; {python} is the interpreter that has the Python ones, {made} the
    folder with what `translate` wrote. `base` is where its services are, one of them `tier`; `ready` answers a GET.
    `least` is how many times its throughput must be reached. `whole` where it applies all of the tier's rules, and so
    must name the same tier for any patient.
    """

    name: str
    command: Sequence[str]
    ready: str
    base: str
    checks: str
    least: Mapping[str, float]
    whole: bool = False


def _healthchain(name: str, factory: str, checks: str, least: Mapping[str, float]) -> Peer:
    """In its best setting: two workers, uvloop and httptools, no access log."""
    flags = ("--workers", "2", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error")
    command = ("{python}", "-m", "uvicorn", "--factory", f"healthchain_app:{factory}", "--port", "{port}", *flags)
    return Peer(name, command, "/cds/cds-discovery", "/cds/cds-services", checks, least)


PEERS: Final = (
    _healthchain(
        "HealthChain, plain",
        "plain",
        "nothing of the prefetched resources; one rule",
        {"15 resources": 1.5, "200 resources": 4.0},
    ),
    _healthchain(
        "HealthChain, FHIR models",
        "modelled",
        "every resource with fhir.resources; one rule",
        {"15 resources": 12.0, "200 resources": 40.0},
    ),
    Peer(
        "CQL on cql-execution",
        ("node", "cql/server.mjs", "{port}", "{made}/tier.json", "{made}/value-sets.json", TODAY.isoformat()),
        "/cds-services",
        "/cds-services",
        "nothing of the prefetched resources; the tier's rules alone, by code, as far as the tier hangs on them: "
        "not what unknown facts leave possible, no names in text, no evidence or sentences, no agents, doses or safety",
        {"15 resources": 50.0, "200 resources": 50.0},
        whole=True,
    ),
)


def translate(made: Path) -> None:
    """What the CQL peer loads: its rules as ELM, its value sets. Raises CalledProcessError with the faults printed."""
    (made / "value-sets.json").write_text(json.dumps(value_sets()), encoding="utf-8")
    subprocess.run(["node", "translate.mjs", "tier.cql", str(made / "tier.json")], cwd=_CQL, check=True)


def start(peer: Peer, python: Path, made: Path) -> AbstractContextManager[Server]:
    """The peer until the block ends. Raises RuntimeError when it does not answer."""
    port = free_port()
    # It is started in a folder of its own, from which a path relative to ours leads nowhere.
    command = [part.format(python=python.absolute(), port=port, made=made.absolute()) for part in peer.command]
    return running(peer.name, port, command, {}, ready=peer.ready, folder=FOLDER)


def versions() -> str:
    """What of theirs is measured, and in which releases."""
    wanted = (FOLDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    python = [line.replace("==", " ") for line in wanted if "==" in line]
    node = json.loads((_CQL / "package.json").read_text(encoding="utf-8"))["dependencies"]
    return ", ".join((*python, *(f"{name} {release}" for name, release in node.items())))
