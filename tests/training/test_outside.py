"""Labelled public sets: read, judged by strict rules, beside baselines."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from eddy.errors import DataError
from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.outside.baselines import BASELINES, RollingZ, SameTimeOfDay
from eddy.training.evaluation.outside.data_sets import load_outside
from eddy.training.evaluation.outside.run import run_set
from eddy.training.evaluation.outside.strict_metrics import (
    false_per_thousand,
    strict_count,
    strict_f1,
    vus_period,
    vus_pr,
)
from eddy.training.evaluation.runs.entrant import Entrant

MINUTE = 60_000


def flags(n: int, *rows: int) -> np.ndarray:
    return np.isin(np.arange(n), rows)


def labels(n: int, first: int, last: int) -> np.ndarray:
    return (np.arange(n) >= first) & (np.arange(n) <= last)


def test_an_event_is_found_up_to_eight_rows_after_it_and_not_later() -> None:
    truth = labels(1000, 500, 510)
    for row, found, false in ((499, 0, 1), (500, 1, 0), (518, 1, 0), (519, 0, 1)):
        count = strict_count(truth, flags(1000, row), 100)
        assert (count.found, count.false) == (found, false), row


def test_alerts_near_one_another_are_one_and_an_endless_one_counts_every_hundred_rows() -> None:
    quiet = np.zeros(1000, bool)
    assert strict_count(quiet, flags(1000, 200, 224), 0).false == 1
    assert strict_count(quiet, flags(1000, 200, 226), 0).false == 2
    assert strict_count(quiet, np.ones(1000, bool), 0).false == 10
    assert strict_count(quiet, flags(1000, 50), 100).false == 0  # before judging begins


def test_f1_and_rate_are_of_all_series_together() -> None:
    counts = [
        strict_count(labels(1000, 500, 510), flags(1000, 505), 0),
        strict_count(labels(1000, 500, 510), flags(1000, 100), 0),
    ]
    assert strict_f1(counts) == pytest.approx(2 * 1 / (1 + 1 + 2))
    assert false_per_thousand(counts) == pytest.approx(1000 / (2 * (1000 - 11 - 8)))
    assert np.isnan(strict_f1([strict_count(np.zeros(10, bool), np.zeros(10, bool), 0)]))


def test_vus_takes_the_series_period_and_ranks() -> None:
    t = np.arange(2000)
    values = np.sin(2 * np.pi * t / 50)[:, None] + np.random.default_rng(0).normal(0, 0.1, (2000, 1))
    assert abs(vus_period(values[:, 0]) % 50 - 25) >= 23  # 50, or a multiple of it
    truth = labels(2000, 1500, 1530)
    assert vus_pr(truth, truth.astype(float), values, 500) > 0.8
    assert vus_pr(truth, np.random.default_rng(1).random(2000), values, 500) < 0.2
    assert np.isnan(vus_pr(np.zeros(2000, bool), values[:, 0], values, 500))


def write(folder: Path, text: str, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / name, "wt") as file:
        file.write(text)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    for k in range(2):
        values = rng.normal(100, 1, (2000, 2))
        values[1500 + k] += 60
        rows = [f"{i * MINUTE},{a},{b},{int(i == 1500 + k)}" for i, (a, b) in enumerate(values)]
        write(tmp_path / "outside" / "kpi", "ts,f0,f1,anomaly\n" + "\n".join(rows) + "\n", f"s-{k}__from_1000.csv.gz")
    beat = np.sin(2 * np.pi * np.arange(3000) / 40)
    beat[2401:2421] = 4.0
    text = "\n".join(str(v) for v in beat)
    write(tmp_path / "outside" / "beats", text, "001_UCR_Anomaly_beat_1000_2402_2421.txt.gz")
    return tmp_path


def test_reads_each_format(data: Path) -> None:
    beats, kpi = load_outside(data)
    assert (beats.name, beats.located, kpi.name, kpi.located) == ("beats", True, "kpi", False)
    one = kpi.recordings[0]
    assert (one.name, one.start, one.features, one.events) == ("s-0", 1000, ("f0", "f1"), (Event(1500, 1500),))
    assert one.values.shape == (2000, 2)
    assert one.interval_ms == MINUTE
    assert beats.recordings[0].events == (Event(2401, 2420),)
    assert [s.name for s in load_outside(data, ["kpi"])] == ["kpi"]


def test_what_cannot_be_read_is_named(data: Path) -> None:
    with pytest.raises(DataError, match="nothing"):
        load_outside(data, ["nothing"])
    with pytest.raises(DataError, match="no labelled set"):
        load_outside(data / "outside")
    write(data / "outside" / "odd", "time,f0\n1,2\n", "x__from_1.csv.gz")
    with pytest.raises(DataError, match="expected ts, features, anomaly"):
        load_outside(data, ["odd"])


def test_every_detector_gets_a_row_paired_with_the_first_floor(data: Path) -> None:
    beats, kpi = load_outside(data)
    found = run_set([*BASELINES, Entrant("auto", "auto")], kpi)
    by_name = {one.detector: one for one in found}
    assert by_name["auto"].f1 == 1.0
    assert by_name["rolling-z"].series[0].count.found == 1
    assert by_name["rolling-z"].f1_beyond is None
    assert by_name["auto"].f1_beyond is not None
    assert by_name["every-300-rows"].f1 < 0.5
    assert by_name["auto"].points_per_second > 0
    assert by_name["auto"].to_json()["nab"] is None
    placed = run_set([Entrant("auto", "auto"), BASELINES[2]], beats)
    assert placed[0].placed == 1.0
    assert found[0].placed is None


def test_floors_look_at_the_past_only() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(6000, 1))
    ts = np.arange(6000, dtype=np.int64) * MINUTE * 10
    changed = values.copy()
    changed[4000:] = 50.0
    for baseline in (RollingZ("z", ""), SameTimeOfDay("s", "")):
        one, other = (baseline.run(Recording("r", ts, v, ("value",), 3000)) for v in (values, changed))
        np.testing.assert_array_equal(one.deviates[:4000], other.deviates[:4000])
        assert other.deviates[4000] > 1.96
        assert not one.deviates[:3000].any()
