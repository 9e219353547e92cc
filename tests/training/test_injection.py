"""Check injected anomalies: seeded, labelled, separated, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.errors import DataError
from eddy.training.data.injection import LENGTHS, Sagging, inject
from eddy.training.data.recording import Recording

FEATURES = ("power", "voltage", "current")
SAGGING = Sagging("voltage", {"current": 1.0, "power": 2.0})


def house(n: int = 8000) -> Recording:
    rng = np.random.default_rng(1)
    voltage, current = 240 + rng.normal(0, 2, n), 5 + 4 * rng.random(n)
    values = np.stack([voltage * current / 1000, voltage, current], axis=1)
    return Recording("house", np.arange(n, dtype=np.int64) * 60_000, values, FEATURES, 1200)


def test_injection_is_seeded_and_changes_only_labelled_rows() -> None:
    clean = house()
    made, again, other = (inject(clean, seed, 15, sagging=SAGGING) for seed in (4, 4, 5))
    np.testing.assert_array_equal(made.values, again.values)
    assert made.events == again.events != other.events
    changed = (made.values != clean.values).any(axis=1)
    assert not changed[~made.truth].any()
    assert all(changed[e.first : e.last + 1].any() for e in made.events)
    assert {e.kind for e in made.events} == set(LENGTHS)
    gaps = [b.first - a.last for a, b in zip(made.events, made.events[1:], strict=False)]
    assert min(gaps) > 120
    assert made.events[0].first >= clean.start + 120


def test_injected_sizes_match_the_documented_ones() -> None:
    clean = house()
    made = inject(clean, 4, 15, sagging=SAGGING)
    for event in made.events:
        was, now = (r.values[event.first : event.last + 1] for r in (clean, made))
        if event.kind == "sag":
            ratio = now / was
            assert ((ratio[:, 1] > 0.8 - 1e-9) & (ratio[:, 1] < 0.9 + 1e-9)).all()
            np.testing.assert_allclose(ratio[:, 0], ratio[:, 1] ** 2)
        if event.kind == "frozen":
            assert (now == clean.values[event.first - 1]).all()
        if event.kind == "swapped":
            assert sorted(now[0]) == sorted(was[0])


def test_impossible_injections_are_refused() -> None:
    with pytest.raises(DataError, match="ask for fewer"):
        inject(house(2000), 0, 200, sagging=SAGGING)
    with pytest.raises(DataError, match="unknown"):
        inject(house(), 0, 3, kinds=("flood",))
    with pytest.raises(DataError, match="voltage"):
        inject(house(), 0, 5)
