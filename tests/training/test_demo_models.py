"""Run the demo's models on a small labelled stream through the job's engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet
from eddy.producers.synthetic import generate_small
from eddy.training.fitting.demo_models import train_demo

GRACE_POINTS = 12  # an alert just after an incident is about its end
MIN_FOUND, MAX_FALSE = 7, 4  # of 8 incidents, on half the training data that the demo has


def test_demo_models_find_most_incidents_with_few_false_alerts(tmp_path: Path) -> None:
    stream = generate_small()
    shares: list[float] = []
    trained = train_demo(stream, tmp_path, lambda what, share: shares.append(share))
    assert [m.name for m, _ in trained] == ["market", "taxi"]
    assert shares == sorted(shares)
    assert (tmp_path / "taxi" / "loss.png").exists()
    models = ModelSet()
    contents = {manifest.name: content for manifest, content in trained}
    for manifest, _ in trained:
        models.put(manifest, lambda m: contents[m.name])
    live = stream.live
    alerts = replay(models, EngineOptions(), stream.names, live.series.astype(np.int64), live.ts, live.values[:, None])
    incidents = {a.id: a for a in alerts if a.kind == "incident"}.values()
    found, false = set(), 0
    for a in incidents:
        hits = [
            label
            for label in stream.labels
            if label.series == a.series
            and a.start <= label.end + GRACE_POINTS * stream.intervals[a.series]
            and a.end >= label.start
        ]
        found.update(hits)
        false += not hits
    assert len(found) >= MIN_FOUND, [label for label in stream.labels if label not in found]
    assert false <= MAX_FALSE
