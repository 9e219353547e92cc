"""Take a job past records that stop it: the work behind ``eddy job skip``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kafka import TopicPartition
from pydantic import ValidationError

from eddy.configuration import Configuration, as_text, load, secrets_as_environment
from eddy.errors import SettingsError, StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.inputs.readers import Readers
from eddy.ops.job_checkpoints import complete_checkpoints
from eddy.ops.job_records import JobRecord, job_records
from eddy.ops.job_targets import submit_locally
from eddy.settings import JobSettings, Settings
from eddy.stack.local import Stack
from eddy.topic_reader import TopicReader

_ROLES = ("observations", "feedback")


@dataclass(frozen=True)
class Skipped:
    """Say how a job went on.

    Attributes:
        job: its new id.
        start: checkpoint or savepoint that it started from; empty = it had none.
        skip: all records that it leaves out.
    """

    job: str
    start: str
    skip: tuple[str, ...]


def skip_locally(configuration: Configuration, places: Iterable[str]) -> Skipped:
    """Start the local stack's job again from its newest checkpoint, without some records.

    Args:
        configuration: names the job and the stack; the job keeps the settings that it was submitted with.
        places: ``TOPIC:PARTITION:OFFSET`` each.

    Raises:
        SettingsError: a place is none, or is of a topic whose records cannot be left out.
        StackError: the job was not submitted to the local stack, or a topic holds no such record.
    """
    stack = Stack(configuration.settings)
    record = _record(stack, configuration.settings.job.name)
    submitted = load(record.overrides, environ=secrets_as_environment(configuration.settings))
    skip = checked(submitted.settings, places)
    check_exist(submitted.settings, skip)
    every = tuple(dict.fromkeys([*submitted.settings.job.skip, *skip]))
    cluster = Cluster(stack.flink_address)
    running = cluster.running(record.name)
    if running is not None:
        cluster.cancel(running.id)  # without a savepoint, which a job that keeps failing cannot take
        cluster.wait(running.id, "CANCELED")
    start = next(iter(complete_checkpoints(stack, running.id if running else record.job)), record.savepoint)
    environment = secrets_as_environment(configuration.settings)
    overrides = [one for one in record.overrides if not one.startswith("job.skip=")]
    again = load([*overrides, f"job.skip={as_text(every)}"], environ=environment)
    return Skipped(submit_locally(again, start), start, every)


def commands(cluster: Cluster, settings: Settings, places: Iterable[str]) -> list[str]:
    """Return what to run where the job runs on another cluster: only its user knows how it was submitted.

    Raises:
        SettingsError: as in :func:`skip_locally`.
        StackError: no such job runs there, or a topic holds no such record.
    """
    skip = checked(settings, places)
    check_exist(settings, skip)
    job = cluster.require(settings.job.name)
    completed = cluster.checkpoints(job.id)["latest"].get("completed") or {}
    start = completed.get("external_path", "")
    every = ",".join(dict.fromkeys([*settings.job.skip, *skip]))
    return [
        f"flink cancel -m {cluster.address} {job.id}",
        f"eddy --set job.skip={every} job submit --cluster {cluster.address}" + (f" --from {start}" if start else ""),
    ]


def checked(settings: Settings, places: Iterable[str]) -> tuple[str, ...]:
    """Check what is to be left out.

    Raises:
        SettingsError: a place is none, or is of a topic whose records cannot be left out.
    """
    try:
        found = JobSettings(skip=tuple(places)).skip
    except ValidationError as error:
        raise SettingsError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    known = [settings.topics.name(role) for role in _ROLES]
    readers = Readers(settings)
    for text in found:
        topic = text.split(":")[0]
        if topic == settings.topics.name("models"):
            raise SettingsError(f"{text}: a model is not left out but taken back: eddy models withdraw NAME")
        if topic not in known and not readers.of(topic):
            sources = " or one of 'input'" if settings.input else ""
            raise SettingsError(f"{text}: found topic {topic}, expected {' or '.join(known)}{sources}")
    return found


def check_exist(settings: Settings, places: Iterable[str]) -> None:
    """Check that the topics hold these records: a mistyped offset would be left out in silence, some day.

    Raises:
        StackError: one of them does not, or Kafka does not answer.
    """
    for text in places:
        topic, partition, offset = text.split(":")
        mapped = Readers(settings).of(topic)
        reader = TopicReader.of_topic(mapped[0].kafka if mapped else settings.kafka, topic)
        try:
            place = TopicPartition(topic, int(partition))
            if place not in reader.partitions:
                raise StackError(f"{text}: topic {topic} has partitions 0 to {len(reader.partitions) - 1}")
            first = reader.consumer.beginning_offsets([place])[place]
            end = reader.ends()[place]
            if not first <= int(offset) < end:
                raise StackError(f"{text}: the partition holds offsets {first} to {end - 1}")
        finally:
            reader.close()


def _record(stack: Stack, name: str) -> JobRecord:
    found = {record.name: record for record in job_records(stack)}
    if name not in found:
        others = f"jobs of this stack: {', '.join(found)}" if found else "it has none"
        raise StackError(f"the local stack has no job {name!r}: {others}; --cluster HOST:PORT names another cluster")
    return found[name]
