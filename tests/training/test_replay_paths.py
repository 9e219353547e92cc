"""Check that every way to replay data says what the job says, on series with gaps, repeats, disorder and odd times."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eddy.alert import Alert
from eddy.flink_job.wire.frames import ALERTS
from eddy.models.core.detector import Floats, Ints, WindowSpec
from eddy.models.engine.options import alerting_options
from eddy.models.serving.loaded_model import LoadedModel, load_model
from eddy.settings import Settings
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.evaluation.backtest import Found, incidents_of, would_have
from eddy.training.evaluation.predictions import write_predictions
from eddy.training.fitting.causal_run import NAME, CausalRun, causal_run
from eddy.training.notebook.frame_replay import score_frame
from eddy.training.notebook.frames import read_frame
from tests.flink_job.frame_bytes import NOW
from tests.flink_job.shard_harness import Harness, observation
from tests.models.small_models import manifest, model_set

STEP, HEAD, WINDOW = 60_000, 300, 8
SPEC = WindowSpec(WINDOW, interval_ms=STEP)
PARAMS: dict[str, Mapping[str, Any]] = {
    "auto": {},
    "novelty": {},
    "zscore": {},
    "isolation-forest": {"trees": 10, "samples": 64},
    "ensemble": {"members": [{"kind": "zscore"}, {"kind": "left-discord", "params": {"period": 6, "past": 60}}]},
}
STEPS = st.sampled_from(["next"] * 12 + ["early", "late", "short gap", "long gap", "repeat"])
VALUES = st.sampled_from(["usual"] * 8 + ["spike", "missing"])
#: of the job: longer than any disorder here, so that nothing is late in it
SETTINGS = Settings.model_validate({"job": {"out_of_orderness_ms": 30 * STEP}})


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[Ints, Floats]:
    """(ts, values) in order of arrival, the clean head first."""
    rng = np.random.default_rng(7)
    head = NOW + STEP * np.arange(HEAD, dtype=np.int64)
    ts, values = head.tolist(), rng.normal(20.0, 1.0, HEAD).tolist()
    for kind, value in draw(st.lists(st.tuples(STEPS, VALUES), min_size=30, max_size=120)):
        ahead = {"early": 0.8, "late": 1.3, "short gap": 4.0, "long gap": 70.0, "repeat": 0.0}.get(kind, 1.0)
        ts.append(ts[-1] + int(ahead * STEP))
        values.append({"spike": 60.0, "missing": np.nan}.get(value, float(rng.normal(20.0, 1.0))))
    order = np.arange(len(ts))
    for at in draw(st.lists(st.integers(HEAD, len(ts) - 2), max_size=10)):
        if abs(ts[order[at + 1]] - ts[order[at]]) <= SETTINGS.job.out_of_orderness_ms:  # else one is late or far ahead
            order[[at, at + 1]] = order[[at + 1, at]]
    return np.array(ts, np.int64)[order], np.array(values)[order]


@cache
def options() -> Any:
    return alerting_options(SETTINGS)


def evaluated(kind: str, ts: Ints, values: Floats) -> CausalRun:
    """As ``eddy evaluate csv`` does, which takes a file's rows in order of time and of equal times the first."""
    return causal_run(kind, ts, values[:, None], HEAD, PARAMS[kind], SPEC, gaps=True)


def in_order(ts: Ints, values: Floats) -> tuple[Ints, Floats]:
    times, first = np.unique(ts, return_index=True)
    return times, values[first]


def in_job(model: LoadedModel, ts: Ints, values: Floats, frame: int) -> list[Found]:
    shard = Harness(model_set(model.manifest), engine=replace(options(), cold=None))
    sent = []
    for begin in range(0, len(ts), frame):
        part = zip(ts[begin : begin + frame].tolist(), values[begin : begin + frame].tolist(), strict=True)
        sent += shard.send(*[observation(NAME, t, None if np.isnan(x) else x) for t, x in part])
    sent += shard.end(1) + shard.end(2)
    return incidents([Alert.from_json(one.value or b"") for one in sent if one.role == ALERTS])


def incidents(alerts: list[Alert]) -> list[Found]:
    return sorted(incidents_of(alerts, 0, 1 << 60), key=lambda one: one.start)


@pytest.mark.parametrize("kind", PARAMS)
@given(arrivals(), st.sampled_from([1, 7, 1000]))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_path_says_what_the_job_says(kind: str, arrived: tuple[Ints, Floats], frame: int) -> None:
    run = evaluated(kind, *in_order(*arrived))
    assert run.detector is not None
    limit = run.detector.default_limit or 2.0
    published = manifest("m", run.detector, limit=limit, interval_ms=STEP, series=(NAME,))
    model = load_model(published, published.inline_artifact() or b"")
    begin = in_order(*arrived)[0][run.begin]
    ts, values = (part[arrived[0] >= begin] for part in arrived)
    data = Dataset(("value",), (RawSeries(NAME, ts, values[:, None]),))
    job = in_job(model, ts, values, frame)
    tested = would_have(published, published.inline_artifact() or b"", data, options(), 0, 1 << 60)
    assert sorted(tested, key=lambda one: one.start) == job
    times, known = in_order(ts, values)
    frame_of = pd.DataFrame({"time": pd.to_datetime(times, unit="ms", utc=True), "series": NAME, "value": known})
    noted = score_frame(model, read_frame(frame_of), SETTINGS)
    assert incidents(noted.alerts) == job
    expected = dict(zip(*(part.tolist() for part in (in_order(*arrived)[0], run.raw)), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "predictions.csv"
        write_predictions(model, data, out, options())
        rows = list(csv.DictReader(out.open()))
    assert {int(row["ts"]) for row in rows} <= set(times.tolist()), "no point that nobody measured"
    said = {int(row["ts"]): float(row["score"]) if row["score"] else np.nan for row in rows}
    for scores in (said, dict(zip(times.tolist(), noted.score.tolist(), strict=True))):
        found = [scores.get(t, np.nan) for t in times.tolist()]
        np.testing.assert_allclose(found, [expected[t] for t in times.tolist()], rtol=1e-6, atol=1e-9)
