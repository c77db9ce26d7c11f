"""The whole loop in one process: ask, say what was done with a card, and ask again on a later day."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4

import pytest

from service.app import create_app
from service.config import Settings
from service.memory import Memory
from service.presenting import Presenting
from service.recall import Recall
from service.rules import load_rules
from service.store import Store
from tests.builder import Record
from tests.fhir_pieces import TODAY, Json
from tests.front_door import Answer, request_body

SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
# Read once: a service only ever looks at them.
_RULES: Final = lru_cache(load_rules)
PATIENCE: Final = 60.0  # seconds; only a fault makes a test wait so long


class Loop:
    """A service with a store, whose clock is set by the test and whose memory is brought up to date by it."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.today, self.settings = TODAY, settings
        loop = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.combine(loop.today, datetime.now(UTC).timetz())

        for module in ("answering", "recording", "recall", "store.feedback"):
            monkeypatch.setattr(f"service.{module}.datetime", Clock)
        monkeypatch.setattr("service.app.load_rules", _RULES)
        app = create_app(settings)
        store, presenting = app.extensions["store"], app.extensions["presenting"]
        assert isinstance(store, Store)
        assert isinstance(presenting, Presenting)
        assert isinstance(presenting.memory, Memory)
        self.store, self.memory = store, presenting.memory
        self._client = app.test_client()
        self._recall = Recall(store.database, self.memory)

    def ask(self, record: Record, hook: str = "patient-view", lang: str = "en", drafts: Sequence[Json] = ()) -> Answer:
        """Ask about a patient, as each opening of a chart does."""
        body = request_body(
            record.prefetch(), hook, patient_id=record.patient_id, drafts=drafts, hook_instance=str(uuid4())
        )
        headers = {"Accept-Language": lang}
        response = self._client.post(f"/cds-services/bone-health-{hook}", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return Answer(response.status_code, dict(response.headers), response.get_data())

    def override(self, card: Json, code: str | None, on: date | None = None, hook: str = "patient-view") -> None:
        """Tell that a user set a card aside, with a reason's code or none."""
        item: Json = {
            "card": card["uuid"],
            "outcome": "overridden",
            "outcomeTimestamp": f"{on or self.today}T12:00:00Z",
        }
        if code is not None:
            item["overrideReason"] = {"reason": {"code": code, "system": SYSTEM}}
        self.tell(item, hook)

    def accept(self, card: Json, suggestion: Json, hook: str = "patient-view") -> None:
        """Tell that a user took up a suggestion."""
        self.tell(
            {
                "card": card["uuid"],
                "outcome": "accepted",
                "acceptedSuggestions": [{"id": suggestion["uuid"]}],
                "outcomeTimestamp": f"{self.today}T12:00:00Z",
            },
            hook,
        )

    def tell(self, item: Json, hook: str = "patient-view") -> None:
        response = self._client.post(f"/cds-services/bone-health-{hook}/feedback", json={"feedback": [item]})
        assert response.status_code == 200, response.text

    def written(self) -> None:
        """Wait until everything is on record."""
        ends = time.monotonic() + PATIENCE
        while self.store.journal.queued:
            assert time.monotonic() < ends, "the journal is not written"
            time.sleep(0.01)

    def settle(self) -> None:
        """Wait until everything is on record, and have the memory know of it."""
        self.written()
        ends = time.monotonic() + PATIENCE
        self._recall.look()
        while self._recall.state is not None:  # the machine is busy: a look waits for so long only
            assert time.monotonic() < ends, self._recall.state
            self._recall.look()
