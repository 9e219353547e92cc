"""Group input sources by the cluster that they are read from: each has one consumer in the job."""

from __future__ import annotations

import json
from dataclasses import dataclass

from eddy.input_settings import InputSource
from eddy.inputs.aggregates import joined_names
from eddy.inputs.mapping import Mapping
from eddy.inputs.newest_records import kafka_of
from eddy.settings import KafkaSettings, Settings


@dataclass(frozen=True)
class Cluster:
    """Hold the sources of one cluster.

    Attributes:
        number: 0 is the cluster of the settings' ``kafka``, which also has the observations topic.
        kafka: its connection.
        sources: by the name that errors call them.
    """

    number: int
    kafka: KafkaSettings
    sources: dict[str, InputSource]

    def source_of(self, topic: str) -> str | None:
        """Return the name of the source that reads a topic, the first of several; None: no source does."""
        return next((name for name, one in self.sources.items() if one.reads(topic)), None)

    def mappings(self, settings: Settings) -> dict[str, Mapping]:
        """Return what reads each source, by its name.

        Raises:
            SettingsError: a source cannot be read.
        """
        times, registry = settings.job.event_times, settings.schema_registry
        return {
            name: Mapping(source, times, name, registry, joined_with(settings, name))
            for name, source in self.sources.items()
        }


def number_of(name: str) -> int:
    """Return N of a source's name ``input.N``, by which frames speak of it.

    Examples:
        >>> number_of("input.3")
        3
    """
    return int(name.rpartition(".")[2])


def joined_with(settings: Settings, name: str) -> tuple[str, ...]:
    """Return the names of values that other sources make for the observations of a source, whatever their cluster.

    Args:
        settings: of all sources.
        name: of the source; of one that is not among those of the settings, there are none.

    Examples:
        >>> rules = [{"every": "1m", "join": "web", "values": {one: "count"}} for one in ("requests", "errors")]
        >>> joined_with(Settings(input=[{"topics": "t", "aggregate": rule} for rule in rules]), "input.0")
        ('errors',)
    """
    sources = {f"input.{at}": source for at, source in enumerate(settings.input)}
    rules = {name: source.aggregate for name, source in sources.items() if source.aggregate is not None}
    return joined_names(rules, name) if name in rules else ()


def clusters(settings: Settings) -> list[Cluster]:
    """Return the clusters of all sources, that of ``kafka`` first; empty without sources.

    Raises:
        SettingsError: the settings of a connection do not fit together.

    Examples:
        >>> both = [{"topics": "a"}, {"topics": "b", "kafka": {"bootstrap_servers": "c:1"}}]
        >>> [list(one.sources) for one in clusters(Settings(input=both))]
        [['input.0'], ['input.1']]
    """
    if not settings.input:
        return []
    groups: dict[str, dict[str, InputSource]] = {"{}": {}}
    for at, source in enumerate(settings.input):
        groups.setdefault(json.dumps(source.kafka, sort_keys=True), {})[f"input.{at}"] = source
    return [
        Cluster(number, kafka_of(next(iter(sources.values()), InputSource(topics="-")), settings.kafka), sources)
        for number, sources in enumerate(groups.values())
    ]
