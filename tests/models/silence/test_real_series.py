"""Check silence on the timestamps of NAB: sensors, servers, roads, taxis, with the holes that they really have."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.models.silence.streams import HOUR, silences

NAB = Path(__file__).parents[3] / ".." / "shared" / "data" / "nab"
HOLES = {"ambient_temperature_system_failure": 8, "occupancy_t4013": 1}  # of 15 hours to a week; 84 hours


@pytest.mark.skipif(not NAB.exists(), reason="shared NAB series are not on this machine")
def test_only_the_real_holes_of_nab_are_silences():
    found = {}
    for path in sorted((NAB / "data").glob("real*/*.csv")):
        with path.open(newline="") as file:
            stamps = [row["timestamp"] for row in csv.DictReader(file)]
        ts = [round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) for text in stamps]
        if holes := silences(np.array(ts)):
            found[path.stem] = len(holes)
            assert min(one.until - one.last for one in holes) >= 15 * HOUR
    assert found == HOLES
