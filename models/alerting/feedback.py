"""Keep people's verdicts on incidents, and raise the limits of a series by them.

Each dismissed incident raises the limits of its series by one step, and each confirmed one lowers them by one step,
between the model's own limit and a bound. The factor depends only on the newest verdict on each of the last incidents.
So a duplicate message changes nothing, a reversed verdict undoes itself, and a replay ends in the same state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from eddy.models.core.detector import Floats, Ints

FeedbackVerdict = Literal[-1, 1]  # confirmed, dismissed

REMEMBERED = 64  # newest verdicts kept per series: several times what takes a limit to its bound


@dataclass(frozen=True)
class FeedbackOptions:
    """Set how far feedback raises limits.

    Attributes:
        step: share by which one dismissed incident raises the limits of its series; 0 turns feedback off.
        max_factor: largest factor, however many incidents were dismissed.
    """

    step: float = 0.1
    max_factor: float = 2.0

    def factor(self, verdicts: Mapping[str, int]) -> float:
        """Return the factor on the limits of a series, from 1 to :attr:`max_factor`."""
        return min(max((1.0 + self.step) ** sum(verdicts.values()), 1.0), self.max_factor)


class SeriesFeedback:
    """Keep the verdicts on one model's incidents, by row; rows without verdicts cost nothing."""

    def __init__(self, options: FeedbackOptions | None = None) -> None:
        self.options = options or FeedbackOptions()
        self._verdicts: dict[int, dict[str, int]] = {}  # by incident, the newest last
        self._acknowledged: dict[int, list[str]] = {}
        self._factors: dict[int, float] = {}

    def note(self, row: int, incident: str, verdict: FeedbackVerdict) -> bool:
        """Store one verdict on an incident of a row; return whether it changed anything."""
        known = dict(self._verdicts.get(row, {}))
        if known.pop(incident, None) == verdict:
            return False
        self._set_verdicts(row, dict([*known.items(), (incident, verdict)][-REMEMBERED:]))
        return True

    def _set_verdicts(self, row: int, verdicts: dict[str, int]) -> None:
        self._verdicts[row] = verdicts
        factor = self.options.factor(verdicts)
        if factor == 1.0:
            self._factors.pop(row, None)
        else:
            self._factors[row] = factor

    def acknowledge(self, row: int, incident: str, taken: bool = True) -> bool:
        """Store whether somebody has acknowledged an incident; return whether it changed anything."""
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
        """Return whether somebody has acknowledged an incident."""
        return incident in self._acknowledged.get(row, ())

    def factor(self, row: int) -> float:
        """Return the factor on the limits of a row."""
        return self._factors.get(row, 1.0)

    def raised(self, rows: Ints, limits: Floats) -> Floats:
        """Multiply limits by the rows' factors; a limit below 0 is divided, so that it rises as well.

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
        """Copy what ``other`` keeps for its row ``of``."""
        if of in other._verdicts:
            self._set_verdicts(row, dict(other._verdicts[of]))
        if of in other._acknowledged:
            self._acknowledged[row] = list(other._acknowledged[of])

    def rows(self) -> set[int]:
        """Return the rows that have feedback."""
        return {*self._verdicts, *self._acknowledged}

    def to_params(self) -> dict[str, Any]:
        """Return the state as JSON-able data."""
        return {
            str(row): {"verdicts": self._verdicts.get(row, {}), "acknowledged": self._acknowledged.get(row, [])}
            for row in sorted(self.rows())
        }

    def restore(self, params: Mapping[str, Any]) -> None:
        """Restore the result of :meth:`to_params`, under the current options."""
        for row, stored in params.items():
            if stored["verdicts"]:
                self._set_verdicts(int(row), {str(name): int(value) for name, value in stored["verdicts"].items()})
            if stored["acknowledged"]:
                self._acknowledged[int(row)] = [str(name) for name in stored["acknowledged"]]
