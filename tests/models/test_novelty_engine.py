"""Check that the default detector scores in the engine as it does offline."""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Series, WindowSpec
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.models.engine.engine import Engine, EngineOptions
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from eddy.training.fitting.fit import fit_model

STEP_MS = 3_600_000


def test_engine_scores_equal_offline_scores() -> None:
    n, start = 900, 300
    rng = np.random.default_rng(0)
    ts = np.arange(n, dtype=np.int64) * STEP_MS
    values = (np.sin(np.arange(n) * 2 * np.pi / 24) + rng.normal(0, 0.05, n))[:, None]
    values[700] = 5
    head = Series("a", ts[:start], values[:start], np.zeros(start, bool))
    trained = fit_model("m", "novelty", [head], WindowSpec(60))
    assert trained.manifest.threshold["detector_limit"] == DEFAULT_LIMIT
    model = load_model(trained.manifest, trained.content)
    models = ModelSet()
    models.put(trained.manifest, lambda _: trained.content)
    engine = Engine(models, EngineOptions(report_scores=True))
    engine.adopt_models()
    scores = []
    for part in np.array_split(np.arange(start, n), 7):
        slots = engine.slots(["a"] * len(part))
        result = engine.process(slots, ts[part], values[part], 0, final=True)
        scores += [s for _, _, _, each, _ in result.scores for s in each]
    offline = model.detector.score_series("a", ts[start:], values[start:])
    np.testing.assert_array_equal(np.array(scores), offline)
    assert int(np.argmax(scores)) == 400
