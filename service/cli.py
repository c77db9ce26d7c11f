"""The command line: `osteohooks serve | assess | demo | token | conformance | db | feedback`.

Exit status: 0 done, 1 a fault of ours, 2 what was given cannot be used (a file, a flag, a setting, a port).
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from service.config import Settings, SettingsError

__all__ = ["main"]

# Of a Bundle nobody could say which problem in it is the new one: that hook has requests only.
_BUNDLE_HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start", "medication-refill")
_HOOKS = (*_BUNDLE_HOOKS, "problem-list-item-create")
_DEMO_HOOK = "order-sign"
_START_WITHIN = 30.0  # seconds that a server may take until it answers


class Unusable(Exception):
    """What was given cannot be used; the text says what, and the way out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SettingsError as error:
        problems: Sequence[str] = error.problems
    except Unusable as error:
        problems = [str(error)]
    for problem in problems:
        print(f"osteohooks: {problem}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="osteohooks", description="Bone health under aromatase inhibitors, as CDS Hooks."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="start the service (demo mode unless the settings say otherwise)")
    serve.add_argument("--host")
    serve.add_argument("--port", type=int)
    serve.add_argument("--workers", type=int)
    serve.add_argument("--config", type=Path, help="a TOML settings file")
    serve.set_defaults(run=_serve)
    assess = commands.add_parser("assess", help="assess a FHIR Bundle or a hook request in a file, without a server")
    assess.add_argument("file", type=Path, metavar="FILE")
    assess.add_argument("--hook", choices=_BUNDLE_HOOKS, help="the hook for a Bundle (default patient-view)")
    assess.add_argument("--lang", choices=("en", "zh"))
    assess.add_argument("--json", action="store_true", help="print the response as JSON")
    assess.set_defaults(run=_assess)
    demo = commands.add_parser("demo", help="fire one hook for a made-up patient at a running service")
    demo.add_argument("--url", default="http://127.0.0.1:8080")
    demo.add_argument("--lang", choices=("en", "zh"), default="en")
    demo.set_defaults(run=_demo)
    token = commands.add_parser("token", help="sign a token for one call, as a client would, to try the service out")
    token.add_argument("--iss", required=True, help="the issuer, as the service has it registered")
    token.add_argument("--aud", required=True, help="the address to call, such as https://HOST/cds-services/ID")
    token.add_argument("--tenant")
    token.add_argument("--jku", help="the address of the issuer's JWK set, where it publishes one")
    token.add_argument("--seconds", type=int, default=300, help="how long the token is good for (default 300)")
    key = token.add_mutually_exclusive_group()
    key.add_argument("--key", type=Path, metavar="FILE", help="the private key in this PEM file (default: a new one)")
    key.add_argument("--new-key", type=Path, metavar="FILE", help="a new key, kept in FILE; its JWK set beside it")
    token.set_defaults(run=_token)
    conformance = commands.add_parser("conformance", help="hold any CDS Hooks service against the rules of the wire")
    conformance.add_argument("url", metavar="URL", help="the address to which /cds-services is added")
    conformance.add_argument(
        "--sample",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="the request of a hook as a client sends it, with complete prefetch; our own services need none",
    )
    conformance.add_argument("--token-key", type=Path, metavar="FILE", help="a private key (PEM) to sign tokens with")
    conformance.add_argument("--iss", metavar="URL", help="the issuer of the tokens")
    conformance.add_argument("--jku", metavar="URL", help="where the public key stands, for the header of the tokens")
    conformance.add_argument("--origin", metavar="URL", help="a web origin that the service allows")
    conformance.add_argument(
        "--fhir-server",
        metavar="URL",
        help="an address of this machine, such as http://127.0.0.1:8099/fhir, at which the suite is the FHIR server; "
        "the service has to trust it",
    )
    conformance.add_argument("--format", choices=("table", "json", "junit"), default="table")
    conformance.add_argument("--output", type=Path, metavar="FILE", help="where to write the report")
    conformance.add_argument(
        "--only", action="append", default=[], metavar="ID", help="a check, a section or a requirement, such as A.5-29"
    )
    conformance.set_defaults(run=_conformance)
    db = commands.add_parser("db", help="the store of feedback and of what was answered")
    actions = db.add_subparsers(required=True, metavar="ACTION")
    for name, about in (
        ("upgrade", "bring the tables to this version; whatever is there is kept"),
        ("check", "say whether the store is there, of this version and whole"),
        ("purge", "delete what is older than the site keeps"),
    ):
        action = actions.add_parser(name, help=about)
        action.add_argument("--config", type=Path, help="a TOML settings file")
        if name == "purge":
            action.add_argument("--older-than", required=True, metavar="AGE", help="such as 90d, 13m or 2y")
        action.set_defaults(run=_db, action=name)
    feedback = commands.add_parser("feedback", help="how the cards fare: shown, accepted, overridden, held back")
    actions = feedback.add_subparsers(required=True, metavar="ACTION")
    report = actions.add_parser("report", help="count what became of the advice")
    report.add_argument("--by", default="rule,outcome", help="rule, outcome, site, month, hook, role or indicator")
    report.add_argument("--format", choices=("table", "csv", "json"), default="table")
    report.add_argument("--plots", type=Path, metavar="FOLDER", help="draw it as well, as SVG files in FOLDER")
    export = actions.add_parser("export", help="write what became of each finding, a line each")
    export.add_argument("--format", choices=("ndjson", "audit-event"), default="ndjson")
    for name, action in (("report", report), ("export", export)):
        action.add_argument("--since", metavar="DATE", help="the first day to be counted, YYYY-MM-DD")
        action.add_argument("--until", metavar="DATE", help="the day after the last one")
        action.add_argument("--output", type=Path, metavar="FILE", help="where to write it")
        action.add_argument("--config", type=Path, help="a TOML settings file")
        action.set_defaults(run=_feedback, action=name)
    return parser


# -- serve -----------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    from service.workers import shared_metrics

    with shared_metrics():
        return _serve_with_workers(options)


def _serve_with_workers(options: argparse.Namespace) -> int:
    from granian import Granian
    from granian.constants import Interfaces

    from service.access import grants_of
    from service.callers import trust_of
    from service.logs import dictconfig
    from service.orders import check_orders, load_orders
    from service.rules import load_rules
    from service.store import commands

    given = {"host": options.host, "port": options.port, "workers": options.workers}
    settings = Settings.load(os.environ, options.config, given)
    trust = trust_of(settings)
    load_rules(settings.market, leading=settings.leading_guideline)
    grants_of(settings)
    check_orders(load_orders())
    _refuse_taken_port(settings)
    try:
        commands.make_ready(settings)
    except commands.Unusable as error:
        raise Unusable(str(error)) from error
    # The workers read the settings again from where these came from.
    os.environ |= {f"OSTEOHOOKS_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    if options.config is not None:
        os.environ["OSTEOHOOKS_CONFIG"] = str(options.config)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    greeter = subprocess.Popen([sys.executable, "-m", "service.cli", "demo", "--url", url]) if trust is None else None
    try:
        Granian(
            "service.app:wsgi",
            address=settings.host,
            port=settings.port,
            interface=Interfaces.WSGI,
            workers=settings.workers,
            blocking_threads=settings.blocking_threads,
            # A stop lets every request end that is there; a client that never sends the rest of one must not keep us.
            workers_kill_timeout=settings.drain_seconds,
            factory=True,
            websockets=False,
            log_access=False,
            log_dictconfig=dictconfig(settings.mode),
        ).serve()
    finally:
        if greeter is not None:
            greeter.terminate()
            greeter.wait()
    return 0


def _refuse_taken_port(settings: Settings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            another = settings.port + 1 if settings.port < 65535 else 8080
            raise Unusable(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
                f"name another port: osteohooks serve --port {another}"
            ) from error


# -- demo ------------------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    service = f"{options.url}/cds-services/bone-health-{_DEMO_HOOK}"
    patient = f"{options.url}/demo/{_DEMO_HOOK}.json"
    with requests.Session() as session:
        session.trust_env = False  # a proxy on the way out does not lead back to this machine
        _wait_for(options.url, session)
        try:
            body = session.get(patient, timeout=10).content
            headers = {"Content-Type": "application/json", "Accept-Language": options.lang}
            answer = session.post(service, data=body, headers=headers, timeout=10)
            answer.raise_for_status()
            document = answer.json()
        except requests.RequestException as error:
            raise Unusable(f"{options.url} did not answer the demo ({type(error).__name__})") from error
    if not isinstance(document, dict) or "cards" not in document:
        raise Unusable(f"{options.url} is another service")
    print(f"The answer to one {_DEMO_HOOK} hook for a made-up patient:\n")
    _print_cards(document)
    print(f"Discovery: {options.url}/cds-services")
    print("The same again, to paste into a terminal:")
    print(f"  curl -s {patient} | curl -s -H 'Content-Type: application/json' --data-binary @- {service}", flush=True)
    return 0


def _wait_for(url: str, session: requests.Session) -> None:
    deadline = time.monotonic() + _START_WITHIN
    while True:
        try:
            session.get(f"{url}/cds-services", timeout=2)
            return
        except (requests.ConnectionError, requests.Timeout):
            if time.monotonic() > deadline:
                raise Unusable(f"no service answers at {url}") from None
            time.sleep(0.1)
        except requests.RequestException as error:
            raise Unusable(f"{url} cannot be asked ({type(error).__name__})") from error


# -- assess ----------------------------------------------------------------------------------------


def _assess(options: argparse.Namespace) -> int:
    from service.app import create_app

    hook, body = _request_from(options.file, options.hook)
    settings = Settings.load(os.environ)
    response = (
        create_app(settings, in_process=True)
        .test_client()
        .post(
            f"/cds-services/bone-health-{hook}",
            data=body,
            content_type="application/json",
            headers={"Accept-Language": options.lang or settings.language},
        )
    )
    answer = response.get_json()
    if response.status_code != 200:
        texts = "; ".join(issue["details"]["text"] for issue in answer["issue"])
        if response.status_code >= 500:
            print(f"osteohooks: {texts}", file=sys.stderr)
            return 1
        raise Unusable(f"{options.file}: {texts}")
    if options.json:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        _print_cards(answer)
    return 0


def _request_from(path: Path, hook: str | None) -> tuple[str, bytes]:
    """The hook and the request body that a file stands for."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise Unusable(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Unusable(f"{path}: expected JSON") from error
    if isinstance(document, dict) and document.get("hook") in _HOOKS:
        return document["hook"], path.read_bytes()
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        raise Unusable(f"{path}: expected a FHIR Bundle or a CDS Hooks request of {', '.join(_HOOKS)}")
    hook = hook or "patient-view"
    return hook, json.dumps(_request_of(document, hook, path)).encode()


def _request_of(bundle: dict[str, Any], hook: str, path: Path) -> dict[str, Any]:
    """A Bundle as a whole record: every key told, its draft orders the orders in hand."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise Unusable(f"{path}: expected the entries of the Bundle to be a list")
    patients = [entry["resource"] for entry in entries if _resource(entry).get("resourceType") == "Patient"]
    if len(patients) != 1 or not isinstance(patients[0].get("id"), str):
        named = ", ".join(str(patient.get("id", "one without an id")) for patient in patients) or "none"
        raise Unusable(f"{path}: expected one Patient with an id, found {named}")
    from cds_hooks import HOOKS
    from fhir_profiles.asking import KEYS

    member = HOOKS[hook].drafts
    context: dict[str, Any] = {"userId": "Practitioner/command-line", "patientId": patients[0]["id"]}
    drafts = [entry for entry in entries if _resource(entry).get("status") == "draft"]
    if hook == "encounter-start":
        context["encounterId"] = "command-line"
    if member is not None:
        context[member] = {"resourceType": "Bundle", "entry": drafts}
        entries = [entry for entry in entries if entry not in drafts]
    if hook == "order-select":
        context["selections"] = []  # none stands for all of them
    record = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    prefetch = {**dict.fromkeys(KEYS), "patient": patients[0], "conditions": record}
    return {
        "hook": hook,
        "hookInstance": "00000000-0000-4000-8000-000000000000",
        "context": context,
        "prefetch": prefetch,
    }


def _resource(entry: Any) -> dict[str, Any]:
    """The resource of a Bundle's entry; empty where it holds none (the service says what it could not read)."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return resource if isinstance(resource, dict) else {}


# -- token -----------------------------------------------------------------------------------------


def _token(options: argparse.Namespace) -> int:
    from cds_hooks.minting import SigningKey

    try:
        key = SigningKey.from_pem(options.key.read_bytes()) if options.key else SigningKey.generate()
    except OSError as error:
        raise Unusable(f"{options.key}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Unusable(f"{options.key}: expected a private key in PEM form ({error})") from error
    public = json.dumps(key.key_set())
    if options.new_key:
        beside = options.new_key.with_name(f"{options.new_key.name}.jwks.json")
        _write_new(options.new_key, key.pem(), 0o600)
        _write_new(beside, f"{public}\n".encode(), 0o644)
        print(f"The private key is in {options.new_key}, the JWK set to register in {beside}.", file=sys.stderr)
    else:
        print(f"The JWK set to register: {public}", file=sys.stderr)
    print(key.token(options.iss, options.aud, tenant=options.tenant, jku=options.jku, seconds=options.seconds))
    return 0


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """A file that did not exist: neither a key nor a set of keys is ever overwritten."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except OSError as error:
        raise Unusable(f"{path}: cannot be written ({error.strerror})") from error


# -- conformance -----------------------------------------------------------------------------------


def _conformance(options: argparse.Namespace) -> int:
    from service import conformance

    try:
        return conformance.conformance(
            options.url,
            samples=options.sample,
            token_key=options.token_key,
            iss=options.iss,
            jku=options.jku,
            origin=options.origin,
            fhir_server=options.fhir_server,
            format=options.format,
            output=options.output,
            only=options.only,
        )
    except conformance.Unusable as error:
        raise Unusable(str(error)) from error


# -- db --------------------------------------------------------------------------------------------


def _db(options: argparse.Namespace) -> int:
    from service.store import commands

    settings = Settings.load(os.environ, options.config)
    try:
        if options.action == "purge":
            return commands.purge(settings, options.older_than)
        return {"upgrade": commands.upgrade, "check": commands.check}[options.action](settings)
    except commands.Unusable as error:
        raise Unusable(str(error)) from error


# -- feedback --------------------------------------------------------------------------------------


def _feedback(options: argparse.Namespace) -> int:
    from service.analytics import commands

    settings = Settings.load(os.environ, options.config)
    given = {"since": options.since, "until": options.until, "form": options.format, "output": options.output}
    try:
        if options.action == "export":
            return commands.export(settings, **given)
        return commands.show(settings, by=options.by, plots=options.plots, **given)
    except commands.Unusable as error:
        raise Unusable(str(error)) from error


# -- printing --------------------------------------------------------------------------------------


def _print_cards(answer: dict[str, Any]) -> None:
    cards = answer["cards"]
    if not cards:
        print("No cards: nothing is to be done, or the patient is out of scope.\n")
    for card in cards:
        print(f"[{card['indicator'].upper()}] {card['summary']}\n")
        for line in card["detail"].splitlines():
            print(f"    {line}".rstrip())
        print()
        for suggestion in card.get("suggestions", ()):
            mark = " (recommended)" if suggestion.get("isRecommended") else ""
            print(f"    -> {suggestion['label']}{mark}")
        if card.get("suggestions"):
            print()


if __name__ == "__main__":
    sys.exit(main())
