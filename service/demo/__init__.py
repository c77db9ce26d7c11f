"""The demo patients: hook requests as an EHR would send them, dated around the service's day."""

import json
import re
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

__all__ = ["demo_request", "sample_requests"]

_DAYS_AGO = re.compile(r"\{today-(\d+)\}")


def demo_request(hook: str, today: date) -> bytes:
    """The body of a request for a made-up patient. Raises FileNotFoundError for a hook that has no demo."""
    return _dated(f"{hook}.json", today)


def _dated(file: str, today: date) -> bytes:
    text = files(__name__).joinpath(file).read_text("utf-8")
    return _DAYS_AGO.sub(lambda match: (today - timedelta(days=int(match[1]))).isoformat(), text).encode()


def sample_requests(today: date) -> list[dict[str, Any]]:
    """The demo's patient under each hook.

    Her order is signed, chosen among others, taken already (chart opened, encounter started), renewed; or a new
    problem is put on her list.
    """
    sign, select, view, start, refill, problem = (json.loads(demo_request("order-sign", today)) for _ in range(6))
    drafts = select["context"]["draftOrders"]["entry"]
    names = [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in drafts]
    select["hook"], select["context"]["selections"] = "order-select", names
    for request, hook in ((view, "patient-view"), (start, "encounter-start"), (problem, "problem-list-item-create")):
        request["hook"], taken = hook, request["context"].pop("draftOrders")["entry"]
        for entry in taken:
            entry["resource"]["status"] = "active"
        request["prefetch"]["medicationRequests"] = {"resourceType": "Bundle", "type": "searchset", "entry": taken}
    start["context"]["encounterId"] = "demo"
    problem["context"]["conditions"] = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": json.loads(_dated("parts/new-problem.json", today))}],
    }
    refill["hook"], refill["context"]["medications"] = "medication-refill", refill["context"].pop("draftOrders")
    return [sign, select, view, start, refill, problem]
