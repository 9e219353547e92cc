"""Find sinks by the name that ``job.sinks`` gives them; importing this imports none of them."""

from __future__ import annotations

from typing import Any

from eddy.plugins import ClassRegistry

#: classes that extend :class:`eddy.flink_job.sinks.base.Sink`; typed there
SINKS: ClassRegistry[Any] = ClassRegistry(
    "sink",
    "eddy.sinks",
    "eddy.flink_job.sinks.base:Sink",
    "name",
    {"redis": "eddy.flink_job.sinks.redis:RedisSink"},
)
