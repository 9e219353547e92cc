"""Read the history of the observations topic from a real broker as training data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eddy.errors import DataError, StackError
from eddy.settings import Settings
from eddy.training.data.kafka_history import load_history
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack


def test_history_between_two_times_is_read(unique: Callable[[], Settings]) -> None:
    settings = unique()
    messages = [harness.event(name, START + i * STEP, float(i)) for i in range(50) for name in ("a-1", "a-2", "b-1")]
    messages[30:30] = [("a-1", b"not json"), ("a-1", b'{"series": "a-1", "ts": 1, "value": 1e999}')]
    messages.append(harness.event("a-1", START + 50 * STEP, None))
    harness.send(settings, messages)
    found, bad = load_history(settings, START + 10 * STEP, START + 51 * STEP, lambda name: name.startswith("a-"))
    assert bad == 2
    assert [s.name for s in found.series] == ["a-1", "a-2"]
    one, other = found.series
    assert other.ts.tolist() == [START + i * STEP for i in range(10, 50)]
    assert other.values[:, 0].tolist() == [float(i) for i in range(10, 50)]
    assert np.isnan(one.values[-1, 0])
    assert found.interval_ms() == STEP
    with pytest.raises(DataError, match="no observation"):
        load_history(settings, START + 1000 * STEP)
    absent = settings.model_copy(update={"topics": settings.topics.model_copy(update={"observations": "nowhere"})})
    with pytest.raises(StackError, match="nowhere"):
        load_history(absent)
