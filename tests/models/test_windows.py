"""Check the window store against a plain reference: points in a list, gaps filled one by one."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.models.core.detector import WindowSpec
from eddy.models.windowing.windows import WindowStore, regularise

STEP = 10
ROWS = 3


class PlainSeries:
    """One series, as the documentation of WindowSpec tells it."""

    def __init__(self, spec):
        self.spec, self.points, self.last, self.until_due = spec, [], None, 0

    def push(self, ts, value):
        """Append a point; the window (values, imputed) if one is due."""
        spec = self.spec
        gap = 0
        if spec.interval_ms and self.last is not None:
            gap = max(round((ts - self.last) / spec.interval_ms) - 1, 0)
        if gap and (gap > spec.max_gap or spec.gap_policy == "break"):
            self.points, self.until_due, gap = [], 0, 0
        if gap:
            before = self.points[-1][0]
            for step in range(1, gap + 1):
                filler = before
                if spec.gap_policy == "linear":
                    share = step / (gap + 1)
                    filler = [b + share * (v - b) for b, v in zip(before, value, strict=True)]
                self.points.append((filler, True))
        self.points.append((value, False))
        self.last = ts
        self.until_due = max(self.until_due - gap - 1, 0)
        if len(self.points) >= spec.window and self.until_due == 0:
            self.until_due = spec.stride
            newest = self.points[-spec.window :]
            return [v for v, _ in newest], [filled for _, filled in newest]
        return None


VALUES = st.one_of(st.just(float("nan")), st.integers(-100, 100).map(float))
SPECS = st.builds(
    WindowSpec,
    window=st.integers(1, 6),
    stride=st.integers(1, 4),
    features=st.sampled_from([("value",), ("a", "b")]),
    interval_ms=st.sampled_from([0, STEP]),
    gap_policy=st.sampled_from(["hold", "linear", "break"]),
    max_gap=st.integers(0, 8),
)
#: (row, time since the row's last point, two values)
POINTS = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(1, 12 * STEP), VALUES, VALUES), max_size=60)


def arrays(points, spec):
    clock = [0] * ROWS
    ts = []
    for row, ahead, *_ in points:
        clock[row] += ahead
        ts.append(clock[row])
    rows = np.array([row for row, *_ in points], np.int64)
    values = np.array([list(v[: len(spec.features)]) for _, _, *v in points]).reshape(len(points), len(spec.features))
    return rows, np.array(ts, np.int64), values


def push_all(spec, rows, ts, values, batch):
    store = WindowStore(spec)
    store.grow(ROWS)
    found = []
    for start in range(0, len(rows), batch):
        part = slice(start, start + batch)
        due = store.push(rows[part], ts[part], values[part])
        assert (due.rows == rows[part][due.events]).all()
        found += [
            (start + int(event), window.tolist(), imputed.tolist())
            for event, window, imputed in zip(due.events, due.windows, due.imputed, strict=True)
        ]
    return store, found


@given(SPECS, POINTS, st.sampled_from([1, 2, 7, 1000]))
@settings(max_examples=300, deadline=None)
def test_window_store_equals_the_reference_model_for_any_batches(spec, points, batch):
    rows, ts, values = arrays(points, spec)
    plain = [PlainSeries(spec) for _ in range(ROWS)]
    expected = []
    for i, (row, t, value) in enumerate(zip(rows.tolist(), ts.tolist(), values.tolist(), strict=True)):
        if (due := plain[row].push(t, value)) is not None:
            expected.append((i, *due))
    store, found = push_all(spec, rows, ts, values, batch)
    np.testing.assert_equal(found, expected)
    for row, series in enumerate(plain):
        assert store.count[row] == min(len(series.points), spec.window)


@given(SPECS, POINTS)
@settings(max_examples=300, deadline=None)
def test_regularise_gives_the_points_of_the_window_store(spec, points):
    points = [(0, ahead, *values) for _, ahead, *values in points]
    _, ts, values = arrays(points, spec)
    spec = WindowSpec(1, 1, spec.features, spec.interval_ms, spec.gap_policy, spec.max_gap)
    plain = PlainSeries(spec)
    segments: list[Any] = []
    for t, value in zip(ts.tolist(), values.tolist(), strict=True):
        held = len(plain.points)
        plain.push(t, value)
        if not held or len(plain.points) <= held:
            segments.append(None)
        segments[-1] = list(plain.points)
    found = regularise("s", ts, values, spec)
    np.testing.assert_equal([list(zip(s.values.tolist(), s.imputed.tolist(), strict=True)) for s in found], segments)
    for series in found:
        assert set(series.ts[~series.imputed].tolist()) <= set(ts.tolist())


@given(SPECS, POINTS)
@settings(max_examples=100, deadline=None)
def test_training_windows_equal_the_windows_that_are_scored(spec, points):
    """With stride 1, training uses the windows that the job scores, except those that end in an imputed point."""
    spec = WindowSpec(spec.window, 1, spec.features, spec.interval_ms, spec.gap_policy, spec.max_gap)
    points = [(0, ahead, *values) for _, ahead, *values in points]
    rows, ts, values = arrays(points, spec)
    expected = []
    for series in regularise("s", ts, values, spec):
        for end in range(spec.window, len(series.ts) + 1):
            if not series.imputed[end - 1]:
                part = slice(end - spec.window, end)
                expected.append((series.values[part].tolist(), series.imputed[part].tolist()))
    _, found = push_all(spec, rows, ts, values, 1000)
    np.testing.assert_equal([(window, imputed) for _, window, imputed in found], expected)


def test_regularise_sorts_and_keeps_the_first_of_equal_times():
    (series,) = regularise("s", np.array([20, 0, 10, 0]), np.array([3.0, 1.0, 2.0, 9.0]), WindowSpec(2))
    assert series.ts.tolist() == [0, 10, 20]
    assert series.values[:, 0].tolist() == [1, 2, 3]
    assert regularise("s", np.zeros(0, np.int64), np.zeros(0), WindowSpec(2)) == []


@pytest.mark.parametrize("policy", ["hold", "linear"])
def test_gap_longer_than_the_window_is_filled_up_to_the_newest_point(policy):
    store = WindowStore(WindowSpec(3, interval_ms=STEP, gap_policy=policy, max_gap=100))
    store.grow(1)
    due = store.push(np.zeros(2, np.int64), np.array([0, 10 * STEP]), np.array([[0.0], [10.0]]))
    expected = [8, 9, 10] if policy == "linear" else [0, 0, 10]
    np.testing.assert_allclose(due.windows[0, :, 0], expected)
    assert due.imputed.tolist() == [[True, True, False]]


@pytest.mark.parametrize(("before", "after"), [(5, 3), (3, 5), (4, 4)])
@pytest.mark.parametrize("pushed", [2, 4, 9])
def test_adopt_copies_the_newest_points_for_any_window_size(before, after, pushed):
    old, new = WindowStore(WindowSpec(before)), WindowStore(WindowSpec(after))
    old.grow(2)
    new.grow(1)
    values = np.arange(pushed, dtype=float)[:, None]
    old.push(np.ones(pushed, np.int64), np.arange(pushed), values)
    new.adopt(np.array([0]), old, np.array([1]))
    kept = min(pushed, before, after)
    more = max(after - kept, 1)
    times = np.arange(pushed, pushed + more)
    due = new.push(np.zeros(more, np.int64), times, times[:, None].astype(float))
    assert due.windows[-1, :, 0].tolist() == list(range(pushed + more - after, pushed + more))


def test_cleared_row_starts_empty():
    store = WindowStore(WindowSpec(2, interval_ms=STEP))
    store.grow(2)
    store.push(np.zeros(2, np.int64), np.array([0, STEP]), np.zeros((2, 1)))
    store.clear(np.array([0]))
    due = store.push(np.zeros(2, np.int64), np.array([50 * STEP, 51 * STEP]), np.ones((2, 1)))
    assert due.windows.tolist() == [[[1.0], [1.0]]]
    assert not due.imputed.any()


def test_gap_of_any_length_costs_no_more_than_a_window():
    """A model may fill as many points as it likes: an event after ten days of silence fills its window, not the gap."""

    def took(gap):
        store = WindowStore(WindowSpec(50, interval_ms=1, max_gap=2**40))
        store.grow(1)
        began = time.perf_counter()
        due = store.push(np.zeros(2, np.int64), np.array([0, gap + 1]), np.array([[5.0], [7.0]]))
        assert due.windows[0, :, 0].tolist() == [5.0] * 49 + [7.0]
        assert due.imputed[0].tolist() == [True] * 49 + [False]
        return time.perf_counter() - began

    took(60)  # compiles
    assert took(10**9) < 1000 * max(min(took(60) for _ in range(5)), 1e-5)


@pytest.mark.parametrize("same", [True, False])
def test_positions_of_damaged_state_are_brought_inside_the_ring(same: bool) -> None:
    old, rows = WindowStore(WindowSpec(4)), np.array([0, 1, 2])
    old.grow(3)
    old.head[:3], old.count[:3] = (-7, 4_000_000, 2), (-3, 1_000_000, 2)
    new = WindowStore(WindowSpec(4 if same else 6))
    new.grow(3)
    (new.copy if same else new.adopt)(rows, old, rows)
    assert ((new.head[:3] >= 0) & (new.head[:3] < new.spec.window)).all()
    assert ((new.count[:3] >= 0) & (new.count[:3] <= new.spec.window)).all()
