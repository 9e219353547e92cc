"""Check that the peers' detectors give Eddy's scores; otherwise their alerts could not be compared."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.measuring.workload import START, STEP_MS, Workload
from benchmarks.peers.detectors import RunningZScore, load
from benchmarks.peers.export import batch_of, export
from benchmarks.peers.windows import BatchScorer

WINDOWS = 500


@pytest.mark.parametrize(("kind", "tolerance"), [("Z", 1e-9), ("F", 1e-6)])
def test_peer_scores_equal_eddy_scores(kind, tolerance, tmp_path):
    work = Workload(kind, series=60)  # a third of them not seen in training
    detector = export(work, *work.model(), tmp_path)
    batch, binding = batch_of(detector, work, WINDOWS)
    peer = load(tmp_path)
    np.testing.assert_allclose(peer.score(batch.values[:, :, 0], binding), detector.score(batch), atol=tolerance)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_peer_alerts_do_not_depend_on_batch_size(size, tmp_path):
    work = Workload("Z", events=6_000, series=7)
    export(work, *work.model(), tmp_path)
    detector = load(tmp_path)
    names, values = work.names(), work.values(0, work.events)
    series = [names[i % work.series] for i in range(work.events)]
    ts = START + np.arange(work.events) // work.series * STEP_MS
    running = {name: RunningZScore(work.window) for name in names}
    scores = [running[name].add(value) for name, value in zip(series, values.tolist(), strict=True)]
    expected = [(s, int(t)) for s, t, score in zip(series, ts, scores, strict=True) if score and score > detector.limit]
    scorer = BatchScorer(detector)
    parts = [slice(i, i + size) for i in range(0, work.events, size)]
    found = [a[:2] for p in parts for a in scorer.score_batch(series[p], ts[p], values[p])]
    assert len(expected) > 3
    assert sorted(found) == sorted(expected)
