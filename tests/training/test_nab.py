"""Check the NAB scorer against values computed by hand, a plain implementation of the rules and known scores."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import DataError
from eddy.training.data.nab import (
    PROFILES,
    STANDARD,
    Corpus,
    LabelledSeries,
    Profile,
    load_folder,
    probation_rows,
    sigmoid,
    write_result,
)

NAB = Path(__file__).parents[2] / ".." / "shared" / "data" / "nab"
needs_nab = pytest.mark.skipif(not NAB.exists(), reason="shared NAB series are not on this machine")


def series(n: int, *windows: tuple[int, int], name: str = "group/a.csv") -> LabelledSeries:
    ts = np.arange(n, dtype=np.int64) * 300_000
    return LabelledSeries(name, tuple(str(t) for t in ts), ts, np.zeros(n), windows)


def detections(n: int, *rows: int) -> np.ndarray:
    flags = np.zeros(n, bool)
    flags[list(rows)] = True
    return flags


def by_the_rules(s: LabelledSeries, flags: np.ndarray, profile: Profile) -> float:
    """Raw score above the null detector's, row by row, as the benchmark's text says it."""
    best: dict[int, float] = {}
    total = 0.0
    for i in np.flatnonzero(flags):
        if i < probation_rows(len(flags)):
            continue
        inside = [k for k, (left, right) in enumerate(s.windows) if left <= i <= right]
        if inside:
            left, right = s.windows[inside[0]]
            x = -(right - i + 1) / (right - left + 1)
            worth = (2 / (1 + math.exp(5 * x)) - 1) / (2 / (1 + math.exp(-5)) - 1)
            best[inside[0]] = max(best.get(inside[0], -1), worth)
            continue
        before = [w for w in s.windows if w[1] < i]
        cost = 1.0
        if before:
            left, right = before[-1]
            x = (i - right) / (right - left)
            cost = 1.0 if x > 3 else -(2 / (1 + math.exp(5 * x)) - 1)
        total -= profile.fp * cost
    return total + sum(profile.tp * b + profile.fn for b in best.values())


def test_sigmoid_matches_the_values_documented_by_nab() -> None:
    assert sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert sigmoid(0.0) == 0
    assert sigmoid(1.0) == pytest.approx(-0.98661, abs=1e-5)
    assert sigmoid(3.5) == -1


@pytest.mark.parametrize(("n", "expected"), [(100, 15), (4032, 604), (5000, 750), (18050, 750)])
def test_probation_length_follows_the_nab_rule(n: int, expected: int) -> None:
    assert probation_rows(n) == expected


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_perfect_detection_scores_100_and_none_scores_0(profile: Profile) -> None:
    corpus = Corpus([series(1000, (300, 399), (600, 640)), series(500)])
    assert corpus.score([detections(1000, 300, 600), detections(500)], profile) == pytest.approx(100)
    assert corpus.score([detections(1000), detections(500)], profile) == 0


def test_only_the_first_detection_in_a_window_counts() -> None:
    corpus = Corpus([series(1000, (300, 399))])
    assert corpus.score([detections(1000, 300, *range(310, 399))]) == pytest.approx(100)


def test_false_alarm_before_any_window_costs_the_full_weight() -> None:
    corpus = Corpus([series(1000, (300, 399))])
    assert corpus.score([detections(1000, 200)]) == pytest.approx(-100 * 0.11 / 2)
    assert corpus.score([detections(1000, 200)], PROFILES[1]) == pytest.approx(-100 * 0.22 / 2)
    assert corpus.score([detections(1000, 200)], PROFILES[2]) == pytest.approx(-100 * 0.11 / 3)


def test_probation_is_not_scored() -> None:
    corpus = Corpus([series(1000, (100, 199))])
    assert corpus.score([detections(1000, 10, 120)]) == 0


def test_detection_just_after_a_window_costs_little() -> None:
    corpus = Corpus([series(1000, (300, 399))])
    cost = -corpus.score([detections(1000, 400)])
    assert cost == pytest.approx(100 * 0.11 / 2 * (1 - 2 / (1 + math.exp(5 / 99))) * 1, rel=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_score_equals_a_plain_implementation_of_the_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(1, 400), 6, replace=False))
    s = series(400, *((int(a), int(b)) for a, b in edges.reshape(3, 2)))
    flags = rng.random(400) < 0.05
    for profile in PROFILES:
        raw, _ = Corpus([s]).raw([flags], profile)
        assert raw[0] == pytest.approx(by_the_rules(s, flags, profile), abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_sweep_equals_trying_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corpus = Corpus([series(300, (100, 130), (200, 210)), series(200, (90, 120), name="group/b.csv")])
    scores = [np.round(rng.random(300), 1), np.round(rng.random(200), 1)]
    threshold, best = corpus.sweep(scores)
    tried = {t: corpus.score([s >= t for s in scores]) for t in np.unique(np.concatenate(scores))}
    assert best == pytest.approx(max(0.0, *tried.values()))
    assert corpus.score([s >= threshold for s in scores]) == pytest.approx(best)


def test_folder_of_csv_and_labels_is_read(tmp_path: Path) -> None:
    stamps = [f"2020-01-01 {h:02d}:00:00" for h in range(20)]
    (tmp_path / "data" / "g").mkdir(parents=True)
    rows = "\n".join(f"{t},{i}" for i, t in enumerate(stamps))
    (tmp_path / "data" / "g" / "a.csv").write_text(f"timestamp,value\n{rows}\n")
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"g/a.csv": [[stamps[5] + ".000000", stamps[8] + ".000000"]]}))
    (one,) = load_folder(tmp_path / "data", labels)
    assert (one.name, one.group, one.windows) == ("g/a.csv", "g", ((5, 8),))
    path = write_result(tmp_path / "out", "mine", one, np.linspace(0, 1, 20))
    assert path == tmp_path / "out" / "mine" / "g" / "mine_a.csv"
    with path.open() as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == ["timestamp", "value", "anomaly_score", "label"]
    assert [r["label"] for r in written[4:10]] == ["0", "1", "1", "1", "1", "0"]
    with pytest.raises(DataError, match="outside"):
        write_result(tmp_path / "out", "mine", one, np.full(20, 1.5))


def test_unusable_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no CSV file"):
        load_folder(tmp_path)
    (tmp_path / "a.csv").write_text("time,value\n1,2\n")
    with pytest.raises(DataError, match="timestamp,value"):
        load_folder(tmp_path)


@needs_nab
def test_shared_series_and_a_fixed_detection_pattern_give_the_known_score() -> None:
    corpus = Corpus(load_folder(NAB / "data", NAB / "labels" / "combined_windows.json"))
    assert (len(corpus.series), corpus.windows) == (24, 53)
    every_300 = [np.arange(len(s.values)) % 300 == 0 for s in corpus.series]
    assert corpus.score(every_300, STANDARD) == pytest.approx(17.5, abs=0.1)


@pytest.mark.parametrize(
    ("row", "said"),
    [("yesterday,1", "line 3: time stamp 'yesterday'"), ("2020-01-01 01:00:00,x", "line 3: value 'x'"),
     ("2020-01-01 01:00:00", "line 3: the row has no value"), ("2020-01-01 01:00:00,inf", "line 3: the value is inf")],
)  # fmt: skip
def test_bad_row_is_named(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(f"timestamp,value\n2020-01-01 00:00:00,1\n{row}\n")
    with pytest.raises(DataError, match=said):
        load_folder(tmp_path)
