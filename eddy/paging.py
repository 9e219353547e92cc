"""Choose whom to call, once for each cause: hold openings back for a moment and leave out those that a group lists."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from eddy.alert import Alert

_REMEMBERED = 100_000  # ids of calls and of members of groups; repeats of older ones cannot come any more


@dataclass(frozen=True)
class _Held:
    alert: Alert
    until: float


class Pager:
    """Choose, among the messages of :class:`eddy.client.AlertStream`, those that somebody has to be called for.

    A group calls once. An incident calls once, after ``wait_s``, unless a group has listed it by then, it is over, or
    somebody has acknowledged it. Suppressed incidents call nobody before they are released. A repeat calls nobody.

    Args:
        wait_s: how long an opening waits for its group, in the units of the clock given to the methods.

    Examples:
        ::

            pager = Pager(wait_s=5)
            for alert in stream:
                for call in [*pager.take(alert, time.monotonic()), *pager.due(time.monotonic())]:
                    print(call.kind, call.series)
    """

    def __init__(self, wait_s: float = 5.0) -> None:
        self._wait = wait_s
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()

    def take(self, alert: Alert, now: float) -> list[Alert]:
        """Take a message; return the calls that it causes at once."""
        if alert.kind == "group":
            for member in alert.members:
                self._held.pop(member["id"], None)
                self._note(member["id"])
            return self._call(alert) if alert.state != "closed" else []
        if alert.state == "closed" or alert.acknowledged:
            self._held.pop(alert.id, None)
        elif alert.suppressed is None and alert.id not in self._done:
            held = self._held.get(alert.id)
            self._held[alert.id] = _Held(alert, held.until if held else now + self._wait)
        return []

    def due(self, now: float) -> list[Alert]:
        """Return calls for openings that have waited long enough, the oldest first."""
        ready = [number for number, held in self._held.items() if held.until <= now]
        return [call for number in ready for call in self._call(self._held.pop(number).alert)]

    def _call(self, alert: Alert) -> list[Alert]:
        if alert.id in self._done:
            return []
        self._note(alert.id)
        return [alert]

    def _note(self, number: str) -> None:
        self._done[number] = None
        self._done.move_to_end(number)
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
