"""Run the evaluation commands on small series made here and, if present, on the shared ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eddy.errors import DataError, SettingsError
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.nab import Corpus, LabelledSeries, load_folder, probation_rows
from eddy.training.data.recording import Recording
from eddy.training.data.ucr import load_ucr
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.lineup import LINEUP, entrants
from eddy.training.evaluation.runs.nab import leave_one_group_out, run_entrant, to_unit
from eddy.training.evaluation.runs.ucr import locate
from eddy.training.fitting.causal_run import CausalRun, causal_run

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
NAB, UCR = SHARED / "nab", SHARED / "ucr"
needs_nab = pytest.mark.skipif(not NAB.exists(), reason="shared NAB series are not on this machine")
needs_ucr = pytest.mark.skipif(not UCR.exists(), reason="shared UCR series are not on this machine")


def labelled(name: str, seed: int, at: int) -> LabelledSeries:
    n = 1200
    rng = np.random.default_rng(seed)
    values = np.sin(np.arange(n) * 2 * np.pi / 24) + rng.normal(0, 0.1, n)
    values[at] = 6
    ts = np.arange(n, dtype=np.int64) * 3_600_000
    stamps = tuple(str(np.datetime64(int(t), "ms")).replace("T", " ")[:19] for t in ts)
    return LabelledSeries(name, stamps, ts, values, ((at - 20, at + 20),))


def write(folder: Path, series: LabelledSeries) -> None:
    path = folder / series.name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"{t},{v}" for t, v in zip(series.timestamps, series.values, strict=True))
    path.write_text(f"timestamp,value\n{rows}\n")


@pytest.mark.slow
def test_evaluate_nab_command_writes_results_and_ranks_detectors(tmp_path: Path) -> None:
    made = [labelled("one/a.csv", 0, 800), labelled("two/b.csv", 1, 900)]
    for s in made:
        write(tmp_path / "data", s)
    labels = {s.name: [[s.timestamps[left], s.timestamps[right]] for left, right in s.windows] for s in made}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    command = [sys.executable, "-c", "from eddy.cli.main import main; main()", "evaluate", "nab", "--json"]
    for option, value in (("data", "data"), ("labels", "labels.json"), ("out", "out")):
        command += [f"--{option}", str(tmp_path / value)]
    done = subprocess.run(
        [*command, "--detector", "novelty", "--detector", "zscore"], capture_output=True, text=True, check=True
    )
    results = {r["detector"]: r for r in json.loads(done.stdout)}
    assert results["novelty"]["found"] == 2
    assert results["novelty"]["shipped"]["standard"] > 80
    written = np.genfromtxt(tmp_path / "out" / "novelty" / "two" / "novelty_b.csv", delimiter=",", skip_header=1)
    assert written.shape == (1200, 4)
    assert written[:, 2].min() >= 0
    assert written[:, 2].max() <= 1
    assert int(np.argmax(written[:, 2])) == 900
    failed = subprocess.run([*command, "--detector", "nowelty"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "nowelty" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("entrant", LINEUP, ids=lambda e: e.name)
def test_every_entrant_uses_only_the_past(entrant) -> None:
    series = labelled("one/a.csv", 0, 800)
    if not entrant.kind:
        pytest.skip("looks at nothing")
    cut = 1000  # what comes later must not change what was said before; probation stays that of the whole series
    changed = series.values.copy()
    changed[cut:] = 100
    other = LabelledSeries(series.name, series.timestamps, series.ts, changed, series.windows)
    if entrant.kind.startswith("lstm"):  # how long it trains has nothing to do with what it sees
        entrant = replace(entrant, params={**entrant.params, "epochs": 1, "windows_per_epoch": 200})
    said = entrant.deviates(series)
    np.testing.assert_array_equal(said[:cut], entrant.deviates(other)[:cut])
    assert not said[: probation_rows(1200)].any()


def test_unit_scale_maps_the_limit_to_one_half() -> None:
    unit = to_unit(np.array([0.0, DEFAULT_LIMIT, 1e9, np.nan, np.inf]))
    assert unit[1] == pytest.approx(0.5)
    assert ((unit >= 0) & (unit <= 1)).all()


def test_leave_one_group_out_tunes_on_the_other_groups() -> None:
    made = [labelled("one/a.csv", 0, 800), labelled("two/b.csv", 1, 900)]
    scores = [np.zeros(1200), np.zeros(1200)]
    scores[0][780], scores[1][880] = 5.0, 3.0  # the first group's best threshold, 5, misses the second group
    assert leave_one_group_out(Corpus(made), scores) == pytest.approx(50)


def test_an_alert_that_lasts_is_scored_once_where_it_opens() -> None:
    class Lasting(Entrant):
        def run(self, recording: Recording, seed: int = 0) -> CausalRun:
            deviates, opened = np.zeros(1200), np.zeros(1200, bool)
            deviates[400:500], opened[400] = 5.0, True  # every row of the incident is above the limit
            return CausalRun(deviates, deviates, np.full(1200, DEFAULT_LIMIT), opened=opened)

    result = run_entrant(Lasting("lasting", ""), Corpus([labelled("one/a.csv", 0, 800)])).result
    assert (result.alerts, result.false_rows, result.found) == (1, 1, 0)


def test_unknown_detectors_and_short_series_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown"):
        entrants(["nope"])
    with pytest.raises(DataError):
        causal_run("novelty", np.arange(30), np.zeros((30, 1)), 4, {}, WindowSpec(1))


@pytest.mark.slow
@needs_nab
def test_novelty_and_auto_reach_their_nab_scores_on_the_shared_series() -> None:
    corpus = Corpus(load_folder(NAB / "data", NAB / "labels" / "combined_windows.json"))
    assert run_entrant(entrants(["auto"])[0], corpus).result.shipped["standard"] > 79
    result = run_entrant(entrants(["novelty"])[0], corpus).result
    assert result.tuned["standard"][1] > 82
    assert result.tuned["reward_low_FP_rate"][1] > 75
    assert result.tuned["reward_low_FN_rate"][1] > 85
    assert result.shipped["standard"] > 74
    assert result.held_out > 80
    assert result.per_series["realKnownCause/nyc_taxi.csv"] > 90


@pytest.mark.slow
@needs_nab
def test_default_detector_finds_all_taxi_anomalies_with_one_false_row_at_most() -> None:
    series = [s for s in load_folder(NAB / "data", NAB / "labels" / "combined_windows.json") if "taxi" in s.name]
    for name in ("auto", "novelty"):
        result = run_entrant(entrants([name])[0], Corpus(series)).result
        assert (result.found, result.windows) == (5, 5), name
        assert result.false_rows <= 1
        assert result.shipped["standard"] > 90


@pytest.mark.slow
@needs_ucr
def test_left_discord_locates_the_shared_ucr_anomalies() -> None:
    paths = sorted(UCR.glob("*.txt"))
    assert len(paths) == 2
    [left_discord] = entrants(["left-discord"])
    assert all(locate(load_ucr(path), left_discord).right for path in paths)


@pytest.mark.slow
def test_evaluate_ucr_command_locates_and_reports(tmp_path: Path) -> None:
    values = labelled("one/a.csv", 0, 800).values
    (tmp_path / "001_UCR_Anomaly_made_600_801_801.txt").write_text("\n".join(map(str, values)))
    command = [sys.executable, "-c", "from eddy.cli.main import main; main()", "evaluate", "ucr", "--json"]
    command += ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--detector", "zscore"]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)[0]
    assert answer["right"]
    assert (answer["found"], answer["first"]) == (800, 800)
    assert json.loads((tmp_path / "out" / "results.json").read_text())[0]["located"] == [answer]
    assert "001_UCR_Anomaly_made" in (tmp_path / "out" / "report.html").read_text()


def test_ucr_file_name_must_hold_the_split(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 2 3")
    with pytest.raises(DataError, match="name"):
        load_ucr(tmp_path / "a.txt")
