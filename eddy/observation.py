"""Define the observation message: producers put it on Kafka, and the job reads it.

Key: the series id, UTF-8. Value: a JSON object, UTF-8::

    {"series": "taxi-007", "ts": 1404172800000, "value": 10844.0}
    {"series": "home-1", "ts": 1166289840000, "values": {"power": 4.216, "voltage": null}}

``ts`` is event time in epoch milliseconds (consumers also take ISO-8601), ``null`` is a missing value. Readers ignore
fields that they do not know. The record's Kafka timestamp is when it was sent, not ``ts``: brokers delete by it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError


@dataclass(frozen=True)
class Observations:
    """Hold a block of observations in columns, in the order in which they are sent.

    Attributes:
        names: series ids that the block may use.
        series: for each observation, the index of its series in ``names``, int32, shape (n,).
        ts: event time, epoch ms, int64, shape (n,).
        values: float64, shape (n, number of features); NaN = missing.
        features: names of the columns of ``values``; empty = one unnamed value (the ``value`` form).
    """

    names: Sequence[str]
    series: NDArray[np.int32]
    ts: NDArray[np.int64]
    values: NDArray[np.float64]
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        width = len(self.features) or 1
        if not len(self.series) == len(self.ts) == len(self.values) or self.values.shape[1:] != (width,):
            shapes = f"series {self.series.shape}, ts {self.ts.shape}, values {self.values.shape}"
            raise DataError(f"observations: {shapes} do not fit together with {width} feature(s)")

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, part: slice | NDArray[np.intp]) -> Observations:
        """Return the observations of a slice or of an index array, in that order."""
        return Observations(self.names, self.series[part], self.ts[part], self.values[part], self.features)

    def keys(self) -> list[bytes]:
        """Return the message keys, one per observation."""
        encoded = [name.encode() for name in self.names]
        return [encoded[i] for i in self.series.tolist()]

    def encode(self) -> list[bytes]:
        """Encode the message values, one per observation.

        Raises:
            DataError: a value is infinite, which no message can express.
        """
        if np.isinf(self.values).any():
            row = int(np.flatnonzero(np.isinf(self.values).any(axis=1))[0])
            where = f"series {self.names[int(self.series[row])]!r} at ts {int(self.ts[row])}"
            raise DataError(f"observation of {where}: found an infinite value, expected a number or a missing value")
        heads = [f'{{"series":{json.dumps(name, ensure_ascii=False)},"ts":' for name in self.names]
        columns = [_numbers(self.values[:, i]) for i in range(self.values.shape[1])]
        series, ts = self.series.tolist(), self.ts.tolist()
        if not self.features:
            rows = zip(series, ts, columns[0], strict=True)
            return [f'{heads[i]}{t},"value":{v}}}'.encode() for i, t, v in rows]
        # One template per block: json.dumps per message would cost ten times as much.
        fields = ",".join(json.dumps(name, ensure_ascii=False).replace("%", "%%") + ":%s" for name in self.features)
        template = '%s%d,"values":{' + fields + "}}"
        return [(template % (heads[i], t, *v)).encode() for i, t, *v in zip(series, ts, *columns, strict=True)]


def _numbers(column: NDArray[np.float64]) -> list[float] | list[float | str]:
    """Return the column's numbers, whose ``str`` is the shortest JSON that reads back as the same float64."""
    numbers: list[float] = column.tolist()
    return ["null" if v != v else v for v in numbers] if np.isnan(column).any() else numbers  # noqa: PLR0124
