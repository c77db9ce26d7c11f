"""The command line: `osteohooks serve | assess | demo | token | conformance | db | feedback`.

Exit status: 0 done, 1 a fault of ours, 2 what was given cannot be used (a file, a flag, a setting, a port).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from service.commands import Unusable
from service.commands.assess import BUNDLE_HOOKS
from service.config import Settings, SettingsError

__all__ = ["main"]


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
    assess.add_argument("--hook", choices=BUNDLE_HOOKS, help="the hook for a Bundle (default patient-view)")
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


# -- the commands; what one of them needs is loaded when it is run -----------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    from service.commands.serve import serve

    return serve(options.config, host=options.host, port=options.port, workers=options.workers)


def _assess(options: argparse.Namespace) -> int:
    from service.commands.assess import assess

    return assess(options.file, hook=options.hook, lang=options.lang, as_json=options.json)


def _demo(options: argparse.Namespace) -> int:
    from service.commands.demo import demo

    return demo(options.url, options.lang)


def _token(options: argparse.Namespace) -> int:
    from service.commands.token import token

    return token(
        options.iss,
        options.aud,
        tenant=options.tenant,
        jku=options.jku,
        seconds=options.seconds,
        key_file=options.key,
        new_key=options.new_key,
    )


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


def _db(options: argparse.Namespace) -> int:
    from service.store import commands

    settings = Settings.load(os.environ, options.config)
    if options.action == "purge":
        return commands.purge(settings, options.older_than)
    return {"upgrade": commands.upgrade, "check": commands.check}[options.action](settings)


def _feedback(options: argparse.Namespace) -> int:
    from service.analytics import commands

    settings = Settings.load(os.environ, options.config)
    given = {"since": options.since, "until": options.until, "form": options.format, "output": options.output}
    if options.action == "export":
        return commands.export(settings, **given)
    return commands.show(settings, by=options.by, plots=options.plots, **given)


if __name__ == "__main__":
    sys.exit(main())
