"""Say which series a pattern names: one rule for alert rules, models, training data, client and command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase, translate

_WILDCARDS = frozenset("*?[")


def matches(pattern: str, series: str) -> bool:
    """Return whether a pattern names a series: its own name, or a glob of ``*``, ``?`` and ``[…]``.

    Examples:
        >>> matches("pump-*", "pump-1"), matches("net.if.in[eth0]", "net.if.in[eth0]"), matches("cpu[01]", "cpu1")
        (True, True, True)
    """
    return pattern == series or fnmatchcase(series, pattern)  # a name may look like a glob: Zabbix has net.if.in[eth0]


def fits(patterns: Sequence[str], series: str) -> bool:
    """Return whether a series is named by any of the patterns, and by none that excludes (``!`` before it).

    Examples:
        >>> fits(("pump-*", "!pump-9"), "pump-1"), fits(("pump-*", "!pump-9"), "pump-9")
        (True, False)
    """
    included = any(matches(p, series) for p in patterns if not p.startswith("!"))
    return included and not any(matches(p[1:], series) for p in patterns if p.startswith("!"))


class SeriesPatterns:
    """Match series against patterns as :func:`fits` does, for many patterns and many series.

    Names cost one look-up together, globs one regular expression.

    Examples:
        >>> patterns = SeriesPatterns(["pump-*", "fan-1", "!pump-9"])
        >>> [patterns.fit(name) for name in ("pump-1", "pump-9", "fan-1", "fan-2")]
        [True, False, True, False]
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._included = _Matcher([p for p in patterns if not p.startswith("!")])
        self._excluded = _Matcher([p[1:] for p in patterns if p.startswith("!")])

    def fit(self, series: str) -> bool:
        """Return whether a series fits any of the patterns and none that excludes."""
        return self._included.match(series) and not self._excluded.match(series)


class _Matcher:
    def __init__(self, patterns: Sequence[str]) -> None:
        globs = [p for p in patterns if has_wildcard(p)]
        self._names = frozenset(patterns)  # a glob is a name as well, see :func:`matches`
        self._globs = re.compile("|".join(map(translate, globs))) if globs else None

    def match(self, series: str) -> bool:
        return series in self._names or (self._globs is not None and self._globs.match(series) is not None)


def has_wildcard(pattern: str) -> bool:
    """Return whether a pattern may fit more than the series of its own name."""
    return not _WILDCARDS.isdisjoint(pattern)
