"""`osteohooks assess`: a FHIR Bundle or a hook request in a file, assessed without a server."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from cds_hooks import PATH
from service.commands import Unusable
from service.commands.printing import print_cards
from service.config import Settings

__all__ = ["BUNDLE_HOOKS", "assess"]

# Of a Bundle nobody could say which problem in it is the new one: that hook has requests only.
BUNDLE_HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start", "medication-refill")
_HOOKS = (*BUNDLE_HOOKS, "problem-list-item-create")


def assess(file: Path, *, hook: str | None, lang: str | None, as_json: bool) -> int:
    """Print the answer about what stands in the file: the cards to read, or the JSON of the response.

    `hook` is the one for a Bundle, `lang` stands in for the settings' language. Raises SettingsError, Flawed, Unusable.
    """
    from service.app import create_app

    hook, body = _request_from(file, hook)
    settings = Settings.load(os.environ)
    response = (
        create_app(settings, in_process=True)
        .test_client()
        .post(
            f"{PATH}/bone-health-{hook}",
            data=body,
            content_type="application/json",
            headers={"Accept-Language": lang or settings.language},
        )
    )
    answer = response.get_json()
    if response.status_code != 200:
        texts = "; ".join(issue["details"]["text"] for issue in answer["issue"])
        if response.status_code >= 500:
            print(f"osteohooks: {texts}", file=sys.stderr)
            return 1
        raise Unusable(f"{file}: {texts}")
    if as_json:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        print_cards(answer)
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
