"""`python -m tests.fhir_servers [hapi] [medplum]`: the service against FHIR servers that others wrote.

The records are those of the folder that OSTEOHOOKS_REAL_PATIENTS names, else the project's own. Status 0 when every
answer without prefetch is the one with prefetch, 1 when one is not, 2 when a server cannot be run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import requests

from tests.fhir_pieces import Json
from tests.fhir_servers.comparing import Asked, asked, query, strayed, templates
from tests.fhir_servers.loading import Loaded, load, local
from tests.fhir_servers.servers import SERVERS, NotFetched, NotStarted
from tests.test_real_patients import RECORDS, newest_date

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the servers that are named, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.fhir_servers")
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"{' or '.join(SERVERS)}; all when none is named")
    parser.add_argument("--where-present", action="store_true", help="pass over a server that cannot be had here")
    options = parser.parse_args(arguments)
    if unknown := set(options.servers) - SERVERS.keys():
        parser.error(f"there is no server {', '.join(sorted(unknown))}: {' or '.join(SERVERS)}")
    status = 0
    for name in options.servers or SERVERS:
        server = SERVERS[name]
        if missing := server.missing():
            print(f"{server.name}: not run ({missing})")
            status = max(status, 0 if options.where_present else 2)
            continue
        try:
            with server.running() as base:
                status = max(status, check(server.name, base, RECORDS))
        except NotFetched as error:
            print(f"{server.name}: not run ({error})")
            status = max(status, 0 if options.where_present else 2)
        except NotStarted as error:
            print(error, file=sys.stderr)
            status = 2
    return status


def check(name: str, base: str, records: Mapping[str, Json]) -> int:
    """Load the records, ask about each, and print what came of it; 0 when nothing differs, else 1."""
    start = time.monotonic()
    counts: Counter[str] = Counter()
    taken: set[str] = set()
    hooks: set[str] = set()
    with requests.Session() as session:
        # A proxy for the outside world is none for a server on this machine.
        session.trust_env = False
        for record, bundle in records.items():
            today = newest_date(bundle)
            loaded = load(session, base, local(bundle, taken))
            print(f"\n{name}, {record}: {len(loaded.stored)} resources", end="")
            _count(counts, loaded)
            if not loaded.has_patient:
                print(", no Patient: not asked about")
                continue
            found = {key: query(session, base, text, loaded.patient_id) for key, text in templates(base).items()}
            pages = sum(one.pages for one in found.values())
            counts["pages"] += pages
            print(f", {len(found)} templates in {pages} pages")
            for line in _of_loading(loaded):
                print(f"  {line}")
            for key, text in templates(base).items():
                if names := strayed(text, found[key], loaded):
                    counts["templates"] += 1
                    print(f"  template {key}: {', '.join(names)}")
            for one in asked(base, loaded, found, today):
                counts["asked"] += 1
                hooks.add(one.hook)
                counts["in scope"] += one.answer.in_scope
                counts["tier"] += one.answer.in_scope and "tier" in one.answer.assessment
                counts["cards"] += one.answer.status == 200 and len(one.answer.cards)
                for line in _of_asking(one, counts):
                    print(f"  {line}")
    print(
        f"\n{name}: {len(records)} records, {counts['stored']} resources loaded, {counts['refused']} refused, "
        f"{counts['changed']} changed; {len(hooks)} hooks: {counts['asked']} comparisons ({counts['in scope']} with an "
        f"assessment, {counts['tier']} with a tier, {counts['cards']} cards), {counts['differ']} differ; "
        f"{counts['templates']} templates answered otherwise; {time.monotonic() - start:.0f} s"
    )
    # Without an assessment there was nothing to compare.
    return 1 if counts["differ"] or counts["templates"] or not counts["in scope"] else 0


def _count(counts: Counter[str], loaded: Loaded) -> None:
    counts.update(stored=len(loaded.stored), refused=len(loaded.refused), changed=len(loaded.changed))


def _of_loading(loaded: Loaded) -> Iterator[str]:
    for resource, reason in loaded.refused.items():
        yield f"refused {resource}: {reason}"
    for resource, members in loaded.changed.items():
        yield f"changed {resource}: {', '.join(members)}"


def _of_asking(one: Asked, counts: Counter[str]) -> Iterator[str]:
    for way, differences in one.unlike.items():
        counts["differ"] += bool(differences)
        for what in differences:
            yield f"DIFFERS {one.hook}, {way}: {what}"
    if one.beyond:
        yield f"beyond the templates, {one.hook}: {'; '.join(one.beyond)}"


if __name__ == "__main__":
    sys.exit(main())
