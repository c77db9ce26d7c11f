"""One deadline for all that a request waits for: when it is over, the connections it holds are ended."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Deadline"]


class Deadline:
    """Ends the connections it holds when the time is up, whatever they wait for: a server that sends a byte now and
    then resets every timeout of its reader.

    A context: it begins with the `with`; what is held when that is left is given up, and what comes later is ended.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self.end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._held: set[socket.socket] = set()
        self.over = self._left = False

    @property
    def left(self) -> float:
        """The seconds that are left, 0 when it is over."""
        return 0.0 if self.over else max(0.0, self._until - time.monotonic())

    def hold(self, connection: socket.socket) -> None:
        """Ends this connection as well, when the time comes or at once when it has come."""
        self._hold(connection)

    @contextmanager
    def holding(self) -> Iterator[Callable[[socket.socket], None]]:
        """`hold` for connections that are given back afterwards: they outlive this context, not the deadline."""
        mine: list[socket.socket] = []
        try:
            yield lambda connection: mine.append(self._hold(connection))
        finally:
            with self._lock:
                for connection in mine:
                    self._held.discard(connection)
                    connection.close()

    def _hold(self, connection: socket.socket) -> socket.socket:
        # Wrapping in TLS takes the descriptor away from its socket, and a wrapped socket makes no second one by
        # itself; a second descriptor reaches the same connection in both cases.
        second = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._held.add(second)
            if self.over or self._left:
                self._end_held()
        return second

    def end(self) -> None:
        """The time is up."""
        with self._lock:
            self.over = True
            self._end_held()

    def _end_held(self) -> None:
        for connection in self._held:
            with suppress(OSError):  # it has ended already, which is what we want
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._timer.cancel()
        with self._lock:
            self._left = True
            for connection in self._held:
                connection.close()
            self._held.clear()
