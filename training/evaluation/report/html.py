"""Write the report of a run: one self-contained HTML page, with results.json and ranking.csv beside it."""

from __future__ import annotations

import csv
import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from eddy.training.data.recording import Recording
from eddy.training.evaluation.metrics.point_adjusted import WARNING
from eddy.training.evaluation.metrics.summary import Figures
from eddy.training.evaluation.report.series_data import detector_data, series_data
from eddy.training.evaluation.runs.resources import Cost
from eddy.training.fitting.causal_run import CausalRun

Results = Mapping[str, tuple[Sequence[CausalRun], Figures, Cost]]
_TEMPLATES = Path(__file__).with_name("templates")


def plain_json(value: Any) -> str:
    """Write JSON that every reader accepts: numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=2)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def write_report(
    out: Path,
    title: str,
    recordings: Sequence[Recording],
    results: Results,
    rows: Sequence[Mapping[str, Any]],
    nab: Mapping[str, Mapping[str, Any]] | None = None,
    grace: int = 8,
    quiet: int = 8,
) -> Path:
    """Write ``report.html``, ``results.json`` and ``ranking.csv`` into ``out``.

    Args:
        out: folder, created if it does not exist.
        title: title of the report.
        recordings: the series.
        results: detector -> its runs in that order, figures and cost; in the order of the ranking.
        rows: content of ``results.json``, an object per detector.
        nab: detector -> NAB's figures, if NAB's rules apply.
        grace: rows after an event at which an alert still counts for it.
        quiet: number of unflagged rows that end an alert.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(plain_json(list(rows)) + "\n", encoding="utf-8")
    ranking = [_ranked(name, figures, cost, (nab or {}).get(name)) for name, (_, figures, cost) in results.items()]
    with (out / "ranking.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(ranking[0]))
        writer.writeheader()
        writer.writerows(ranking)
    data: dict[str, Any] = {
        "series": [series_data(r) for r in recordings],
        "detectors": {name: detector_data(recordings, runs, grace, quiet) for name, (runs, _, _) in results.items()},
    }
    notes = {
        name: list(dict.fromkeys(note for run in runs for note in run.notes)) for name, (runs, _, _) in results.items()
    }
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # keeps the order of the ranking
    page = environment.get_template("report.html.j2").render(
        title=title,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command="eddy " + shlex.join(sys.argv[1:]),
        ranking=_finite(ranking),
        has_nab=bool(nab),
        figures={name: _finite(figures.to_json()) for name, (_, figures, _) in results.items()},
        events=sum(len(r.scored_events) for r in recordings),
        points=sum(len(r.ts) - r.start for r in recordings),
        days=sum(r.days for r in recordings),
        series=len(recordings),
        has_losses=any(d["losses"] for d in data["detectors"].values()),
        warning=WARNING,
        notes={name: found for name, found in notes.items() if found},
        data=_finite(data),
    )
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _ranked(name: str, figures: Figures, cost: Cost, nab: Mapping[str, Any] | None) -> dict[str, Any]:
    e = figures.events
    scores = {}
    if nab is not None:
        scores = {
            "nab_shipped": nab["shipped"]["standard"],
            "nab_tuned": nab["tuned"]["standard"][1],
            "nab_low_fp": nab["tuned"]["reward_low_FP_rate"][1],
            "nab_low_fn": nab["tuned"]["reward_low_FN_rate"][1],
        }
    return {
        "detector": name, **scores, "found": e.found, "events": e.events, "recall": e.recall, "precision": e.precision,
        "f1": e.f1, "false_alarms": e.false, "false_per_day": e.false_per_day, "delay_points": e.median_delay,
        "vus_pr": figures.vus_pr, "vus_roc": figures.vus_roc, "roc_auc": figures.roc_auc,
        "row_accuracy": figures.rows.accuracy, "row_f1": figures.rows.f1,
        "point_adjusted_f1": figures.adjusted.f1, "point_adjusted_f1_of_random_scores": figures.adjusted.random,
        "seconds": cost.seconds, "peak_mb": cost.peak_mb,
        "microseconds_per_point": 1e6 * cost.seconds / max(e.points, 1),
    }  # fmt: skip
