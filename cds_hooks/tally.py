"""How often each of some words has come up in this process, whichever of its threads says them."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

__all__ = ["Tally"]


class Tally:
    """Counts words, such as causes and rules. `on_word` is told each as it is counted, and may take its time."""

    def __init__(self, on_word: Callable[[str], None] = lambda word: None) -> None:
        self._on_word = on_word
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each word was counted so far, as a copy; one that never came up is not in it."""
        with self._lock:
            return dict(self._counts)

    def add(self, word: str) -> None:
        """Count a word once more."""
        with self._lock:
            self._counts[word] += 1
        self._on_word(word)
