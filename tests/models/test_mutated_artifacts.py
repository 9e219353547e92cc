"""Run mutated artifacts: what is accepted never reads or writes outside its arrays, and raises nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eddy.errors import ModelError
from eddy.models.artifacts import artifact
from eddy.models.core.detector import WindowSpec
from eddy.models.core.state_bounds import Each, Either, Numbers, Packed, Row, count, one_of
from eddy.models.detectors.isolation_forest.detector import IsolationForest
from eddy.models.detectors.novelty import kernel, peak_filter, rarity
from eddy.models.detectors.novelty.bit_packing import put
from eddy.models.detectors.novelty.detector import NoveltyDetector, NoveltyParameters
from eddy.models.engine.migration import _carry
from tests.models.mutated_artifacts import training_data

MUTANTS = 150
KINDS = "novelty,isolation-forest,seasonal-naive,dmd"


def test_compiled_code_stays_inside_its_arrays(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """With numba's bounds checks on, in a process of its own; the compiled code is kept for the next run."""
    cache = getattr(pytestconfig, "cache", None)  # not there where its plugin is turned off
    kept = Path(cache.mkdir("boundscheck")) if cache is not None else tmp_path
    command = [sys.executable, "-m", "tests.faults.fuzz_artifacts", "--count", str(MUTANTS), "--kinds", KINDS]
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(kept)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["accepted"] > 0
    assert found["refused"] > 0


def trained() -> NoveltyDetector:
    spec = WindowSpec(1, 1, ("value",), 300_000)
    return NoveltyDetector.fit(training_data(), spec, {"start_up": 30})[0]


def with_start(detector: NoveltyDetector, at: int, value: float) -> bytes:
    """Its artifact, with one number of the first series' state changed."""
    arrays, _ = detector.to_state()
    start = arrays["start"].copy()
    start[0, at] = value
    names = list(detector._index)
    return artifact.dump(NoveltyDetector(detector.spec, detector.params, dict(zip(names, start, strict=True))))


FIRST = peak_filter.STATE_WIDTH


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (FIRST + kernel.COUNT, -1.0),
        (FIRST + kernel.COUNT, 0.5),
        (FIRST + kernel.SLOTS, 25.0),
        (FIRST + kernel.SLOTS, -3.0),
        (FIRST + kernel.SLOT_MS, 0.0),
        (FIRST + kernel.PHASE, 3.0),
        (FIRST + kernel.SPREAD, 0.0),
        (FIRST + kernel.VALUE_AT + 5, 2.0**60),
        (FIRST + kernel.RARITY_AT, -1.0),
        (peak_filter.BLOCKS, 1000.0),
    ],
)
def test_state_that_leads_astray_is_refused(at: int, value: float) -> None:
    detector = trained()
    artifact.load(with_start(detector, at, detector.to_state()[0]["start"][0, at]))
    with pytest.raises(ModelError, match="the state of series 'pump-1' holds a count, phase or position"):
        artifact.load(with_start(detector, at, value))


def test_series_that_collects_more_than_it_may_is_refused() -> None:
    """The count of a series in start-up is the place that the next value is written to."""
    spec = WindowSpec(1)
    row = np.zeros(kernel.state_width(1))
    for collected, fits in ((0.0, True), (29.0, True), (30.0, False), (2.0**40, False), (-1.0, False)):
        row[FIRST + kernel.PHASE], row[FIRST + kernel.COUNT] = 1.0, collected
        content = artifact.dump(NoveltyDetector(spec, NoveltyParameters(start_up=30), {"a": row}))
        if fits:
            artifact.load(content)
        else:
            with pytest.raises(ModelError, match="'start'"):
                artifact.load(content)


def test_packed_cell_that_is_an_index_is_bounded() -> None:
    detector = trained()
    start = detector.to_state()[0]["start"][0]
    means = FIRST + kernel.RARITY_AT + rarity._MEANS
    changed = start.copy()
    put(changed, means, 3, 12, 4095)
    assert detector.state_bounds().fits(start[None]).all()
    assert not detector.state_bounds().fits(changed[None]).any()


@pytest.mark.parametrize("column", [-1, 10_000])
def test_column_outside_the_features_is_refused(column: int) -> None:
    spec = WindowSpec(26, 1, ("value",), 300_000)
    detector = IsolationForest.fit(training_data(), spec, {"trees": 2, "samples": 16})[0]
    detector.column = detector.column.astype(np.int64)
    artifact.load(artifact.dump(detector))
    detector.column[1, 2] = column
    with pytest.raises(ModelError, match=rf"'forest\.column': found {column}, expected 0 to"):
        artifact.load(artifact.dump(detector))


def test_bounds_describe_rows() -> None:
    phases = Either(Row(one_of(0), Numbers(2, missing=True)), Row(one_of(1), count(5), Numbers(1, 0.0)))
    bounds = Row(Each(phases, 2), Packed(8, 12, most=100))
    assert bounds.width == 8
    row = np.array([0, np.nan, 7, 1, 5, 2.5, 100, 100 << 12], float)
    assert bounds.fits(row[None]).all()
    for at, value in ((1, np.inf), (3, 2.0), (4, 6.0), (4, 0.5), (5, -1.0), (5, np.nan), (6, 101.0), (7, 2.0**48)):
        wrong = row.copy()
        wrong[at] = value
        assert not bounds.fits(wrong[None]).any(), (at, value)
    assert bounds.fits(np.stack([row, np.full(8, -1.0)])).tolist() == [True, False]


def test_restored_row_that_no_model_could_have_written_begins_anew() -> None:
    state, saved = np.zeros((3, 2)), np.array([[3.0, 1.5], [-1.0, 1.5], [2.0, np.nan]])
    rows = np.arange(3)
    _carry(state, rows, saved, rows, Row(count(5), Numbers()))
    assert state.tolist() == [[3.0, 1.5], [0.0, 0.0], [0.0, 0.0]]
    _carry(state, rows, saved, rows, None)
    assert state[1].tolist() == [-1.0, 1.5]
