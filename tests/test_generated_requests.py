"""Generated requests, broken ones of real shape and ones made of our schemas: each is answered or clearly refused.

Here a share of them, in this process; `make fuzz` sends many more to a server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.announcements import announce
from tests.api_calls import call_each_operation, described
from tests.fhir_pieces import TODAY
from tests.front_door import application, post
from tests.generated_requests import check_answer, generate

pytestmark = pytest.mark.usefixtures("untraced")

REQUESTS = 5000
BATCHES = 10
EXAMPLES = 8  # of each kind, for each operation


@pytest.fixture(scope="module")
def statuses(request: pytest.FixtureRequest) -> Iterator[Counter[int]]:
    counted: Counter[int] = Counter()
    yield counted
    by_status = ", ".join(f"{count} x {status}" for status, count in sorted(counted.items()))
    announce(request.config, f"generated requests: {counted.total()} ({by_status})")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_generated_request_gets_an_answer_or_a_clear_refusal(batch: int, statuses: Counter[int]) -> None:
    for sent in generate(f"osteohooks {batch}", REQUESTS // BATCHES):
        answer = post(sent.body, sent.hook, headers=sent.headers)
        statuses[answer.status] += 1
        check_answer(sent, answer.status, answer.body)


def test_what_the_published_schemas_allow_is_taken_and_nothing_else() -> None:
    called = call_each_operation(described(application(TODAY)), EXAMPLES, seed=None)
    assert {200, 204, 400, 412} <= called.keys()
