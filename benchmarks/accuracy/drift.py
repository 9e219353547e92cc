"""Compare static and adaptive models on real series that drift: false alarms after the drift, recall of true anomalies.

    python -m benchmarks.accuracy.drift --data ../shared/data/nab/data --cases FILE [--detector NAME] [--policy NAME …]

For every series × seed × kind of drift × speed, a model is fitted to the first 40 %; at 50 % the drift begins. *Static*
continues with that model and its fixed limit. *Adaptive* is the job's engine with ``learning.drift``; when it requests
a model, the trainer's own training and hold-out evaluation run on the history so far, and a published version takes
over 12 points later. *Limits* is adaptive without a trainer: only the limit adapts. *Refit* and *hindsight* need
knowledge of the future: a model fitted to exactly the two seasons after the drift, or to everything after it, without
its anomalies, in use from the third season on. Finished cases are appended to a file; an interrupted run continues
where it stopped.

A point above its limit is a false alarm unless it lies in a true anomaly, or within 8 points after it. ``told`` is the
share of true anomalies, of those after the two seasons of recovery, at which an alert message was sent (an incident
opens, or becomes more severe); ``above`` is the share with a point above the limit, which is high for any model that
always alerts. ``recovered``: the rate of false points in the third season after the drift is at most twice that before
the drift, or one in fifty.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.drift_scenarios import KINDS, SPEEDS, DriftScenario, real_series, scenario
from benchmarks.measuring.machine import describe
from eddy.alert import Alert
from eddy.errors import EddyError
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Bools, Series, WindowSpec
from eddy.models.drift.monitor import DriftOptions
from eddy.models.engine.engine import Engine, EngineOptions
from eddy.models.serving.model_set import ModelSet
from eddy.settings import Settings
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.fitting.fit import Trained, fit_model
from eddy.training.trainer.training_data import anomalous
from eddy.training.trainer.worker_process import Task, challenge
from eddy.training_request import TrainingRequest

GRACE, DELAY, BATCH = 8, 12, 64
#: detectors with their windows and parameters: small ones, since hundreds are trained
DETECTORS: dict[str, tuple[int, dict[str, Any]]] = {
    "lstm-autoencoder": (24, {"epochs": 3, "hidden": 16, "windows_per_epoch": 1000}),
    "isolation-forest": (8, {"features": "raw"}),
    "dmd": (12, {"online": False}),
}
COMBINATIONS = [(kind, speed) for kind in KINDS for speed in SPEEDS]
COUNTS = (
    "cases", "days", "false_points", "false_incidents", "events", "told", "above", "recovered", "published", "refused",
    "drifts",
)  # fmt: skip
ORACLES = ("refit", "hindsight")
POLICIES = ("adaptive", "limits", *ORACLES)  # besides static


@dataclass(frozen=True)
class Course:
    """Hold the result of one policy on one scenario: (n,) points above the limit, alerts, versions and refusals."""

    over: Bools
    alerts: list[Alert]
    published: int
    refused: int
    drifts: int


def first_model(one: Series, head: int, detector: str, interval: int) -> Trained:
    """Fit the static model."""
    part = Series(one.name, one.ts[:head], one.values[:head], one.imputed[:head])
    window, params = DETECTORS[detector]
    return fit_model("m", detector, [part], WindowSpec(window, interval_ms=interval), params=params)


def run(case: DriftScenario, trained: Trained, policy: str, settings: Settings) -> Course:
    """Run the series through the engine, from its first point."""
    models = ModelSet()
    manifest, content = replace(trained.manifest, version=1, series=("*",)), trained.content
    models.put(manifest, lambda _: content)
    learning = settings.learning
    drift = DriftOptions(
        learning.min_drift_points, max_factor=learning.max_drift_factor, ask_after=learning.retrain_after_points
    )
    engine = Engine(
        models, EngineOptions(report_scores=True, drift=drift if policy in ("adaptive", "limits") else None)
    )
    engine.adopt_models()
    one = case.series
    slot, over = int(engine.slots([one.name])[0]), np.zeros(len(one.ts), np.bool_)
    alerts: list[Alert] = []
    waiting: tuple[int, Trained] | None = None
    if policy in ORACLES and (known := foreseen(case, manifest, policy)) is not None:
        waiting = case.recovered_by, known
    published = refused = drifts = 0
    cuts = sorted({*range(0, len(one.ts), BATCH), min(case.recovered_by, len(one.ts)), len(one.ts)})
    for start, stop in pairwise(cuts):
        if waiting is not None and start >= waiting[0]:
            manifest, content = replace(waiting[1].manifest, version=manifest.version + 1), waiting[1].content
            models.put(replace(manifest, series=("*",)), lambda _, bytes_=content: bytes_)
            waiting = None
        part = slice(start, stop)
        result = engine.process(np.full(stop - start, slot), one.ts[part], one.values[part], 0)
        alerts += result.alerts
        drifts += sum(d.stream == "score" for _, _, d in result.drifts)
        for _, _, when, scores, limits in result.scores:
            over[np.searchsorted(one.ts, when[scores > limits])] = True
        if result.retrain_requests and waiting is None and policy == "adaptive":
            since = {one.name: result.retrain_requests[-1][2].since}
            better = asked(settings, manifest, content, one, stop, since, alerts)
            if better is None:
                refused += 1
            else:
                published += 1
                waiting = stop + DELAY, better
    return Course(over, alerts, published, refused, drifts)


def foreseen(case: DriftScenario, manifest: Manifest, policy: str) -> Trained | None:
    """Return an oracle's model; None if the detector cannot be fitted to so few points."""
    one, stop = case.series, case.recovered_by if policy == "refit" else len(case.series.ts)
    values = one.values.copy()
    for first, last in case.events:
        values[first : last + 1] = np.nan
    part = slice(case.settled, stop)
    segment = Series(one.name, one.ts[part], values[part], np.zeros(len(one.ts[part]), np.bool_))
    window, params = DETECTORS[manifest.detector]
    try:
        return fit_model(
            "m", manifest.detector, [segment], WindowSpec(window, interval_ms=manifest.interval_ms), params=params
        )
    except EddyError:
        return None


def asked(
    settings: Settings,
    champion: Manifest,
    content: bytes,
    one: Series,
    n: int,
    since: dict[str, int],
    alerts: list[Alert],
) -> Trained | None:
    """Run the trainer on a request after n points; None if it publishes nothing."""
    task = Task(TrainingRequest("m", "drift", 1, since), champion, content)
    found = Dataset(("value",), (RawSeries(one.name, one.ts[:n], one.values[:n]),))
    try:
        result, trained = challenge(settings, task, found, anomalous(alerts, settings.learning.max_excluded_points))
    except EddyError:
        return None
    return trained if result.better else None


def figures(case: DriftScenario, course: Course) -> dict[str, float]:
    """Count false alarms and found anomalies of one case."""
    n = len(course.over)
    true = np.zeros(n, np.bool_)
    for first, last in case.events:
        true[first : last + 1 + GRACE] = True
    false = course.over & ~true
    before, after = false[case.head : case.drift], false[case.drift :]
    back = min(case.recovered_by, n)
    third = slice(back, min(back + case.season, n))
    rate, usual = false[third].mean() if third.stop > third.start else np.nan, before.mean()
    counted = [(first, last) for first, last in case.events if first >= back or last < case.drift]
    times = np.array(sorted(_row(case, a) for a in course.alerts if a.state in ("open", "update")), np.int64)
    opened = {a.id: a.start for a in course.alerts if a.state == "open"}
    openings = np.array([np.searchsorted(case.series.ts, at) for at in opened.values()], np.int64)
    quiet = ~np.isin(openings, np.flatnonzero(true))
    days = (n - case.drift) / case.per_day
    return {
        "days": days,
        "false_points": float(after.sum()),
        "false_incidents": float((quiet & (openings >= case.drift)).sum()),
        "false_before": float(before.sum()) / max((case.drift - case.head) / case.per_day, 1e-9),
        "events": len(counted),
        "told": sum(bool(((times >= first) & (times <= last + GRACE)).any()) for first, last in counted),
        "above": sum(bool(course.over[first : last + 1].any()) for first, last in counted),
        "recovered": float(rate <= max(2 * usual, 0.02)) if np.isfinite(rate) else 1.0,
        "published": course.published,
        "refused": course.refused,
        "drifts": course.drifts,
        "cases": 1,
    }


def _row(case: DriftScenario, alert: Alert) -> int:
    """Return the row at which a message was sent: incidents open or grow at their newest point."""
    return int(np.searchsorted(case.series.ts, alert.end))


def table(sums: dict[tuple[str, str], dict[str, float]], groups: Sequence[str], policy: str) -> list[str]:
    """Return a Markdown table."""
    lines = [
        f"| drift | false alarms a day, static | {policy} | less | incidents a day, static | {policy} "
        f"| told, static | {policy} | above, static | {policy} | recovered in two seasons, static | {policy} |",
        "| --- " + "| --- " * 11 + "|",
    ]
    for group in groups:
        s, a = sums[group, "static"], sums[group, policy]
        per = [x["false_points"] / x["days"] for x in (s, a)]
        incidents = [x["false_incidents"] / x["days"] for x in (s, a)]
        told, above = ([x[key] / max(x["events"], 1) for x in (s, a)] for key in ("told", "above"))
        back = [x["recovered"] / x["cases"] for x in (s, a)]
        lines.append(
            f"| {group} | {per[0]:.2f} | {per[1]:.2f} | {1 - per[1] / max(per[0], 1e-9):.1%} | {incidents[0]:.2f} "
            f"| {incidents[1]:.2f} | {told[0]:.1%} | {told[1]:.1%} | {above[0]:.1%} | {above[1]:.1%} "
            f"| {back[0]:.1%} | {back[1]:.1%} |"
        )
    return lines


def cases_of(data: Path, chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row of counts per case and policy, first those in the file of cases; new ones are appended to it."""
    settings, policies = Settings(), ["static", *(chosen.policy or ["adaptive"])]
    lines = chosen.cases.read_text().splitlines() if chosen.cases and chosen.cases.exists() else []
    known = {(row["turn"], row["policy"]): row for row in map(json.loads, lines)}
    trained: dict[str, Trained] = {}
    bases = list(real_series(data))[: chosen.series or None]
    for number in range(chosen.seeds):  # seeds outermost, so that an interrupted run has results of all series
        for index, base in enumerate(bases):
            for repeat in range(chosen.each):
                turn = (index * chosen.seeds + number) * chosen.each + repeat
                kind, speed = COMBINATIONS[turn % len(COMBINATIONS)]
                for policy in policies:
                    row = known.get((turn, policy))
                    if row is None:
                        case = scenario(base, kind, speed, 1000 * (chosen.first_seed + number) + turn)
                        if base.name not in trained:
                            interval = int(base.ts[1])
                            trained[base.name] = first_model(case.series, case.head, chosen.detector, interval)
                        row = {"turn": turn, "policy": policy, "kind": kind, "speed": speed, "series": base.name}
                        row |= figures(case, run(case, trained[base.name], policy, settings))
                        if chosen.cases:
                            with chosen.cases.open("a") as file:
                                file.write(json.dumps(row) + "\n")
                    yield row
            print(f"{base.name}, seed {chosen.first_seed + number}: done", file=sys.stderr, flush=True)


def main() -> None:
    """Run all scenarios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="NAB's data folder")
    parser.add_argument("--detector", default="lstm-autoencoder", choices=sorted(DETECTORS))
    parser.add_argument("--each", type=int, default=len(COMBINATIONS), help="drifts per series and seed, in turn [all]")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0, help="the page reports 0 to 2; tune on others")
    parser.add_argument("--series", type=int, default=0, help="at most so many [all]")
    parser.add_argument("--policy", action="append", choices=POLICIES, help="beside static; repeatable [adaptive]")
    parser.add_argument("--cases", type=Path, help="file for the counts of each case, a line each")
    chosen = parser.parse_args()
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in cases_of(chosen.data, chosen):
        for group in ("all", row["kind"], row["speed"]):
            for key in COUNTS:
                sums[group, row["policy"]][key] += row[key]
    for policy in chosen.policy or ["adaptive"]:
        print("\n".join([*table(sums, ["all", *KINDS, *SPEEDS], policy), ""]))
    print(json.dumps({policy: dict(counts) for (group, policy), counts in sums.items() if group == "all"}))
    print(json.dumps({"detector": chosen.detector, "machine": describe()}))


if __name__ == "__main__":
    main()
