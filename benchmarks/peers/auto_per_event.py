"""``auto`` written as River writes detectors: an object per series, plain Python, one observation at a time.

The same four members (short memory, value novelty, rarity, season) and the same peak stage, for one feature with a
clock. What plain Python does better than a compiled row of state is done so: sorted lists in place of bitmaps, sums
that run along in place of sums anew. ``score_one`` learns what it has computed on the way, so that nothing is computed
twice for ``learn_one``; River's own detectors compute twice.
"""

from __future__ import annotations

import math
from itertools import pairwise

from benchmarks.peers.auto_members import Rarity, Season, ShortMemory, ValueNovelty
from eddy.models.detectors.auto import kernel
from eddy.models.detectors.novelty import peak_filter


class Peaks:
    """One alert per event."""

    def __init__(self) -> None:
        self.blocks, self.seen = [0.0] * peak_filter.BLOCKS, 0

    def step(self, score: float, reference: float) -> float:
        block = self.seen // peak_filter.BLOCK_POINTS % peak_filter.BLOCKS
        if self.seen % peak_filter.BLOCK_POINTS == 0:
            self.blocks[block] = 0.0
        kept = score > max(self.blocks)
        stored = score * peak_filter.ESCALATION if kept and score >= reference else score
        self.blocks[block] = max(self.blocks[block], stored)
        self.seen += 1
        return score if kept else 0.0


class Auto:
    """Score one series' observations one by one.

    Args:
        limit, start_up: as those of :class:`eddy.models.detectors.auto.detector.AutoParameters`.
    """

    def __init__(self, limit: float, start_up: int) -> None:
        self.limit, self.start_up = limit, start_up
        self.short, self.peaks = ShortMemory(), Peaks()
        self.value, self.rarity = ValueNovelty(), Rarity()
        self.season: Season | None = None
        self.collected: list[tuple[float, int]] = []
        self.centre = self.spread = self.records = self.highest = self.lowest = self.rises = 0.0
        self.running = False

    def learn_one(self, x: float, ts: int) -> Auto:
        """Do nothing: :meth:`score_one` has learned it."""
        return self

    def score_one(self, x: float, ts: int) -> float:
        """Return the score of the next observation of the series, and learn it."""
        if self.short.points and self._begins_anew(x):
            return 0.0
        noise = self._noise()
        rare = self.short.step(x)
        count = self.short.points
        wanted = kernel.SURPRISE + kernel.SHORT_PAST * max(math.log10(kernel.LONG_PAST / count), 0.0)
        wanted = min(wanted, kernel.MAX_SURPRISE)
        rare = max(rare - noise * max(kernel.NOISE_SURPRISE - wanted, 0.0), 0.0)
        before = self.records * kernel._RECORDS_KEPT
        self.records = before
        if count == 1:
            self.highest = self.lowest = x
        elif x > self.highest:
            self.highest, self.records = x, before + 1.0
        elif x < self.lowest:
            self.lowest, self.records = x, before + 1.0
        alerting = dense = rare / wanted
        if not self.running:
            self._collect(x, ts)
        else:
            new, crowded, unlike = self._memories(x, ts)
            asked = kernel.DEVIATES + kernel.LONGER_PAST * max(math.log10(count / kernel.USUAL_PAST), 0.0)
            new /= asked
            others = max(crowded / kernel.DEVIATES, unlike / kernel.DAYS_DEVIATES)
            if self._counts():
                new = others = 0.0
            dense, alerting = max(dense, new, others), max(alerting, others)
            if rare >= kernel.ALONGSIDE and before <= kernel._MAX_RECORDS:
                alerting = max(alerting, new / self._more_of_value(noise, before))
        kept = self.peaks.step(self.limit * alerting, self.limit)
        return kept if kept >= self.limit else self.limit * dense / (1.0 + dense)

    def _counts(self) -> bool:
        return self.rises >= kernel._COUNTER and self.lowest >= 0.0

    def _begins_anew(self, x: float) -> bool:
        apart = x - self.short.level[0]
        if apart < 0.0 <= x and self._counts():
            self.rises *= kernel._RISES_KEPT
            self.short.shift(apart)
            return True
        if apart != 0.0:
            self.rises += (1.0 - kernel._RISES_KEPT) * (float(apart > 0.0) - self.rises)
        return False

    def _noise(self) -> float:
        step, _, apart = self.short.size[:3]
        if apart <= 0.0:
            return 0.0
        known = min(max(self.short.points / kernel._NOISE_AFTER - 1.0, 0.0), 1.0)
        return known * min(max((step / apart - kernel._NOISE_FROM) / (kernel._NOISE_TO - kernel._NOISE_FROM), 0.0), 1.0)

    @staticmethod
    def _more_of_value(noise: float, records: float) -> float:
        more = kernel._NOISE_VALUE * noise
        return (1.0 + (kernel._RECORD_COST + more) * records) * (1.0 + more)

    def _memories(self, x: float, ts: int) -> tuple[float, float, float]:
        u = (x - self.centre) / self.spread
        y = math.copysign(math.log1p(abs(u)), u)
        unlike = self.season.step(y, ts) if self.season is not None else 0.0
        return self.value.step(y), self.rarity.step(y), unlike

    def _collect(self, x: float, ts: int) -> None:
        self.collected.append((x, ts))
        if len(self.collected) < self.start_up:
            return
        past, self.collected, self.running = self.collected, [], True
        ordered = sorted(x for x, _ in past)

        def quantile(share: float) -> float:
            place = share * (len(ordered) - 1)
            below = int(place)
            above = min(below + 1, len(ordered) - 1)
            return ordered[below] + (place - below) * (ordered[above] - ordered[below])

        self.centre, self.spread = quantile(0.5), quantile(0.95) - quantile(0.05)
        if not self.spread > 0:
            raise ValueError("a constant start-up: the comparison has none")
        steps = sorted(b[1] - a[1] for a, b in pairwise(past))
        points = round(kernel._DAY_MS / steps[len(steps) // 2])
        if kernel._FEWEST_SLOTS <= points <= kernel._MAX_DAY_POINTS:
            slots = min(points, kernel._MAX_SLOTS)
            self.season = Season(kernel._DAY_MS / slots, slots, max(round(points / slots), 1))
        for x_, ts_ in past:
            self._memories(x_, ts_)
