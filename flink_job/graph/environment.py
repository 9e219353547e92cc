"""Set Flink up for the job: checkpoints, restarts, how Python runs."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment

from eddy.settings import JobSettings

_BUFFER_TIMEOUT_MS = 5
_WRITE_CACHE_ENTRIES = 10_000  # keyed state is written in one go before a barrier: no early, partial flushes


def create(job: JobSettings, jars: Sequence[Path] = (), python: str = sys.executable) -> StreamExecutionEnvironment:
    """Create the execution environment; on a cluster it is the one that ``flink run`` submits to.

    Args:
        job: settings.
        jars: shipped with the job.
        python: interpreter of the workers; empty = what ``flink run`` or the cluster says.
    """
    configuration = Configuration()
    for key, value in _options(job).items():
        configuration.set_string(key, value)
    if python:
        configuration.set_string("python.executable", python)
        configuration.set_string("python.client.executable", python)
    if jars:
        configuration.set_string("pipeline.jars", ";".join(jar.resolve().as_uri() for jar in jars))
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(job.parallelism)
    env.set_max_parallelism(job.max_parallelism)
    return env


def _options(job: JobSettings) -> dict[str, str]:
    options = {
        "pipeline.name": job.name,
        # Frames are handed over once and never changed, so chained operators need no copies.
        "pipeline.object-reuse": "true",
        # Few and large records: flushing each costs little, waiting for a full buffer costs latency.
        "execution.buffer-timeout.interval": f"{_BUFFER_TIMEOUT_MS} ms",
        "execution.checkpointing.interval": f"{job.checkpoint_interval_ms} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        # CHECKPOINT frames tell Python to write its windows just before the barrier: barriers must not overtake them.
        "execution.checkpointing.unaligned.enabled": "false",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.tolerable-failed-checkpoints": "5",
        "state.backend.type": job.state_backend,
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "1 min",
        # The next trouble, after minutes of calm, is a new one: its first restart comes at once again.
        "restart-strategy.exponential-delay.reset-backoff-threshold": "5 min",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": str(job.restart_attempts),
        "python.execution-mode": job.execution_mode,
        "python.fn-execution.bundle.size": str(job.bundle_events or math.ceil(job.shards / job.parallelism)),
        "python.fn-execution.bundle.time": str(job.bundle_ms),
        "python.map-state.write-cache-size": str(_WRITE_CACHE_ENTRIES),
        "python.metric.enabled": "true",
    }
    if job.checkpoint_dir:
        options["execution.checkpointing.dir"] = job.checkpoint_dir
    return options
