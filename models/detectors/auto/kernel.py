"""One row of state per series of the ``auto`` detector, and how it changes with each point.

A row begins with the peak stage, followed by one block per feature: short memory (from the first point on), then value
novelty, rarity and season, which need a scale first. Until ``start_up`` values are there, these are collected in the
room that the three kernels use later, then replayed.

Each member's evidence is a ratio: 1 is where it alerts by itself. The largest counts.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints
from eddy.models.core.state_bounds import MOST, Bounds, Each, Either, Numbers, Row, count, one_of, scale, size
from eddy.models.detectors.auto import shape_memory, short_memory, steady_season
from eddy.models.detectors.auto.shape_memory import begin as shape_begin
from eddy.models.detectors.auto.shape_memory import step as shape_step
from eddy.models.detectors.auto.short_memory import shift
from eddy.models.detectors.auto.short_memory import step as short_step
from eddy.models.detectors.auto.steady_season import step as season_step
from eddy.models.detectors.novelty import peak_filter, rarity
from eddy.models.detectors.novelty import value as value_novelty
from eddy.models.detectors.novelty.kernel import LARGEST, MIN_SLOT_MS, bounded, quantile, scaled, spread_of
from eddy.models.detectors.novelty.peak_filter import peak
from eddy.models.detectors.novelty.rarity import step as rarity_step
from eddy.models.detectors.novelty.value import step as value_step

SHORT, VALUE, RARITY, SEASON, SHAPE = range(5)  # members, in the order in which equals win
MEMBERS = 5
WITHOUT_VALUE = 2.0  # in the place of RUNNING: new values came too often in training data to be news

# Words of a feature's block.
RUNNING, COLLECTED, CENTRE, SPREAD, SLOT_MS, SLOTS, SLOT_POINTS = range(7)
NEAREST, HIGHEST, LOWEST, RECORDS, HELD, RISES = range(7, 13)  # the dense score held is in the first feature's block
EVIDENCE = 13  # of each member at the newest point; short memory: before the features' correction
SHORT_AT = EVIDENCE + MEMBERS
VALUE_AT = SHORT_AT + short_memory.STATE_WIDTH
RARITY_AT = VALUE_AT + value_novelty.STATE_WIDTH
SEASON_AT = RARITY_AT + rarity.STATE_WIDTH
SHAPE_AT = SEASON_AT  # a series has a clock, and a season may be found, or it has none, and shape is looked at
FEATURE_WIDTH = SEASON_AT + max(steady_season.STATE_WIDTH, shape_memory.STATE_WIDTH)
MAX_START_UP = (FEATURE_WIDTH - VALUE_AT) // 2  # points that start-up can collect

#: Short memory alerts at a surprise of 2.5 decades after 100,000 points, and asks 0.7 more for each tenth of them, up
#: to 3.3: the shorter the past, the less of what is normal it has shown.
SURPRISE = 2.5
SHORT_PAST = 0.7
LONG_PAST = 1e5  # points
MAX_SURPRISE = 3.3
#: Value novelty alerts at 1.96 deviates, and from 4,000 points on asks 2 more for each tenfold: rare new values of a
#: heavy tail keep coming.
DEVIATES = 1.96
LONGER_PAST = 2.0
USUAL_PAST = 4000.0  # points
#: The season alerts at the 5 % point of the largest distances of past days, to one side: 1.64.
DAYS_DEVIATES = 1.64
ALONGSIDE = 1.5  # decades of short memory's surprise that a new value needs beside it
#: Correction for the number of features, in decades of surprise per decade of features: for the most surprised one,
#: and for the mean of the two most surprised. Šidák's 1 is for independent features; these are not.
ONE_OF = 0.6
TWO_OF = 0.1
#: Where shapes are looked at, short memory alerts by itself from this surprise on, and a subsequence that is twice as
#: unlike the others as usual ranks as high as what alerts.
BESIDE_SHAPE = 3.5
UNLIKE = 2.0
#: Share of the dense score, as a logarithm, that the next point keeps: an event is more than its first point, and one a
#: thousand times as large is not held much longer.
_HELD = 0.985
_POINTS, _FIRST, _SECOND, _ALERTING, _DENSE, _SHAPED, _GONE, _OUT = range(8)  # what the features of a point add up to
_RECORDS_KEPT = float(np.exp(-1.0 / 300.0))  # a point: records are counted over about 300 points
_MAX_RECORDS = 8.0  # of the last 300 points: a ramp or a counter, where every value is new
_RECORD_COST = 0.2  # how much more of a new value is asked for each of the records: they announce further ones
#: A series is noise where the value before predicts no better than the average of about 33 points does: the differences
#: to the former are then 1.4 times as large. Its tail alone surprises short memory and brings new values, so more is
#: asked of both, from a past on that shows it.
_NOISE_FROM, _NOISE_TO = 1.25, 1.38
_NOISE_AFTER = 500.0  # points; from twice as many on in full
NOISE_SURPRISE = 3.6
_NOISE_VALUE = 1.0  # how much more of a new value is asked, besides this for each record
#: A counter is never negative, and only rises but where it begins anew: that is no event, and its values are all new.
_RISES_KEPT = float(np.exp(-1.0 / 300.0))  # a point: rises are counted over about 300 moves
_COUNTER = 0.99  # share of rises
#: Absence alerts at a run of zeros as rare as one in 10,000, longer than any before it.
ABSENT = 4.0  # decades
_ZEROS_KNOWN = (
    2.0**20
)  # in the place of COLLECTED once that is done, with the longest run so far, this one, and whether it alerted
_MAX_ZEROS = 1023  # of a run that are counted, and after which zeros are usual
_SLOWEST = 3  # of short memory's averages that say what is usual for zeros: 10, 33 and 140 points
_SMALLEST, _RAREST = 1e-3, 12.0  # variance of a count over its mean; decades
_MIN_SPREAD = 1e-3  # of a constant start-up at 0, in the series' units
_FEWEST_SLOTS, _MAX_SLOTS = 8, steady_season.SLOTS
_DAY_MS = 86_400_000.0
_MAX_DAY_POINTS = 17_280  # one in 5 seconds: a day of more is never seen often enough


def state_width(features: int) -> int:
    """State size of a series."""
    return peak_filter.STATE_WIDTH + features * FEATURE_WIDTH


def bounds(features: int, start_up: int) -> Bounds:
    """Return what the state of a series may be: of each feature start-up values, or running kernels."""
    seen = Row(Numbers(3), size(2), size(), Numbers(MEMBERS), short_memory.bounds())
    collecting = Row(
        one_of(0), count(start_up - 1), Numbers(2), size(), one_of(0), size(), seen, Numbers(FEATURE_WIDTH - VALUE_AT)
    )
    known = Row(one_of(1, int(WITHOUT_VALUE)), count(), Numbers(), scale())
    memories = Row(value_novelty.bounds(), rarity.bounds())
    unclocked = Row(
        known, size(), one_of(0), size(), seen, memories, shape_memory.bounds(),
        Numbers(FEATURE_WIDTH - SHAPE_AT - shape_memory.STATE_WIDTH),
    )  # fmt: skip
    clocked = Row(
        known, Numbers(1, MIN_SLOT_MS), one_of(_FEWEST_SLOTS, _MAX_SLOTS), one_of(1, MOST), seen, memories,
        steady_season.bounds(), Numbers(FEATURE_WIDTH - SEASON_AT - steady_season.STATE_WIDTH),
    )  # fmt: skip
    return Row(peak_filter.bounds(), Each(Either(collecting, unclocked, clocked), features))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def begin(row: Floats, at: int, values: Floats, ts: Ints) -> None:
    """Take scale and season of a feature from (n,) points, NaN excluded; leaves short memory as it is."""
    row[at + VALUE_AT : at + FEATURE_WIDTH] = 0.0
    ordered = np.minimum(np.maximum(np.sort(values), -LARGEST), LARGEST)
    centre = quantile(ordered, 0.5)
    spread = spread_of(ordered, max(abs(centre), _MIN_SPREAD))
    row[at + RUNNING], row[at + CENTRE], row[at + SPREAD] = 1.0, centre, spread
    if len(ts) < 2:
        return
    interval = max(quantile(np.sort((ts[1:] - ts[:-1]).astype(np.float64)), 0.5), 1.0)
    points = round(_DAY_MS / interval)
    if points > _MAX_DAY_POINTS:
        shape_begin(row, at + SHAPE_AT, values)
    elif points >= _FEWEST_SLOTS:
        slots = min(points, _MAX_SLOTS)
        row[at + SLOTS] = slots
        row[at + SLOT_MS] = _DAY_MS / slots
        row[at + SLOT_POINTS] = max(round(points / slots), 1)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def surprise_wanted(points: float) -> float:
    """Mean surprise from which short memory alerts after so many points."""
    more = SHORT_PAST * max(np.log10(LONG_PAST / max(points, 1.0)), 0.0)
    return float(min(SURPRISE + more, MAX_SURPRISE))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def deviates_wanted(points: float, features: int) -> float:
    """Deviates from which value novelty alerts; proportional to the number of features, as its tails are heavy."""
    return float(features * (DEVIATES + LONGER_PAST * max(np.log10(max(points, 1.0) / USUAL_PAST), 0.0)))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _memories(row: Floats, at: int, x: float, ts: int) -> None:
    """Step value novelty, rarity and season of a feature whose scale is known; leaves their deviates as evidence."""
    y = scaled(x, row[at + CENTRE], row[at + SPREAD])
    row[at + EVIDENCE + VALUE], row[at + NEAREST] = value_step(row, at + VALUE_AT, y)
    row[at + EVIDENCE + RARITY] = rarity_step(row, at + RARITY_AT, y)
    row[at + EVIDENCE + SEASON] = row[at + EVIDENCE + SHAPE] = 0.0
    if row[at + SLOTS] == 0 and row[at + SHAPE_AT + shape_memory.PER_CODE] > 0:
        row[at + EVIDENCE + SHAPE] = shape_step(row, at + SHAPE_AT, (x - row[at + CENTRE]) / row[at + SPREAD])
    if row[at + SLOTS] > 0:
        row[at + EVIDENCE + SEASON] = season_step(
            row, at + SEASON_AT, y, ts, row[at + SLOT_MS], int(row[at + SLOTS]), int(row[at + SLOT_POINTS])
        )


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _records(row: Floats, at: int, x: float, first: bool) -> float:
    """How many of about the last 300 points were the highest or the lowest so far; then count this one."""
    before = row[at + RECORDS] * _RECORDS_KEPT
    row[at + RECORDS] = before
    if first:
        row[at + HIGHEST] = row[at + LOWEST] = x
    elif x > row[at + HIGHEST]:
        row[at + HIGHEST] = x
        row[at + RECORDS] += 1.0
    elif x < row[at + LOWEST]:
        row[at + LOWEST] = x
        row[at + RECORDS] += 1.0
    return float(before)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _counts(row: Floats, at: int) -> bool:
    """Say whether a series is a counter."""
    return bool(row[at + RISES] >= _COUNTER and row[at + LOWEST] >= 0.0)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _begins_anew(row: Floats, at: int, x: float) -> bool:
    """Say whether a counter falls, and let short memory go on from there; else count the move."""
    apart = x - row[at + SHORT_AT + short_memory.LEVEL]  # from the value before
    if apart < 0.0 <= x and _counts(row, at):
        row[at + RISES] *= _RISES_KEPT
        shift(row, at + SHORT_AT, apart)
        return True
    if apart != 0.0:
        row[at + RISES] += (1.0 - _RISES_KEPT) * ((1.0 if apart > 0.0 else 0.0) - row[at + RISES])
    return False


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _zeros(row: Floats, at: int, x: float) -> tuple[int, bool]:
    """(zeros in a row that end with ``x``, whether they alerted already); 0 unless they are more than ever before."""
    if row[at + COLLECTED] >= _ZEROS_KNOWN:
        known = int(row[at + COLLECTED] - _ZEROS_KNOWN)
        alerted, known = known % 2, known // 2
        longest, run = known // (_MAX_ZEROS + 1), known % (_MAX_ZEROS + 1)
    else:  # it comes from before zeros were counted
        longest, run, alerted = 0 if row[at + LOWEST] > 0.0 else _MAX_ZEROS, 0, 0
    if x == 0.0:
        run = min(run + 1, _MAX_ZEROS)
    else:
        longest, run, alerted = max(longest, run), 0, 0
    row[at + COLLECTED] = _ZEROS_KNOWN + 2 * (longest * (_MAX_ZEROS + 1) + run) + alerted
    return run if run > longest and row[at + LOWEST] >= 0.0 else 0, alerted > 0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _absence(row: Floats, at: int) -> float:
    """Decades of surprise of a zero, by what was usual before it.

    Its probability is that of the negative binomial distribution with the mean and the variance of the recent past, of
    the normal where counts vary less than independent events do. The lowest of the averages counts: that the night is
    quieter than the day is no absence.
    """
    levels = at + SHORT_AT + short_memory.LEVEL
    level = min(row[levels + 1], row[levels + 2], row[levels + _SLOWEST])
    mean, variance = row[levels + _SLOWEST], row[at + SHORT_AT + short_memory.SIZE + _SLOWEST]
    if level <= 0.0:
        return 0.0
    if variance > mean:
        shape = mean * mean / (variance - mean)
        surprise = shape * np.log1p(level / shape)
    else:
        surprise = max(level, 0.5 * level * mean / max(variance, _SMALLEST * mean))
    return float(min(surprise / np.log(10.0), _RAREST))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _absent(row: Floats, at: int, x: float, features: int, out: Floats) -> float:
    """Evidence that what is counted has stopped; once a run of zeros has alerted, it does so until it ends."""
    if row[at + RUNNING] == 0.0:
        return 0.0
    run, alerted = _zeros(row, at, x)
    if run in (0, _MAX_ZEROS):  # by then it is usual
        return 0.0
    absent = run * _absence(row, at) / (ABSENT + np.log10(features))
    if absent > 1.0:  # twice the decades are as sure as ten times the deviates of a new value
        absent = 10.0 ** min(absent - 1.0, 1.0)
    if alerted:
        absent = 1.0
    elif absent >= 1.0:
        row[at + COLLECTED] += 1.0
    if absent >= 1.0:
        out[_GONE] = max(out[_GONE], absent)
    return float(absent)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _noise(row: Floats, at: int) -> float:
    """How sure it is that a series is noise without memory, 0 to 1."""
    step, apart = row[at + SHORT_AT + short_memory.SIZE], row[at + SHORT_AT + short_memory.SIZE + 2]
    if apart <= 0.0:
        return 0.0
    known = min(max(row[at + SHORT_AT + short_memory.POINTS] / _NOISE_AFTER - 1.0, 0.0), 1.0)
    return float(known * min(max((step / apart - _NOISE_FROM) / (_NOISE_TO - _NOISE_FROM), 0.0), 1.0))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _more_of_value(noise: float, records: float) -> float:
    """How much more of a new value is asked."""
    return float((1.0 + (_RECORD_COST + _NOISE_VALUE * noise) * records) * (1.0 + _NOISE_VALUE * noise))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _feature_step(
    row: Floats, at: int, x: float, ts: int, features: int, members: int, start_up: int, out: Floats
) -> None:
    """Step every member of one feature; leaves their evidence in its block and adds to ``out``.

    Args:
        row, at: state, and the first word of the feature's block.
        x, ts: value and epoch ms.
        features: how many there are.
        members: whose evidence counts, as a sum of bits.
        start_up: values that are collected before the scale is taken.
        out: (_OUT,) the largest so far of all features, by the names of its places.
    """
    count = row[at + SHORT_AT + short_memory.POINTS] + 1.0
    out[_POINTS] = max(out[_POINTS], count)
    if count > 1.0 and _begins_anew(row, at, x):
        return
    noise = _noise(row, at)
    absent = _absent(row, at, x, features, out) if members >> VALUE & 1 else 0.0
    rare = short_step(row, at + SHORT_AT, x)
    if noise > 0.0:
        rare = max(rare - noise * max(NOISE_SURPRISE - surprise_wanted(count), 0.0), 0.0)
    if members >> SHORT & 1:
        row[at + EVIDENCE + SHORT] = rare
        if rare > out[_FIRST]:
            out[_FIRST], out[_SECOND] = rare, out[_FIRST]
        elif rare > out[_SECOND]:
            out[_SECOND] = rare
    records = _records(row, at, x, count == 1.0)
    if row[at + RUNNING] == 0.0:
        _collect(row, at, x, ts, start_up)
        return
    _memories(row, at, x, ts)
    for m in range(VALUE, MEMBERS):
        if not members >> m & 1:
            row[at + EVIDENCE + m] = 0.0
    shaped = row[at + SLOTS] == 0 and row[at + SHAPE_AT + shape_memory.PER_CODE] > 0 and (members >> SHAPE & 1) > 0
    correction = ONE_OF * np.log10(features)
    value = row[at + EVIDENCE + VALUE] / deviates_wanted(count, features)
    likely = value / _more_of_value(noise, records) if row[at + RUNNING] != WITHOUT_VALUE else 0.0
    row[at + EVIDENCE + VALUE] = max(likely, absent)
    out[_DENSE] = max(out[_DENSE], absent)
    row[at + EVIDENCE + RARITY] /= DEVIATES * features
    row[at + EVIDENCE + SEASON] /= DAYS_DEVIATES * features
    others = max(row[at + EVIDENCE + RARITY], row[at + EVIDENCE + SEASON])
    if shaped:
        out[_SHAPED] = 1.0
        codes = row[at + SHAPE_AT + shape_memory.SEEN]
        unlike = (row[at + EVIDENCE + SHAPE] - correction) / surprise_wanted(codes)
        row[at + EVIDENCE + SHAPE] = max(unlike, 0.0)
        out[_ALERTING] = max(out[_ALERTING], unlike)
        out[_DENSE] = max(out[_DENSE], row[at + SHAPE_AT + shape_memory.RATIO] / UNLIKE)
        return
    if _counts(row, at):
        return
    out[_DENSE] = max(out[_DENSE], value, others)
    out[_ALERTING] = max(out[_ALERTING], others)
    if rare - correction >= ALONGSIDE and records <= _MAX_RECORDS:
        out[_ALERTING] = max(out[_ALERTING], likely)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _collect(row: Floats, at: int, x: float, ts: int, start_up: int) -> None:
    """Keep a value of start-up; with the last one take the scale from all of them and replay them."""
    collected = int(row[at + COLLECTED])
    row[at + VALUE_AT + 2 * collected], row[at + VALUE_AT + 2 * collected + 1] = x, float(ts)
    row[at + COLLECTED] = collected + 1.0
    if collected + 1 < start_up:
        return
    past = row[at + VALUE_AT : at + VALUE_AT + 2 * (collected + 1)].copy()
    times = past[1::2].astype(np.int64)
    begin(row, at, past[::2].copy(), times)
    for k in range(collected + 1):
        _memories(row, at, past[2 * k], times[k])
    for m in range(VALUE, MEMBERS):
        row[at + EVIDENCE + m] = 0.0
    row[at + COLLECTED] = _ZEROS_KNOWN
    for k in range(collected + 1):
        _zeros(row, at, past[2 * k])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _short(first: float, second: float, points: float, features: int, shaped: bool) -> float:
    """Evidence of short memory from the largest and the second largest surprise of the features."""
    correction = np.log10(features)
    rare = first - ONE_OF * correction
    if features > 1:
        rare = max(rare, 0.5 * (first + second) - TWO_OF * correction)
    wanted = surprise_wanted(points)
    if shaped:
        wanted = max(wanted, BESIDE_SHAPE)
    return float(max(rare, 0.0) / wanted)


def short_evidence(blocks: Floats) -> float:
    """Return the evidence of short memory at the newest point of a series, (F, FEATURE_WIDTH) its features' blocks."""
    second, first = np.sort(np.append(blocks[:, EVIDENCE + SHORT], 0.0))[-2:].tolist()
    unclocked = (blocks[:, RUNNING] > 0) & (blocks[:, SLOTS] == 0)
    shaped = bool((unclocked & (blocks[:, SHAPE_AT + shape_memory.PER_CODE] > 0)).any())
    points = float(blocks[:, SHORT_AT + short_memory.POINTS].max())
    return float(_short(first, second, points, len(blocks), shaped))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def point_step(row: Floats, values: Floats, ts: int, members: int, start_up: int, limit: float, sparse: bool) -> float:
    """Score of the next point of a series; NaN where every feature is missing.

    Where it alerts: ``limit`` times the evidence. Elsewhere the dense score of the same point, mapped to below the
    limit in its order: it ranks points inside of an event and below it, and never alerts.

    Args:
        row: (words(F),) state, changed in place.
        values: (F,) in the series' units.
        ts: epoch ms, increasing.
        members: whose evidence counts, as a sum of bits.
        start_up: values of a feature that are collected before its scale is taken, at most MOST_START_UP.
        limit: score from which a point is an alert.
        sparse: one alert per event; else the dense score s of every point, held over what follows: log(1 + s) is 1.5 %
            less each point.
    """
    features, known = len(values), 0
    out = np.zeros(_OUT)
    for f in range(features):
        at = peak_filter.STATE_WIDTH + f * FEATURE_WIDTH
        row[at + EVIDENCE : at + EVIDENCE + MEMBERS] = 0.0
        if np.isfinite(values[f]):
            known += 1
            _feature_step(row, at, bounded(values[f]), ts, features, members, start_up, out)
    if known == 0:
        return np.nan
    short = _short(out[_FIRST], out[_SECOND], out[_POINTS], features, out[_SHAPED] > 0.0)
    alerting, dense = max(out[_ALERTING], out[_GONE], short), max(out[_DENSE], short)
    kept = peak(row, 0, limit * alerting, limit)
    if out[_GONE] > 0.0:  # nothing that came before announces that everything stops, and it is no event but a state
        kept = max(kept, limit * out[_GONE])
    held = max(np.log1p(dense), _HELD * row[peak_filter.STATE_WIDTH + HELD])
    row[peak_filter.STATE_WIDTH + HELD] = held
    if not sparse:
        return float(limit * np.expm1(held))
    if kept >= limit:
        return float(kept)
    return float(limit * dense / (1.0 + dense))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def rows_step(
    state: Floats,
    order: Ints,
    rows: Ints,
    values: Floats,
    ts: Ints,
    before: Floats,
    members: int,
    start_up: int,
    limit: float,
    sparse: bool,
) -> Floats:
    """Score n points of some series in the state of all of them: (n,); a series may have several points.

    Args:
        state: (rows, words), changed in place.
        order: (n,) the points, those of one series after the other, each series' in order of time.
        rows: (n,) row of each point's series.
        values, ts: (n, F), (n,) as for one point.
        before: (rows, words); gets each row's state as it was before its newest point.
    """
    scores = np.empty(len(order))
    for k in range(len(order)):
        i = order[k]
        row = rows[i]
        if k + 1 == len(order) or rows[order[k + 1]] != row:
            before[row] = state[row]
        scores[i] = point_step(state[row], values[i], ts[i], members, start_up, limit, sparse)
    return scores


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def series_step(
    row: Floats, values: Floats, ts: Ints, members: int, start_up: int, limit: float, sparse: bool
) -> Floats:
    """(n,) scores of n consecutive points of one series: the same steps, without a call for each."""
    scores = np.empty(len(values))
    for i in range(len(values)):
        scores[i] = point_step(row, values[i], ts[i], members, start_up, limit, sparse)
    return scores
