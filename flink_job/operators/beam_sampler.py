"""Turns off a clock of Apache Beam's worker that nobody reads and every bundle waits for.

Beam samples how long each step of a bundle takes, from a thread that it starts and joins for each bundle. Joining waits
until that thread wakes: a tenth of the bundle's time on average, in which the worker does nothing. Flink throws these
figures away: it reads counters and gauges only, which do not come from there.
"""

from __future__ import annotations

import threading
from typing import Any

from apache_beam.runners.worker import statesampler

_BEAM: Any = statesampler


def stop_sampling() -> None:
    """Have the bundles of this process begin and end without a sampling thread."""
    sampler = _BEAM.StateSampler
    sampler.start, sampler.stop = _start, _stop


def _start(self: Any) -> None:
    self.tracked_thread = threading.current_thread()
    _BEAM.set_current_tracker(self)
    self.started = True


def _stop(self: Any) -> None:
    _BEAM.set_current_tracker(None)
    self.finished = True
