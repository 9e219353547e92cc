"""Check what the levels of severity are worth: how many incidents of each are labelled events, and how many say why.

The detector is fitted on the first part of each series, at its shipped threshold; the rest goes through the job's own
engine. An incident counts as labelled if any labelled row lies between its first and its last anomalous point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eddy.alert import SEVERITY_LEVELS, Alert
from eddy.errors import DataError
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from eddy.models.windowing.windows import regularise
from eddy.training.data.recording import Recording
from eddy.training.evaluation.outside.data_sets import OutsideSet
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.fitting.fit import fit_model

LEVELS = tuple(word for _, word in reversed(SEVERITY_LEVELS))  # the least severe first
_NO_PROGRESS: Callable[[str, float], None] = lambda what, share: None  # noqa: E731


@dataclass(frozen=True)
class SeverityOutcome:
    """Incidents of one detector on one set.

    Attributes:
        detector, data: names.
        incidents, labelled: by level, the least severe first: how many there were, and how many labelled events.
        explained: incidents that show a value out of its band, or say in words what is unusual.
        left_out: series that the detector could not be fitted to.
    """

    detector: str
    data: str
    incidents: tuple[int, ...]
    labelled: tuple[int, ...]
    explained: int
    left_out: int = 0

    def __add__(self, other: SeverityOutcome) -> SeverityOutcome:
        """Add up two sets of one detector."""
        return SeverityOutcome(
            self.detector,
            "all",
            tuple(a + b for a, b in zip(self.incidents, other.incidents, strict=True)),
            tuple(a + b for a, b in zip(self.labelled, other.labelled, strict=True)),
            self.explained + other.explained,
            self.left_out + other.left_out,
        )


def run_severity(
    entrant: Entrant, data: OutsideSet, seed: int = 0, progress: Callable[[str, float], None] = _NO_PROGRESS
) -> SeverityOutcome:
    """Count the incidents of a detector over one set."""
    incidents, labelled = dict.fromkeys(LEVELS, 0), dict.fromkeys(LEVELS, 0)
    explained = left_out = 0
    for k, recording in enumerate(data.recordings):
        progress(f"{data.name}: {entrant.name}", k / len(data.recordings))
        try:
            found = incidents_of(entrant, recording, seed)
        except DataError:
            left_out += 1
            continue
        truth = recording.truth
        for one in found:
            incidents[one.severity_word] += 1
            inside = (recording.ts >= one.start) & (recording.ts <= one.end)
            labelled[one.severity_word] += bool(truth[inside].any())
            explained += bool(one.reason)
    return SeverityOutcome(
        entrant.name, data.name, tuple(incidents.values()), tuple(labelled.values()), explained, left_out
    )


def incidents_of(entrant: Entrant, recording: Recording, seed: int = 0) -> Sequence[Alert]:
    """Return the last message of each incident that the job would have reported after the fitted part of a series.

    Raises:
        DataError: the first part is too short for this detector.
    """
    spec, start, name = entrant.spec(recording), recording.start, recording.name
    head = regularise(name, recording.ts[:start], recording.values[:start], spec)
    trained = fit_model("evaluated", entrant.kind, head, spec, params=entrant.params, seed=seed)
    models = ModelSet()
    models.adopt(load_model(trained.publishable(), trained.content))
    ts, own = recording.ts[start:], recording.values[start:]
    values = np.full((len(ts), len(models.columns)), np.nan)
    values[:, [models.columns[feature] for feature in recording.features]] = own
    last: dict[str, Alert] = {}
    for alert in replay(models, EngineOptions(), [name], np.zeros(len(ts), np.int64), ts, values):
        if alert.kind == "incident":
            last[alert.id] = alert
    return list(last.values())
