"""What a worker does beside answering, every two seconds, in one thread of its own."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["EVERY", "Upkeep"]

EVERY: Final = 2.0  # seconds: the workers agree on what was set aside within that


class Upkeep:
    """Runs some tasks again and again until it is closed; a task must not raise."""

    def __init__(self, tasks: Sequence[Callable[[], None]], every: float = EVERY) -> None:
        self._tasks, self._every = tuple(tasks), every
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="osteohooks-upkeep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Start no task any more."""
        self._closed.set()

    def _run(self) -> None:
        while True:
            for task in self._tasks:
                if self._closed.is_set():
                    return
                task()
            self._closed.wait(self._every)
