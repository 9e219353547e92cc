"""The Python functions as the job's graph has them: they load what does the work when a worker opens them.

Building the graph needs none of it, and importing it (numba, the detectors, Kafka's and Redis' clients) takes seconds,
which a submission would wait for.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

from pyflink.common import Types
from pyflink.datastream.functions import KeyedBroadcastProcessFunction, KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
#: what has been broadcast, newest message by model name; restored models come from here before the topic is read on
MODELS = MapStateDescriptor("models", Types.STRING(), BYTES)


def _keep_what_is_loaded() -> None:
    """Tell the garbage collector that what is loaded stays: looking through it takes 0.1 s, while events wait."""
    gc.collect()
    gc.freeze()


class ScoringFunction(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """:class:`eddy.flink_job.operators.scoring.ScoringOperator`, loaded on a worker.

    Args:
        overrides: the settings that differ from the defaults, as ``key=value``; without secrets, since these travel
            in the job graph. Secrets come from the worker's own environment.
    """

    def __init__(self, overrides: list[str]) -> None:
        self._overrides = overrides

    def open(self, runtime_context: RuntimeContext) -> None:
        from eddy.flink_job.operators.beam_sampler import stop_sampling
        from eddy.flink_job.operators.scoring import ScoringOperator

        stop_sampling()
        self._work = ScoringOperator(self._overrides)
        self._work.open(runtime_context)
        _keep_what_is_loaded()

    def close(self) -> None:
        self._work.close()

    def process_broadcast_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[bytes]:
        return self._work.process_broadcast_element(value, ctx)

    def process_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[bytes]:
        return self._work.process_element(value, ctx)


class GroupingFunction(KeyedProcessFunction):  # type: ignore[misc]
    """:class:`eddy.flink_job.operators.grouping.GroupingOperator`, loaded on a worker.

    Args:
        overrides: as in :class:`ScoringFunction`.
    """

    def __init__(self, overrides: list[str]) -> None:
        self._overrides = overrides

    def open(self, runtime_context: RuntimeContext) -> None:
        from eddy.flink_job.operators.grouping import GroupingOperator

        self._work = GroupingOperator(self._overrides)
        self._work.open(runtime_context)
        _keep_what_is_loaded()

    def close(self) -> None:
        self._work.close()

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:
        return self._work.process_element(value, ctx)
