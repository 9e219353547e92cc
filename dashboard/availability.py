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
    """Follows one source; its :attr:`state` is replaced, never changed."""

    def __init__(self, name: str, where: str) -> None:
        self.state = Availability(name, where)

    def answers(self) -> None:
        """It answered."""
        if not self.state.ok:
            self.state = Availability(self.state.name, self.state.where, True, _now())

    def away(self, reason: str) -> None:
        """It did not, and why."""
        since = self.state.since if self.state.ok is False else _now()
        self.state = Availability(self.state.name, self.state.where, False, since, reason)


def _now() -> int:
    return int(time.time() * 1000)
