"""A detector with a threshold chosen by name, in place of the shared calibration and peak stage.

The threshold is fitted on the validation scores of the start and follows the scores from there on, as in the job:
every row above its limit is flagged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from eddy.errors import ModelError, SettingsError
from eddy.models.artifacts.calibration import Calibration
from eddy.models.core.detector import Floats
from eddy.models.core.threshold import Threshold
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.fitting.causal_run import NAME, CausalRun
from eddy.training.fitting.fit import ThresholdRule

_TRIAL = np.linspace(0.5, 1.5, 500)
_BELOW = float(np.nextafter(DEFAULT_LIMIT, 0.0))
_HIGHEST = 1e6  # of a deviate: what a limit of 0 or less is passed by


@dataclass(frozen=True)
class Thresholded(Entrant):
    """An entrant whose rows are flagged by ``rule``; its deviates are 1.96 times the raw score over its limit.

    Raises:
        SettingsError: the rule needs labels, which only scoring may see here, or is unknown.
    """

    rule: ThresholdRule = field(default_factory=ThresholdRule)

    def __post_init__(self) -> None:
        if self.rule.name == "f-beta":
            raise SettingsError(
                "threshold f-beta chooses its limit on labels, which an evaluation may only score with; expected "
                "another one here, or eddy train --threshold f-beta --labels FILE"
            )
        self.rule.fit({NAME: _TRIAL}, Calibration.fit(_TRIAL))  # a wrong name or parameter is told before hours of work

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        """As :meth:`Entrant.run`; silent where fitting gave no score to choose a limit from."""
        run = super().run(recording, seed)
        if run.detector is None:
            return run
        known = run.validation[np.isfinite(run.validation)]
        try:
            threshold = self.rule.fit({NAME: known}, Calibration.fit(known))
        except ModelError as error:
            return CausalRun.silent(len(recording.ts), f"{recording.name}: not judged: {error}")
        limits = limits_along(threshold, run.raw, recording.start)
        return replace(run, deviates=ratio(run.raw, limits, recording.start), raw_limits=limits)


def with_threshold(entrant: Entrant, rule: ThresholdRule) -> Entrant:
    """The entrant with this threshold, under a name that says so; floors that look at nothing stay as they are."""
    if not entrant.kind:
        return entrant
    return Thresholded(**{**vars(entrant), "name": f"{entrant.name}-{rule.name}"}, rule=rule)


def limits_along(threshold: Threshold, raw: Floats, start: int) -> Floats:
    """(n,) limit for each score from row ``start`` on, each set before its score is seen; NaN before."""
    limits = np.full(len(raw), np.nan)
    binding, state = threshold.bind([NAME]), threshold.initial_state(1)
    for t in range(start, len(raw)):
        limits[t] = threshold.limits(raw[t : t + 1], binding, state)[0]
    return limits


def ratio(raw: Floats, limits: Floats, start: int) -> Floats:
    """(n,) deviates, at least the shipped limit where a score is **above** its limit and nowhere else."""
    above = raw > limits  # False where either is NaN
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where((limits > 0) & np.isfinite(limits), raw / limits, np.where(above, _HIGHEST, 0.0))
    share = np.clip(np.nan_to_num(share), 0.0, _HIGHEST)
    deviates = DEFAULT_LIMIT * np.where(above, np.maximum(share, 1.0), share)
    deviates = np.where(above, deviates, np.minimum(deviates, _BELOW))  # 1.96 times a number below 1 may round up
    deviates[:start] = 0.0
    return np.asarray(deviates)
