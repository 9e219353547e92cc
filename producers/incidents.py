"""Inject incidents into clean series: at random places, spread over the series, apart from each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eddy.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
ATTEMPTS = 2000  # per incident, before the stream is called too dense


class Injector(ABC):
    """Inject incidents into one clean series. Positions are indices into the series."""

    values: FloatArray

    @abstractmethod
    def length(self, kind: str, rng: np.random.Generator) -> int:
        """Draw a realistic length of such an incident, points."""

    def visible(self, kind: str, start: int, length: int) -> bool:
        """Return whether someone who knows the series would see such an incident there."""
        del kind, start, length
        return True

    @abstractmethod
    def inject(self, kind: str, start: int, length: int, rng: np.random.Generator) -> None:
        """Change ``values[start : start + length]``."""


@dataclass(frozen=True)
class Incident:
    """Locate an injected incident: points ``start … end`` (both included) of series number ``series``."""

    series: int
    start: int
    end: int
    kind: str


def inject_incidents(
    injectors: Sequence[Injector],
    kinds: Sequence[str],
    count: int,
    first: int,
    last: int,
    gap: int,
    rng: np.random.Generator,
) -> list[Incident]:
    """Inject ``count`` incidents, kinds in equal shares, between the points ``first`` and ``last`` of each series.

    Args:
        injectors: the series.
        kinds: the kinds of incident, each valid for every injector.
        count: how many in all.
        first: no incident starts before this point.
        last: no incident ends after this point.
        gap: clean points between two incidents of one series.
        rng: source of all choices.

    Raises:
        DataError: there is no room for so many.
    """
    placed: list[list[Incident]] = [[] for _ in injectors]
    sequence = rng.permutation([kinds[i % len(kinds)] for i in range(count)])
    # A fresh permutation per round spreads the incidents evenly, while which series gets which stays random.
    rounds = [rng.permutation(len(injectors)) for _ in range(-(-count // max(len(injectors), 1)))]
    for kind, number in zip(sequence, [s for each in rounds for s in each], strict=False):
        incident = _place(str(kind), int(number), injectors, placed, first, last, gap, rng)
        injectors[incident.series].inject(incident.kind, incident.start, incident.end - incident.start + 1, rng)
        placed[incident.series].append(incident)
    return sorted((i for each in placed for i in each), key=lambda i: (i.series, i.start))


def _place(
    kind: str,
    series: int,
    injectors: Sequence[Injector],
    placed: Sequence[Sequence[Incident]],
    first: int,
    last: int,
    gap: int,
    rng: np.random.Generator,
) -> Incident:
    for attempt in range(ATTEMPTS):
        if attempt and attempt % 50 == 0:  # this series is full: try another
            series = int(rng.integers(len(injectors)))
        length = injectors[series].length(kind, rng)
        if last - length < first:
            continue
        start = int(rng.integers(first, last - length + 1))
        apart = all(start > t.end + gap or start + length + gap <= t.start for t in placed[series])
        if apart and injectors[series].visible(kind, start, length):
            return Incident(series, start, start + length - 1, kind)
    raise DataError(
        f"synthetic stream: no room for a {kind} among {len(injectors)} series of {last - first + 1} points; "
        "ask for fewer incidents, more series or more live days"
    )
