"""Check what the levels of severity are worth: how many incidents of each are labelled events, and how many say why.

The detector is fitted on the first part of each series, at its shipped threshold; the rest goes through the job's own
engine. An incident counts as labelled if a labelled row lies between 8 rows before its first anomalous point and its
last: as for strict F1, an event is found up to 8 rows after its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eddy.alert import SEVERITY_LEVELS, Alert
from eddy.errors import DataError
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import UNLIKE_TRAINING, Detector
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from eddy.models.thresholds.rate import RateThreshold
from eddy.models.windowing.windows import regularise
from eddy.training.data.recording import Recording
from eddy.training.evaluation.outside.data_sets import OutsideSet
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.fitting.fit import ThresholdRule, fit_model

LEVELS = tuple(word for _, word in reversed(SEVERITY_LEVELS))  # the least severe first
MARGIN = 8  # rows after an event in which it is still found: :mod:`.strict_metrics`
_TENS = 10
_NO_CLOCK_SECONDS = 60.0
_NO_PROGRESS: Callable[[str, float], None] = lambda what, share: None  # noqa: E731


@dataclass(frozen=True)
class SeverityOutcome:
    """Incidents of one detector on one set.

    Attributes:
        detector, data: names.
        incidents, labelled: by level, the least severe first: how many there were, and how many labelled events.
        tens, labelled_tens: the same by severities 0 to 9, 10 to 19 and so on; the last holds 100, too.
        shown: incidents that show a value out of its band.
        said: others that say in words what is unusual, and more than that the window is unlike those of training.
        left_out: series that the detector could not be fitted to.
    """

    detector: str
    data: str
    incidents: tuple[int, ...]
    labelled: tuple[int, ...]
    tens: tuple[int, ...]
    labelled_tens: tuple[int, ...]
    shown: int
    said: int
    left_out: int = 0

    def __add__(self, other: SeverityOutcome) -> SeverityOutcome:
        """Add up two sets of one detector."""
        return SeverityOutcome(
            self.detector,
            "all",
            _sums(self.incidents, other.incidents),
            _sums(self.labelled, other.labelled),
            _sums(self.tens, other.tens),
            _sums(self.labelled_tens, other.labelled_tens),
            self.shown + other.shown,
            self.said + other.said,
            self.left_out + other.left_out,
        )


def _sums(some: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(some, others, strict=True))


def run_severity(
    entrant: Entrant,
    data: OutsideSet,
    seed: int = 0,
    progress: Callable[[str, float], None] = _NO_PROGRESS,
    threshold: str = "",
) -> SeverityOutcome:
    """Count the incidents of a detector over one set; ``threshold``: see :func:`incidents_of`."""
    levels, tens = np.zeros((2, len(LEVELS)), np.int64), np.zeros((2, _TENS), np.int64)
    shown = said = left_out = 0
    for k, recording in enumerate(data.recordings):
        progress(f"{data.name}: {entrant.name}", k / len(data.recordings))
        try:
            found = incidents_of(entrant, recording, seed, threshold)
        except DataError:
            left_out += 1
            continue
        events = recording.truth
        for one in found:
            first, last = np.searchsorted(recording.ts, (one.start, one.end + 1))
            labelled = bool(events[max(first - MARGIN, 0) : last].any())
            for counts, at in ((levels, LEVELS.index(one.severity_word)), (tens, min(one.severity // 10, _TENS - 1))):
                counts[:, at] += (1, labelled)
            shown += bool(one.reason) and not one.unusual
            said += one.unusual not in ("", UNLIKE_TRAINING.format(points=(one.window or {}).get("size")))
    found_levels, labelled_levels, found_tens, labelled_tens = (tuple(map(int, row)) for row in (*levels, *tens))
    return SeverityOutcome(
        entrant.name, data.name, found_levels, labelled_levels, found_tens, labelled_tens, shown, said, left_out
    )


def incidents_of(entrant: Entrant, recording: Recording, seed: int = 0, threshold: str = "") -> Sequence[Alert]:
    """Return the last message of each incident that the job would have reported after the fitted part of a series.

    Args:
        entrant: the detector.
        recording: the series.
        seed: of detectors that draw at random.
        threshold: policy or rule of the limit, for detectors that have none of their own; empty: as shipped.

    Raises:
        DataError: the first part is too short for this detector.
    """
    spec, start, name = entrant.spec(recording), recording.start, recording.name
    head = regularise(name, recording.ts[:start], recording.values[:start], spec)
    rule = _rule(threshold, recording) if threshold and not _has_own_limit(entrant) else None
    trained = fit_model(
        "evaluated", entrant.kind, head, spec, params=entrant.params, rule=rule, seed=seed, value_type="auto"
    )
    models = ModelSet()
    models.adopt(load_model(trained.manifest, trained.content))
    ts, own = recording.ts[start:], recording.values[start:]
    values = np.full((len(ts), len(models.columns)), np.nan)
    values[:, [models.columns[feature] for feature in recording.features]] = own
    last: dict[str, Alert] = {}
    for alert in replay(models, EngineOptions(), [name], np.zeros(len(ts), np.int64), ts, values):
        if alert.kind == "incident":
            last[alert.id] = alert
    return list(last.values())


def _has_own_limit(entrant: Entrant) -> bool:
    kind, _ = DETECTORS.current(entrant.kind, entrant.params)
    return DETECTORS.get(kind).default_limit is not Detector.default_limit


def _rule(name: str, recording: Recording) -> ThresholdRule:
    """Return the rule of a name; ``rate`` is given the interval, a minute where the series has no clock."""
    if name != RateThreshold.policy:
        return ThresholdRule(name)
    seconds = recording.interval_ms / 1000
    return ThresholdRule(name, params={"interval_seconds": seconds if seconds >= 1 else _NO_CLOCK_SECONDS})
