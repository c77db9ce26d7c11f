"""A limit on our own work: what takes longer is ended in the middle, and the client told so.

A WSGI server waits for its thread as long as it takes, and Python can end a thread's work only from inside. So one
watcher for the process raises an exception in the thread that is late, as the C API has it (PyThreadState_SetAsyncExc).
It arrives between two steps of Python code; one call of C (decoding a body, waiting for a network) is ended when that
call returns, so what waits needs a deadline of its own.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from cds_hooks.errors import Issue, Refusal

__all__ = ["TimedOut", "within"]

T = TypeVar("T")

# How late the watcher may be; it wakes as often, which costs nothing that could be measured.
_TICK: Final = 0.1


class TimedOut(Refusal):
    """503: the answer was not ready in time."""

    status = 503

    def __init__(self) -> None:
        super().__init__(Issue(code="timeout", text="The service could not finish its answer in time."))


class _TimeUp(BaseException):
    """Raised in the thread that is late; no Exception, so that nothing on its way takes it for an error of its own."""


_set_exception: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc

_JUMPS: Final = 10  # one would do

_running: Final[dict[object, tuple[int, float]]] = {}  # the thread and the deadline of each piece of work
_raising: Final = threading.Lock()  # held while a late thread is taken from the table and the exception set
_watchers: Final[list[threading.Thread]] = []


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives. Raises TimedOut when it takes longer, give or take a tenth of a second."""
    thread, this = threading.get_ident(), object()
    try:
        try:
            _watch()
            _running[this] = thread, time.monotonic() + seconds
            return work()
        finally:
            if _running.pop(this, None) is None:
                # The watcher was first, and what it has set must not arrive in other work. Once it is set it arrives
                # with the next jump back. (To take it back, with None, leaves the interpreter looking for it for ever.)
                with _raising:
                    pass
                for _ in range(_JUMPS):
                    pass
    except _TimeUp:
        raise TimedOut from None


def _watch() -> None:
    """See that the watcher runs; a server's worker is forked without the threads of its parent."""
    if not _watchers or not _watchers[-1].is_alive():
        with _raising:
            if not _watchers or not _watchers[-1].is_alive():
                _watchers[:] = [threading.Thread(target=_end_what_is_late, name="time limit", daemon=True)]
                _watchers[-1].start()


def _end_what_is_late() -> None:
    while True:
        time.sleep(_TICK)
        now = time.monotonic()
        for work, (thread, deadline) in list(_running.items()):
            if deadline < now:
                with _raising:
                    if _running.pop(work, None) is not None:  # else it was done in time after all
                        _set_exception(ctypes.c_ulong(thread), ctypes.py_object(_TimeUp))
