"""Check backtests: the job's incidents, those of a range only, compared with the recorded alerts."""

from __future__ import annotations

import pytest

from eddy.errors import DataError
from eddy.models.engine.engine import EngineOptions
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.evaluation.backtest import Found, beside, incidents_of, summary, would_have
from tests.integration.harness import START, STEP, model, noise, offline

SPIKES = {("a", 20): 9.0, ("a", 60): 9.0, ("b", 40): -9.0}
OBSERVATIONS = noise(["a", "b"], 80, SPIKES)


def dataset() -> Dataset:
    import numpy as np

    return Dataset(
        ("value",),
        tuple(
            RawSeries(
                name,
                np.array([ts for s, ts, _ in OBSERVATIONS if s == name]),
                np.array([[v] for s, _, v in OBSERVATIONS if s == name]),
            )
            for name in ("a", "b")
        ),
    )


def run(start: int, end: int, **more: object) -> list[Found]:
    candidate = model(limit=2.8, **more)  # type: ignore[arg-type]
    return would_have(candidate, candidate.inline_artifact() or b"", dataset(), EngineOptions(), start, end)


def at(point: int) -> int:
    return START + point * STEP


def test_backtest_finds_the_incidents_of_the_job() -> None:
    found = run(0, at(1000))
    expected = incidents_of(offline([model(limit=2.8)], OBSERVATIONS), 0, at(1000))
    key = lambda f: (f.start, f.series)  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)
    assert {(f.series, f.start) for f in found} == {(s, at(i)) for s, i in SPIKES}


def test_range_scores_its_own_points_with_windows_filled_beforehand() -> None:
    assert {(f.series, f.start) for f in run(at(20), at(60))} == {("a", at(20)), ("b", at(40))}
    assert {(f.series, f.start) for f in run(at(21), at(61))} == {("b", at(40)), ("a", at(60))}


def test_missing_series_are_named() -> None:
    with pytest.raises(DataError, match="applies to c"):
        run(0, at(1000), series=("c",))


def test_model_that_scores_no_point_fails_and_says_why() -> None:
    with pytest.raises(DataError, match=r"no point could be scored by z: series 'a' has 80 points, a window needs 100"):
        run(0, at(1000), window=100)


def found(series: str, start: int, end: int) -> Found:
    return Found(series, at(start), at(end), 50, 1, "m", 1)


def test_overlapping_incidents_are_paired_once() -> None:
    would = [found("a", 10, 12), found("a", 13, 14), found("b", 10, 12)]
    did = [found("a", 11, 13), found("c", 10, 12)]
    lines = beside(would, did, 0)
    assert [(line.side, line.series) for line in lines] == [
        ("both", "a"), ("would", "b"), ("did", "c"), ("would", "a"),
    ]  # fmt: skip
    assert summary(lines) == {"both": 1, "would": 2, "did": 1}
    assert summary(beside([found("a", 10, 12)], [found("a", 14, 15)], 0)) == {"both": 0, "would": 1, "did": 1}
    assert summary(beside([found("a", 10, 12)], [found("a", 14, 15)], 2 * STEP))["both"] == 1
