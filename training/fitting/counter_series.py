"""Turn training series into what is scored of them: the increase of those that are counters, see
:mod:`eddy.models.preprocessing.counters`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eddy.models.artifacts.manifest import ValueType
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.preprocessing.counters import converted, is_counter
from eddy.models.preprocessing.segments import by_name, measured
from eddy.models.windowing.windows import regularise

#: features of series that are counters, by series
CounterFeatures = Mapping[str, tuple[str, ...]]
_SHOWN = 5  # names in a note


def find_counters(series: Sequence[Series], spec: WindowSpec, value_type: ValueType) -> CounterFeatures:
    """Return which features of which series are scored by their increase.

    Args:
        series: segments, as :func:`eddy.models.windowing.windows.regularise` cuts them.
        spec: features of the series.
        value_type: ``counter``: all; ``gauge``: none; ``auto``: those that look like counters.
    """
    names = by_name(series)
    if value_type != "auto":
        return dict.fromkeys(names, spec.features) if value_type == "counter" else {}
    found = {}
    for name, segments in names.items():
        values = measured(segments).values
        if own := tuple(feature for f, feature in enumerate(spec.features) if is_counter(values[:, f])):
            found[name] = own
    return found


def with_increases(series: Sequence[Series], spec: WindowSpec, counters: CounterFeatures) -> list[Series]:
    """Return the segments as they are scored; those of other series are as they were."""
    turned = {name: _increases(own, spec, counters[name]) for name, own in by_name(series).items() if name in counters}
    return [one for one in series if one.name not in turned] + [one for own in turned.values() for one in own]


def _increases(segments: Sequence[Series], spec: WindowSpec, features: Sequence[str]) -> list[Series]:
    one = measured(segments)
    values = converted(one.ts, one.values, spec, [feature in features for feature in spec.features])
    parts, at = list[Series](), 0
    for segment in segments:  # each is filled in again, now between increases
        end = at + int((~segment.imputed).sum())
        parts += regularise(segment.name, one.ts[at:end], values[at:end], spec)
        at = end
    return parts


def counters_note(counters: CounterFeatures, spec: WindowSpec, series: int) -> str:
    """Say in a sentence which of so many series are scored by their increase; empty if none is."""
    if not counters:
        return ""
    several = len(spec.features) > 1
    names = [f"{name} ({', '.join(own)})" if several else name for name, own in counters.items()]
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"{len(counters)} of {series} series are counters, scored by their increase from point to point: {shown}"
