"""`osteohooks conformance URL`: the black-box suite from the command line, for our own service or any other."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import requests

from cds_hooks.conformance import (
    CHECKS,
    FORMATS,
    FhirServer,
    KeyMinter,
    NotApplicable,
    Result,
    Sample,
    Target,
    Unusable,
    chosen,
    closing,
    failed,
    read_sample,
    run,
    sample_of,
)
from service.demo import sample_requests

__all__ = ["Unusable", "conformance"]


def conformance(
    url: str,
    *,
    samples: Sequence[Path] = (),
    token_key: Path | None = None,
    iss: str | None = None,
    jku: str | None = None,
    origin: str | None = None,
    fhir_server: str | None = None,
    format: str = "table",
    output: Path | None = None,
    only: Sequence[str] = (),
    session: requests.Session | None = None,
) -> int:
    """Run the suite and report: 0 when every MUST is kept, else 1. Raises Unusable when it cannot be run."""
    try:
        checks = chosen(only)
    except KeyError as name:
        sections = ", ".join(dict.fromkeys(check.section for check in CHECKS))
        raise Unusable(
            f"--only: there is no check, section or requirement {name}; the sections are {sections}"
        ) from None
    given = [read_sample(path) for path in samples]
    target = Target(
        url.rstrip("/").removesuffix("/cds-services"), given, minter=_minter(token_key, iss, jku), session=session
    )
    if origin is not None:
        target.origin = origin
    with ExitStack() as stack:
        if fhir_server is not None:
            target.fhir_server = _listening(fhir_server, stack)
        _prepare(target, everything=not only)
        results = list(run(target, checks))
    _report(FORMATS[format](target.base, results), output, results)
    return 1 if failed(results) else 0


def _listening(base: str, stack: ExitStack) -> FhirServer:
    try:
        return stack.enter_context(FhirServer(base))
    except ValueError as error:
        raise Unusable(f"--fhir-server: {error}") from error
    except OSError as error:
        raise Unusable(f"--fhir-server: cannot listen at {base} ({error.strerror})") from error


def _minter(key: Path | None, iss: str | None, jku: str | None) -> KeyMinter | None:
    if key is None and iss is None:
        return None
    if key is None or iss is None:
        raise Unusable("--token-key and --iss go together")
    try:
        return KeyMinter(key.read_bytes(), iss, jku)
    except OSError as error:
        raise Unusable(f"{key}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Unusable(f"{key}: expected a private key in PEM form, without a password") from error


def _prepare(target: Target, *, everything: bool) -> None:
    """See that the target is there and can be called. Without samples of its own, ours are for our own service."""
    try:
        discovery = target.discovery()
        if not target.samples:
            target.samples = _ours(target)
        services = target.services()
        sampled = [service for service in services if service.sample is not None]
        if services and not sampled and everything:
            hooks = ", ".join(sorted({service.hook for service in services}))
            raise Unusable(
                f"{target.base}: there is no sample request for any of its services; give files with the requests of "
                f"{hooks}, as a client sends them with complete prefetch: --sample FILE"
            )
        replies = [target.answer(service) for service in sampled] or [discovery]
    except requests.RequestException as error:
        raise Unusable(f"{target.base}: does not answer ({type(error).__name__})") from error
    if target.minter is None and all(reply.status == 401 for reply in replies):
        raise Unusable(f"{target.base}: demands a client's token; give --token-key FILE and --iss URL")


def _ours(target: Target) -> list[Sample]:
    """The demo's requests, for the services of ours that the target offers."""
    try:
        offered = [entry.get("id") for entry in target.entries]
    except NotApplicable:
        return []
    requests_ = sample_requests(datetime.now(UTC).date())
    made = [sample_of(request, f"bone-health-{request['hook']}", ("patient",)) for request in requests_]
    return [sample for sample in made if sample.service in offered]


def _report(text: str, output: Path | None, results: Sequence[Result]) -> None:
    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{output}: cannot be written ({error.strerror})") from error
    print(closing(results))
