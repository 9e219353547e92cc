"""Run a detector with a threshold chosen by name, instead of the shared calibration and peak filter.

The threshold is fitted on the validation scores of the start and follows the scores from there on, as in the job:
every row above its limit is flagged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eddy.errors import ModelError, SettingsError
from eddy.models.artifacts.calibration import Calibration
from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.fitting.causal_run import NAME, CausalRun, thresholded
from eddy.training.fitting.fit import ThresholdRule

_SAMPLE = np.linspace(0.5, 1.5, 500)


@dataclass(frozen=True)
class Thresholded(Entrant):
    """Flag an entrant's rows by ``rule``; its deviates are 1.96 times the raw score over its limit.

    Attributes:
        rule: the threshold.
        beside_own_limit: leave a detector with a limit of its own as it is.

    Raises:
        SettingsError: the rule needs labels, which only scoring may use here, or is unknown.
    """

    rule: ThresholdRule = field(default_factory=ThresholdRule)
    beside_own_limit: bool = False

    def __post_init__(self) -> None:
        if self.rule.name == "f-beta":
            raise SettingsError(
                "threshold f-beta chooses its limit on labels, which an evaluation may only score with; expected "
                "another one here, or eddy train --threshold f-beta --labels FILE"
            )
        self.rule.fit({NAME: _SAMPLE}, Calibration.fit(_SAMPLE))  # reports a wrong parameter before hours of work

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        """Run as :meth:`Entrant.run` does; without alerts if fitting gave no score to choose a limit from."""
        run = super().run(recording, seed)
        if run.detector is None or (self.beside_own_limit and run.detector.default_limit is not None):
            return run
        known = run.validation[np.isfinite(run.validation)]
        try:
            threshold = self.rule.fit({NAME: known}, Calibration.fit(known))
        except ModelError as error:
            return CausalRun.silent(len(recording.ts), f"{recording.name}: not scored: {error}")
        return thresholded(run, threshold, recording.ts, recording.start)


def with_threshold(entrant: Entrant, rule: ThresholdRule) -> Entrant:
    """Return the entrant with this threshold in its name; baselines that ignore the data stay as they are."""
    if not entrant.kind:
        return entrant
    return Thresholded(**{**vars(entrant), "name": f"{entrant.name}-{rule.name}"}, rule=rule)


def with_rate(entrant: Entrant, per_week: float, params: Mapping[str, Any]) -> Entrant:
    """Return the entrant with a promised rate of false alarms, beside the limit of its own if it has one."""
    if not entrant.kind:
        return entrant
    rule = ThresholdRule("rate", params={"alarms_per_week": per_week, **params})
    own = {**vars(entrant), "false_alarms_per_week": per_week}
    return Thresholded(**own, rule=rule, beside_own_limit=True)
