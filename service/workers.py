"""What the worker processes of a server share: the folder in which each counts for `metrics.py`.

The metrics library looks for it when it is first imported, so nothing here may import that.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["METRICS_FOLDER", "is_running", "shared_metrics"]

METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX: Final = "osteohooks-metrics-"
_MEMORY: Final = Path("/dev/shm")


@contextmanager
def shared_metrics() -> Iterator[Path]:
    """Around a server: a folder of its own, in memory where the system has such, which is gone in the end."""
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*-*"):  # by a server that was killed
        if left.lstat().st_uid == os.getuid() and not is_running(int(left.name.split("-")[2])):
            shutil.rmtree(left)
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent)
    os.environ[METRICS_FOLDER] = folder
    try:
        yield Path(folder)
    finally:
        del os.environ[METRICS_FOLDER]
        shutil.rmtree(folder)


def is_running(pid: int) -> bool:
    """Whether there is such a process, of ours or of another user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
