"""Tell the monitor of silent series what frames say of their sources."""

from __future__ import annotations

import numpy as np

from eddy.flink_job.operators.shard_options import ShardOptions
from eddy.flink_job.operators.source_clocks import NONE
from eddy.flink_job.wire.frames import END, FEEDBACK, Frame
from eddy.flink_job.wire.parsing import shard_of
from eddy.models.silence.monitor import OBSERVATIONS, SOURCE_SERIES, SilenceMonitor


class SourceSilence:
    """Names the sources of streams, and hands clocks of frames to the monitor.

    Each shard follows all sources, since none is to alert on series of a silent source; the silence of a source is
    reported by the shard that its name belongs to.

    Args:
        monitor: of the shard.
        options: which shard, and the input sources.
    """

    def __init__(self, monitor: SilenceMonitor, options: ShardOptions) -> None:
        self._monitor, self._options = monitor, options
        self._ended = False
        monitor.source_names = self._reported

    def take(self, frame: Frame) -> None:
        """Take a frame, before its events."""
        if frame.kind == FEEDBACK:
            return
        self._ended = self._ended or frame.kind == END  # a bounded source: that nothing comes any more is no silence
        if frame.clocks and not self._ended:
            heard = [(one.number, one.watermark, one.last) for one in frame.clocks if one.last != NONE]
            self._monitor.note_sources(frame.source, heard, frame.now)
        if len(frame):
            streams = frame.streams()
            for stream in np.unique(streams).tolist():
                if not self._monitor.knows_feed(stream):
                    topic = frame.topic(int(np.argmax(streams == stream)))
                    self._monitor.name_feed(stream, self._source(topic))

    def _source(self, topic: str) -> int:
        every = enumerate(self._options.sources) if topic else ()
        return next((number for number, one in every if one.reads(topic)), OBSERVATIONS)

    def _reported(self, source: int) -> str | None:
        sources = self._options.sources
        if source == OBSERVATIONS:
            name = self._options.observations
        else:
            name = ",".join(sources[source].topics) or sources[source].pattern if source < len(sources) else str(source)
        series = f"{SOURCE_SERIES}{name}"
        return series if shard_of(series, self._options.shards) == self._options.number else None
