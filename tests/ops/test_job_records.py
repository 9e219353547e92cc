"""Check that the records of submitted jobs survive a crash and never stop ``eddy up``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from eddy.ops.job_records import JobRecord, forget, job_records, remember
from eddy.stack.local import Stack

TYPES = '{"name": "types", "job": null, "overrides": "a=b"}'


def stack_in(folder) -> Stack:
    return cast(Stack, SimpleNamespace(folder=folder))  # the records need nothing else of a stack


def test_record_is_read_back_as_it_was_written(tmp_path):
    stack, record = stack_in(tmp_path), JobRecord("eddy", "f" * 32, ["job.shards=4"], "file:///savepoint")
    remember(stack, record)
    assert job_records(stack) == [record]
    forget(stack, "eddy")
    assert job_records(stack) == []


def test_record_cut_off_by_a_crash_is_reported_and_the_others_are_read(tmp_path, caplog):
    stack, record = stack_in(tmp_path), JobRecord("whole", "f" * 32, [])
    remember(stack, record)
    for name, text in (("cut", '{"name": "cut", "jo'), ("list", "[]"), ("fields", '{"colour": 1}'), ("types", TYPES)):
        (tmp_path / "jobs" / f"{name}.json").write_text(text)
    assert job_records(stack) == [record]
    assert all(f"{name}.json" in caplog.text for name in ("cut", "list", "fields", "types"))
