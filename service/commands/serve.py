"""`osteohooks serve`: the server of production, with as many workers as the settings say."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from service.commands import Unusable
from service.config import Settings
from service.layers import PREFIX, SETTINGS_FILE

__all__ = ["serve"]


def serve(config: Path | None, *, host: str | None, port: int | None, workers: int | None) -> int:
    """Start the server and wait until it ends. `config` is a settings file; None stands for a flag that is not given.

    Raises SettingsError, Flawed and Unusable.
    """
    from service.workers import shared_metrics

    with shared_metrics():
        return _serve_with_workers(config, {"host": host, "port": port, "workers": workers})


def _serve_with_workers(config: Path | None, given: Mapping[str, str | int | None]) -> int:
    # Imported here: the metrics library looks for the folder of the workers when it is first imported.
    from granian import Granian
    from granian.constants import Interfaces

    from service.access import grants_of
    from service.callers import trust_of
    from service.logs import dictconfig
    from service.orders import check_orders, load_orders
    from service.rules import load_rules
    from service.store.commands import make_ready

    settings = Settings.load(os.environ, config, given)
    trust = trust_of(settings)
    load_rules(settings.market, leading=settings.leading_guideline)
    grants_of(settings)
    check_orders(load_orders())
    _refuse_taken_port(settings)
    make_ready(settings)
    # The workers read the settings again from where these came from.
    os.environ |= {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items() if value is not None}
    if config is not None:
        os.environ[SETTINGS_FILE] = str(config)
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
