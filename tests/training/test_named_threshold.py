"""Check that evaluation with a named threshold flags what a model trained with that threshold would."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from eddy.cli.evaluate import command as evaluate
from eddy.cli.main import root
from eddy.errors import SettingsError
from eddy.models.catalog import threshold_from_params
from eddy.models.core.detector import Series
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.runs.lineup import entrants
from eddy.training.evaluation.runs.named_threshold import with_threshold
from eddy.training.fitting.fit import ThresholdRule, fit_model

START = 900


def recording() -> Recording:
    rng = np.random.default_rng(4)
    values = rng.normal(0, 1, 2000)
    values[1500:1503] = 12
    ts = 1_735_689_600_000 + np.arange(2000, dtype=np.int64) * 60_000
    return Recording("made", ts, values[:, None], ("value",), START, (Event(1500, 1502),))


@pytest.mark.parametrize(
    ("name", "params"), [("percentile", {"q": 98}), ("tail", {}), ("spot", {}), ("conformal", {"alpha": 0.02})]
)
def test_named_threshold_flags_the_rows_of_a_trained_model(name: str, params: dict[str, float]) -> None:
    one, rule = recording(), ThresholdRule(name, params=params)
    [zscore] = entrants(["zscore"])
    entrant = with_threshold(zscore, rule)
    assert entrant.name == f"zscore-{name}"
    run = entrant.run(one)
    head = Series("series", one.ts[:START], one.values[:START], np.zeros(START, bool))
    trained = fit_model("made", "zscore", [head], zscore.spec(one), rule=rule)
    threshold = threshold_from_params(trained.manifest.threshold)
    state, flagged = threshold.initial_state(1), np.zeros(len(one.ts), bool)
    for t in range(START, len(one.ts)):
        flagged[t] = run.raw[t] > threshold.limits(run.raw[t : t + 1], threshold.bind(["series"]), state)[0]
    assert flagged[1500]
    assert not flagged.all()
    np.testing.assert_array_equal(run.deviates >= DEFAULT_LIMIT, flagged)


def test_unusable_threshold_is_refused_before_the_run() -> None:
    [zscore] = entrants(["zscore"])
    with pytest.raises(SettingsError, match="labels"):
        with_threshold(zscore, ThresholdRule("f-beta"))
    with pytest.raises(SettingsError, match="'spott' is unknown"):
        with_threshold(zscore, ThresholdRule("spott"))
    with pytest.raises(SettingsError, match="'levl'"):
        with_threshold(zscore, ThresholdRule("spot", params={"levl": 1}))
    [floor] = entrants(["uniform-noise"])
    assert with_threshold(floor, ThresholdRule("spot")) is floor


def test_evaluate_command_takes_a_threshold(tmp_path: Path) -> None:
    one = recording()
    rows = "\n".join(f"{int(t) // 1000},{v}" for t, v in zip(one.ts, one.values[:, 0], strict=True))
    (tmp_path / "made.csv").write_text(f"time,value\n{rows}\n")
    labels = {"labels": [{"series": "made", "start": int(one.ts[1500]), "end": int(one.ts[1502])}]}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    arguments = [
        "evaluate",
        "csv",
        "--data",
        str(tmp_path / "made.csv"),
        "--labels",
        str(tmp_path / "labels.json"),
        "--json",
    ]
    arguments += ["--detector", "zscore", "--start-share", "0.45", "--threshold"]
    app = typer.Typer()
    app.callback()(root)
    evaluate.register(app)
    result = CliRunner().invoke(app, [*arguments, "max", "--threshold-param", "factor=1.5"])
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)
    assert (found["detector"], found["events"]["found"]) == ("zscore-max", 1)
    wrong = CliRunner().invoke(app, [*arguments, "nothing"])
    assert isinstance(wrong.exception, SettingsError)
