"""A session of `requests` whose calls go to a WSGI application in this process, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote

import requests
from requests.structures import CaseInsensitiveDict
from werkzeug.test import EnvironBuilder, run_wsgi_app

BASE: Final = "http://service.localhost"

Application = Callable[..., Iterable[bytes]]


class ApplicationSession(requests.Session):
    """Reaches one application at `base`; takes what the conformance suite gives, and does without the rest."""

    def __init__(self, application: Application, base: str = BASE) -> None:
        super().__init__()
        self._application, self._base = application, base
        self._environ = EnvironBuilder(base_url=base).get_environ()

    def request(  # type: ignore[override]  # of the many arguments only those that are used here
        self,
        method: str,
        url: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str],
        timeout: float,
        allow_redirects: bool,
    ) -> requests.Response:
        assert timeout > 0
        assert not allow_redirects
        body = data or b""
        environ: dict[str, Any] = {
            **self._environ,
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote(url.removeprefix(self._base)),
            "wsgi.input": BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        chunks, status, received = run_wsgi_app(self._application, environ, buffered=True)
        response = requests.Response()
        response.status_code = int(status.split()[0])
        response.headers = CaseInsensitiveDict(received)
        response._content = b"".join(chunks)
        return response


def session_on(application: Application, base: str = BASE) -> requests.Session:
    """A session that reaches this application at `base`."""
    return ApplicationSession(application, base)
