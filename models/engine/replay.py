"""Run the engine over recorded data: the alerts that the job would have made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from eddy.alert import Alert
from eddy.models.alerting.grouping import IncidentGrouper
from eddy.models.core.detector import Floats, Ints
from eddy.models.engine.engine import BatchResult, Engine, EngineOptions
from eddy.models.serving.model_set import ModelSet


def replay(
    models: ModelSet,
    options: EngineOptions,
    names: Sequence[str],
    codes: Ints,
    ts: Ints,
    values: Floats,
    batch: int = 8192,
    follow: Callable[[Engine, BatchResult], None] | None = None,
) -> list[Alert]:
    """Return the alerts of observations in order of arrival, groups included; ``detected_at`` is 0 in all of them.

    Args:
        models: the models; ``models.columns`` says what the columns of ``values`` are.
        options: as in the job.
        names: series ids; ``codes`` (n,) says which each observation is of.
        ts: (n,) epoch ms.
        values: (n, C).
        batch: observations handled at once; changes nothing but speed.
        follow: called with the engine and what each batch led to, for whoever wants scores or points besides.
    """
    engine = Engine(models, options)
    engine.adopt_models()
    slots = engine.slots(names)[np.asarray(codes, np.int64)]
    ts = np.asarray(ts, np.int64)
    alerts: list[Alert] = []
    groups = IncidentGrouper(options.alerts)
    for start in range(0, len(slots), batch):
        part = slice(start, start + batch)
        result = engine.process(slots[part], ts[part], values[part], 0)
        alerts += [*result.alerts, *groups.take(result.alerts, 0)]
        if follow is not None:
            follow(engine, result)
    empty = np.zeros(0, np.int64)
    result = engine.process(empty, empty, np.zeros((0, len(models.columns))), 0, final=True)
    if follow is not None:
        follow(engine, result)
    return [*alerts, *result.alerts, *groups.take(result.alerts, 0)]
