"""Read any CSV files as a source, in order of event time or of the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.reader import DEFAULT, ROWS, read_csv
from eddy.csv_files.skipped import Skipped
from eddy.errors import DataError
from eddy.observation import Observations
from eddy.producers.source import Blocks

Order = Literal["time", "file"]


class CsvSource:
    """Read observations from one or more CSV files.

    Bad rows are skipped and counted with their line number. In order ``time`` everything is read first, then sorted by
    event time across series and files (stable); in order ``file`` memory stays bounded.
    """

    def __init__(
        self, paths: Sequence[Path], layout: CsvLayout = DEFAULT, *, order: Order = "time", strict: bool = False
    ) -> None:
        for path in paths:
            if not path.is_file():  # known before a broker is asked
                raise DataError(f"{path}: is not a file; name an existing CSV file")
        self.paths = tuple(paths)
        self.layout = layout
        self.order = order
        self.skipped = Skipped(strict=strict)
        self._sorted: list[Observations] | None = None
        self._counted = False

    @property
    def total(self) -> int | None:
        """Return the number of observations, known once all are read."""
        return sum(map(len, self._load())) if self.order == "time" else None

    def blocks(self) -> Blocks:
        if self.order == "time":
            yield from self._load()
            return
        # A second round over the same files must not count the same bad rows again.
        skipped, self._counted = Skipped() if self._counted else self.skipped, True
        found = False
        for path in self.paths:
            for block in read_csv(path, self.layout, skipped):
                found = True
                yield block
        if not found and not skipped.rows:
            raise DataError(f"{', '.join(map(str, self.paths))}: no row of data below the header")

    def _load(self) -> list[Observations]:
        if self._sorted is None:
            read = [block for path in self.paths for block in read_csv(path, self.layout, self.skipped)]
            if not read and not self.skipped.rows:
                raise DataError(f"{', '.join(map(str, self.paths))}: no row of data below the header")
            self._sorted = in_time_order(read)
        return self._sorted


def in_time_order(blocks: Sequence[Observations]) -> list[Observations]:
    """Return the same observations sorted by event time; rows of the same time keep their order."""
    if not blocks:
        return []
    if len({block.features for block in blocks}) > 1:
        # Different features cannot share one array: sort within runs of the same, in the order of the files.
        runs: list[list[Observations]] = []
        for block in blocks:
            if runs and runs[-1][0].features == block.features:
                runs[-1].append(block)
            else:
                runs.append([block])
        return [part for run in runs for part in in_time_order(run)]
    names: dict[str, int] = {}
    series = []
    for block in blocks:
        known = np.array([names.setdefault(name, len(names)) for name in block.names], dtype=np.int32)
        series.append(known[block.series])
    ts = np.concatenate([block.ts for block in blocks])
    order = np.argsort(ts, kind="stable")
    values = np.concatenate([block.values for block in blocks])
    whole = Observations(list(names), np.concatenate(series)[order], ts[order], values[order], blocks[0].features)
    return [whole[at : at + ROWS] for at in range(0, len(whole), ROWS)]
