"""Calls made of our own OpenAPI document: what it allows is taken, what it forbids refused, each answer is of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import hypothesis
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok

if TYPE_CHECKING:
    from flask import Flask
    from schemathesis.schemas import BaseSchema

DOCUMENT: Final = "/openapi.json"
# A request that keeps the schema may lack the patient, which no schema can demand: prefetch is the client's choice.
_CONFIG: Final = {"checks": {"positive_data_acceptance": {"expected-statuses": ["200", "204", "412"]}}}


def described(service: Flask | str) -> BaseSchema:
    """The OpenAPI document of an application, or of a server at this address."""
    config = SchemathesisConfig.from_dict(_CONFIG)
    if isinstance(service, str):
        return schemathesis.openapi.from_url(service + DOCUMENT, config=config)
    return schemathesis.openapi.from_wsgi(DOCUMENT, service, config=config)


def call_each_operation(schema: BaseSchema, examples: int, *, seed: int | None, **options: Any) -> Counter[int]:
    """How often each status came. AssertionError for an answer that breaks the document.

    `examples` are made of what the document allows and as many of what it forbids, for each operation with a body; the
    same ones in every run where `seed` is None. `options` go with each call.
    """
    statuses: Counter[int] = Counter()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        # Without a body or a parameter there is one call to make, and nothing that could be wrong with it.
        modes = list(GenerationMode) if operation.method == "post" else [GenerationMode.POSITIVE]
        for mode in modes:

            @hypothesis.settings(
                max_examples=examples,
                derandomize=seed is None,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def call(case: Case[Any]) -> None:
                response = case.call(**options)
                statuses[response.status_code] += 1
                case.validate_response(response)

            call() if seed is None else hypothesis.seed(seed)(call)()
    return statuses
