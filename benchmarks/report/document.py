"""Write the figures of ``eddy bench all`` into docs/performance.md and docs/scaling.md, with a plot."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.report.tables import markdown, rows_of
from eddy.errors import DataError
from eddy.stack.paths import ROOT

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "pictures" / "peers.svg"
SCALING = ROOT / "docs" / "scaling.md"  # holds the table of TaskManagers
TITLES = {
    "peers": "Beside other systems",
    "peers-2000": "Beside other systems, 2,000 series",
    "peers-20000": "Beside other systems, 20,000 series",
    "peers-long": "Beside other systems, 16,000,000 events",
    "pipeline": "The job from 200 to 20,000 series",
    "steady": "Ten minutes of running",
    "wide": "Long windows",
    "latency": "From event to alert, at half the peak rate of the same run",
    "latency-125000": "From event to alert, at half of the bar for the rate",
    "scoring": "Scoring, one core",
    "state": "State",
    "producers": "Producers at full speed",
}
COLOURS = {"eddy": "#1f6feb", "plain-batch": "#8b949e", "plain-event": "#b1bac4", "bytewax": "#d29922",
           "spark": "#e16f24", "quix": "#a371f7"}  # fmt: skip


def write(folder: Path) -> list[Path]:
    """Replace the text between the documents' markers; draw the plot if the peers ran.

    Raises:
        DataError: the folder holds no measurement, or a document has lost its markers.
    """
    names = (*TITLES, "taskmanagers")
    found = {name: json.loads(file.read_text()) for name in names if (file := folder / f"{name}.json").exists()}
    if not found:
        raise DataError(f"{folder} holds no measurement; 'eddy bench all --json-dir {folder}' makes them")
    written = []
    if wide := found.pop("taskmanagers", None):
        _put(SCALING, "taskmanagers", f"{markdown(rows_of(wide))}\n\n{_where(wide['machine'])}\n")
        written.append(SCALING)
    if found:
        _put(PAGE, "measured", _sections(found))
        written.append(PAGE)
    if "peers" in found:
        PLOT.parent.mkdir(parents=True, exist_ok=True)
        _draw(found["peers"]["results"])
        written.append(PLOT)
    return written


def _put(page: Path, name: str, content: str) -> None:
    """Replace the text of a document between the markers of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = page.read_text()
    if text.count(begin) != 1 or text.count(end) != 1:
        raise DataError(f"{page}: expected the lines {begin!r} and {end!r} once each")
    head, rest = text.split(begin)
    page.write_text(f"{head}{begin}\n\n{content}\n{end}{rest.split(end)[1]}")


def _sections(found: dict[str, dict[str, Any]]) -> str:
    parts = []
    for name, title in TITLES.items():
        if name not in found:
            continue
        one = found[name]
        parts.append(f"### {title}\n\n{markdown(rows_of(one))}\n\n{_where(one['machine'])}\n")
        if name == "peers":
            parts.append("![Events per second of each system](pictures/peers.svg)\n")
            failed = [
                f"- {r['title']}, {r['workload']['kind']}: {_reason(r['failed'])}"
                for r in one["results"]
                if "failed" in r
            ]
            if failed:
                parts.append("Did not finish:\n\n" + "\n".join(failed) + "\n")
    return "\n".join(parts)


def _where(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['at'][:16]} UTC, commit {machine['commit']}, {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gb']} GB, load at the end {machine['load']}; Python {machine['python']}, "
        f"{machine['java'].replace(chr(34), '')}, {versions}."
    )


def _reason(text: str) -> str:
    lines = [re.sub(r"\s+", " ", line) for line in text.splitlines() if line.strip()]
    return next(
        (line for line in reversed(lines) if "Error" in line or "Exception" in line), lines[-1] if lines else ""
    )


def _draw(results: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "eddy"  # the same figures give the same file
    from matplotlib import pyplot

    kinds = list(dict.fromkeys(one["workload"]["kind"] for one in results))
    names = {"Z": "rolling z-score", "F": "isolation forest", "L": "LSTM autoencoder"}
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(4.2 * len(kinds), 2.8), squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        ran = [one for one in results if one["workload"]["kind"] == kind and "failed" not in one][::-1]
        rates = [one["events_per_second"] / 1000 for one in ran]
        bars = axis.barh([one["system"] for one in ran], rates, color=[COLOURS[one["system"]] for one in ran])
        axis.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=3, fontsize=8)
        axis.set_title(names[kind], fontsize=10)
        axis.set_xlabel("thousand events/s", fontsize=8)
        axis.margins(x=0.18)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})
    pyplot.close(figure)
