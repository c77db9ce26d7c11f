"""`osteohooks demo`: one hook for a made-up patient, fired at a running service."""

import time

import requests

from cds_hooks import PATH
from service.commands import Unusable
from service.commands.printing import print_cards

__all__ = ["demo"]

_HOOK = "order-sign"
_START_WITHIN = 30.0  # seconds that a server may take until it answers


def demo(url: str, lang: str) -> int:
    """Print the answer of the service at `url` in a language, and the same call to paste. Raises Unusable."""
    service = f"{url}{PATH}/bone-health-{_HOOK}"
    patient = f"{url}/demo/{_HOOK}.json"
    with requests.Session() as session:
        session.trust_env = False  # a proxy on the way out does not lead back to this machine
        _wait_for(url, session)
        try:
            body = session.get(patient, timeout=10).content
            headers = {"Content-Type": "application/json", "Accept-Language": lang}
            answer = session.post(service, data=body, headers=headers, timeout=10)
            answer.raise_for_status()
            document = answer.json()
        except requests.RequestException as error:
            raise Unusable(f"{url} did not answer the demo ({type(error).__name__})") from error
    if not isinstance(document, dict) or "cards" not in document:
        raise Unusable(f"{url} is another service")
    print(f"The answer to one {_HOOK} hook for a made-up patient:\n")
    print_cards(document)
    print(f"Discovery: {url}{PATH}")
    print("The same again, to paste into a terminal:")
    print(f"  curl -s {patient} | curl -s -H 'Content-Type: application/json' --data-binary @- {service}", flush=True)
    return 0


def _wait_for(url: str, session: requests.Session) -> None:
    deadline = time.monotonic() + _START_WITHIN
    while True:
        try:
            session.get(f"{url}{PATH}", timeout=2)
            return
        except (requests.ConnectionError, requests.Timeout):
            if time.monotonic() > deadline:
                raise Unusable(f"no service answers at {url}") from None
            time.sleep(0.1)
        except requests.RequestException as error:
            raise Unusable(f"{url} cannot be asked ({type(error).__name__})") from error
