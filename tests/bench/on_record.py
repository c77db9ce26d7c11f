"""What the service put on record under load: its journal is on, and every finding of an answer is accounted for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, Executable, func, literal, select

from service.config import Settings
from service.store import database_of
from service.store.tables import answered, feedback
from tests.bench.servers import OPENER

__all__ = ["Account", "account_in", "counted_in", "feedback_kept", "metrics_of", "settled", "written"]

_LOOK_EVERY: Final = 0.25
_FOUND: Final = ("osteohooks_cards_total", "osteohooks_held_back_total")
# Of what was held back, what the site has switched off is not on record.
_NOT_RECORDED: Final = "off"


@dataclass(frozen=True)
class Account:
    """Findings that answers showed or held back, as /metrics counts them; of their rows those that were lost."""

    found: int
    lost: int

    def bar(self, rows: int) -> tuple[str, bool]:
        """The bar in words, for a journal with so many rows, and whether it holds."""
        words = f"the journal is on and whole: {self.found} findings, {rows} rows written, {self.lost} lost and counted"
        return words, rows > 0 and self.found == rows + self.lost


def account_in(metrics: str) -> Account:
    """The account in what /metrics says."""
    found = lost = 0.0
    for family in text_string_to_metric_families(metrics):
        for name, labels, value, *_ in family.samples:
            if name in _FOUND and labels.get("why") != _NOT_RECORDED:
                found += value
            elif name == "osteohooks_store_lost_total":
                lost += value
    return Account(int(found), int(lost))


def counted_in(metrics: str, counter: str, label: str) -> Mapping[str, int]:
    """What a counter says in what /metrics says, by the values of one of its labels; 0 for those that never came up."""
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for name, labels, value, *_ in family.samples:
            if name == counter:
                counts[labels[label]] += int(value)
    return counts


def metrics_of(url: str) -> str:
    """What /metrics of the service at an address says."""
    with OPENER.open(f"{url}/metrics", timeout=30) as told:
        text: str = told.read().decode()
    return text


def written(store: Settings) -> int:
    """Rows of the journal in the store that these settings name. Raises StoreAway."""
    return _read(store, select(literal("rows"), func.count()).select_from(answered))["rows"]


def feedback_kept(store: Settings) -> Mapping[str, int]:
    """How much feedback of each outcome the store has. Raises StoreAway."""
    return _read(store, select(feedback.c.outcome, func.count()).group_by(feedback.c.outcome))


def settled(url: str, store: Settings, within: float = 120.0) -> Account:
    """The account of the service at an address when its journal has caught up, or so many seconds have passed."""
    deadline = time.monotonic() + within
    while True:
        account = account_in(metrics_of(url))
        if account.found == written(store) + account.lost or time.monotonic() > deadline:
            return account
        time.sleep(_LOOK_EVERY)


def _read(store: Settings, query: Executable) -> Mapping[str, int]:
    database = database_of(store)
    try:
        return database.read(lambda connection: _counts(connection, query), within=60)
    finally:
        database.close()


def _counts(connection: Connection, query: Executable) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in connection.execute(query)}
