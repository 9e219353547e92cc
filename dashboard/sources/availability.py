"""Whether a source answers, and since when it does or does not."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Availability:
    """The state of a source.

    Attributes:
        name: of the source, as people call it.
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
    """Follows one source; its :attr:`state` is replaced, never changed.

    A source that has answered before is away after two failures in a row: one answer that comes too late, on a machine
    that is busy for a moment, is no news. ``since`` is the time of the first.
    """

    def __init__(self, name: str, where: str) -> None:
        self.state = Availability(name, where)
        self._failed_at = 0

    def answers(self) -> None:
        """It answered."""
        self._failed_at = 0
        if not self.state.ok:
            self.state = Availability(self.state.name, self.state.where, True, _now())

    def away(self, reason: str) -> None:
        """It did not, and why."""
        first = not self._failed_at
        self._failed_at = self._failed_at or _now()
        if not (first and self.state.ok):
            self.state = Availability(self.state.name, self.state.where, False, self._failed_at, reason)


def _now() -> int:
    return int(time.time() * 1000)
