"""Send what a source yields, at a pace, with progress, and report it. All producers end here."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from eddy.errors import EddyError, StackError
from eddy.observation import Observations
from eddy.producers.labels import Label, label_messages
from eddy.producers.pace import Pace, Schedule
from eddy.producers.report import Report, Tally
from eddy.producers.source import Resumable, Source, Sync
from eddy.producers.transport import Client, Transport, check_topic, connect
from eddy.settings import Settings

CHUNK = 8192  # observations encoded at once: large enough for the batch call, small enough to stop within a moment
SHORTEST_WAIT = 0.005  # seconds; what is due sooner is sent together
PROGRESS_EVERY = 0.1  # seconds
DELIVER_SECONDS = 90.0  # longer than the client retries, so its verdict comes first
LABELS_SECONDS = 30.0
STOP_SECONDS = 10.0  # for messages on their way when the user stops us


def send(
    source: Source,
    settings: Settings,
    pace: Pace,
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[Tally], None] | None = None,
    transport: Transport | None = None,
    client: Client | None = None,
) -> Report:
    """Send all observations of ``source`` to the observations topic.

    Returns when the source has ended, ``stop`` is set, or messages could not be delivered after all retries; the
    report says which. Everything sent before is delivered or counted as failed by then.

    Args:
        source: the observations.
        settings: connection and topic.
        pace: how fast.
        stop: set it from anywhere to end early.
        on_progress: called about ten times a second.
        transport: instead of one for the pace.
        client: instead of the one for the pace: librdkafka flat out, kafka-python otherwise.

    Raises:
        StackError: the broker does not answer or lacks the topic.
        DataError: the source cannot be read, or a row is bad in strict mode.
    """
    stop = stop or threading.Event()
    topic = settings.topics.name("observations")
    if transport is None:
        check_topic(settings.kafka, topic)
        transport = connect(settings.kafka, topic, client or ("librdkafka" if pace.flat_out else "kafka-python"))
    run = _Run(transport, pace, stop, on_progress or (lambda _: None), Tally(source.total))
    try:
        try:
            run.all(source)
        except EddyError as error:
            run.deliver(DELIVER_SECONDS)
            raise type(error)(f"{error}; {run.tally.events:,} events were sent before") from None
        if run.deliver(STOP_SECONDS if stop.is_set() else DELIVER_SECONDS) and isinstance(source, Resumable):
            source.confirm(run.since_sync)
        # Before closing, which gives up messages still on their way: they are counted as not confirmed.
        return run.tally.report(
            topic=topic,
            client=transport.name,
            skipped=source.skipped,
            refused=transport.refused,
            undelivered=transport.undelivered,
            unconfirmed=run.unconfirmed,
            stopped=stop.is_set(),
        )
    finally:
        transport.close()


class _Run:
    def __init__(
        self,
        transport: Transport,
        pace: Pace,
        stop: threading.Event,
        on_progress: Callable[[Tally], None],
        tally: Tally,
    ) -> None:
        self.transport, self.pace, self.stop, self.on_progress, self.tally = transport, pace, stop, on_progress, tally
        self.schedule = Schedule(pace)
        self.unconfirmed = 0
        self.since_sync = 0
        self._reported = 0.0

    def all(self, source: Source) -> None:
        blocks = source.blocks()
        try:
            for block in blocks:
                if isinstance(block, Sync):
                    # Resuming the source confirms to it that all before has arrived; without that it must not go on.
                    if not self.deliver(DELIVER_SECONDS):
                        return
                    self.schedule.restart()
                    self.since_sync = 0
                else:
                    self.block(block)
                if self.stop.is_set() or self.transport.undelivered:
                    return
        finally:
            close = getattr(blocks, "close", None)
            if close:
                close()

    def block(self, block: Observations) -> None:
        """Send one block as its observations become due."""
        if not len(block):
            return
        due = self.schedule.due(block.ts, time.monotonic())
        at = 0
        while at < len(block) and not self.stop.is_set() and not self.transport.undelivered:
            now = time.monotonic()
            until = min(int(due.searchsorted(now, side="right")), at + CHUNK)
            if until == at:
                self.progress(now)
                self.stop.wait(min(max(float(due[at]) - now, SHORTEST_WAIT), PROGRESS_EVERY))
                continue
            self.tally.waiting = not self.transport.wait_for_room(PROGRESS_EVERY)
            if self.tally.waiting:
                self.progress(time.monotonic())
                continue
            part = block[at:until]
            keys, values = part.keys(), part.encode()
            self.transport.send(keys, values)
            self.tally.add(part, keys, values, behind=now - float(due[at]))
            self.since_sync += len(part)
            at = until
            self.progress(now)

    def deliver(self, seconds: float) -> bool:
        """Wait until all is delivered; return whether it was."""
        deadline = time.monotonic() + seconds
        while True:
            self.unconfirmed = self.transport.flush(PROGRESS_EVERY)
            if not self.unconfirmed or self.transport.undelivered or time.monotonic() > deadline:
                break
            self.tally.waiting = True
            if self.stop.is_set():  # asked to stop while we wait
                deadline = min(deadline, time.monotonic() + STOP_SECONDS)
            self.progress(time.monotonic())
        self.tally.waiting = False
        return not self.unconfirmed and not self.transport.undelivered

    def progress(self, now: float) -> None:
        if now - self._reported >= PROGRESS_EVERY:
            self._reported = now
            self.on_progress(self.tally)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set. A second signal ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt(signal.Signals(number).name)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def send_labels(labels: Sequence[Label], settings: Settings) -> None:
    """Send all labels of a synthetic stream to their own topic, which the job never reads.

    Raises:
        StackError: the broker or the topic is missing, or not all arrived.
    """
    if not labels:
        return
    topic = settings.topics.name("labels")
    check_topic(settings.kafka, topic)
    transport = connect(settings.kafka, topic, "kafka-python")
    try:
        keys, values = zip(*label_messages(labels), strict=True)
        transport.send(list(keys), list(values))
        left = transport.flush(LABELS_SECONDS) + sum((transport.refused + transport.undelivered).values())
    finally:
        transport.close()
    if left:
        raise StackError(
            f"{left} of {len(labels)} labels did not reach topic {topic!r} within {LABELS_SECONDS:.0f} s; try again"
        )
