"""Inject anomalies of known kinds into a real multivariate recording: seeded, labelled, large enough for people to see.

=============  ===============================================================================================
``frozen``     the meter hangs: every feature repeats its last value for 15 to 90 points
``sag``        the voltage falls by 10 to 20 % for 2 to 10 points, below what EN 50160 calls a dip (90 %); features
               that follow it, follow (current with the voltage, power with its square: resistive loads)
``spike``      one feature leaves its range by 1.5 to 3 times its width for 1 to 3 points: a transmission error
``swapped``    two features change places for 30 to 120 points: wiring, or columns of a changed file format
``shift``      one feature moves by 1 to 2 times its usual range (5th to 95th percentile) for 60 to 240 points; only
    features that are rarely constant, where the usual range is a quarter of the full range or more
=============  ===============================================================================================

Sizes are measured on the start of the recording, which stays clean. Injection does not depend on any detector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from eddy.errors import DataError
from eddy.models.core.detector import Floats
from eddy.training.data.recording import Event, Recording

_ATTEMPTS = 2000  # places tried for one anomaly
_SWAP_APART = 1.0  # usual ranges of either feature by which two swapped ones have to differ, on average
LENGTHS: Mapping[str, tuple[int, int]] = {
    "frozen": (15, 90),
    "sag": (2, 10),
    "spike": (1, 3),
    "swapped": (30, 120),
    "shift": (60, 240),
}
_SAG = (0.10, 0.20)  # share of the voltage
_SPIKE = (1.5, 3.0)  # widths of the range
_SHIFT = (1.0, 2.0)  # usual ranges
_ALIVE = 0.25  # usual range over full range from which a feature counts as rarely constant


@dataclass(frozen=True)
class Sagging:
    """Name the features of a voltage sag: the voltage, and features with the power of the voltage that they follow."""

    voltage: str
    follows: Mapping[str, float] = field(default_factory=dict)


def inject(
    recording: Recording,
    seed: int,
    count: int = 30,
    gap: int = 120,
    kinds: Sequence[str] = tuple(LENGTHS),
    sagging: Sagging | None = None,
) -> Recording:
    """Copy a recording and inject ``count`` anomalies, kinds in turn, after its start, as its only events.

    Args:
        recording: real data; anomalies that it may already contain are not labelled.
        seed: random seed of all choices.
        count: number of anomalies.
        gap: rows without an anomaly between any two of them, and after the start.
        kinds: kinds of the table above; ``sag`` needs ``sagging``.
        sagging: the features that a sag touches.

    Raises:
        DataError: no room for so many anomalies, an unknown kind, or a feature that does not exist.
    """
    for kind in kinds:
        if kind not in LENGTHS:
            raise DataError(f"injection: kind {kind!r} is unknown; known: {', '.join(LENGTHS)}")
    if "sag" in kinds and (sagging is None or not {sagging.voltage, *sagging.follows} <= {*recording.features}):
        raise DataError(f"injection: a sag needs the voltage's feature among {', '.join(recording.features)}")
    rng = np.random.default_rng(seed)
    work = _Work(recording, recording.values.copy(), sagging)
    order = rng.permutation([kinds[k % len(kinds)] for k in range(count)])
    events: list[Event] = []
    for kind in order:
        for _ in range(_ATTEMPTS):
            low, high = LENGTHS[str(kind)]
            length = int(rng.integers(low, high + 1))
            first = int(
                rng.integers(recording.start + gap, max(len(recording.ts) - length - gap, recording.start + gap + 1))
            )
            last = first + length - 1
            apart = all(last + gap < e.first or first > e.last + gap for e in events)
            if apart and last < len(recording.ts) and work.apply(str(kind), slice(first, last + 1), rng):
                events.append(Event(first, last, str(kind)))
                break
        else:
            raise DataError(
                f"injection: no room for {count} anomalies in {len(recording.ts) - recording.start} rows; ask for fewer"
            )
    return replace(recording, values=work.values, events=tuple(sorted(events, key=lambda e: e.first)))


class _Work:
    """Hold the copy while anomalies are written into it."""

    def __init__(self, recording: Recording, values: Floats, sagging: Sagging | None) -> None:
        head = recording.values[: recording.start]
        low, high = np.nanmin(head, axis=0), np.nanmax(head, axis=0)
        self.range = np.where(high > low, high - low, 1.0)
        spread = np.nanpercentile(head, 95, axis=0) - np.nanpercentile(head, 5, axis=0)
        self.spread = np.where(spread > 0, spread, self.range)
        self.alive = np.flatnonzero(self.spread >= _ALIVE * self.range)
        self.values, self.sagging, self.features = values, sagging, recording.features

    def apply(self, kind: str, part: slice, rng: np.random.Generator) -> bool:
        """Change the rows; return False, and change nothing, if the anomaly would not be visible there."""
        rows = self.values[part]
        if np.isnan(rows).any() or np.isnan(self.values[part.start - 1]).any():
            return False
        feature = int(rng.integers(len(self.features)))
        if kind == "frozen":
            still = (rows == self.values[part.start - 1]).all()
            rows[:] = self.values[part.start - 1]
            return not still
        if kind == "sag":
            assert self.sagging is not None  # noqa: S101  checked by inject()
            left = 1.0 - rng.uniform(*_SAG)
            for name, power in {self.sagging.voltage: 1.0, **self.sagging.follows}.items():
                rows[:, self.features.index(name)] *= left**power
            return True
        if kind == "swapped":
            return self._swap(rows, feature, rng)
        if kind == "shift":
            feature = int(rng.choice(self.alive)) if len(self.alive) else feature
        way = 1.0 if rng.random() < 0.5 or rows[:, feature].min() - self.spread[feature] < 0 else -1.0
        if kind == "spike":
            rows[:, feature] += rng.uniform(*_SPIKE) * self.range[feature]
        else:
            rows[:, feature] += way * rng.uniform(*_SHIFT) * self.spread[feature]
        return True

    def _swap(self, rows: Floats, a: int, rng: np.random.Generator) -> bool:
        others = [f for f in range(len(self.features)) if f != a]
        if not others:
            return False
        b = int(rng.choice(others))
        apart = float(np.abs(rows[:, a] - rows[:, b]).mean())
        if apart < _SWAP_APART * min(self.spread[a], self.spread[b]):
            return False
        rows[:, [a, b]] = rows[:, [b, a]]
        return True
