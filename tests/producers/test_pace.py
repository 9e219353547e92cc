from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.errors import DataError
from eddy.producers.pace import Pace, Schedule


def test_speed_is_event_seconds_per_second() -> None:
    due = Schedule(Pace(speed=3600)).due(np.array([0, 1_800_000, 3_600_000]), now=100.0)
    assert due.tolist() == [100.0, 100.5, 101.0]


def test_delay_applies_after_each_message_across_blocks() -> None:
    schedule = Schedule(Pace(delay_seconds=0.5))
    assert schedule.due(np.array([5, 5]), now=10.0).tolist() == [10.0, 10.5]
    assert schedule.due(np.array([5]), now=10.5).tolist() == [11.0]


def test_first_message_after_a_restart_is_due_at_once() -> None:
    schedule = Schedule(Pace(speed=1))
    schedule.due(np.array([10_000, 20_000]), now=0.0)
    schedule.restart()
    assert schedule.due(np.array([500_000]), now=3.0).tolist() == [3.0]


@given(
    st.lists(st.lists(st.integers(0, 10**7), min_size=1, max_size=5), min_size=1, max_size=4),
    st.sampled_from([Pace(speed=2.5), Pace(delay_seconds=0.1), Pace()]),
)
def test_due_times_never_decrease(blocks: list[list[int]], pace: Pace) -> None:
    schedule = Schedule(pace)
    due = np.concatenate([schedule.due(np.array(block), now=float(i)) for i, block in enumerate(blocks)])
    assert np.all(np.diff(due) >= -1e-9)


@pytest.mark.parametrize(
    ("text", "delay", "expected"),
    [
        (None, 0.0, Pace()),
        (None, 0.2, Pace(None, 0.2)),
        ("max", 0.2, Pace()),
        ("3600", 0.2, Pace(3600)),
        ("2x", 0, Pace(2)),
    ],
)
def test_valid_speed_is_parsed(text: str | None, delay: float, expected: Pace) -> None:
    assert Pace.parse(text, delay) == expected


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan", "inf", ""])
def test_invalid_speed_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="--speed"):
        Pace.parse(text)
