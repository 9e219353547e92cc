"""Make the rules of aggregation from the settings of input sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from eddy.aggregate_settings import Aggregate
from eddy.errors import SettingsError
from eddy.input_settings import InputSource
from eddy.inputs.aggregates import aggregation, joined_names
from eddy.models.intervals.rule import IntervalRule, Measure


def interval_rules(sources: Mapping[str, InputSource]) -> list[IntervalRule]:
    """Return a rule for each source with ``aggregate``, one for all of the same ``join``.

    Args:
        sources: by the name that errors call them, such as ``input.0``. Those of one ``join`` fit together:
            :class:`eddy.settings.Settings` has checked it.

    Raises:
        SettingsError: an expression is none, also of other sources of a ``join``.

    Examples:
        >>> every = {"every": "1m", "join": "shop"}
        >>> errors = {"topics": "errors", "series": "{shop}", "aggregate": {**every, "values": {"errors": "count"}}}
        >>> calls = {"topics": "calls", "series": "{shop}", "aggregate": {**every, "values": {
        ...     "calls": "count", "failed": "errors / calls"}}}
        >>> found = interval_rules({"input.0": InputSource(**errors), "input.1": InputSource(**calls)})
        >>> [(rule.name, rule.features, dict(rule.sources)) for rule in found]
        [('shop', ('errors', 'calls', 'failed'), {'input.0': 0, 'input.1': 1})]
    """
    rules = {name: source.aggregate for name, source in sources.items() if source.aggregate is not None}
    groups: dict[tuple[bool, str], list[str]] = {}
    for name, rule in rules.items():
        groups.setdefault((bool(rule.join), rule.join or name), []).append(name)
    return [_rule(title, members, rules) for (_, title), members in groups.items()]


def _rule(title: str, members: Sequence[str], rules: Mapping[str, Aggregate]) -> IntervalRule:
    """Make the rule of some sources: their columns and values stand behind each other."""
    measures: list[Measure] = []
    columns: list[tuple[str, ...]] = []
    for number, name in enumerate(members):
        try:
            made = aggregation(rules[name], joined_names(rules, name))
        except ValueError as error:
            raise SettingsError(f"{name}.{error}") from None
        first = sum(map(len, columns))
        measures += [
            replace(one, source=number, column=one.column + first * (one.column >= 0)) for one in made.measures
        ]
        columns.append(tuple(column.label for column in made.columns))
    derived = {one.name for one in measures if one.of[0]}
    for one in measures:
        if derived & {*one.of}:
            what = "found a ratio of a ratio, expected values that events make"
            raise SettingsError(f"{members[one.source]}.aggregate.values.{one.name}: {what}")
    shape = rules[members[0]]
    return IntervalRule(
        name=title,
        every_ms=shape.every,
        wait_ms=shape.wait,
        empty=shape.empty,
        forget_after_ms=shape.forget_after,
        measures=tuple(measures),
        columns=tuple(columns),
        sources={name: number for number, name in enumerate(members)},
    )
