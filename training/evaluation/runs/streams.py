"""Run a detector over recordings outside of benchmarks, over several of them and several seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eddy.training.data.recording import Recording
from eddy.training.evaluation.metrics.summary import Figures, figures
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.resources import Cost, measured
from eddy.training.fitting.causal_run import CausalRun

GRACE_POINTS = 8  # rows after an event at which an alert still counts for it; as many close an incident by default


@dataclass(frozen=True)
class StreamRun:
    """Hold a detector's run over each recording, the figures over all of them, and the cost."""

    detector: str
    runs: list[CausalRun]
    figures: Figures
    cost: Cost

    @property
    def notes(self) -> list[str]:
        """Return the notes for readers, each sentence once."""
        return list(dict.fromkeys(note for run in self.runs for note in run.notes))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        cost = {"seconds": self.cost.seconds, "peak_mb": self.cost.peak_mb}
        return {"detector": self.detector, **self.figures.to_json(), **cost, "notes": self.notes}


def run_over(
    entrant: Entrant,
    recordings: Sequence[Recording],
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> StreamRun:
    """Run one detector causally over every recording; alerts that pause for less than eight rows count as one."""
    runs = []
    with measured() as cost:
        for i, recording in enumerate(recordings):
            if progress is not None:
                progress(f"{entrant.name}: {recording.name}", i / len(recordings))
            runs.append(entrant.run(recording, seed))
    return StreamRun(entrant.name, runs, figures(recordings, runs, GRACE_POINTS, quiet=GRACE_POINTS), cost)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return (mean, standard deviation over seeds); the latter is NaN for a single one."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
