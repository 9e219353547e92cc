"""Read from Redis the live state of all series, new alerts, and the newest points of the watched series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eddy.alert import Alert
from eddy.connections import redis_client
from eddy.dashboard.records import ScoredPoint, SeriesRow
from eddy.dashboard.sources.availability import Watch
from eddy.errors import DataError
from eddy.redis_layout import (
    NEWEST_FIELDS,
    Keys,
    SeriesState,
    decode_newest,
    decode_recent,
    decode_series,
    recent_id,
)
from eddy.settings import RedisSettings

_CHUNK = 1000  # series per round trip
_OVERLAP_MS = 2000  # workers' clocks may differ by so much
_ALERTS_AT_ONCE = 2000
_POINTS_AT_ONCE = 5000


class RedisLive:
    """Ask only for new data since the last call. Every method raises ``redis.RedisError`` while Redis is away."""

    def __init__(self, settings: RedisSettings) -> None:
        self.watch = Watch("Redis", f"{settings.host}:{settings.port}")
        self._keys = Keys(settings.prefix)
        self._client = redis_client(settings)
        self._newest = 0.0  # on the job's clock
        self._overlapping: dict[bytes, float] = {}  # when those within the overlap were written, as read before
        self._last_alert = "-"

    def start_over(self) -> None:
        """Ask for everything again: this may be another Redis, or an emptied one."""
        self._newest, self._last_alert, self._overlapping = 0.0, "-", {}

    def names(self) -> set[str]:
        """Return the names of all series that Redis has."""
        return {name.decode(errors="replace") for name in self._client.zrange(self._keys.live, 0, -1)}

    def changed(self) -> list[SeriesRow]:
        """Return the newest state of the series that were written since the last call."""
        least = self._newest - _OVERLAP_MS if self._newest else "-inf"
        found = self._client.zrangebyscore(self._keys.live, least, "+inf", withscores=True)
        if found:
            self._newest = max(self._newest, found[-1][1])
        before, self._overlapping = self._overlapping, {n: w for n, w in found if w >= self._newest - _OVERLAP_MS}
        found = [(name, written) for name, written in found if before.get(name) != written]
        rows: list[SeriesRow] = []
        for start in range(0, len(found), _CHUNK):
            chunk = found[start : start + _CHUNK]
            pipeline = self._client.pipeline(transaction=False)
            for name, _ in chunk:
                pipeline.hmget(self._keys.series(name.decode(errors="replace")), NEWEST_FIELDS)
            for (name, written), fields in zip(chunk, pipeline.execute(), strict=True):
                if (newest := decode_newest(fields)) is not None:
                    rows.append(SeriesRow(name.decode(errors="replace"), *newest, int(written)))
        return rows

    def alerts(self) -> list[Alert]:
        """Return alerts written since the last call, oldest first."""
        start = self._last_alert if self._last_alert == "-" else f"({self._last_alert}"
        entries = self._client.xrange(self._keys.alerts, start, "+", count=_ALERTS_AT_ONCE)
        if entries:
            self._last_alert = entries[-1][0].decode()
        return [alert for _, fields in entries if (alert := alert_in(fields[b"alert"])) is not None]

    def open_alerts(self, known: Mapping[str, Any]) -> list[Alert]:
        """Return the last alert of each open incident that is not known yet."""
        ids = [number.decode() for number in self._client.zrange(self._keys.open, 0, -1)]
        missing = [number for number in ids if number not in known]
        if not missing:
            return []
        values = self._client.mget([self._keys.alert(number) for number in missing])
        return [alert for value in values if value is not None and (alert := alert_in(value)) is not None]

    def points(self, series: str, after: Mapping[str, int]) -> dict[str, list[ScoredPoint]]:
        """Return the newest points of one series, by model, oldest first.

        Args:
            series: its id.
            after: event time of the newest point known, by model; older points are not read again.
        """
        state = decode_series(series, self._client.hgetall(self._keys.series(series)))
        if state is None:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        for model in state.models:
            start = f"({recent_id(after[model])}" if model in after else "-"
            pipeline.xrange(self._keys.recent(series, model), start, "+", count=_POINTS_AT_ONCE)
        found = {
            model: [decode_recent(number, fields) for number, fields in entries]
            for model, entries in zip(state.models, pipeline.execute(), strict=True)
        }
        for model in state.models:
            _add_newest(found[model], state, model, after.get(model, -1))
        return found


def alert_in(value: bytes) -> Alert | None:
    """Parse an alert; return None for a message of another version, so that the others are still shown."""
    try:
        return Alert.from_json(value)
    except DataError:
        return None


def _add_newest(points: list[ScoredPoint], state: SeriesState, model: str, known: int) -> None:
    """Add the live state as a point. A busy shard writes no recent points: then the live state is all there is."""
    own = state.models[model]
    newest = points[-1].ts if points else known
    if own["ts"] <= newest or state.model != model:
        return
    points.append(
        ScoredPoint(
            ts=own["ts"],
            values=state.values,
            expected=own["expected"],
            lower=own["lower"],
            upper=own["upper"],
            score=own["score"],
            threshold=own["threshold"],
            imputed=0,
            increases=tuple(own.get("increases", ())),
        )
    )
