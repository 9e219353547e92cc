"""Check that log lines about dead letters name the record's place and cannot be forged by its content."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from eddy.flink_job.operators.dead_letter_log import EVERY_MS, DeadLetterLog


def test_dead_letters_are_logged_once_a_minute_per_reason_with_place_and_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    letters = DeadLetterLog()
    place: dict[str, Any] = {"topic": "eddy.observations", "partition": 3, "key": b"pump-7"}
    with caplog.at_level(logging.WARNING):
        for k in range(5):
            letters.note(1000 + k, reason="late", detail="found ts 1", offset=10 + k, **place)
        letters.note(1005, reason="bad-ts", detail="found ts", offset=20, **place)
        letters.note(1000 + EVERY_MS, reason="late", detail="found ts 2", offset=30, **place)
    assert [record.getMessage() for record in caplog.records] == [
        'dead letter reason="late" count=1 series="pump-7" topic="eddy.observations" partition=3 offset=10 '
        'detail="found ts 1"',
        'dead letter reason="bad-ts" count=1 series="pump-7" topic="eddy.observations" partition=3 offset=20 '
        'detail="found ts"',
        'dead letter reason="late" count=5 series="pump-7" topic="eddy.observations" partition=3 offset=30 '
        'detail="found ts 2"',
    ]


def test_control_characters_of_a_key_are_escaped_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    key = 'x"\n2026-01-01 INFO all is well\x1b[2J\xff'.encode("latin-1")
    with caplog.at_level(logging.WARNING):
        DeadLetterLog().note(0, reason="late", detail="d\n", key=key, topic="t", partition=0, offset=0)
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()
