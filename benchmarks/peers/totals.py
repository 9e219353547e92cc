"""Fold raw events into what each form of the workload asks of an interval; only the standard library is needed."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MINUTE = 60_000  # ms, one interval
GRACE = 10_000  # ms, for which an interval waits for late events: that of every system
FIRST_ERROR = 500  # status


class Totals:
    """Hold five aggregates of one interval: events, errors, mean and maximum of ``ms``, and distinct users."""

    __slots__ = ("errors", "events", "most", "total", "users")

    def __init__(self) -> None:
        self.events, self.errors = 0, 0
        self.total, self.most = 0.0, float("-inf")
        self.users: set[str] = set()

    def add(self, event: dict[str, Any]) -> Totals:
        self.events += 1
        self.errors += event["status"] >= FIRST_ERROR
        ms = event["ms"]
        self.total += ms
        self.most = max(self.most, ms)
        self.users.add(event["user"])
        return self

    def merge(self, other: Totals) -> Totals:
        self.events += other.events
        self.errors += other.errors
        self.total += other.total
        self.most = max(self.most, other.most)
        self.users |= other.users
        return self

    def result(self) -> dict[str, Any]:
        return {
            "requests": self.events,
            "errors": self.errors,
            "mean_ms": self.total / self.events,
            "most": self.most,
            "users": len(self.users),
        }


@dataclass(frozen=True)
class Fold:
    """Describe how events become a result: from ``empty()``, by ``add`` or of parts by ``merge``, to ``result``."""

    empty: Callable[[], Any]
    add: Callable[[Any, dict[str, Any]], Any]
    merge: Callable[[Any, Any], Any]
    result: Callable[[Any], dict[str, Any]]


FOLDS = {
    "requests": Fold(int, lambda events, _: events + 1, operator.add, lambda events: {"requests": events}),
    "requests5": Fold(Totals, Totals.add, Totals.merge, Totals.result),
}
