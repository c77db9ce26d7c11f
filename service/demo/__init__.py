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
    text = files(__name__).joinpath(f"{hook}.json").read_text("utf-8")
    return _DAYS_AGO.sub(lambda match: (today - timedelta(days=int(match[1]))).isoformat(), text).encode()


def sample_requests(today: date) -> list[dict[str, Any]]:
    """The demo's patient under each hook: her order signed, chosen among others, and, taken already, on her chart."""
    sign, select, view = (json.loads(demo_request("order-sign", today)) for _ in range(3))
    drafts = select["context"]["draftOrders"]["entry"]
    names = [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in drafts]
    select["hook"], select["context"]["selections"] = "order-select", names
    view["hook"], taken = "patient-view", view["context"].pop("draftOrders")["entry"]
    for entry in taken:
        entry["resource"]["status"] = "active"
    view["prefetch"]["medicationRequests"] = {"resourceType": "Bundle", "type": "searchset", "entry": taken}
    return [sign, select, view]
