"""Check the distances to the past, point by point and by running sums, against their definition in long doubles."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.models.detectors.history import kernel
from eddy.models.detectors.history.distances import KNOWN

Array = np.ndarray[Any, Any]
NEAREST = 3


def plain(n: int, rng: np.random.Generator) -> Array:
    return rng.normal(size=n)


def constant(n: int, rng: np.random.Generator) -> Array:
    return np.full(n, 3.0)


def repeating(n: int, rng: np.random.Generator) -> Array:
    return np.round(np.sin(np.arange(n) * np.pi / 6), 3)


def huge_level(n: int, rng: np.random.Generator) -> Array:
    return rng.normal(size=n) + 1e6  # scaled values end at a million spreads


def huge_spikes(n: int, rng: np.random.Generator) -> Array:
    return np.where(rng.random(n) < 0.02, 1e6, rng.normal(size=n))


def gap_and_step(n: int, rng: np.random.Generator) -> Array:
    values = rng.normal(size=n)
    values[n // 3 : n // 2] = np.nan
    values[n // 2 :] += 1e6
    return values


def missing(n: int, rng: np.random.Generator) -> Array:
    return np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))


def walk(n: int, rng: np.random.Generator) -> Array:
    return rng.normal(size=n).cumsum()


UGLY = [plain, constant, repeating, huge_level, huge_spikes, gap_and_step, missing, walk]


def by_definition(values: Array, mode: int, period: int, past: int) -> Array:
    """Return the (n,) scores of (n, F) values."""
    found = np.full(len(values), np.nan)
    for column in values.T.astype(np.longdouble):
        for t in np.flatnonzero(~np.isnan(column)):
            longest = min(t + 1, past) - period
            squares = []
            for lag in range(period, longest + 1, 1 if mode == kernel.DISCORD else period):
                apart = column[t + 1 - period : t + 1] - column[t + 1 - period - lag : t + 1 - lag]
                apart = apart[~np.isnan(apart)]
                if len(apart) >= KNOWN * period:
                    centre = apart.mean() if mode == kernel.DISCORD else 0.0
                    squares.append(float(((apart - centre) ** 2).mean()))
            nearest = sorted(squares)[: 1 if mode == kernel.DISCORD else NEAREST]
            if (mode == kernel.DISCORD and nearest) or len(nearest) == NEAREST:
                found[t] = np.fmax(found[t], np.sqrt(nearest).mean())
    return found


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    ugly=st.tuples(st.sampled_from(UGLY), st.sampled_from(UGLY)),
    mode=st.sampled_from([kernel.DISCORD, kernel.NEIGHBOURS]),
    period=st.integers(1, 40),
    data=st.data(),
)
def test_distances_equal_their_definition(seed: int, ugly: Any, mode: int, period: int, data: Any) -> None:
    past = data.draw(st.integers(max(period, 4), 160))
    n = data.draw(st.integers(1, 250))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=3)))
    rng = np.random.default_rng(seed)
    values = np.stack([make(n, rng) for make in ugly], axis=1)
    wanted = by_definition(values, mode, period, past)
    state = np.zeros((2, 1 + 2 * (1 + 2 * past)))
    whole = [
        kernel.ring_series(state[0], np.ascontiguousarray(part), mode, period, NEAREST)
        for part in np.split(values, cuts)
    ]
    each, before, row = np.empty((1, 2)), np.empty((2, 4)), np.array([1])
    steps = []
    for point in values:
        kept = state[1].copy()
        steps.append(
            kernel.ring_rows(
                state, row, point[None], before, mode, period, NEAREST, each, np.empty((1, 2))
            )[0]
        )  # fmt: skip
        undone = state[1:].copy()
        kernel.undo(undone, before[1:])
        np.testing.assert_array_equal(undone[0], kept)
    np.testing.assert_allclose(np.concatenate(whole), wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(steps, wanted, rtol=1e-9, atol=1e-9)
    rings = [0, *(k for f in (0, 1) for k in range(2 + f * (1 + 2 * past), 2 + f * (1 + 2 * past) + 2 * past))]
    np.testing.assert_array_equal(state[0][rings], state[1][rings])
