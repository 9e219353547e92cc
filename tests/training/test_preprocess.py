from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import DataError, SettingsError
from eddy.models.core.detector import WindowSpec
from eddy.training.data import datasets
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.data.inspection import inspect
from eddy.training.data.preprocess import moments, prepare, split

MINUTE = 60_000


def raw(values: list[float] | np.ndarray, name: str = "a", step: int = MINUTE) -> RawSeries:
    return RawSeries(name, np.arange(len(values), dtype=np.int64) * step, np.asarray(values, float).reshape(-1, 1))


def spec(window: int, stride: int = 1, **fields: object) -> WindowSpec:
    return WindowSpec(window, stride, ("value",), MINUTE, **fields)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 400),
    window=st.integers(1, 40),
    stride=st.integers(1, 7),
    train=st.floats(0.05, 0.9),
    validation=st.floats(0, 0.5),
)
def test_split_parts_do_not_overlap_and_windows_are_counted(
    n: int, window: int, stride: int, train: float, validation: float
) -> None:
    validation = min(validation, 1 - train)
    rows = split(n, window, train, validation)
    lengths = [max(part.stop - part.start, 0) for part in rows.values()]
    data = Dataset(("value",), (raw(np.arange(n)),))
    if lengths[0] < window:
        with pytest.raises(DataError, match="no training window"):
            prepare(data, spec(window, stride), train=train, validation=validation)
        return
    prepared = prepare(data, spec(window, stride), train=train, validation=validation, scaling="none")
    for part, length in zip(prepared.parts.values(), lengths, strict=True):
        assert len(part.ends) == max((length - window) // stride + 1, 0) if length >= window else not len(part.ends)
        if len(part.ends):
            np.testing.assert_array_equal(part.values[:, -1, 0], part.ends / MINUTE)  # value = minute
            assert (np.diff(part.ends) == stride * MINUTE).all()
    used = [part for part in prepared.parts.values() if len(part.ends)]
    for before, after in pairwise(used):
        assert after.starts.min() - before.ends.max() > window * MINUTE


def test_scaling_uses_only_the_training_part() -> None:
    values = np.sin(np.arange(300) / 5.0)
    changed = values.copy()
    changed[180:] = 1e6
    for scaling in ("minmax", "standard", "robust"):
        one, other = (prepare(Dataset(("value",), (raw(v),)), spec(10), scaling=scaling) for v in (values, changed))
        np.testing.assert_array_equal(one.parts["train"].values, other.parts["train"].values)
        np.testing.assert_array_equal(one.spread, other.spread)
    low, high = one.parts["train"].values.min(), one.parts["train"].values.max()
    minmax = prepare(Dataset(("value",), (raw(values),)), spec(10)).parts["train"].values
    assert (minmax.min(), minmax.max()) == (0, 1)
    assert low < 0 < high


def test_moments_match_values_computed_by_hand() -> None:
    values = np.array([[1.0, 7.0], [2.0, 7.0], [np.nan, 7.0], [3.0, 7.0], [6.0, 7.0]])
    assert [m.tolist() for m in moments(values, "minmax")] == [[1, 7], [5, 1]]
    assert [m.tolist() for m in moments(values, "none")] == [[0, 0], [1, 1]]
    np.testing.assert_allclose(moments(values, "standard"), np.array([[3, 7], [np.std([1, 2, 3, 6]), 1]]))
    np.testing.assert_allclose(moments(values, "robust"), [[2.5, 7], [2.0, 1]])
    with pytest.raises(SettingsError, match="'max' is unknown"):
        prepare(Dataset(("value",), (raw([1, 2]),)), spec(1), scaling="max")  # type: ignore[arg-type]


def test_gap_policy_applies_and_missing_values_drop_their_windows() -> None:
    ts = np.array([0, 1, 2, 5, 6, 7, 8, 9], np.int64) * MINUTE
    data = Dataset(("value",), (RawSeries("a", ts, np.arange(8.0)[:, None]),))
    filled = prepare(data, spec(3, gap_policy="linear"), scaling="none", train=1.0, validation=0.0).parts["train"]
    assert filled.values[2, :, 0].tolist() == pytest.approx([2, 2 + 1 / 3, 2 + 2 / 3])
    assert filled.imputed[2].tolist() == [False, True, True]
    broken = prepare(data, spec(3, gap_policy="break"), scaling="none", train=1.0, validation=0.0).parts["train"]
    assert broken.values[:, :, 0].tolist() == [[0, 1, 2], [3, 4, 5], [4, 5, 6], [5, 6, 7]]
    two = Dataset(("x", "y"), (RawSeries("a", ts, np.array([[1.0, 1.0]] * 7 + [[1.0, np.nan]])),))
    partly = prepare(two, WindowSpec(3, 1, ("x", "y"), MINUTE), train=1.0, validation=0.0)
    assert partly.left_out == 1
    assert not np.isnan(partly.parts["train"].values).any()


def test_inspection_reports_gaps_duplicates_disorder_and_season() -> None:
    hours = np.arange(24 * 20, dtype=np.int64)
    values = 10 * np.sin(2 * np.pi * hours / 24) + 0.1 * hours
    keep = np.delete(np.arange(len(hours)), [100, 101, 300])
    order = np.concatenate([keep[:5], [keep[6], keep[5]], keep[7:], [keep[-1]]])
    ts = hours[order] * 3_600_000
    columns = np.column_stack([values[order], np.full(len(order), 3.0)])
    columns[7, 0] = np.nan
    (found,) = inspect(Dataset(("x", "y"), (RawSeries("a", ts, columns),)))
    assert (found.rows, found.interval_ms) == (len(order), 3_600_000)
    assert (found.gaps, found.missing_points, found.longest_gap) == (2, 3, 2)
    assert (found.duplicates, found.disordered) == (1, 1)
    assert (found.season, found.features["y"]["constant"]) == ("day", True)
    assert found.features["x"]["missing"] == 1
    assert (found.start, found.end) == ("1970-01-01T00:00:00+00:00", "1970-01-20T23:00:00+00:00")


def test_noise_and_trends_show_no_season() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=2000), np.arange(2000.0), np.cumsum(rng.normal(size=2000)), np.full(2000, 4.0)):
        assert inspect(Dataset(("value",), (raw(values, step=3_600_000),)))[0].season is None


POWER = "Date;Time;Global_active_power;Voltage\n16/12/2006;17:24:00;4.216;234.84\n1/1/2007;00:00:00;?;233\n"


def test_power_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text(POWER)
    found = datasets.load(path)
    assert found.features == ("Global_active_power", "Voltage")
    assert found.series[0].ts.tolist() == [1_166_289_840_000, 1_167_609_600_000]
    np.testing.assert_array_equal(found.series[0].values, [[4.216, 234.84], [np.nan, 233]])
    assert datasets.load(path, features=["Voltage"]).features == ("value",)
    path.write_text(POWER + "2/1/2007;00:00:00;x;1\n")
    with pytest.raises(DataError, match=r"line 4.*'x'"):
        datasets.load(path)
    with pytest.raises(DataError, match="Date;Time"):
        datasets.load(tmp_path / "p.txt" if path.write_text("a,b\n") else path, form="power")


def test_ucr_format_takes_the_split_from_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "001_UCR_Anomaly_x_60_81_90.txt").write_text("\n".join(str(float(i)) for i in range(100)))
    found = datasets.load(tmp_path)
    (s,) = found.series
    assert found.train_rows == {s.name: 60}
    assert found.anomalies == {s.name: [(80 * MINUTE, 89 * MINUTE)]}
    prepared = prepare(found, spec(5), validation=0.0, scaling="none")
    assert prepared.parts["train"].ends.max() == 59 * MINUTE
    assert prepared.parts["test"].starts.min() == 65 * MINUTE
    with pytest.raises(SettingsError, match="'xls' is unknown"):
        datasets.load(tmp_path, form="xls")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from eddy.cli.main import main; main()", "preprocess", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_preprocess_command_reports_and_saves_windows(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("ts,value\n" + "".join(f"{1735689600 + i * 60},{i % 7}\n" for i in range(400)))
    done = run("--file", str(path), "--window-size", "60", "--step-size", "5", "--out", str(tmp_path / "w"), "--json")
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout)
    assert about["windows"] == {"train": 37, "validation": 0, "test": 0}
    with np.load(tmp_path / "w.npz", allow_pickle=False) as arrays:
        assert arrays["train_values"].shape == (37, 60, 1)
    assert json.loads((tmp_path / "w.json").read_text())["series"][0]["rows"] == 400
    failed = run("--file", str(path), "--value", "price")
    assert failed.returncode == 2
    assert "value column 'price' is missing; found the columns ts, value" in failed.stderr


def test_shared_power_and_taxi_files_are_inspected(data_folder: Path) -> None:
    (power,) = inspect(datasets.load(data_folder / "power" / "household_power_consumption.txt"))
    assert (power.rows, power.interval_ms, len(power.features)) == (15_000, MINUTE, 7)
    assert power.features["Voltage"]["missing"] > 0
    (taxi,) = inspect(datasets.load(data_folder / "nab" / "data" / "realKnownCause" / "nyc_taxi.csv", form="nab"))
    assert (taxi.rows, taxi.interval_ms, taxi.gaps) == (10_320, 30 * MINUTE, 0)
    assert taxi.season in ("day", "week")
    ucr = datasets.load(data_folder / "ucr")
    assert sorted(ucr.train_rows.values()) == [1200, 3000]
