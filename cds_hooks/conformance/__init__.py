"""A black-box conformance suite for any CDS Hooks 2.0 service.

`run(Target("https://cds.example.org", samples=[...]))` gives a `Result` for each of the `CHECKS`. The suite sees
nothing of a service but its answers. Requirement by requirement, `REQUIREMENTS` says what there is to keep, and
`REASONS` why a few cannot be checked from outside.
"""

# In the order in which the checks run: what looks at all answers received comes last.
from cds_hooks.conformance import (  # isort: skip
    discovery,
    invocation,
    prefetch,
    access,
    authentication,
    cors,
    feedback,
    answers,
)
from cds_hooks.conformance.check import CHECKS, Check, Result, chosen, run
from cds_hooks.conformance.fhir_server import FhirServer
from cds_hooks.conformance.report import FORMATS, closing, failed
from cds_hooks.conformance.requirements import REASONS, REQUIREMENTS
from cds_hooks.conformance.samples import Sample, Unusable, read_sample, sample_of
from cds_hooks.conformance.signing import KeyMinter
from cds_hooks.conformance.target import Minter, NotApplicable, Reply, Target

__all__ = [
    "CHECKS",
    "FORMATS",
    "REASONS",
    "REQUIREMENTS",
    "Check",
    "FhirServer",
    "KeyMinter",
    "Minter",
    "NotApplicable",
    "Reply",
    "Result",
    "Sample",
    "Target",
    "Unusable",
    "access",
    "answers",
    "authentication",
    "chosen",
    "closing",
    "cors",
    "discovery",
    "failed",
    "feedback",
    "invocation",
    "prefetch",
    "read_sample",
    "run",
    "sample_of",
]
