"""The interface of sinks: places beside Kafka to which the job delivers alerts, live state and feedback.

Another package adds a sink as one class and one entry point of the group ``eddy.sinks``; see ``docs/how-to/sink.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from eddy.alert import Alert
from eddy.feedback import Feedback
from eddy.redis_layout import Point
from eddy.settings import Settings


class Sink(ABC):
    """Deliver what the job finds to one more place; Kafka has all of it in any case.

    The runtime makes one object for each subtask of the operators that score and that group, on their worker. All calls
    to it come from one thread, which also scores: whatever can wait (a connection, a slow disk) belongs into a thread
    of the sink's own. Delivery is at least once if :meth:`pending` gives what has not been delivered yet: after a
    restart alerts come again with the same ``id``, ``state`` and ``end``, so write them such that the second time
    changes nothing.

    Args:
        settings: of the job. A sink reads secrets of its own from environment variables of the workers.
        argument: what follows the first colon in ``job.sinks``; empty without one. It travels in the job's graph, where
            Flink's web page shows it: no secrets.

    Attributes:
        name: what ``job.sinks`` calls the sink; the entry point has the same name.
    """

    name: ClassVar[str]

    def __init__(self, settings: Settings, argument: str = "") -> None:
        self.settings = settings
        self.argument = argument

    @abstractmethod
    def open(self) -> None:
        """Begin: start a thread, open a file. Called once, before anything else.

        Do not insist on a connection here: a job that starts while the other side is away has to score nevertheless.
        """

    @abstractmethod
    def put(
        self,
        shard: int,
        alerts: Iterable[Alert] = (),
        live: Iterable[Point] = (),
        points: Iterable[Point] = (),
        feedback: Iterable[Feedback] = (),
    ) -> None:
        """Take over what one micro-batch led to; called only where there is something.

        Return at once: events wait while this runs. An exception fails the job, which restarts from its last checkpoint
        and repeats everything since; so raise none for an item that will be refused again, drop it and count it.

        Args:
            shard: which shard of series it is from (0 for groups of incidents). Alerts of one series come in order.
            alerts: openings, updates and closings of incidents or groups; these may not get lost.
            live: the newest state of some series, at most ``job.live_per_second`` of a shard; only the newest counts.
            points: recent points of shards that are not busy, for charts; may be dropped.
            feedback: messages of people about incidents; these may not get lost.
        """

    def pending(self, shard: int) -> bytes:
        """Give what has been taken over for a shard and is not safely delivered yet; empty if there is nothing.

        Called for each shard before each checkpoint, which stores it: what this returns comes back by :meth:`restore`,
        what it leaves out is the sink's own risk. This one returns nothing, right for a sink that delivers in
        :meth:`put`. Bound it (the other side may be away for a day), and don't encode everything anew each time:
        scoring waits meanwhile.
        """
        return b""

    def restore(self, shard: int, pending: bytes) -> None:  # noqa: B027  not every sink keeps anything
        """Take back what :meth:`pending` gave for a shard, maybe in an earlier version of the sink.

        Called after :meth:`open`, before the shard's first :meth:`put`, and only if there was something. The items are
        older than those that follow: deliver them first.
        """

    @property
    def away_seconds(self) -> float:
        """For how long the other side has taken nothing; 0 while it takes what it is given.

        Read every few seconds by Flink's metrics, as the gauge ``<name>_away_seconds``, from any thread: no round trip
        here.
        """
        return 0.0

    @property
    def refused(self) -> int:
        """How many items were dropped so far because they can never be delivered: the gauge ``<name>_refused``."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """Deliver what waits, for a few seconds at most, and end all threads. Called once when the worker stops.

        It is not called when a worker is killed: nothing may depend on it.
        """
