"""What people said of a series' incidents, and how far that raises its limits.

Each dismissed incident raises the limits of its series by one step, each confirmed one takes a step back, between the
model's own limit and a bound. The factor follows from the newest verdict on each of the last incidents alone, so a
message that comes twice changes nothing, a change of mind undoes itself, and a replay ends where it ended before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from eddy.models.core.detector import Floats, Ints

Verdict = Literal[-1, 1]  # confirmed, dismissed

REMEMBERED = 64  # newest verdicts kept per series: several times what takes a limit to its bound


@dataclass(frozen=True)
class FeedbackOptions:
    """How far feedback reaches.

    Attributes:
        step: share by which one dismissed incident raises the limits of its series; 0 turns it off.
        most: largest factor, however many were dismissed.
    """

    step: float = 0.1
    most: float = 2.0

    def factor(self, verdicts: Mapping[str, int]) -> float:
        """What the limits of a series are multiplied by, from 1 to :attr:`most`."""
        return min(max((1.0 + self.step) ** sum(verdicts.values()), 1.0), self.most)


class SeriesFeedback:
    """What was said of the incidents of one model, by row; rows without any cost nothing."""

    def __init__(self, options: FeedbackOptions | None = None) -> None:
        self.options = options or FeedbackOptions()
        self._verdicts: dict[int, dict[str, int]] = {}  # by incident, the newest last
        self._acknowledged: dict[int, list[str]] = {}
        self._factors: dict[int, float] = {}

    def note(self, row: int, incident: str, verdict: Verdict) -> bool:
        """Take one verdict on an incident of a row; returns whether it changed anything."""
        known = dict(self._verdicts.get(row, {}))
        if known.pop(incident, None) == verdict:
            return False
        self._score(row, dict([*known.items(), (incident, verdict)][-REMEMBERED:]))
        return True

    def _score(self, row: int, verdicts: dict[str, int]) -> None:
        self._verdicts[row] = verdicts
        factor = self.options.factor(verdicts)
        if factor == 1.0:
            self._factors.pop(row, None)
        else:
            self._factors[row] = factor

    def acknowledge(self, row: int, incident: str, taken: bool = True) -> bool:
        """Somebody takes an incident on, or not after all; returns whether it changed anything."""
        known = self._acknowledged.get(row, [])
        if (incident in known) == taken:
            return False
        known = [*(name for name in known if name != incident), *([incident] if taken else [])][-REMEMBERED:]
        if known:
            self._acknowledged[row] = known
        else:
            del self._acknowledged[row]
        return True

    def acknowledged(self, row: int, incident: str) -> bool:
        """Whether somebody has taken an incident on."""
        return incident in self._acknowledged.get(row, ())

    def factor(self, row: int) -> float:
        """What the limits of a row are multiplied by."""
        return self._factors.get(row, 1.0)

    def raised(self, rows: Ints, limits: Floats) -> Floats:
        """Limits with the rows' factors; a limit below 0 is divided, so that it rises as well.

        Args:
            rows, limits: (n,) each.
        """
        if not self._factors:
            return limits
        factors = self._factors
        touched = [i for i, row in enumerate(rows.tolist()) if row in factors]
        if not touched:
            return limits
        limits = limits.copy()
        for i in touched:
            factor = factors[int(rows[i])]
            limits[i] = limits[i] * factor if limits[i] >= 0 else limits[i] / factor
        return limits

    def clear(self, row: int) -> None:
        """Forget a row."""
        self._verdicts.pop(row, None)
        self._acknowledged.pop(row, None)
        self._factors.pop(row, None)

    def adopt(self, row: int, other: SeriesFeedback, of: int) -> None:
        """Take over what another one knows of its row ``of``."""
        if of in other._verdicts:
            self._score(row, dict(other._verdicts[of]))
        if of in other._acknowledged:
            self._acknowledged[row] = list(other._acknowledged[of])

    def rows(self) -> set[int]:
        """Rows of which something was said."""
        return {*self._verdicts, *self._acknowledged}

    def to_params(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            str(row): {"verdicts": self._verdicts.get(row, {}), "acknowledged": self._acknowledged.get(row, [])}
            for row in sorted(self.rows())
        }

    def restore(self, params: Mapping[str, Any]) -> None:
        """The inverse of :meth:`to_params`, under the options of now."""
        for row, said in params.items():
            if said["verdicts"]:
                self._score(int(row), {str(name): int(value) for name, value in said["verdicts"].items()})
            if said["acknowledged"]:
                self._acknowledged[int(row)] = [str(name) for name in said["acknowledged"]]
