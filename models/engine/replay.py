"""Run the engine over recorded data: the alerts that the job would have made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.alert import Alert
from eddy.models.alerting.grouping import IncidentGrouper
from eddy.models.core.detector import Floats, Ints
from eddy.models.engine.engine import Engine, EngineOptions
from eddy.models.serving.model_set import ModelSet


def replay(
    models: ModelSet,
    options: EngineOptions,
    names: Sequence[str],
    codes: Ints,
    ts: Ints,
    values: Floats,
    batch: int = 8192,
) -> list[Alert]:
    """Return the alerts of observations in order of arrival, groups included; ``detected_at`` is 0 in all of them.

    Args:
        models: the models; ``models.columns`` says what the columns of ``values`` are.
        options: as in the job.
        names: series ids; ``codes`` (n,) says which each observation is of.
        ts: (n,) epoch ms.
        values: (n, C).
        batch: observations handled at once; changes nothing but speed.
    """
    engine = Engine(models, options)
    engine.adopt_models()
    slots = engine.slots(names)[np.asarray(codes, np.int64)]
    ts = np.asarray(ts, np.int64)
    alerts: list[Alert] = []
    groups = IncidentGrouper(options.alerts)
    for start in range(0, len(slots), batch):
        part = slice(start, start + batch)
        found = engine.process(slots[part], ts[part], values[part], 0).alerts
        alerts += [*found, *groups.take(found, 0)]
    empty = np.zeros(0, np.int64)
    found = engine.process(empty, empty, np.zeros((0, len(models.columns))), 0, final=True).alerts
    return [*alerts, *found, *groups.take(found, 0)]
