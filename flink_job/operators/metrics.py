"""Report the job's own metrics, under its operators ``score`` and ``read`` in Flink's REST API and reporters."""

from __future__ import annotations

import re
from typing import Any

from eddy.flink_job.operators.outputs import Counts


class SourceMetrics:
    """Counters of one subtask of the ``read`` operator, over the input sources of a cluster.

    ``records``, ``skipped`` (elements that are none by a source's ``where``, or hold nothing), ``dead`` (elements that
    are refused; each but those of a source that is mostly dead is a dead letter).
    """

    def __init__(self, group: Any) -> None:
        group = group.add_group("eddy")
        self._counters = {name: group.counter(name) for name in ("records", "skipped", "dead")}

    def add(self, records: int, skipped: int, dead: int) -> None:
        """Count what a frame led to."""
        for name, count in (("records", records), ("skipped", skipped), ("dead", dead)):
            if count:
                self._counters[name].inc(count)


class JobMetrics:
    """Counters, distributions and gauges of one subtask.

    Counters: ``events``, ``late``, ``duplicate``, ``bad``, ``windows``, ``alerts``, ``held_dropped`` (events dropped
    because no model came for them), ``models_refused``, ``features_missing`` (model versions of whose features a series
    brings none, once per version and shard), ``interval_mismatch`` (model versions whose series have another interval,
    likewise), ``limits_reached`` (observations that a limit of memory had refused, dropped or released early).
    Distributions: ``batch_events``, ``batch_us`` (handling time of a micro-batch), ``scoring_us`` (the part of it for
    windows, detectors and thresholds). Gauges: ``series``, ``series_without_model``, ``pending_bytes`` (of events
    that wait for a model), ``held_events`` (in the reorder buffer), ``models``, ``model_version`` (sum over the
    models in use: it moves when any of them does), ``models_delayed`` (whose newest version cannot be fetched), and
    for each sink ``<name>_away_seconds`` (how long it has taken nothing) and ``<name>_refused`` (items that it left
    out for good).
    """

    def __init__(self, group: Any, function: Any) -> None:
        group = group.add_group("eddy")
        names = ["events", "late", "duplicate", "bad", "windows", "alerts", "held_dropped", "features_missing"]
        names += ["interval_mismatch", "limits_reached", "models_refused"]
        self._counters = {name: group.counter(name) for name in names}
        self._events = group.distribution("batch_events")
        self._microseconds = group.distribution("batch_us")
        self._scoring = group.distribution("scoring_us")
        shards, models = function.shards, function.models
        group.gauge("series", lambda: sum(len(shard.engine.slot_of) for shard in shards.values()))
        group.gauge("series_without_model", lambda: sum(len(shard.pending) for shard in shards.values()))
        group.gauge("pending_bytes", lambda: sum(shard.pending.bytes for shard in shards.values()))
        group.gauge("held_events", lambda: sum(shard.engine.clock.waiting for shard in shards.values()))
        group.gauge("models", lambda: len(models.models))
        group.gauge("model_version", lambda: sum(m.manifest.version for m in models.models.values()))
        group.gauge("models_delayed", lambda: len(function.versions.delayed))
        for setting, sink in function.sinks.sinks.items():
            name = re.sub("[^A-Za-z0-9_]", "_", setting)
            group.gauge(f"{name}_away_seconds", lambda sink=sink: int(sink.away_seconds))
            group.gauge(f"{name}_refused", lambda sink=sink: sink.refused)

    def frame(self, events: int, counts: Counts, seconds: float) -> None:
        """Report one handled frame; ``counts`` is reset."""
        for name, count in (
            ("events", counts.events),
            ("late", counts.late),
            ("duplicate", counts.duplicate),
            ("bad", counts.bad),
            ("windows", counts.windows),
            ("alerts", counts.alerts),
            ("held_dropped", counts.dropped),
            ("features_missing", counts.featureless),
            ("limits_reached", counts.limited),
            ("interval_mismatch", counts.off_interval),
        ):
            if count:
                self._counters[name].inc(count)
        scoring_seconds = counts.scoring_seconds
        counts.__init__()  # type: ignore[misc]
        if events:
            self._scoring.update(int(scoring_seconds * 1e6))
            self._events.update(events)
            self._microseconds.update(int(seconds * 1e6))

    def refused(self) -> None:
        """A model version was refused."""
        self._counters["models_refused"].inc()
