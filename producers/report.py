"""Count what a producer sends, and report it at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from eddy.csv_files.skipped import Skipped
from eddy.observation import Observations


@dataclass(frozen=True)
class Report:
    """Report what was sent. Times are epoch milliseconds of event time.

    Attributes:
        topic, client: the topic, and the Kafka client that was used.
        events, bytes: messages handed over, with keys and values.
        seconds, rate: wall clock until all was delivered, events per second.
        series: how many different series.
        first_ts, last_ts: earliest and latest event time; None if nothing was sent.
        behind_seconds: max delay of sending behind its pace.
        skipped, skipped_examples: source rows that could not be used.
        skipped_files: source files that could not be used.
        failed: messages that did not reach Kafka, by reason.
        stopped: ended early because it was asked to.
    """

    topic: str
    client: str
    events: int
    bytes: int
    seconds: float
    rate: float
    series: int
    first_ts: int | None
    last_ts: int | None
    behind_seconds: float
    skipped: int
    skipped_examples: Sequence[str]
    skipped_files: int
    failed: dict[str, int]
    stopped: bool

    @property
    def lost(self) -> bool:
        """Return whether something did not arrive: messages, whole files, or all that the source had."""
        nothing_used = not self.events and not self.stopped and self.skipped > 0
        return bool(self.failed or self.skipped_files or nothing_used)

    @property
    def delivered(self) -> int:
        """Return the number of messages that reached Kafka for certain."""
        return self.events - sum(self.failed.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {**asdict(self), "delivered": self.delivered}

    def lines(self) -> list[str]:
        """Return the report as lines for people."""
        what = f"sent {self.events:,} events of {self.series:,} series ({self.bytes / 1e6:,.1f} MB) to {self.topic}"
        lines = [f"{what} in {self.seconds:,.1f} s: {self.rate:,.0f} events/s{' (stopped)' if self.stopped else ''}"]
        if self.first_ts is not None and self.last_ts is not None:
            lines.append(f"event time {_iso(self.first_ts)} … {_iso(self.last_ts)}")
        if self.skipped:
            lines.append(f"skipped {self.skipped:,} rows that could not be used, the first of them:")
            lines += [f"  {example}" for example in self.skipped_examples]
        if self.skipped and not self.events and not self.stopped:
            lines.append("FAILED: no row could be used, so nothing was sent")
        if self.skipped_files:
            lines.append(f"FAILED {self.skipped_files:,} files, which could not be used")
        lines += [f"FAILED {count:,} messages: {reason}" for reason, count in self.failed.items()]
        return lines


class Tally:
    """Count messages while sending."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.events = 0
        self.bytes = 0
        self.first_ts: int | None = None
        self.last_ts: int | None = None
        self.behind = 0.0
        self.waiting = False  # for Kafka, which is slow or away
        self.started = time.monotonic()
        self._series: set[str] = set()

    def add(self, part: Observations, keys: list[bytes], values: list[bytes], behind: float) -> None:
        """Count the messages of a block that was handed over."""
        self.events += len(part)
        self.bytes += sum(map(len, keys)) + sum(map(len, values))
        earliest, latest = int(part.ts.min()), int(part.ts.max())
        self.first_ts = earliest if self.first_ts is None else min(self.first_ts, earliest)
        self.last_ts = latest if self.last_ts is None else max(self.last_ts, latest)
        self.behind = max(self.behind, behind)
        self._series.update(part.names[i] for i in np.unique(part.series).tolist())

    def rate(self) -> float:
        """Return the events per second since the start."""
        return self.events / max(time.monotonic() - self.started, 1e-9)

    def report(
        self,
        *,
        topic: str,
        client: str,
        skipped: Skipped,
        refused: Counter[str],
        undelivered: Counter[str],
        unconfirmed: int,
        stopped: bool,
    ) -> Report:
        """Return the report."""
        failed = dict(refused + undelivered)
        if unconfirmed:
            failed["not confirmed by Kafka when sending ended"] = unconfirmed
        return Report(
            topic=topic,
            client=client,
            events=self.events,
            bytes=self.bytes,
            seconds=round(time.monotonic() - self.started, 3),
            rate=round(self.rate(), 1),
            series=len(self._series),
            first_ts=self.first_ts,
            last_ts=self.last_ts,
            behind_seconds=round(self.behind, 3),
            skipped=skipped.rows,
            skipped_examples=tuple(skipped.examples),
            skipped_files=skipped.files,
            failed=failed,
            stopped=stopped,
        )


def _iso(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
