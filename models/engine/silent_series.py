"""Join what is known of silent series with the engine: the events that count, and the other incidents of a series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace

import numpy as np

from eddy.models.alerting.incidents import NO_POINT, Transition
from eddy.models.core.detector import Ints
from eddy.models.engine.alert_messages import Closing, alert_of, close_incident
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.engine.state.codec import BLOCK
from eddy.models.silence.incidents import SilentIncident
from eddy.models.silence.monitor import Fallen, SilenceMonitor
from eddy.models.windowing.event_time import Admitted
from eddy.models.windowing.partitions import Origins


def follow(
    silence: SilenceMonitor, slots: Ints, ts: Ints, origins: Origins | None, admitted: Admitted, now: int
) -> None:
    """Have the monitor take a batch of events in order of arrival, then find those that are silent.

    Events that wait to be confirmed, since they lie far ahead, do not count; the one that confirms them will.
    """
    heard = np.ones(len(slots), np.bool_)
    heard[admitted.parked] = False
    heard[[one.place for one in admitted.ahead if one.place >= 0]] = False
    for back in admitted.taken_back:
        silence.begin_anew(back.slot, back.ts)
        heard[slots == back.slot] = False
    streams = None if origins is None else origins.partitions
    if not heard.all():
        slots, ts, streams = slots[heard], ts[heard], None if streams is None else streams[heard]
    silence.observe(slots, ts, streams, now)
    silence.advance(now)


def falling_silent(scorers: Mapping[str, ModelScorer], fallen: Fallen, job: str) -> Iterator[Closing]:
    """Make an update of each open incident of a series that has fallen silent: it says so."""
    for scorer in scorers.values():
        row = scorer.row(fallen.slot)
        incident = scorer.incidents.open.get(row) if row != NO_ROW else None
        if incident is not None and incident.suppressed is None:
            transition = Transition("update", row, NO_POINT, copy(incident))
            alert = alert_of(transition, scorer, scorer.series_of[row], 0, job)
            words = f"the series is silent: {fallen.words}"
            yield Closing(replace(alert, end=max(alert.end, fallen.at), unusual=words), incident.recorded)


def closed_by_silence(
    scorers: Mapping[str, ModelScorer], slot: int, silent: SilentIncident | None, job: str
) -> list[Closing]:
    """Close the open incidents of a series that has been silent for long."""
    closed: list[Closing] = []
    for scorer in scorers.values():
        row = scorer.row(slot)
        if row == NO_ROW or row not in scorer.incidents.open:
            continue
        scorer.dirty[row // BLOCK] = True  # the verdicts that might have opened another one go with it
        closing = close_incident(scorer, row, scorer.series_of[row], job)
        if silent is not None:
            words = f"closed, since the series is silent: {silent.words}"
            closing = [
                Closing(replace(alert, end=max(alert.end, silent.end), unusual=words), shadow)
                for alert, shadow in closing
            ]
        closed += closing
    return closed
