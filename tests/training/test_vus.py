"""Check VUS against the figures of the authors' own package (vus 0.0.6, RangeAUC_volume_opt, 250 thresholds)."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.training.evaluation.metrics.vus import range_auc, soft_labels, spans, volumes


def made() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.zeros(2000, bool)
    labels[300:340] = labels[900:960] = labels[1500:1505] = True
    return labels, rng.random(2000) + labels * 0.5 + np.roll(labels, 10) * 0.3


def test_vus_equals_the_authors_code() -> None:
    labels, scores = made()
    found = volumes(labels, scores, 50)
    assert found.roc == pytest.approx(0.9767791245516526, abs=1e-12)
    assert found.pr == pytest.approx(0.8522878813993786, abs=1e-12)


def test_spans_and_soft_labels_match_values_computed_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1, 0, 0, 0, 1], bool)
    assert spans(labels) == [(3, 4), (8, 8)]
    soft = soft_labels(labels, 2)
    np.testing.assert_allclose(soft, [0, 0, 0.5**0.5, 1, 1, 0.5**0.5, 0, 0.5**0.5, 1])
    np.testing.assert_array_equal(soft_labels(labels, 0), labels)


def test_range_auc_of_perfect_scores_is_close_to_1() -> None:
    labels, _ = made()
    found = range_auc(labels, labels + 0.0, 0)
    assert found.roc > 0.99
    assert range_auc(labels, 1.0 - labels, 0).roc < 0.2
