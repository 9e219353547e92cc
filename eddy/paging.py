"""Choose the alerts to notify people of, once for each cause: openings wait a moment for their group."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from eddy.alert import Alert

_REMEMBERED = 100_000  # ids of notified alerts, groups and their members; older ones cannot be repeated any more


@dataclass(frozen=True)
class _Held:
    alert: Alert
    until: float


class Pager:
    """Choose, among the alerts of :class:`eddy.client.AlertStream`, those that people are notified of.

    A group is notified once, and covers all its incidents, also those that join later and those that it does not list.
    An incident is notified once, after ``wait_s``, unless by then its group has come, it is over, or somebody has
    acknowledged it. A suppressed incident is not notified before it is released. A repeated alert is not notified
    again. Fails where one cause is spread over the border of two time buckets: each side is notified.

    Args:
        wait_s: how long an opening waits for its group, in the units of the clock given to the methods.

    Examples:
        The opening of an incident waits five seconds for a group; a group does not wait:

        >>> from eddy.client import AlertStream
        >>> pager = Pager(wait_s=5)
        >>> with AlertStream(from_start=True, stop_at_end=True) as stream:
        ...     [call.kind for alert in stream for call in pager.take(alert, now=0.0)]
        ['group']
        >>> pager.due(now=4.9)
        []
        >>> [call.series for call in pager.due(now=5.0)]
        ['pump-1']
    """

    def __init__(self, wait_s: float = 5.0) -> None:
        self._wait = wait_s
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()

    def take(self, alert: Alert, now: float) -> list[Alert]:
        """Take an alert; return those to notify people of at once."""
        if alert.kind == "group":
            covered = [member["id"] for member in alert.members]
            covered += [number for number, held in self._held.items() if held.alert.group == alert.id]
            for number in covered:
                self._held.pop(number, None)
                self._note(number)
            return self._call(alert) if alert.state != "closed" else []
        if alert.state == "closed" or alert.acknowledged:
            self._held.pop(alert.id, None)
        elif alert.suppressed is None and alert.id not in self._done and alert.group not in self._done:
            held = self._held.get(alert.id)
            self._held[alert.id] = _Held(alert, held.until if held else now + self._wait)
        return []

    def due(self, now: float) -> list[Alert]:
        """Return openings that have waited long enough, the oldest first."""
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
