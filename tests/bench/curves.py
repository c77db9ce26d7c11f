"""What makes an answer dearer, as one picture: an SVG file, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Curves", "draw"]

# Okabe and Ito's, as in `service.analytics.plots`.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#999999"
_MS: Final = "ms of processor time"


@dataclass(frozen=True)
class Curves:
    """Milliseconds of an answer by the number of resources, with the caches as the call before left them and with the
    caches emptied, by the share of the rules, and by language; answers a second by the number of workers."""

    resources: Mapping[int, float]
    emptied: Mapping[int, float]
    rules: Mapping[float, float]
    languages: Mapping[str, float]
    workers: Mapping[int, float]


def draw(curves: Curves, path: Path) -> None:
    """Write the picture. ModuleNotFoundError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    # Otherwise the ids inside are drawn at random.
    matplotlib.rcParams["svg.hashsalt"] = "osteohooks"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    ((resources, rules), (languages, workers)) = figure.subplots(2, 2)
    _resources(resources, curves)
    rules.plot([100 * share for share in curves.rules], list(curves.rules.values()), marker="o", color=_BLUE)
    _label(rules, "rules", "% of the rules", _MS)
    languages.bar(list(curves.languages), list(curves.languages.values()), color=_BLUE, width=0.5)
    _label(languages, "language", "", _MS)
    workers.bar([str(number) for number in curves.workers], list(curves.workers.values()), color=_BLUE, width=0.5)
    _label(workers, "workers", "workers", "answers a second, 8 connections")
    figure.savefig(path, format="svg", metadata={"Date": None})


def _resources(axes: Any, curves: Curves) -> None:
    """Both axes logarithmic, with a line along which time doubles with the resources."""
    counts = list(curves.resources)
    dearest = max(curves.emptied.values())
    straight = [dearest * count / counts[-1] for count in counts]
    axes.plot(counts, straight, color=_GREY, linestyle="--", label="in proportion")
    axes.plot(list(curves.emptied), list(curves.emptied.values()), marker="s", color=_ORANGE, label="caches emptied")
    axes.plot(counts, list(curves.resources.values()), marker="o", color=_BLUE, label="caches warm")
    axes.set(title="resources", xlabel="resources", ylabel=_MS, xscale="log", yscale="log")
    axes.legend()


def _label(axes: Any, title: str, of: str, unit: str) -> None:
    axes.set(title=title, xlabel=of, ylabel=unit)
    axes.set_ylim(bottom=0)
