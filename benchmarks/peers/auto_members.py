"""The members of ``auto`` in plain Python, one observation at a time; see :mod:`benchmarks.peers.auto_per_event`."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

from eddy.models.detectors.auto import short_memory, steady_season, tail_calibration
from eddy.models.detectors.novelty import rarity, slot_means, value

_INF = math.inf


class Moments:
    """Expanding mean and variance of a score; see :mod:`eddy.models.detectors.novelty.online_calibration`."""

    __slots__ = ("mean", "n", "squares")

    def __init__(self) -> None:
        self.n, self.mean, self.squares = 0, 0.0, 0.0

    def deviate(self, score: float, floor: float) -> float:
        n = self.n
        if n < 3 or score <= self.mean:
            return 0.0
        dof = n - 1.0
        z = (score - self.mean) / math.sqrt((self.squares / dof + floor * floor) * (1.0 + 1.0 / n))
        return math.sqrt(dof * math.log1p(z * z / dof)) * (8.0 * dof + 1.0) / (8.0 * dof + 3.0)

    def add(self, score: float) -> None:
        self.n += 1
        apart = score - self.mean
        self.mean += apart / self.n
        self.squares += apart * (score - self.mean)


class BlockMaxima(Moments):
    """Moments of the maxima of blocks of scores."""

    __slots__ = ("filled", "highest", "length")

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length, self.highest, self.filled = length, 0.0, 0

    def add_score(self, score: float) -> None:
        self.highest = max(self.highest, score)
        self.filled += 1
        if self.filled >= self.length:
            self.add(self.highest)
            self.highest, self.filled = 0.0, 0


class ShortMemory:
    """Six differences of exponential averages, each calibrated by its own past."""

    def __init__(self) -> None:
        self.points, self.seen, self.fast = 0, 0, 0.0
        count = short_memory.MEMBERS
        self.level, self.size = [0.0] * count, [0.0] * count
        self.bins = [[0] * tail_calibration.BINS for _ in range(count)]
        self.top = [0] * count  # highest bin that is not empty
        self.fixed = list(
            zip(short_memory._SLOW.tolist(), short_memory._SCALE.tolist(), short_memory._SQUARED.tolist(), strict=True)
        )

    def step(self, x: float) -> float:
        points = self.points
        self.points = points + 1
        if points == 0:
            self.fast, self.level = x, [x] * short_memory.MEMBERS
            return 0.0
        self.fast += max(short_memory._FAST, 1.0 / (points + 1.0)) * (x - self.fast)
        total, first, seen = 0.0, short_memory._FIRST, self.seen
        for m, (slow, scale, squared) in enumerate(self.fixed):
            level, size = self.level[m], self.size[m]
            apart = abs((self.fast if m == short_memory.MEMBERS - 1 else x) - level)
            if squared:
                size = math.sqrt(size)
            small = short_memory._EPS * abs(level)
            raw = 0.0
            if points > first and apart > small:
                raw = min(apart / (size + small + short_memory._SMALLEST), short_memory._LARGEST)
            place = (math.log(raw) - tail_calibration.LOWEST) / tail_calibration.STEP + 1.0 if raw > 0.0 else -1.0
            bins = self.bins[m]
            if seen >= tail_calibration.FEWEST and raw > 0.0:
                total += self._surprise(bins, self.top[m], place)
            bin_ = min(max(int(place), 0), tail_calibration.BINS - 1)
            bins[bin_] += 1
            self.top[m] = max(self.top[m], bin_)
            if points > first and size > 0.0:
                apart = min(apart, short_memory._CLIP * size)
            teaches = min(apart, short_memory._MAX_SQUARED) ** 2 if squared else apart
            self.size[m] += max(scale, 1.0 / points) * (teaches - self.size[m])
            self.level[m] = level + (1.0 if slow >= 1.0 else max(slow, 1.0 / (points + 1.0))) * (x - level)
        self.seen += 1
        if self.seen >= tail_calibration.MOST:
            self.bins = [[(count + 1) // 2 for count in bins] for bins in self.bins]
            self.seen = sum(self.bins[-1])
        return total / short_memory.MEMBERS

    def shift(self, by: float) -> None:
        self.points += 1
        self.fast += by
        self.level = [level + by for level in self.level]

    def _surprise(self, bins: list[int], top: int, place: float) -> float:
        t, seen = tail_calibration, self.seen
        wanted = max(float(t.TAIL_SCORES), t.TAIL_SHARE * seen)
        count, weighted, bin_ = 0, 0.0, top
        while bin_ > 0:
            here = bins[bin_]
            if count + here >= wanted:
                break
            count += here
            weighted += here * (bin_ + 0.5)
            bin_ -= 1
        edge = bin_ + 1
        if place >= edge:
            excess = (weighted - count * edge + t.PRIOR_SCORES * t.PRIOR_EXCESS) / (count + t.PRIOR_SCORES)
            share = (count + 0.5) / (seen + 1.0) * math.exp(-(place - edge) / max(excess, t.MIN_EXCESS))
            return min(-math.log10(max(share, 1e-300)), t._RAREST)
        if place < 0.0:
            return 0.0
        own = int(place)
        above = count + sum(bins[own + 1 : edge]) + bins[own] * (own + 1 - place)
        return max(-math.log10((above + 0.5) / (seen + 1.0)), 0.0)


def _nearest(cells: list[int], cell: int) -> int:
    """Return the cell that is nearest in an ascending list, the lower one on a tie; -1 if there is none."""
    at = bisect_left(cells, cell)
    if at < len(cells) and cells[at] == cell:
        return cell
    left = cells[at - 1] if at else -1
    right = cells[at] if at < len(cells) else -1
    if left < 0 or right < 0:
        return max(left, right)
    return left if cell - left <= right - cell else right


class ValueNovelty:
    """Distance to the nearest value ever seen."""

    def __init__(self) -> None:
        self.moments = Moments()
        self.cells: list[int] = []

    def step(self, y: float) -> float:
        cell = value.cell_of.py_func(y)
        nearest = _nearest(self.cells, cell)
        if nearest < 0:
            nearest = cell
            self.cells.append(cell)
        elif nearest != cell:
            insort(self.cells, cell)
        distance = abs(cell - nearest) * value.GRID
        z = self.moments.deviate(distance, value.FLOOR)
        self.moments.add(distance)
        return z


class Rarity:
    """Mean surprise of the last values against all such means of the past."""

    def __init__(self) -> None:
        self.maxima = BlockMaxima(rarity.BLOCK)
        self.count, self.total = 0, 0
        self.near = [0] * rarity._BINS
        self.recent: deque[int] = deque()
        self.means: deque[int] = deque()
        self.levels: list[int] = []

    def step(self, y: float) -> float:
        middle = round((min(max(y, -value.REACH), value.REACH) + value.REACH) / rarity._BIN)
        near = sum(self.near[max(middle - 1, 0) : middle + 2])
        self.near[middle] += 1
        surprise = -math.log((near / 3.0 + 0.5) / (self.count + 1.0))
        code = min(round(surprise * rarity._PER_NAT), 2**rarity._SURPRISE_BITS - 1)
        self.count += 1
        self.recent.append(code)
        self.total += code
        if self.count < rarity.WINDOW:
            return 0.0
        if len(self.recent) > rarity.WINDOW:
            self.total -= self.recent.popleft()
        level = min(round(self.total / (rarity.WINDOW * rarity._PER_NAT * rarity._LEVEL)), rarity._LEVELS - 1)
        self.means.append(level)
        if len(self.means) > rarity.WINDOW:
            earlier = self.means.popleft()
            at = bisect_left(self.levels, earlier)
            if at == len(self.levels) or self.levels[at] != earlier:
                self.levels.insert(at, earlier)
        nearest = _nearest(self.levels, level)
        if nearest < 0:
            return 0.0
        distance = abs(level - nearest) * rarity._LEVEL
        z = self.maxima.deviate(distance, rarity.FLOOR)
        self.maxima.add_score(distance)
        return z


class Season:
    """The last 18 hours against the same hours of past days."""

    def __init__(self, slot_ms: float, slots: int, points: int) -> None:
        self.slot_ms, self.slots, self.points = slot_ms, slots, points
        self.all, self.maxima = Moments(), BlockMaxima(steady_season.SLOTS)
        self.maxima.length = slots
        self.slot, self.sum, self.filled, self.done, self.gate = 0, 0.0, 0, False, 0.0
        self.means: dict[int, float] = {}

    def step(self, y: float, ts: int) -> float:
        slot = int(ts // self.slot_ms)
        z = 0.0
        if slot != self.slot and self.filled > 0 and not self.done:
            z = self._finish(self.slot)
        if slot > self.slot:
            self.slot, self.sum, self.filled, self.done = slot, 0.0, 0, False
        self.sum += min(max(y, -slot_means._MAX_Y), slot_means._MAX_Y)
        self.filled += 1
        if self.filled >= self.points and not self.done:
            self.done = True
            z = max(z, self._finish(slot))
        return z

    def _finish(self, slot: int) -> float:
        step, slots, means = slot_means._STEP, self.slots, self.means
        kept = slots * (steady_season.PERIODS + 1)
        means[slot] = round((self.sum / self.filled + 12.0) / step) * step - 12.0
        means.pop(slot - kept, None)
        if slot % max(slots // 4, 1) == 0:
            self._update_gate(slot)
        length = int(slot_means._SHARE * slots)
        now = [means.get(slot - k) for k in range(length)]
        best = _INF
        for back in range(slots, slots * steady_season.PERIODS + 1, slots):
            if slot - back not in means and slot - back < min(means):
                break
            apart = [
                a - b
                for a, b in zip(now, (means.get(slot - k - back) for k in range(length)), strict=True)
                if a is not None and b is not None
            ]
            if len(apart) >= slot_means._KNOWN * length:
                best = min(best, math.sqrt(sum(d * d for d in apart) / len(apart)))
        if best == _INF:
            return 0.0
        exact = self.all.deviate(best, steady_season.FLOOR)
        steady = self.maxima.deviate(best, steady_season.FLOOR)
        blocks = self.maxima.n
        self.all.add(best)
        self.maxima.add_score(best)
        if (
            self.gate >= steady_season.EXACT
            and blocks >= steady_season.EXACT_BLOCKS
            and exact > steady_season.EXACT_LIMIT
        ):
            return exact
        return steady if self.gate > steady_season.OPEN and blocks >= steady_season.FEWEST_BLOCKS else 0.0

    def _update_gate(self, slot: int) -> None:
        slots, means = self.slots, self.means
        reach = slots * (slot_means._GATE_PERIODS + 1)
        whole, half = (
            sorted(
                abs(now - then)
                for k in range(reach - back)
                if (now := means.get(slot - k)) is not None and (then := means.get(slot - k - back)) is not None
            )
            for back in (slots, slots // 2)
        )
        self.gate = 0.0
        if len(whole) >= slots and len(half) >= slots and half[len(half) // 2] > 0:
            self.gate = 1.0 - whole[len(whole) // 2] / half[len(half) // 2]
