"""Name a series by a metric and its labels, as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterable

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def labelled(name: str, labels: Iterable[tuple[str, str]]) -> str:
    r"""Return ``name{label="value",…}``; the caller sorts the labels.

    Examples:
        >>> labelled("up", []), labelled("up", [("job", "a"), ("path", 'C:\\"x"')])
        ('up', 'up{job="a",path="C:\\\\\\"x\\""}')
    """
    inner = ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in labels)
    return f"{name}{{{inner}}}" if inner else name
