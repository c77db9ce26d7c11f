"""The demo patients: hook requests as an EHR would send them, dated around the service's day."""

import re
from datetime import date, timedelta
from importlib.resources import files

__all__ = ["demo_request"]

_DAYS_AGO = re.compile(r"\{today-(\d+)\}")


def demo_request(hook: str, today: date) -> bytes:
    """The body of a request for a made-up patient. Raises FileNotFoundError for a hook that has no demo."""
    text = files(__name__).joinpath(f"{hook}.json").read_text("utf-8")
    return _DAYS_AGO.sub(lambda match: (today - timedelta(days=int(match[1]))).isoformat(), text).encode()
