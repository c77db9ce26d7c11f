"""The report as pictures: SVG files, the same bytes for the same figures. Needs the extra `plots` (matplotlib)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from service.analytics.report import Line

__all__ = ["save_plots"]

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
_COLOURS: Final = {"accepted": "#009E73", "overridden": "#D55E00", "ignored": "#999999", "held back": "#56B4E9"}
_INCH_PER_BAR: Final = 0.32


def save_plots(by_outcome: Sequence[Line], by_month: Sequence[Line], folder: Path) -> list[Path]:
    """Write `outcomes.svg` and `months.svg` into a folder; their paths. ModuleNotFoundError without the extra."""
    import matplotlib

    matplotlib.use("svg")
    # Otherwise the ids inside are drawn at random.
    matplotlib.rcParams["svg.hashsalt"] = "osteohooks"
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _save(_fates(by_outcome), folder / "outcomes.svg"),
        _save(_months(by_month), folder / "months.svg"),
    ]


def _counts(line: Line) -> dict[str, int]:
    return {
        "accepted": line.accepted,
        "overridden": line.overridden.total(),
        "ignored": line.ignored,
        "held back": line.held.total() + line.silent,
    }


def _fates(lines: Sequence[Line]) -> Any:
    """A bar for each outcome: what became of it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + _INCH_PER_BAR * len(lines)), layout="constrained")
    axes = figure.subplots()
    places = range(len(lines))
    left = [0] * len(lines)
    for name, colour in _COLOURS.items():
        widths = [_counts(line)[name] for line in lines]
        axes.barh(places, widths, left=left, color=colour, label=name)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.set_yticks(places, [" ".join(line.keys) for line in lines])
    axes.invert_yaxis()
    axes.set_xlabel("findings")
    axes.set_title("What became of each outcome")
    figure.legend(loc="outside lower center", ncols=len(_COLOURS))
    return figure


def _months(lines: Sequence[Line]) -> Any:
    """Month by month: how many were shown and held back, and the share accepted of those with feedback."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    months = [line.keys[0] for line in lines]
    axes.plot(months, [line.shown for line in lines], marker="o", color="#0072B2", label="shown")
    axes.plot(months, [_counts(line)["held back"] for line in lines], marker="s", color="#56B4E9", label="held back")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("findings")
    share = axes.twinx()
    told = [(line.keys[0], line.acceptance) for line in lines if line.acceptance is not None]
    share.plot(
        [month for month, _ in told], [rate for _, rate in told], marker="^", color="#009E73", label="accepted (share)"
    )
    share.set_ylim(0, 1)
    share.set_ylabel("accepted, of those with feedback")
    axes.set_title("Shown, held back and accepted by month")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, format="svg", metadata={"Date": None})
    return path
