"""Define the Python functions of the job's graph; each loads its operator when a worker opens it.

A submission only builds the graph: it needs no operator, and importing one (numba, the detectors, the clients of Kafka
and Redis) takes seconds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

from pyflink.datastream.functions import (
    KeyedBroadcastProcessFunction,
    KeyedProcessFunction,
    ProcessFunction,
    RuntimeContext,
)


def _freeze_loaded_objects() -> None:
    """Exempt everything loaded so far from garbage collection: scanning it takes 0.1 s, while events wait."""
    gc.collect()
    gc.freeze()


class ScoringFunction(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """Run :class:`eddy.flink_job.operators.scoring.ScoringOperator` on a worker.

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
        self._operator = ScoringOperator(self._overrides)
        self._operator.open(runtime_context)
        _freeze_loaded_objects()

    def close(self) -> None:
        self._operator.close()

    def process_broadcast_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[bytes]:
        return self._operator.process_broadcast_element(value, ctx)

    def process_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[bytes]:
        return self._operator.process_element(value, ctx)


class GroupingFunction(KeyedProcessFunction):  # type: ignore[misc]
    """Run :class:`eddy.flink_job.operators.grouping.GroupingOperator` on a worker.

    Args:
        overrides: as in :class:`ScoringFunction`.
    """

    def __init__(self, overrides: list[str]) -> None:
        self._overrides = overrides

    def open(self, runtime_context: RuntimeContext) -> None:
        from eddy.flink_job.operators.grouping import GroupingOperator

        self._operator = GroupingOperator(self._overrides)
        self._operator.open(runtime_context)
        _freeze_loaded_objects()

    def close(self) -> None:
        self._operator.close()

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:
        return self._operator.process_element(value, ctx)


class ReadingFunction(ProcessFunction):  # type: ignore[misc]
    """Run :class:`eddy.flink_job.operators.reading.ReadingOperator` on a worker.

    Args:
        overrides: as in :class:`ScoringFunction`.
        cluster: number of the cluster whose input sources are read.
    """

    def __init__(self, overrides: list[str], cluster: int) -> None:
        self._overrides = overrides
        self._cluster = cluster

    def open(self, runtime_context: RuntimeContext) -> None:
        from eddy.flink_job.operators.metrics import SourceMetrics
        from eddy.flink_job.operators.reading import ReadingOperator

        metrics = SourceMetrics(runtime_context.get_metrics_group())
        subtask = runtime_context.get_index_of_this_subtask()
        subtasks = runtime_context.get_number_of_parallel_subtasks()
        self._operator = ReadingOperator(self._overrides, self._cluster, subtask, subtasks, metrics)

    def process_element(self, value: bytes, ctx: ProcessFunction.Context) -> Iterator[bytes]:
        return self._operator.process(value)
