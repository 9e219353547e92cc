"""Run the local stack's Kafka: one broker in KRaft combined mode (it is its own controller), on loopback only."""

from __future__ import annotations

import shlex
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from eddy.settings import KafkaSettings, Settings
from eddy.stack import class_archive, ports, whole_files
from eddy.stack.jars import kafka_classpath
from eddy.stack.java import LATE_OPTIMISER, QUICK
from eddy.stack.process import Launch

NAME = "kafka"
MIB = 1024 * 1024
SEGMENT_BYTES = 128 * MIB  # small, so that old data goes soon; at least twice the largest message
KEPT_BYTES_PER_PARTITION = 4096 * MIB
KEPT_HOURS = 7 * 24
LONGEST_TRANSACTION_MS = 24 * 3_600_000  # an outage of a job that delivers exactly once: longer ones can lose alerts

LOGGING = """\
status = warn
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


def launches(settings: Settings, folder: Path) -> list[Launch]:
    """Write the configuration; return how to start the broker. The same command formats the log folder once."""
    stack, data, log = settings.stack, folder / NAME, folder / "logs" / "kafka.log"
    data.mkdir(parents=True, exist_ok=True)
    properties, logging = data / "server.properties", data / "log4j2.properties"
    lines = (f"{key}={value}\n" for key, value in _properties(settings, data).items())
    whole_files.write(properties, "".join(lines))
    whole_files.write(logging, LOGGING.format(log=log))
    java = ["java", f"-Dlog4j2.configurationFile={logging}", "-cp", kafka_classpath()]
    heap = [f"-Xms{stack.kafka_heap_mb}m", f"-Xmx{stack.kafka_heap_mb}m", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError"]
    heap += [*LATE_OPTIMISER, *class_archive.options(NAME, NAME, kafka_classpath(), folder)]
    serve = [*java[:1], *heap, *java[1:], "kafka.Kafka", str(properties)]
    if not (data / "log" / "meta.properties").exists():
        tool = [
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "-t",
            _cluster_id(data),
            "-c",
            str(properties),
        ]
        format_log = [*java[:1], *QUICK, "-Xmx128m", *java[1:], *tool]
        # `exec`: the broker takes the shell's place, so the process that we started is the broker itself
        serve = ["/bin/sh", "-c", f"{shlex.join(format_log)} && exec {shlex.join(serve)}"]
    held = {"stack.kafka_port": stack.kafka_port, "stack.kafka_controller_port": stack.kafka_controller_port}
    return [Launch(NAME, serve, held, log=log)]


def local_settings(settings: Settings) -> Settings:
    """Return settings that reach this broker, whatever broker the clients are set to use."""
    here = KafkaSettings(
        bootstrap_servers=f"{settings.stack.host}:{settings.stack.kafka_port}",
        max_message_bytes=settings.kafka.max_message_bytes,
        request_timeout_ms=settings.kafka.request_timeout_ms,
    )
    return settings.model_copy(update={"kafka": here})


def problem(settings: Settings) -> str | None:
    """Return None once the broker accepts connections, else the reason. Creating the topics shows whether it serves."""
    stack = settings.stack
    if ports.answers(stack.kafka_port, stack.host):
        return None
    return f"Kafka at {stack.host}:{stack.kafka_port} does not accept connections"


def _cluster_id(data: Path) -> str:
    """Return a random id in Kafka's own form (22 characters), drawn once and kept."""
    file = data / "cluster-id"
    if not file.exists():
        drawn = urlsafe_b64encode(uuid.uuid4().bytes).decode()
        whole_files.write(file, "E" + drawn[1:22])  # a leading '-' would be an option
    return file.read_text()


def _properties(settings: Settings, data: Path) -> dict[str, object]:
    stack = settings.stack
    largest = settings.kafka.max_message_bytes
    controller = f"{stack.host}:{stack.kafka_controller_port}"
    broker = f"{stack.host}:{stack.kafka_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data / "log",
        "message.max.bytes": largest,
        "replica.fetch.max.bytes": largest,
        "socket.request.max.bytes": max(100 * MIB, largest + MIB),
        "log.segment.bytes": max(SEGMENT_BYTES, 2 * largest),
        "log.retention.hours": KEPT_HOURS,
        "log.retention.bytes": KEPT_BYTES_PER_PARTITION,
        "auto.create.topics.enable": "false",  # a mistyped topic name must be an error
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.max.timeout.ms": max(LONGEST_TRANSACTION_MS, settings.job.transaction_timeout_ms),
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
