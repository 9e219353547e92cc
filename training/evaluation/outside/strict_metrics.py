"""Strict F1: an event counts once, a false alert counts however long it lasts, and no threshold ever sees a label.

An event is found if a row from its first to :data:`GRACE_ROWS` past its last is flagged. False alerts are counted on
normal rows only: flagged rows with less than :data:`QUIET_ROWS` quiet ones between them are one alert, and an alert
that lasts counts again every :data:`LASTING_ROWS` rows, so that a detector which alerts for ever cannot hide it in one.
Point adjustment, which lets one lucky row find a long event and all of its rows, is not used anywhere here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Bools, Floats
from eddy.training.evaluation.metrics.event_metrics import merged
from eddy.training.evaluation.metrics.vus import range_auc, spans

GRACE_ROWS = 8  # rows after an event at which an alert still counts for it
QUIET_ROWS = 24  # rows without a flag that end a false alert
LASTING_ROWS = 100  # an alert counts once per so many rows
_LONGEST_PERIOD = 300  # rows: as TSB-AD chooses VUS' buffer
_USUAL_PERIOD = 125  # rows, where the series shows none in that range
_SHORTEST_PERIOD = 3
_PERIOD_ROWS = 20_000  # of the series that the period is taken from
_BUFFERS = 9  # of 0 … period that VUS is averaged over; all of them differ in the third decimal


@dataclass(frozen=True)
class StrictCount:
    """What one detector did on one series: ``found`` of ``events``, ``false`` alerts on ``normal`` rows."""

    events: int
    found: int
    false: int
    normal: int


def strict_count(labels: Bools, flagged: Bools, start: int) -> StrictCount:
    """Count events found and false alerts in the scored part of a series.

    Args:
        labels: (n,) True in labelled events.
        flagged: (n,) True where the detector alerts.
        start: rows at the start that were for fitting and are not scored.
    """
    labels, flagged = labels[start:], flagged[start:]
    events = spans(labels)
    found = sum(bool(flagged[first : last + GRACE_ROWS + 1].any()) for first, last in events)
    normal = ~labels
    for _, last in events:
        normal[last + 1 : last + GRACE_ROWS + 1] = False
    alerts = merged(flagged & normal, QUIET_ROWS)
    false = sum(1 + (last - first) // LASTING_ROWS for first, last in alerts)
    return StrictCount(len(events), found, false, int(normal.sum()))


def strict_f1(counts: Sequence[StrictCount]) -> float:
    """F1 of all series together; NaN where there is no event."""
    events, found = sum(c.events for c in counts), sum(c.found for c in counts)
    false = sum(c.false for c in counts)
    return 2 * found / (found + false + events) if events else float("nan")


def false_per_thousand(counts: Sequence[StrictCount]) -> float:
    """False alerts per 1,000 normal rows of all series together."""
    return 1000 * sum(c.false for c in counts) / max(sum(c.normal for c in counts), 1)


def vus_period(values: Floats) -> int:
    """Rows of the buffer that VUS uses for (n,) values: lag of the highest local maximum of the autocorrelation."""
    known = values[:_PERIOD_ROWS]
    known = np.where(np.isfinite(known), known, np.nanmean(known) if np.isfinite(known).any() else 0.0)
    centred = known - known.mean()
    power = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(power)[: min(_LONGEST_PERIOD + 2, len(centred))]
    inner = np.arange(max(_SHORTEST_PERIOD, 1), len(correlation) - 1)
    peaks = inner[(correlation[inner] > correlation[inner - 1]) & (correlation[inner] > correlation[inner + 1])]
    return int(peaks[np.argmax(correlation[peaks])]) if len(peaks) else _USUAL_PERIOD


def vus_pr(labels: Bools, scores: Floats, values: Floats, start: int) -> float:
    """VUS-PR of the dense score over the scored part; NaN where there is only one class.

    Args:
        labels: (n,) True in labelled events.
        scores: (n,) dense scores; NaN counts as the lowest.
        values: (n, F); the first feature gives the buffer.
        start: rows at the start that are not scored.
    """
    labels, scores = labels[start:], scores[start:]
    if labels.all() or not labels.any():
        return float("nan")
    finite = np.isfinite(scores)
    known = np.where(finite, scores, scores[finite].min() if finite.any() else 0.0)
    buffers = np.unique(np.linspace(0, vus_period(values[:, 0]), _BUFFERS).astype(int))
    return float(np.mean([range_auc(labels, known, int(buffer)).pr for buffer in buffers]))
