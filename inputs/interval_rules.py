"""Make the rules of aggregation from the settings of input sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from eddy.errors import SettingsError
from eddy.input_settings import InputSource
from eddy.inputs.aggregates import aggregation, joined_names
from eddy.models.intervals.rule import IntervalRule, Measure


def interval_rules(sources: Mapping[str, InputSource]) -> list[IntervalRule]:
    """Return a rule for each source with ``aggregate``, one for all of the same ``join``.

    Args:
        sources: by the name that errors call them, such as ``input.0``.

    Raises:
        SettingsError: an expression is none, or sources of one ``join`` do not fit together.

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
    found = []
    for (_, title), members in groups.items():
        first = rules[members[0]]
        measures: list[Measure] = []
        columns: list[int] = []
        offset = 0
        for number, name in enumerate(members):
            rule = rules[name]
            for setting in ("every", "wait", "empty", "forget_after"):
                if getattr(rule, setting) != getattr(first, setting):
                    what = f"found another {setting} than in {members[0]}, which has the same join {rule.join!r}"
                    raise SettingsError(f"{name}.aggregate.{setting}: {what}; expected the same")
            if twice := {one.name for one in measures} & rule.values.keys():
                what = f"found {sorted(twice)[0]!r}, which another source of the join {rule.join!r} makes as well"
                raise SettingsError(f"{name}.aggregate.values: {what}; expected another name")
            try:
                made = aggregation(rule, joined_names(rules, name))
            except ValueError as error:
                raise SettingsError(f"{name}.{error}") from None
            for one in made.measures:
                measures.append(replace(one, source=number, column=one.column + offset if one.column >= 0 else -1))
            columns.append(len(made.columns))
            offset += len(made.columns)
        derived = {one.name for one in measures if one.of[0]}
        for one in measures:
            if derived & {*one.of}:
                what = "found a ratio of a ratio, expected values that events make"
                raise SettingsError(f"{members[one.source]}.aggregate.values.{one.name}: {what}")
        found.append(
            IntervalRule(
                name=title,
                every_ms=first.every,
                wait_ms=first.wait,
                empty=first.empty,
                forget_after_ms=first.forget_after,
                measures=tuple(measures),
                columns=tuple(columns),
                sources={name: number for number, name in enumerate(members)},
            )
        )
    return found
