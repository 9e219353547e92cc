"""Check event-wise, row-wise and point-adjusted figures against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.metrics.event_metrics import event_metrics, match_events
from eddy.training.evaluation.metrics.point_adjusted import WARNING, adjusted_f1, best_adjusted_f1, point_adjusted
from eddy.training.evaluation.metrics.pointwise import pointwise, roc_auc
from eddy.training.evaluation.metrics.summary import figures
from eddy.training.fitting.causal_run import CausalRun

HOUR_MS = 3_600_000


def recording(n: int, *events: Event, start: int = 0, name: str = "s") -> Recording:
    return Recording(name, np.arange(n, dtype=np.int64) * HOUR_MS, np.zeros((n, 1)), ("value",), start, events)


def flags(n: int, *rows: int) -> np.ndarray:
    out = np.zeros(n, bool)
    out[list(rows)] = True
    return out


def test_event_figures_match_values_computed_by_hand() -> None:
    # judged: rows 24 to 72, two days; the first event is found 2 rows late, the second missed; two false alerts
    made = recording(73, Event(30, 34, "spike"), Event(50, 52, "frozen"), start=24)
    found = event_metrics([made], [flags(73, 3, 32, 33, 40, 60, 61)])
    assert (found.events, found.found, found.alerts, found.false) == (2, 1, 3, 2)
    assert found.recall == 0.5
    assert found.precision == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx(0.4)
    assert found.false_per_day == pytest.approx(1.0)
    assert found.false_per_thousand == pytest.approx(1000 * 2 / 49)
    assert (found.median_delay, found.median_delay_minutes) == (2.0, 120.0)
    assert found.by_kind == {"spike": (1, 1), "frozen": (0, 1)}


def test_detection_within_the_grace_period_counts_and_later_ones_are_false() -> None:
    made = recording(40, Event(10, 12))
    assert match_events(made, flags(40, 14), grace=2).first == (14,)
    assert match_events(made, flags(40, 15), grace=2).first == (-1,)
    assert match_events(made, flags(40, 15), grace=2).false == (True,)


def test_ratios_are_nan_without_labels_and_alerts() -> None:
    none = event_metrics([recording(20)], [flags(20)])
    assert math.isnan(none.recall)
    assert math.isnan(none.precision)
    assert math.isnan(none.f1)
    assert event_metrics([recording(20, Event(3, 4))], [flags(20, 10)]).f1 == 0.0


def test_pointwise_figures_match_values_computed_by_hand() -> None:
    truth, flagged = flags(10, 2, 3, 4, 5), flags(10, 4, 5, 6)
    found = pointwise(truth, flagged)
    assert found.confusion == (5, 1, 2, 2)
    assert found.accuracy == pytest.approx(0.7)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(0.5)
    assert found.specificity == pytest.approx(5 / 6)
    assert found.f1 == pytest.approx(4 / 7)
    assert "anomaly" in found.report
    assert math.isnan(pointwise(flags(5), flags(5)).recall)


def test_roc_auc_matches_values_computed_by_hand() -> None:
    assert roc_auc(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])) == pytest.approx(0.75)
    assert roc_auc(flags(3, 2), np.array([0.2, np.nan, 0.3])) == 1.0
    assert math.isnan(roc_auc(flags(3), np.zeros(3)))


def test_point_adjusted_f1_matches_values_computed_by_hand() -> None:
    truth = flags(20, *range(5, 15))
    assert adjusted_f1(truth, flags(20, 9)) == 1.0
    assert adjusted_f1(truth, flags(20, 9, 0)) == pytest.approx(2 * 10 / 21)
    assert adjusted_f1(truth, flags(20, 0)) == 0.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_best_point_adjusted_f1_equals_trying_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truths = [rng.random(60) < 0.2, rng.random(50) < 0.1]
    truths[0][7] = True
    scores = [np.round(rng.random(60), 1), np.round(rng.random(50), 1)]
    truth = np.concatenate([np.append(t, False) for t in truths])
    score = np.concatenate([np.append(s, -1) for s in scores])
    tried = [adjusted_f1(truth, score >= limit) for limit in np.unique(np.concatenate(scores))]
    assert best_adjusted_f1(truths, scores) == pytest.approx(max(tried))


def test_point_adjusted_figure_reports_how_well_random_scores_do() -> None:
    truth = np.zeros(4000, bool)
    truth[1000:1400] = truth[2500:2900] = True
    found = point_adjusted([truth], [np.zeros(4000)])
    assert found.random > 0.9  # noise, on events of a tenth of the series
    assert found.f1 < found.random
    assert "random" in WARNING


def test_all_figures_are_computed_and_serialised() -> None:
    made = recording(400, Event(200, 219), start=50)
    scores = np.zeros(400)
    scores[205], scores[300] = 5.0, 1.0
    run = CausalRun(scores, scores, np.full(400, 1.96))
    found = figures([made, recording(400, start=50, name="quiet")], [run, CausalRun.silent(400, "too short")])
    assert (found.events.found, found.events.false) == (1, 0)
    assert found.rows.confusion == (680, 0, 19, 1)
    assert found.roc_auc == pytest.approx(1 / 20 + 19 / 20 * 0.5 * 329 / 330)  # ties count half
    plain = found.to_json()
    assert plain["point_adjusted"]["warning"] == WARNING
    assert plain["events"]["recall"] == 1.0
    assert plain["per_series"]["s"]["vus_roc"] > 0.5
    assert math.isnan(plain["per_series"]["quiet"]["vus_pr"])
