"""Put proxies between the parts: job and Kafka, job and Redis, Flink's two parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eddy.settings import Settings
from eddy.stack import flink, kafka_broker
from eddy.stack.ports import free_ports
from tests.faults.proxy import Proxy

KAFKA, REDIS, TASKMANAGER = "Kafka", "Redis", "TaskManager"


def links(settings: Settings, patch: pytest.MonkeyPatch) -> dict[str, list[Proxy]]:
    """Return proxies by link. Call it before the stack starts, since the stack needs their ports.

    For Kafka and Redis the job has to use the proxy's port in its settings.
    """
    kafka, kafka_target, redis, *ports = free_ports(12)[6:]  # the first six are those of the stack
    _listener(patch, kafka, kafka_target)
    return {
        KAFKA: [Proxy(kafka, kafka_target)],
        REDIS: [Proxy(redis, settings.stack.redis_port)],
        TASKMANAGER: _between_flinks_parts(patch, settings, *ports),
    }


def _listener(patch: pytest.MonkeyPatch, proxy: int, target: int) -> None:
    """Add a listener to the broker, advertised at the proxy's address, for the job."""
    plain = kafka_broker._properties

    def properties(settings: Settings, data: Path) -> dict[str, object]:
        found = plain(settings, data)
        found["listeners"] = f"{found['listeners']},PROXIED://127.0.0.1:{target}"
        found["advertised.listeners"] = f"{found['advertised.listeners']},PROXIED://127.0.0.1:{proxy}"
        found["listener.security.protocol.map"] = f"{found['listener.security.protocol.map']},PROXIED:PLAINTEXT"
        return found

    patch.setattr(kafka_broker, "_properties", properties)


def _between_flinks_parts(
    patch: pytest.MonkeyPatch, settings: Settings, jobmanager: int, taskmanager: int, taskmanager_target: int
) -> list[Proxy]:
    """Let JobManager and TaskManager reach each other (RPC: deployment, heartbeats, checkpoints) by a proxy each."""
    plain, target = flink._config, settings.stack.flink_rpc_port

    def config(settings: Settings, data: Path) -> dict[str, Any]:
        return {
            **plain(settings, data),
            "jobmanager.rpc.port": jobmanager,
            "jobmanager.rpc.bind-port": target,
            "taskmanager.rpc.port": taskmanager,
            "taskmanager.rpc.bind-port": taskmanager_target,
        }

    patch.setattr(flink, "_config", config)
    return [Proxy(jobmanager, target), Proxy(taskmanager, taskmanager_target)]
