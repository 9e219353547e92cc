"""How often a version alerts, and how often it cannot say: what its roll-out is judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Floats


@dataclass
class ScoringStats:
    """Counts since they were last taken: windows scored, those above the limit, those without a score."""

    windows: int = 0
    alarms: int = 0
    silent: int = 0

    def add(self, scores: Floats, limits: Floats) -> None:
        """Count (n,) scored windows."""
        self.windows += len(scores)
        self.alarms += int(np.count_nonzero(scores > limits))
        self.silent += int(np.count_nonzero(np.isnan(scores)))

    def take(self) -> ScoringStats:
        """The counts; they start anew."""
        taken = ScoringStats(self.windows, self.alarms, self.silent)
        self.windows = self.alarms = self.silent = 0
        return taken
