"""Measure the effect of each alert rule on the demo's stream: incidents, notifications and messages before and after.

    python -m benchmarks.accuracy.alert_rules [SEED …]

Trains as the demo does, then replays the live part through the engine of the job once for each rule. Prints one JSON
object per seed and rule, then a Markdown table of the sums over all seeds. Whether an incident counts as found or false
is decided as in the demo's summary. ``messages`` are those that notify people; ``recorded`` are the suppressed ones.
The last two rows add what the stream lacks: twice, half of its series fail together for three points.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eddy.alert import Alert
from eddy.alert_settings import AlertSettings
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet
from eddy.producers.synthetic import SyntheticStream, generate
from eddy.training.evaluation.metrics.alert_matching import match
from eddy.training.fitting.demo_models import train_demo

SEEDS = (71, 72, 73)  # used neither to choose the detectors nor the rules' defaults; 61 was
HOUR = 3_600_000
#: every night from 1 to 5, for all series
NIGHTS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//eddy//benchmark
BEGIN:VEVENT
UID:nights
DTSTART:20200101T010000Z
DTEND:20200101T050000Z
RRULE:FREQ=DAILY
END:VEVENT
END:VCALENDAR
"""
SHARED_POINTS = 3
#: rule, setting, rules added to the demo's
PLAN: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("the demo's rules", "", {}),
    ("quiet points", "`close_after` 1", {"close_after": 1}),
    ("quiet points", "`close_after` 8", {"close_after": 8}),
    ("quiet points", "`close_after` 24 (default)", {"close_after": 24}),
    ("quiet time", "`close_after` 1, `close_after_ms` 12 h", {"close_after": 1, "close_after_ms": 12 * HOUR}),
    ("k of n", "`open_points` 2, `of_points` 3", {"open_points": 2, "of_points": 3}),
    ("k of n", "`open_points` 3, `of_points` 5", {"open_points": 3, "of_points": 5}),
    ("hysteresis", "`close_after` 8, `close_ratio` 0.8", {"close_after": 8, "close_ratio": 0.8}),
    ("hysteresis", "`close_after` 8, `close_ratio` 0.6", {"close_after": 8, "close_ratio": 0.6}),
    ("cool-down", "`close_after` 8, `cool_down_ms` 12 h", {"close_after": 8, "cool_down_ms": 12 * HOUR}),
    ("minimum deviation", "`min_deviation` 5", {"min_deviation": 5.0}),
    ("minimum deviation", "`min_deviation_relative` 0.1", {"min_deviation_relative": 0.1}),
    ("direction", "`direction` above", {"direction": "above"}),
    ("direction", "`direction` below", {"direction": "below"}),
    ("updates", "`max_updates` 0", {"max_updates": 0}),
    ("updates", "`max_updates` 1000", {"max_updates": 1000}),
    ("maintenance", "a calendar: nights, 1 to 5", {"calendar": NIGHTS}),
    ("grouping", "shared failures, `group_series` 0", {"shared": True, "group_series": 0}),
    ("grouping", "shared failures, `group_series` 5 (default)", {"shared": True}),
)


def measure(stream: SyntheticStream, models: ModelSet, given: Mapping[str, Any], folder: Path) -> Counter[str]:
    """Count incidents and messages of one replay."""
    rules = {name: value for name, value in given.items() if name not in ("calendar", "shared", "group_series")}
    settings: dict[str, Any] = {"overrides": [{"series": "*", **rules}]} if rules else {}
    if "group_series" in given:
        settings["group_series"] = given["group_series"]
    if "calendar" in given:
        file = folder / "nights.ics"
        file.write_text(given["calendar"])
        settings["calendars"] = [{"file": str(file)}]
    live = stream.live
    values = with_shared_failures(stream) if given.get("shared") else live.values
    options = EngineOptions(alerts=AlertSettings.model_validate(settings))
    alerts = replay(models, options, stream.names, live.series.astype(np.int64), live.ts, values[:, None])
    return counted(alerts, stream)


def with_shared_failures(stream: SyntheticStream) -> Any:
    """Return the live values with two moments at which every other series drops to a third."""
    live = stream.live
    values, times = live.values.copy(), np.unique(live.ts)
    hit = np.flatnonzero([name.startswith("taxi-") for name in stream.names])
    step = max(stream.intervals.values())
    for share in (0.4, 0.8):
        moment = int(times[int(share * len(times))]) // step * step
        at = np.isin(live.series, hit) & (live.ts >= moment) & (live.ts < moment + SHARED_POINTS * step)
        values[at] /= 3
    return values


def counted(alerts: Sequence[Alert], stream: SyntheticStream) -> Counter[str]:
    """Count incidents, messages and matches."""
    result = match(alerts, stream.labels, stream.intervals)
    calling = [a for a in alerts if a.kind == "incident" and a.suppressed is None]
    groups = [a for a in alerts if a.kind == "group"]
    in_groups = {member["id"] for group in groups for member in group.members}
    per_incident = Counter(a.id for a in calling)
    return Counter(
        labelled=result.labelled,
        found=result.found,
        incidents=result.incidents,
        false=result.false,
        messages=len(calling),
        max_messages=max(per_incident.values(), default=0),
        recorded=len({a.id for a in alerts if a.suppressed is not None}),
        calls=len(per_incident.keys() - in_groups) + len({group.id for group in groups}),
        delay=round(100 * result.median_delay) if result.delays else 0,
    )


def main(seeds: Sequence[int]) -> None:
    """Measure all rules over all seeds."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in seeds:
        stream, models = generate(seed), ModelSet()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for manifest, content in train_demo(stream, folder):
                models.put(manifest, lambda _, content=content: content)
            for rule, setting, given in PLAN:
                found = measure(stream, models, given, folder)
                print(json.dumps({"seed": seed, "rule": rule, "setting": setting, **found}), flush=True)
                most = max(sums[setting]["most_messages"], found["most_messages"])
                sums[setting] += found
                sums[setting]["most_messages"] = most
    columns = ["rule", "setting", "incidents", "per labelled", "calls", "found", "false"]
    columns += ["messages per incident", "most", "recorded"]
    print(f"\n| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|")
    for rule, setting, _ in PLAN:
        one = sums[setting]
        print(
            f"| {rule} | {setting} | {one['incidents']} | {one['incidents'] / one['labelled']:.2f} | {one['calls']} "
            f"| {one['found']} of {one['labelled']} | {one['false']} "
            f"| {one['messages'] / max(one['incidents'], 1):.2f} | {one['max_messages']} | {one['recorded']} |"
        )


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or SEEDS)
