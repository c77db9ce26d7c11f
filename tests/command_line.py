"""The command line as a person starts it: how to run it, and in which environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.fhir_pieces import TODAY

ROOT: Final = Path(__file__).resolve().parent.parent
OSTEOHOOKS: Final = (sys.executable, "-m", "service.cli")
# Arguments in; exit status, standard output and standard error out.
Run = Callable[..., tuple[int, str, str]]


def environment() -> dict[str, str]:
    """This process's environment with no settings of the service but its clock."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("OSTEOHOOKS_")}
    return {**others, "OSTEOHOOKS_TODAY": TODAY.isoformat()}
