"""Say which series a pattern names: one rule for alert rules, models, training data, client and command line."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


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
