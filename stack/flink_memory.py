"""Divide a Flink process's memory: the sums that ``bin/jobmanager.sh`` and ``taskmanager.sh`` leave to Java.

The scripts start four short-lived JVMs to read the configuration and do these sums, which took half of the stack's
start on two cores. A test compares the results with theirs. Defaults: "Set up Flink's process memory" in Flink's docs.
"""

from __future__ import annotations

import math

from eddy.errors import StackError

MIB = 1024 * 1024
MIN_HEAP = 16 * MIB
METASPACE = 256 * MIB
TENTH = 0.10000000149011612  # Flink keeps shares as 32-bit floats: these are its 0.1 and 0.4, to the byte
OVERHEAD_SHARE, MIN_OVERHEAD, MAX_OVERHEAD = TENTH, 192 * MIB, 1024 * MIB
JOBMANAGER_OFF_HEAP = 128 * MIB
FRAMEWORK_HEAP = FRAMEWORK_OFF_HEAP = 128 * MIB
NETWORK_SHARE, MIN_NETWORK = TENTH, 64 * MIB
MANAGED_SHARE = 0.4000000059604645  # Python workers and RocksDB live in it


def jobmanager(process_mb: int) -> tuple[list[str], dict[str, str]]:
    """Return the JVM options and Flink options of a JobManager whose process may use ``process_mb``."""
    overhead = _overhead(process_mb)
    heap = _enough("jobmanager_memory_mb", process_mb, process_mb * MIB - METASPACE - overhead - JOBMANAGER_OFF_HEAP)
    options = {
        "jobmanager.memory.heap.size": heap,
        "jobmanager.memory.off-heap.size": JOBMANAGER_OFF_HEAP,
        "jobmanager.memory.jvm-metaspace.size": METASPACE,
        "jobmanager.memory.jvm-overhead.min": overhead,
        "jobmanager.memory.jvm-overhead.max": overhead,
    }
    return _heap(heap), _bytes(options)


def taskmanager(process_mb: int, slots: int) -> tuple[list[str], dict[str, str]]:
    """Return the JVM options and Flink options of a TaskManager whose process may use ``process_mb``."""
    overhead = _overhead(process_mb)
    flink = process_mb * MIB - METASPACE - overhead
    network = max(MIN_NETWORK, int(flink * NETWORK_SHARE))
    managed = int(flink * MANAGED_SHARE)
    rest = flink - FRAMEWORK_HEAP - FRAMEWORK_OFF_HEAP - network - managed
    task_heap = _enough("taskmanager_memory_mb", process_mb, rest)
    options = {
        "taskmanager.memory.framework.heap.size": FRAMEWORK_HEAP,
        "taskmanager.memory.framework.off-heap.size": FRAMEWORK_OFF_HEAP,
        "taskmanager.memory.task.heap.size": task_heap,
        "taskmanager.memory.task.off-heap.size": 0,
        "taskmanager.memory.network.min": network,
        "taskmanager.memory.network.max": network,
        "taskmanager.memory.managed.size": managed,
        "taskmanager.memory.jvm-metaspace.size": METASPACE,
        "taskmanager.memory.jvm-overhead.min": overhead,
        "taskmanager.memory.jvm-overhead.max": overhead,
    }
    plain = {"taskmanager.cpu.cores": f"{slots:.1f}", "external-resources": "none"}
    direct = [f"-XX:MaxDirectMemorySize={FRAMEWORK_OFF_HEAP + network}"]
    return [*_heap(FRAMEWORK_HEAP + task_heap), *direct], _bytes(options) | plain


def _enough(setting: str, process_mb: int, heap: int) -> int:
    if heap < MIN_HEAP:
        short = math.ceil((MIN_HEAP - heap) / MIB)
        raise StackError(f"stack.{setting}={process_mb} leaves too little heap; add at least {short} MiB")
    return heap


def _overhead(process_mb: int) -> int:
    return min(max(int(process_mb * MIB * OVERHEAD_SHARE), MIN_OVERHEAD), MAX_OVERHEAD)


def _heap(size: int) -> list[str]:
    return [f"-Xms{size}", f"-Xmx{size}", f"-XX:MaxMetaspaceSize={METASPACE}"]


def _bytes(options: dict[str, int]) -> dict[str, str]:
    return {key: f"{size}b" for key, size in options.items()}
