"""Compare thresholds: ``python -m benchmarks.accuracy.thresholds nab --data DIR --labels FILE`` or ``speed``.

``nab``: raw scores of one detector over each series. Every threshold is fitted on those of the probation part and runs
over the rest; a score above its limit is an alert (no peak filter). Reports labelled windows with an alert, and rows
outside all windows with one, as a share of the rows there. ``speed``: one score for each of 4,096 series at a time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from eddy.models.catalog import DETECTORS, THRESHOLDS
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.core.threshold import Threshold
from eddy.models.thresholds.base import AdaptiveThreshold
from eddy.models.thresholds.fixed import FixedThreshold
from eddy.training.data.nab import LabelledSeries, load_folder
from eddy.training.fitting.causal_run import raw_scores

FIXED: dict[str, dict[str, Any]] = {
    "max": {"rule": "max"},
    "percentile 95": {"rule": "percentile", "q": 95},
    "percentile 99": {"rule": "percentile", "q": 99},
    "mean + 3 std": {"rule": "mean-std", "k": 3},
}
SERIES, ROUNDS = 4096, 1200


def adaptive() -> dict[str, type[Threshold]]:
    return {p: c for p, c in THRESHOLDS.usable() if issubclass(c, AdaptiveThreshold)}


def scores_of(kind: str, window: int, series: LabelledSeries) -> np.ndarray:
    cut = series.probation
    values = series.values[:, None]
    head = Series("series", series.ts[:cut], values[:cut], np.zeros(cut, bool))
    detector, _ = DETECTORS.get(kind).fit([head], WindowSpec(window), {})
    return raw_scores(detector, series.ts, values)


def over(threshold: Threshold, scores: np.ndarray, cut: int) -> np.ndarray:
    state, binding = threshold.initial_state(1), np.array([-1])
    limits = np.array([threshold.limits(scores[i : i + 1], binding, state)[0] for i in range(cut, len(scores))])
    return np.concatenate([np.zeros(cut, bool), scores[cut:] > limits])


def nab(data: Path, labels: Path, kinds: list[tuple[str, int]]) -> None:
    corpus = load_folder(data, labels)
    for kind, window in kinds:
        scored = [scores_of(kind, window, s) for s in corpus]
        builders = {name: (FixedThreshold, params) for name, params in FIXED.items()}
        builders |= {name: (cls, {}) for name, cls in adaptive().items()}  # type: ignore[dict-item]
        print(f"{kind}, window {window}")
        for name, (cls, params) in builders.items():
            found = windows = false = rows = 0
            for s, scores in zip(corpus, scored, strict=True):
                threshold = cls.fit({s.name: scores[: s.probation]}, **params)
                alert = over(threshold, scores, s.probation)
                inside = np.zeros(len(alert), bool)
                for left, right in s.windows:
                    inside[left : right + 1] = True
                    found += bool(alert[left : right + 1].any())
                windows += len(s.windows)
                false += int((alert & ~inside).sum())
                rows += int((~inside[s.probation :]).sum())
            print(f"  {name:16} windows {found}/{windows}  false rows {false}/{rows} ({false / rows:.2%})")


def speed() -> None:
    scores = np.random.default_rng(0).exponential(size=(ROUNDS, SERIES))
    for name, cls in {"fixed": FixedThreshold, **adaptive()}.items():
        threshold = cls.fit({"a": scores[:, 0]})
        state, binding = threshold.initial_state(SERIES), np.full(SERIES, -1)
        for row in scores:
            threshold.limits(row, binding, state)
        began = time.process_time()
        for row in scores[:200]:
            threshold.limits(row, binding, state)
        spent = (time.process_time() - began) / (200 * SERIES) * 1e9
        print(f"{name:16} {threshold.state_size * 8:5} bytes  {spent:7.0f} ns CPU per score")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("nab", "speed"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--detector", default="zscore")
    parser.add_argument("--window", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.what == "speed":
        speed()
    else:
        nab(arguments.data, arguments.labels, [(arguments.detector, arguments.window)])


if __name__ == "__main__":
    main()
