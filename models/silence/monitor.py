"""Tell which series, and which whole sources, have fallen silent, and follow their incidents.

Silence is measured in event time: a series is silent once the clock of its feed (a topic's partition) has gone on by
more than its usual pauses. That clock is the newest event time that the feed has brought; while other feeds of the
source bring records it goes on with the wall clock, if the feed is live
(:mod:`eddy.models.windowing.live_clock`). While nothing comes of a whole source no clock goes on: its silence is one
incident. A series that speaks after a pause that no clock passed gives the same incident at once, so that a replay and
the job that it repeats agree.

The times in messages are those at which a silence reached a level, not those at which it was noticed: they depend
neither on batches nor on how fast the events come.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.alert import Alert, AlertState
from eddy.alert_settings import SilentSettings
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.core.detector import Ints
from eddy.models.silence.incidents import SilentIncident
from eddy.models.silence.kernel import AUTO, LEVELS, NEVER, OFF
from eddy.models.silence.pauses import EVER, PauseTable, Silence
from eddy.models.silence.sources import SourceWatch
from eddy.models.windowing.live_clock import LiveClock

BLOCK = 256  # rows of an entry of keyed state
CHECK_EVERY_MS = 1000  # event time of a live feed between two checks of all series
MAX_AT_ONCE = 1000  # series that fall silent in one frame: 0.1 s; the times of their messages are the same later
OBSERVATIONS = -1  # number of the source that is the observations topic
SOURCE_SERIES = "source:"


#: something to be done of an open incident: event time, its key in ``open``, its start
_Due = tuple[int, int, int]


@dataclass
class _Feed:
    """One partition of one topic: its stream number, its source, its clock, and what is due of its open incidents."""

    stream: int
    source: int = OBSERVATIONS
    clock: LiveClock = field(default_factory=LiveClock)
    due: list[_Due] = field(default_factory=list)  # heap


class Fallen(NamedTuple):
    """A series that has fallen silent: its slot, the event time, and what to say of its other open incidents."""

    slot: int
    at: int
    words: str


class SilenceMonitor:
    """Follow the silence of the series of one shard, by slot.

    Args:
        settings: the first entry that fits a series applies to it; the first of all to whole sources.
        job: name of the job.
        maintenance: times in which nobody is notified.
        group_of: gives the id of an incident's group from its start.
        source_names: gives the name of a source by its number, if this shard reports its silence; else None.

    Attributes:
        pauses: what is known of each series. open: incidents by slot; those of sources by ``-2 - number``.
    """

    def __init__(
        self,
        settings: Sequence[SilentSettings],
        job: str = "eddy",
        maintenance: Maintenance | None = None,
        group_of: Callable[[int], str | None] = lambda _start: None,
        source_names: Callable[[int], str | None] = lambda _source: None,
    ) -> None:
        self._settings = settings
        self._afters = [AUTO if one.after == "auto" else int(one.after) for one in settings]
        self._digests = [_digest(one) for one in settings]
        self._job, self._maintenance, self._group_of = job, maintenance or Maintenance(), group_of
        self.source_names = source_names
        self.pauses = PauseTable()
        self.sources = SourceWatch(self._afters[0])
        self.open: dict[int, SilentIncident] = {}
        self._names: dict[int, str] = {}  # of the slots that are followed
        self._rule: dict[int, int] = {}
        self._feeds: list[_Feed] = []
        self._feed_of: dict[int, int] = {}  # by stream number
        self._heard_until = np.zeros(0, np.int64)  # (feeds,) event time up to which silence is followed
        self._checked_at = np.zeros(0, np.int64)  # (feeds,) the same at the last check
        self._sources_due: list[_Due] = []
        self._alerts: list[Alert] = []
        self._fallen: list[Fallen] = []
        self._overdue: list[int] = []
        self._dirty = np.zeros(0, np.bool_)
        self._open_changed = False
        self._live: list[bool] = []  # of restored feeds, until the first clock

    # -- series ------------------------------------------------------------------------------------------------

    def bind(self, slots: Sequence[int], names: Sequence[str]) -> None:
        """Take series that have got slots."""
        self.pauses.grow(max(slots, default=-1) + 1)
        self._dirty = np.pad(self._dirty, (0, max(-(-len(self.pauses) // BLOCK) - len(self._dirty), 0)))
        afters = []
        for slot, name in zip(slots, names, strict=True):
            rule = next((i for i, one in enumerate(self._settings) if one.fits(name)), None)
            afters.append(OFF if rule is None else self._afters[rule])
            if rule is not None:
                self._names[slot], self._rule[slot] = name, rule
        self.pauses.bind(np.array(slots, np.int64), afters)

    def forget(self, slots: Ints) -> None:
        """Forget series that are given up; their silent incidents are closed."""
        for slot in slots.tolist():
            if slot in self.open:
                self._close(slot, self.open[slot])
            self._names.pop(slot, None)
            self._rule.pop(slot, None)
        self.pauses.forget(slots)
        self.pauses.rows["after"][slots] = OFF
        self._dirty[slots // BLOCK] = True

    def begin_anew(self, slot: int, ts: int) -> None:
        """Have a series whose clock was wrong go on at an event time, with nothing known of it."""
        name, feed = self._names.get(slot), int(self.pauses.rows["feed"][slot])
        self.forget(np.array([slot]))
        if name is not None:
            self.bind([slot], [name])
            self.pauses.observe(np.array([slot]), np.array([ts]), np.array([feed]))

    # -- events ------------------------------------------------------------------------------------------------

    def name_feed(self, stream: int, source: int) -> None:
        """Say of which source a stream of records is; else it is the observations topic's."""
        self._feeds[self._feed(stream)].source = source

    def knows_feed(self, stream: int) -> bool:
        """Return whether records of a stream have come, or its source was said."""
        return stream in self._feed_of

    def _feed(self, stream: int) -> int:
        at = self._feed_of.get(stream)
        if at is None:
            at = self._feed_of[stream] = len(self._feeds)
            self._feeds.append(_Feed(stream))
            self.pauses.add_feeds(1)
            self._heard_until = np.append(self._heard_until, NEVER)
            self._checked_at = np.append(self._checked_at, NEVER)
        return at

    def observe(self, slots: Ints, ts: Ints, streams: NDArray[Any] | None, now: int) -> None:
        """Take events in order of arrival.

        Args:
            slots, ts: (n,) series and event times.
            streams: (n,) number of the topic and partition of each; None: all are of one.
            now: wall clock, epoch ms; 0 in a replay, where no clock goes on by itself.
        """
        if not len(slots):
            return
        if streams is None or (streams == streams[0]).all():
            touched = [self._feed(0 if streams is None else int(streams[0]))]
            feeds = np.full(len(slots), touched[0])
        else:
            numbers, inverse = np.unique(streams, return_inverse=True)
            touched = [self._feed(stream) for stream in numbers.tolist()]
            feeds = np.array(touched)[inverse]
        over = self.pauses.observe(slots, ts, feeds)
        self._dirty[slots // BLOCK] = True
        if now:
            for at in touched:
                self._feeds[at].clock.note(int(self.pauses.clocks[at]), now)
        for silence in over:
            self._end(silence)

    def note_sources(self, subtask: int, clocks: Iterable[tuple[int, int, int]], now: int) -> None:
        """Take the clocks of a frame, before its events; see ``SourceWatch.note``."""
        self._resume(now)
        own = self._own_sources()
        over, outages = self.sources.note(subtask, clocks, own)
        for source, silence in over:
            key = _key(source)
            if key in self.open:
                self._catch_up(key, self.open[key], silence.until)
                self._close(key, self.open[key], silence)
        for outage in outages:
            self._pardon(outage.source, outage.elapsed)
        for source, silence in self.sources.fallen_silent(now, own):
            name = self.source_names(source)
            if name is not None:
                self._open(_key(source), name, 0, silence)
        self._run_due(self._sources_due, now)

    def _own_sources(self) -> dict[int, bool]:
        """Return the sources that feeds are of, and whether any of those is live."""
        own: dict[int, bool] = {}
        for feed in self._feeds:
            own[feed.source] = own.get(feed.source, False) or feed.clock.live
        return own

    def _pardon(self, source: int, elapsed: int) -> None:
        """Leave the time in which nothing came of a source out of the silence of its series."""
        feeds = [at for at, feed in enumerate(self._feeds) if feed.source == source and feed.clock.live]
        rows = self.pauses.rows
        chosen = np.flatnonzero(np.isin(rows["feed"], feeds) & (rows["last"] != NEVER) & ~rows["open"])
        self.pauses.skip(chosen, elapsed)
        self._dirty[chosen // BLOCK] = True

    def _resume(self, now: int) -> None:
        """Take up the clocks of restored feeds, at the first frame after a restart."""
        for at, live in enumerate(self._live):
            if live and self._feeds[at].clock.event is None:
                self._feeds[at].clock.resume(int(self.pauses.clocks[at]), now)
        self._live = []

    def advance(self, now: int) -> None:
        """Find the series that are silent by the clocks of their feeds; ``now``: wall clock, 0 in a replay."""
        clocks = self.pauses.clocks
        if now:
            self._resume(now)
            newest = dict(self.sources.newest)
            for feed in self._feeds:
                if feed.source not in self.sources.newest:
                    newest[feed.source] = max(newest.get(feed.source, 0), feed.clock.noted)
            for at, feed in enumerate(self._feeds):
                event = feed.clock.at(min(now, newest[feed.source]))
                self._heard_until[at] = max(self._heard_until[at], clocks[at], NEVER if event is None else event)
        else:
            np.maximum(self._heard_until, clocks, out=self._heard_until)
        if now and not (self._heard_until - self._checked_at >= CHECK_EVERY_MS).any():
            return
        self._checked_at = self._heard_until.copy()
        found = self.pauses.fallen_silent(self._heard_until, MAX_AT_ONCE)
        while found:
            for silence in found:
                self._dirty[silence.row // BLOCK] = True
                self._open(silence.row, self._names[silence.row], self._rule[silence.row], silence)
            if now:  # the next frame takes the others: nothing else waits for a fleet that was switched off
                self._checked_at[:] = NEVER
                break
            found = self.pauses.fallen_silent(self._heard_until, MAX_AT_ONCE)
        for at, feed in enumerate(self._feeds):
            self._run_due(feed.due, int(self._heard_until[at]))

    # -- incidents ---------------------------------------------------------------------------------------------

    def _open(self, key: int, series: str, rule: int, silence: Silence) -> None:
        close_after = self._settings[rule].close_open_after if key >= 0 else 0
        incident = self.open[key] = SilentIncident.of(series, silence, close_after, self._digests[rule])
        incident.suppressed = self._maintenance.reason(series, incident.end)
        self._say("open", incident)
        if key >= 0:
            self._fallen.append(Fallen(key, incident.end, incident.words))
        self._plan(key, incident)

    def _plan(self, key: int, incident: SilentIncident) -> None:
        self._open_changed = True
        at, _ = incident.next()
        if at >= EVER:
            return
        if key < 0:
            heappush(self._sources_due, (at, key, incident.start))
        else:
            feed = self._feeds[int(self.pauses.rows["feed"][key])]
            heappush(feed.due, (at + self.pauses.lag(key), key, incident.start))

    def _run_due(self, due: list[_Due], until: int) -> None:
        """Do what has become due of open incidents."""
        while due and due[0][0] < until:
            _, key, start = heappop(due)
            incident = self.open.get(key)
            if incident is not None and incident.start == start:
                lag = self.pauses.lag(key) if key >= 0 else 0
                self._catch_up(key, incident, until - lag)
                self._plan(key, incident)

    def _catch_up(self, key: int, incident: SilentIncident, until: int) -> None:
        """Do what an incident has to do before an event time, in order."""
        while True:
            at, step = incident.next()
            if at >= until:
                return
            incident.end = at
            if step == "close":
                incident.close_at = EVER
                self._overdue.append(key)
                continue
            if step == "level":
                incident.level += 1
                incident.silent = int(incident.allowed * LEVELS[incident.level])
            if incident.suppressed is not None:
                incident.suppressed = self._maintenance.reason(incident.series, at)
                if incident.suppressed is None:
                    self._say("open", incident)
            elif step == "level":
                self._say("update", incident)

    def _end(self, silence: Silence) -> None:
        """Close the incident of a series that speaks again; one that no clock came to see opens first."""
        if silence.row not in self.open:
            self._open(silence.row, self._names[silence.row], self._rule[silence.row], silence)
        incident = self.open[silence.row]
        self._catch_up(silence.row, incident, silence.until)
        self._close(silence.row, incident, silence)

    def _close(self, key: int, incident: SilentIncident, silence: Silence | None = None) -> None:
        if silence is not None:
            incident.end, incident.silent = silence.until, max(incident.silent, silence.silent)
        del self.open[key]
        self._open_changed = True
        self._say("closed", incident)

    def _say(self, state: AlertState, incident: SilentIncident) -> None:
        group = None if incident.series.startswith(SOURCE_SERIES) else self._group_of(incident.start)
        self._alerts.append(incident.alert(state, self._job, group, 0))

    def acknowledge(self, number: str, acknowledged: bool) -> None:
        """Note that somebody has taken an open incident on, or no longer; ``number``: its id."""
        for incident in self.open.values():
            if incident.id == number:
                incident.acknowledged, self._open_changed = acknowledged, True

    def take(self) -> tuple[list[Alert], list[Fallen], list[int]]:
        """Take what is new: alerts, series that have fallen silent, slots whose other incidents are to be closed."""
        taken = self._alerts, self._fallen, self._overdue
        self._alerts, self._fallen, self._overdue = [], [], []
        return taken

    # -- state -------------------------------------------------------------------------------------------------

    def changes(self) -> dict[str, dict[str, NDArray[Any]] | str]:
        """Return what changed since the last call, by name: arrays of a block of slots, or JSON."""
        entries: dict[str, dict[str, NDArray[Any]] | str] = {}
        for block in np.flatnonzero(self._dirty).tolist():
            entries[str(block)] = self.pauses.saved(slice(block * BLOCK, (block + 1) * BLOCK))
        self._dirty[:] = False
        if self._feeds:
            clocks = self.pauses.clocks.tolist()
            live = [[f.stream, f.source, clocks[at], bool(f.clock.live)] for at, f in enumerate(self._feeds)]
            entries["feeds"] = json.dumps(live)
        if self.sources.row_of:
            entries["sources"] = self.sources.saved()
        if self._open_changed:
            self._open_changed = False
            entries["open"] = json.dumps({str(key): vars(one) for key, one in self.open.items()})
        return entries

    def restore(self, entries: Mapping[str, Any], names: Sequence[str | None]) -> None:
        """Put back what :meth:`changes` gave.

        Args:
            entries: by name; the newest of each.
            names: series ids by slot. Series that the settings do not name any more are forgotten.
        """
        known = [slot for slot, name in enumerate(names) if name is not None]
        for at, (stream, source, clock, live) in enumerate(json.loads(entries.get("feeds", "[]"))):
            self._feed(stream)
            self._feeds[at].source = source
            self.pauses.clocks[at] = self._heard_until[at] = clock
            self._live.append(live)
        self.pauses.grow(len(names))
        for name, saved in entries.items():
            if name.isdecimal():
                self.pauses.grow(int(name) * BLOCK + len(saved["last"]))
                self.pauses.restore(int(name) * BLOCK, saved)
        self.bind(known, [str(names[slot]) for slot in known])
        if "sources" in entries:
            self.sources.restore(entries["sources"])
        self.open = open_incidents(entries.get("open", "{}"))
        gone = [key for key in self.open if key >= 0 and key not in self._names]
        for key in gone:
            self._close(key, self.open[key])
        for key, kept in self.open.items():
            self._plan(key, kept)
        self._dirty[:], self._open_changed = False, bool(gone)


def open_incidents(text: str) -> dict[int, SilentIncident]:
    """Read the open incidents that were saved, by slot."""
    return {int(key): SilentIncident(**one) for key, one in json.loads(text).items()}


def _key(source: int) -> int:
    return -2 - source


def _digest(settings: SilentSettings) -> str:
    decisive = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
    return hashlib.blake2b(decisive.encode(), digest_size=8).hexdigest()
