"""Two machines of two workers each on one PostgreSQL: used tokens, feedback and the journal are everybody's."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cds_hooks.minting import SigningKey
from service.config import Settings
from service.demo import demo_request
from tests.crash import Granian, variables
from tests.databases import KEY as PSEUDONYM_KEY
from tests.fhir_pieces import TODAY
from tests.postgresql import Server
from tests.service.test_feedback import OVERRIDDEN
from tests.service.test_feedback import kept as kept_feedback
from tests.service.test_journal import kept as kept_journal

SIGN = "/cds-services/bone-health-order-sign"
BASE = "https://cds.example.org"
ISS = "https://ehr.example.org/auth"
KEY = SigningKey.generate()
CALLS = 40


@pytest.fixture
def settings(tmp_path: Path, postgresql: Server) -> Settings:
    return Settings(state_directory=str(tmp_path), database=postgresql.new_database(), pseudonym_keys=(PSEUDONYM_KEY,))


@pytest.fixture
def servers(settings: Settings, tmp_path: Path) -> Iterator[Granian]:
    """Starts machines that know one client."""
    (tmp_path / "ehr.jwks.json").write_text(json.dumps(KEY.key_set()))
    config = tmp_path / "settings.toml"
    config.write_text(f'public_base_url = "{BASE}"\n[[issuers]]\niss = "{ISS}"\njwks_file = "ehr.jwks.json"\n')
    servers = Granian({**variables(settings), "OSTEOHOOKS_CONFIG": str(config)})
    yield servers
    servers.close()


def post(port: int, path: str, token: str, document: Any) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        connection.request("POST", path, json.dumps(document), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def token(path: str) -> str:
    return KEY.token(ISS, BASE + path)


def test_what_one_was_told_all_know(settings: Settings, servers: Granian) -> None:
    machines = [servers.start(), servers.start()]
    ports = [port for _, port in machines]
    chance = random.Random(0)
    asked = json.loads(demo_request("order-sign", TODAY))
    tokens = [token(SIGN) for _ in range(CALLS)]

    def ask(number: int) -> tuple[int, int, Any]:
        document = {**asked, "hookInstance": str(UUID(int=number))}
        return number, *post(chance.choice(ports), SIGN, tokens[number], document)

    def report(card: str) -> int:
        event = {"feedback": [{**OVERRIDDEN, "card": card}]}
        return post(chance.choice(ports), f"{SIGN}/feedback", token(f"{SIGN}/feedback"), event)[0]

    with ThreadPoolExecutor(8) as clients:
        # Each token goes to whichever worker of whichever machine three times, in any order.
        numbers = [number for number in range(CALLS) for _ in range(3)]
        chance.shuffle(numbers)
        answers = list(clients.map(ask, numbers))
        cards = [card["uuid"] for _, status, answer in answers if status == 200 for card in answer["cards"]]
        reports = list(clients.map(report, cards * 2))
    statuses: dict[int, Counter[int]] = {number: Counter() for number in range(CALLS)}
    for number, status, _ in answers:
        statuses[number][status] += 1
    assert [counts for counts in statuses.values() if counts != {200: 1, 401: 2}] == []
    assert set(reports) == {200}
    assert sorted(str(row["card"]) for row in kept_feedback(settings)) == sorted(cards)
    for number, (pid, port) in enumerate(machines, CALLS):
        status, answer = post(port, SIGN, token(SIGN), {**asked, "hookInstance": str(UUID(int=number))})
        servers.stop(pid)
        assert status == 200
        cards += [card["uuid"] for card in answer["cards"]]
    assert {row["card"] for row in kept_journal(settings)} == set(cards), "a server that is stopped writes its journal"
    assert len({row["patient"] for row in kept_journal(settings)}) == 1, "one patient, one pseudonym on all machines"
