"""Record whether a source answers, and since when."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Availability:
    """Hold the state of a source.

    Attributes:
        name: of the source, for people.
        where: its address.
        ok: whether it answered the last time; None before the first try.
        since: wall clock, epoch ms, of the last change of ``ok``.
        reason: why it is away; empty while it is there.
    """

    name: str
    where: str
    ok: bool | None = None
    since: int = 0
    reason: str = ""


class Watch:
    """Follow one source; replace its :attr:`state`, never change it.

    A source that has answered before is away after two failures in a row: one answer that comes too late, on a machine
    that is busy for a moment, does not count. ``since`` is the time of the first failure.
    """

    def __init__(self, name: str, where: str) -> None:
        self.state = Availability(name, where)
        self._failed_at = 0

    def answers(self) -> None:
        """Record that the source answered."""
        self._failed_at = 0
        if not self.state.ok:
            self.state = Availability(self.state.name, self.state.where, True, _now())

    def away(self, reason: str) -> None:
        """Record that the source did not answer, and the reason."""
        first = not self._failed_at
        self._failed_at = self._failed_at or _now()
        if not (first and self.state.ok):
            self.state = Availability(self.state.name, self.state.where, False, self._failed_at, reason)


def _now() -> int:
    return int(time.time() * 1000)
