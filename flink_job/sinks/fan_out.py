"""Hand what an operator finds to all sinks in use, and keep what they have not delivered in keyed state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eddy.alert import Alert
from eddy.feedback import Feedback
from eddy.flink_job.sinks.base import Sink
from eddy.flink_job.sinks.registry import SINKS
from eddy.redis_layout import Point
from eddy.settings import Settings

_PREFIX = "sink:"


def state_key(setting: str) -> str:
    """Return the key of a sink's pending items in keyed state; Redis has the one of earlier versions."""
    return "redis" if setting == "redis" else _PREFIX + setting


def make_sink(setting: str, settings: Settings) -> Sink:
    """Make the sink that an entry of ``job.sinks`` names: ``name`` or ``name:argument``.

    Raises:
        SettingsError: there is no such sink, or it cannot be loaded.
    """
    name, _, argument = setting.partition(":")
    made: Sink = SINKS.get(name)(settings, argument)
    return made


class FanOut:
    """All sinks of one operator's subtask.

    Args:
        sinks: by their entry in ``job.sinks``.
    """

    def __init__(self, sinks: Mapping[str, Sink] | None = None) -> None:
        self.sinks = dict(sinks or {})
        self._saved: dict[tuple[int, str], bytes] = {}  # by shard and key of state: what keyed state holds

    @classmethod
    def of(cls, settings: Settings) -> FanOut:
        """Make and open the sinks that the settings name.

        Raises:
            SettingsError: there is no such sink, or it cannot be loaded.
        """
        made = cls({setting: make_sink(setting, settings) for setting in settings.job.sink_names})
        for sink in made.sinks.values():
            sink.open()
        return made

    def __bool__(self) -> bool:
        return bool(self.sinks)

    def put(
        self,
        shard: int,
        alerts: Iterable[Alert] = (),
        live: Iterable[Point] = (),
        points: Iterable[Point] = (),
        feedback: Iterable[Feedback] = (),
    ) -> None:
        """Hand over what a micro-batch led to; nothing is called where there is nothing."""
        if alerts or live or points or feedback:
            for sink in self.sinks.values():
                sink.put(shard, alerts, live, points, feedback)

    def take_entries(self, shard: int, entries: dict[str, bytes]) -> None:
        """Take the sinks' entries out of keyed state that is restored, and give each sink its own."""
        for key in [key for key in entries if key == "redis" or key.startswith(_PREFIX)]:
            self._saved[shard, key] = entries.pop(key)
        for setting, sink in self.sinks.items():
            if pending := self._saved.get((shard, state_key(setting))):
                sink.restore(shard, pending)

    def changes(self, shard: int) -> dict[str, bytes | None]:
        """Give the entries of keyed state that changed since the last checkpoint; None removes one.

        Entries of sinks that are no longer in use are removed.
        """
        now = {state_key(setting): sink.pending(shard) for setting, sink in self.sinks.items()}
        known = {key: saved for (owner, key), saved in self._saved.items() if owner == shard}
        changed: dict[str, bytes | None] = {}
        for key in {**known, **now}:
            pending = now.get(key, b"")
            if pending != known.get(key, b""):
                changed[key] = pending or None
                self._saved[shard, key] = pending
        return changed

    def close(self) -> None:
        """Close all sinks, also where one of them fails at it; the first failure is raised."""
        failures: list[Exception] = []
        for sink in self.sinks.values():
            try:
                sink.close()
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]
