"""`osteohooks serve`: the server of production, with as many workers as the settings say."""

import os
import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

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

    from service.app import wsgi
    from service.logs import dictconfig
    from service.rules import load_rules

    settings = Settings.load(os.environ, config, given)
    if settings.names_clients:
        from service.access import grants_of
        from service.callers import trust_of

        trust_of(settings)
        grants_of(settings)
    load_rules(settings.market, leading=settings.leading_guideline)
    _refuse_taken_port(settings)
    _apart(_make_ready, settings)
    # The workers read the settings again from where these came from.
    os.environ |= {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items() if value is not None}
    if config is not None:
        os.environ[SETTINGS_FILE] = str(config)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    greeting = [sys.executable, "-m", "service.cli", "demo", "--url", url]
    greeter = None if settings.issuers else subprocess.Popen(greeting)
    try:
        Granian(
            f"{wsgi.__module__}:{wsgi.__name__}",
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


# Seconds that a process whose work is done has to end by itself.
_LEAVING: Final = 2.0


def _apart(work: Callable[[Settings], None], settings: Settings) -> None:
    """Do some work in a process of its own: what it loads would be inherited by every worker. Raises what it raises."""
    told, tell = Pipe(duplex=False)
    process = Process(target=_telling, args=(work, settings, tell))
    process.start()
    tell.close()
    with told:
        try:
            failure, where = told.recv()
        except EOFError:
            failure, where = RuntimeError("the process that prepares the start was ended"), None
    process.join(_LEAVING)
    process.kill()  # its word has come; a call to a store that hangs would keep it, and us
    process.join()
    if failure is not None:
        if where is not None:
            failure.add_note(where)
        raise failure


def _telling(work: Callable[[Settings], None], settings: Settings, tell: Connection) -> None:
    try:
        work(settings)
    except Exception as error:  # noqa: BLE001  # raised again by whoever waits for it
        where = traceback.format_exc()
        try:
            told = pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001  # whatever its class makes of that
            told = RuntimeError(f"the start cannot be prepared: {type(error).__name__}")
        tell.send((told, where))
    else:
        tell.send((None, None))


def _make_ready(settings: Settings) -> None:
    """What a start needs and no worker does: fhir.resources checks the orders, Alembic makes the store's tables."""
    from service.orders import check_orders, load_orders
    from service.store.commands import make_ready

    check_orders(load_orders())
    make_ready(settings)


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
