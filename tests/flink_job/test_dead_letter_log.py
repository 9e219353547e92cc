"""Check that log lines about dead letters name the record's place and cannot be forged by its content."""

from __future__ import annotations

import logging

import pytest

from eddy.flink_job.operators.dead_letters import EVERY_MS, DeadLetter, DeadLetterLog, Record


def test_dead_letters_are_logged_once_a_minute_per_reason_with_place_and_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    letters = DeadLetterLog("eddy.observations")

    def letter(reason: str, detail: str, offset: int) -> DeadLetter:
        return DeadLetter(Record(b"pump-7", b"", 0, 3, offset), reason, detail)

    with caplog.at_level(logging.WARNING):
        for k in range(5):
            letters.note(1000 + k, letter("late", "found ts 1", 10 + k))
        letters.note(1005, letter("bad-ts", "found ts", 20))
        letters.note(1000 + EVERY_MS, letter("late", "found ts 2", 30))
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
        DeadLetterLog("t").note(0, DeadLetter(Record(key, b"", 0, 0, 0), "late", "d\n"))
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()
