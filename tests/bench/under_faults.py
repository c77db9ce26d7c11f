"""The tail of the answers while the store fails, against the tail with the store well; a part of `make bench`.

python -m tests.bench.under_faults [--rounds 5] [--seconds 3] [--only "SQLite locked"]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from cds_hooks.minting import SigningKey
from tests.bench.bodies import Body, bodies
from tests.bench.failing_stores import FAULTS, NEED_POSTGRESQL, FailingStore
from tests.bench.load import Load, Outcome
from tests.bench.machine import conditions
from tests.bench.on_record import Account, counted_in, metrics_of, settled, written
from tests.bench.rounds import MANY, Spread, ratios, spread
from tests.bench.servers import OPENER, Server, free_port, running, service
from tests.postgresql import PROGRAMS

__all__ = ["MOST_P99", "Round", "Trial", "bars", "main", "page", "trials"]

# How much longer the slowest hundredth may take while the store fails.
MOST_P99: Final = 2.0
MEASURED: Final = "15 resources"
ISS: Final = "https://ehr.example.org/auth"
# Eight connections that pause: some half of what the service can do. At its limit a token waits for longer than the
# 0.1 s that it is given though the store is well.
PAUSE_MS: Final = 40.0
# Times as long as the loads that others measure with. The calls that meet the fault, one for each thread, wait for
# 0.1 s each, once in an outage: they must not be a hundredth of the calls.
LONGER: Final = 3
# More than are asked for; where they run out, the first come again and are let in with a remark.
TOKENS_A_SECOND: Final = 400
WELL_WITHIN: Final = 120.0
_LOOKS: Final = 10


@dataclass(frozen=True)
class Round:
    """A load with the store well and one while it failed; what /readyz said then, and if the answer was the same.

    `passed_over`: calls with the store well whose token it was not asked about in time.
    """

    well: Outcome
    struck: Outcome
    said: Mapping[str, str]
    same: bool
    passed_over: int


@dataclass(frozen=True)
class Trial:
    """What the rounds of one fault gave; the account of the journal, and the rows in it, after the last of them."""

    fault: str
    how: str
    rounds: Sequence[Round]
    account: Account
    rows: int

    @property
    def ratio(self) -> Spread:
        """p99 while the store failed over p99 while it was well, round by round."""
        return ratios([each.struck.p99_ms for each in self.rounds], [each.well.p99_ms for each in self.rounds])

    @property
    def errors(self) -> int:
        return sum(each.well.errors + each.struck.errors for each in self.rounds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit status 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.under_faults")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", choices=tuple(FAULTS), action="append")
    options = parser.parse_args(arguments)
    lines = conditions()
    found = list(trials(options.rounds, options.seconds, only=options.only or tuple(FAULTS)))
    held = list(bars(found))
    print("\n".join([*page(found), *(f"* {line}" for line in lines)]))
    print("\n".join(f"{'held' if good else 'MISSED'}: {bar}" for bar, good in held))
    return 0 if all(good for _, good in held) else 1


def trials(
    rounds: int, seconds: float, workers: int = 2, threads: int = 4, *, only: Sequence[str] = tuple(FAULTS)
) -> Iterator[Trial]:
    """Each fault that can be brought about here, with a service and a store of its own."""
    for fault in only:
        if fault in NEED_POSTGRESQL and PROGRAMS is None:
            continue
        with tempfile.TemporaryDirectory() as place, FAULTS[fault](Path(place) / "state") as store:
            yield _trial(fault, store, Path(place), rounds, LONGER * seconds, workers, threads)


def _trial(
    fault: str, store: FailingStore, folder: Path, rounds: int, seconds: float, workers: int, threads: int
) -> Trial:
    port, key = free_port(), SigningKey.generate()
    config = _settings(store, folder, f"http://127.0.0.1:{port}", key)
    command, environment = service(port, workers, threads, Path(store.settings.state_directory))
    with running(fault, port, [*command, "--config", str(config)], environment, ready="/healthz", quiet=True) as server:
        calls = _Calls(server, bodies()[MEASURED], key, folder)
        healthy = calls.answer()
        calls.load(seconds)
        found = [_round(store, server, calls, healthy, seconds) for _ in range(rounds)]
        account = settled(server.url, store.settings)
    return Trial(fault, store.how, found, account, written(store.settings))


def _settings(store: FailingStore, folder: Path, url: str, key: SigningKey) -> Path:
    """The settings file: the store, and a client whose tokens are looked up in it at each call."""
    lines = [f'public_base_url = "{url}"', 'replay = "log"']
    if store.settings.database is not None:
        lines += [f'database = "{store.settings.database}"', f'pseudonym_keys = ["{store.settings.pseudonym_keys[0]}"]']
    (folder / "keys.json").write_text(json.dumps(key.key_set()), encoding="utf-8")
    lines += ["[[issuers]]", f'iss = "{ISS}"', 'jwks_file = "keys.json"']
    path = folder / "settings.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _round(store: FailingStore, server: Server, calls: _Calls, healthy: bytes, seconds: float) -> Round:
    settled(server.url, store.settings)
    before = calls.passed_over()
    well = calls.load(seconds)
    passed_over = calls.passed_over() - before
    heal = store.strike(server)
    try:
        struck = calls.load(seconds)
        said, same = calls.wrong(), calls.answer() == healthy
    finally:
        heal()
    calls.wait_until_well()
    return Round(well, struck, said, same, passed_over)


class _Calls:
    """Calls of one service with one body, each with a hookInstance and a token of its own."""

    def __init__(self, server: Server, body: Body, key: SigningKey, folder: Path) -> None:
        self._url, self._body, self._key = f"{server.url}/cds-services/{body.service}", body, key
        self._server, self._ready = server.url, f"{server.url}/readyz"
        self._file, self._tokens = folder / "body.json", folder / "tokens"
        self._file.write_bytes(body.content)

    def load(self, seconds: float) -> Outcome:
        tokens = (self._key.token(ISS, self._url, seconds=3600) for _ in range(round(TOKENS_A_SECOND * seconds)))
        self._tokens.write_text("\n".join(tokens), encoding="ascii")
        return Load(self._url, self._file, "en", MANY, seconds, PAUSE_MS, tokens=self._tokens).run()

    def passed_over(self) -> int:
        """Calls that were let in without a look at their token, so far."""
        counts = counted_in(metrics_of(self._server), "osteohooks_callers_refused_total", "cause")
        return counts.get("replay-store-away", 0)

    def answer(self) -> bytes:
        """The answer but for the names of its cards. Raises HTTPError for anything but success."""
        asked = json.loads(self._body.content) | {"hookInstance": str(uuid4())}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key.token(ISS, self._url)}"}
        request = urllib.request.Request(self._url, json.dumps(asked).encode(), headers)
        with OPENER.open(request, timeout=30) as answered:
            return re.sub(rb'"uuid":"[^"]*"', b"", answered.read())

    def wrong(self) -> Mapping[str, str]:
        """What is wrong with each part of the store, by its name; each look may meet another worker."""
        found: dict[str, str] = {}
        for _ in range(_LOOKS):
            with OPENER.open(self._ready, timeout=30) as answered:
                checks = json.loads(answered.read())["checks"]
            found |= {name: state for name, state in checks.items() if state != "ok"}
        return found

    def wait_until_well(self) -> None:
        """Raises TimeoutError when the service does not find its store again."""
        deadline = time.monotonic() + WELL_WITHIN
        while self.wrong():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._ready}: {self.wrong()}")
            time.sleep(0.25)


# -- the page ------------------------------------------------------------------------------------------------------


def page(found: Sequence[Trial]) -> Iterator[str]:
    """The part of the page, in Markdown."""
    yield "\n## While the store fails\n"
    yield f"{MEASURED}, {MANY} connections that pause for {PAUSE_MS:.0f} ms: the service is busy, and not at its limit."
    yield "Each call has a token of its own, which is looked up in the store (`replay = log`) unless that takes 0.1 s."
    yield "The last column says how often it did though the store was well. A round is a load with the store well, one"
    yield "as long that begins when the store fails (the calls that meet the fault, one a thread, wait those 0.1 s),"
    yield "and the time until all that waited is written: p99 in ms, ratios inside a round; medians [least..most].\n"
    titles = ("the store", "how", "p99, well", "p99, failing", "ratio", "answers a second, failing", "errors")
    yield f"| {' | '.join(titles)} | /readyz said | passed over, well |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for trial in found:
        wells, strucks = [each.well for each in trial.rounds], [each.struck for each in trial.rounds]
        said = {f"{name}: {state}" for each in trial.rounds for name, state in each.said.items()}
        passed_over = sum(each.passed_over for each in trial.rounds) / sum(outcome.requests for outcome in wells)
        columns = [
            *(spread(outcome.p99_ms for outcome in outcomes) for outcomes in (wells, strucks)),
            *(trial.ratio, spread(outcome.rate for outcome in strucks), trial.errors),
            *(", ".join(sorted(said)), f"{100 * passed_over:.1f} %"),
        ]
        yield f"| {trial.fault} | {trial.how} | {' | '.join(map(str, columns))} |"
    if PROGRAMS is None:
        yield f"\nNot measured, for want of PostgreSQL's programs: {', '.join(NEED_POSTGRESQL)}."


def bars(found: Sequence[Trial]) -> Iterator[tuple[str, bool]]:
    """Each bar in words with its figure, and whether it holds."""
    for trial in found:
        ratio = trial.ratio
        yield (
            f"{trial.fault}: p99 at most {MOST_P99} times its value with the store well: {ratio}",
            ratio.middle <= MOST_P99,
        )
        noticed = sum(bool(each.said) for each in trial.rounds)
        same = sum(each.same for each in trial.rounds)
        of = len(trial.rounds)
        yield (
            f"{trial.fault}: no error: {trial.errors}; rounds in which /readyz told of it: {noticed} of {of}, "
            f"in which the answer stayed the same: {same} of {of}",
            trial.errors == 0 and noticed == same == of,
        )
        words, whole = trial.account.bar(trial.rows)
        yield f"{trial.fault}: afterwards {words}", whole


if __name__ == "__main__":
    sys.exit(main())
